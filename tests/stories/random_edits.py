"""The alphabet of edits, as the rules of a state machine: after each edit every result must be what it would be anew.

``python -m tests.stories.random_edits FOLDER SEED EDITS`` prints a `Report` as JSON, and the shortest sequence of edits
that left a stale result, if there was one. A process of its own, because it forks.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from .random_files import write
from .random_project import Label, Node, Project, keys_of
from .random_runs import Notebook, Order, Ran, artifacts, differences, run_elsewhere, truth

EDITS_OF_A_PROJECT = 25


@dataclass
class Report:
    """What came of all edits, up to the first stale result: those after it only look for a shorter way there."""

    edits: int = 0
    runs: int = 0
    """Comparisons with the truth; an edit may wait for the next one."""
    trials: int = 0
    """Trials that were compared."""
    ran: Counter[str] = field(default_factory=Counter)
    """The edits before a run → trials that ran."""
    needless: Counter[str] = field(default_factory=Counter)
    """The edits before a run → trials that ran although the very same had been recorded before."""
    reasons: Counter[str] = field(default_factory=Counter)
    """The edits before a needless run, with the reason given → how often."""
    stale: str = ""
    """The first stale result, if there was one."""


class Way(NamedTuple):
    """How an edit is saved, and how the run after it is started."""

    saved: Literal["before", "while running", "later"]
    """Before the run, in the middle of one (another follows), or together with the next edit."""
    here: bool
    """In the process of the run before, as in a notebook; else in a new one."""
    at: int
    """So many events come before it is saved in the middle."""


NUMBERS = st.integers(0, 3)
WAYS = st.builds(
    Way,
    saved=st.sampled_from(["before", "before", "before", "while running", "later"]),
    here=st.booleans(),
    at=st.integers(0, 5),
)
Rule = Callable[..., None]


@st.composite
def projects(draw: st.DrawFn) -> Project:
    """Graphs of two to four experiments."""
    nodes: dict[str, Node] = {}
    for number in range(draw(st.integers(2, 4))):
        reads = [name for name in nodes if draw(st.booleans())]
        nodes[f"e{number}"] = Node(f"f{number}", reads, gathers=bool(reads) and draw(st.booleans()))
    nodes["e0"].treatment = 1
    return Project(nodes)


def edit(kind: str, change: Callable[..., None], *, alike: bool = False, **drawn: st.SearchStrategy[Any]) -> Rule:
    """A rule: `change` is made to a copy of the project, saved in one of all ways, and the results are compared."""

    def apply(self: RandomEdits, way: Way, **values: Any) -> None:
        project = self.project.copy()
        change(project, **values)
        self.move_to(project, kind, way, alike=alike)

    apply.__name__ = f"edit_{kind.replace(' ', '_')}"
    return rule(way=WAYS, **drawn)(apply)


def turning(kind: str, *knobs: str, alike: bool = False) -> Rule:
    """A rule that turns one of `knobs` of an experiment."""

    def turn(project: Project, which: int, knob: str, by: int) -> None:
        _, node = project.named(which)
        node.knobs[knob] = (node.knobs[knob] + by) % 3

    return edit(kind, turn, alike=alike, which=NUMBERS, knob=st.sampled_from(knobs), by=st.integers(1, 2))


def counting(kind: str, name: str) -> Rule:
    """A rule that changes what all experiments share."""

    def count(project: Project, by: int) -> None:
        setattr(project, name, (getattr(project, name) + by) % 3)

    return edit(kind, count, by=st.integers(1, 2))


def _set_treatment(project: Project, which: int, payload: int | None) -> None:
    project.named(which)[1].treatment = payload


def _set_replicates(project: Project, count: int) -> None:
    project.replicates = count


def _comment(project: Project, which: int) -> None:
    project.named(which)[1].comment += 1


def _rename(project: Project, which: int) -> None:
    _, node = project.named(which)
    node.folder = node.folder[:2] if node.folder.endswith("_moved") else f"{node.folder}_moved"


def _connect(project: Project, which: int, other: int) -> None:
    names = list(project.nodes)
    reader = 1 + which % (len(names) - 1)
    upstream = names[other % reader]
    reads = project.nodes[names[reader]].reads
    if upstream in reads:
        reads.remove(upstream)
    else:
        reads.append(upstream)


class RandomEdits(RuleBasedStateMachine):
    """One project, edited again and again."""

    folder: Path
    report: Report
    _made = 0

    def __init__(self) -> None:
        super().__init__()
        RandomEdits._made += 1
        self._folder = self.folder / str(self._made)
        self._root = self._folder / "project"
        self._notebook = Notebook()
        self._past: list[Project] = []
        self._waiting: list[str] = []
        self._recorded: set[Any] = set()

    def teardown(self) -> None:
        self._notebook.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @initialize(project=projects())
    def begin(self, project: Project) -> None:
        self.project = project
        write(project, self._root)
        self._compare("first run", run_elsewhere(Order(self._root, project.variable)))

    edit_step = turning("step", "body", "nested", "match", "genexp")
    edit_helper = turning("helper", "helper", "star", "table", "closure", "patched", "late", "behind")
    edit_constant = turning("constant", "const", "attribute", "default", "member", "argument")
    edit_base_class = turning("base class", "base")
    edit_decorator = turning("decorator", "decorator")
    edit_compiled_helper = turning("compiled helper", "compiled", "jitted")
    edit_mutated_instance = turning("mutated instance", "mutated")
    edit_value_from_file = turning("module value read from a file", "value")
    edit_pickled_class = turning("method of a pickled class", "method")
    edit_cached_loader = turning("cached loader", "cached")
    edit_cacheable_step = turning("cacheable step", "prepare", "noted")
    edit_datasource = turning("datasource", "source")
    edit_file = turning("file", "read")
    replace_file_alike = turning("file of equal size and time", "read", "cached", "value", "noted", alike=True)
    replace_module_alike = turning("module of equal size and time", "body", "helper", "const", "jitted", alike=True)
    edit_listing = turning("listing", "listing")
    edit_absent_file = turning("absent file", "absent")
    edit_loader = turning("loader", "loader")
    edit_writer = turning("writer", "writer")
    edit_parameter = turning("parameter", "param")
    edit_plugin = turning("plugin", "plugin", "marker")
    edit_seed_function = turning("seed function", "seeding")
    edit_global_generator = turning("global generator in threads", "draws", "parallel")
    edit_deep_constant = counting("constant far away", "deep")
    edit_late_constant = counting("constant of a late module", "far")
    edit_variable = counting("environment variable", "variable")
    edit_processes = counting("threads or processes", "processes")
    edit_seed = counting("seed", "seed")
    edit_treatment = edit("treatment payload", _set_treatment, which=NUMBERS, payload=st.sampled_from([None, 1, 2, 3]))
    edit_replicates = edit("replicates", _set_replicates, count=st.integers(1, 3))
    edit_comment = edit("comment", _comment, which=NUMBERS)
    rename_folder = edit("name of a folder", _rename, which=NUMBERS)
    connect = edit("connection", _connect, which=NUMBERS, other=NUMBERS)

    @precondition(lambda self: self._past)
    @rule(back=st.integers(1, 40), way=WAYS)
    def revert(self, back: int, way: Way) -> None:
        """Everything is again as it was some edits ago."""
        self.move_to(self._past[-1 - back % len(self._past)].copy(), "revert", way)

    def move_to(self, project: Project, kind: str, way: Way, *, alike: bool = False) -> None:
        """Saves the project in some way, runs it, and compares."""
        before, self.project = self.project, project
        self._past.append(before)
        self.report.edits += not self.report.stale
        self._waiting.append(kind if way.saved != "while running" else f"{kind}, saved while running")
        if way.saved == "later":
            return
        run = self._notebook.run if way.here else run_elsewhere
        if way.saved == "while running":
            write(before, self._root)
            strategy = "resume" if len(self._waiting) > 1 else "rerun"
            run(Order(self._root, before.variable, strategy, saved=project, at=way.at))
        else:
            write(project, self._root, alike=alike)
        self._compare(" + ".join(self._waiting), run(Order(self._root, project.variable)))
        self._waiting = []

    def _compare(self, kind: str, ran: Ran) -> None:
        right = truth(self.project, self._folder / "truth")
        keys = keys_of(self.project, artifacts(self.project, right))
        wrong = differences(self.project, self._root, right, ran)
        told = f"stale after {kind}: {'; '.join(wrong[:3])}"
        if wrong and not self.report.stale:
            self.report.stale = told
            print(told, file=sys.stderr, flush=True)
        if not self.report.stale:
            self._count(kind, ran, keys)
        assert not wrong, told

    def _count(self, kind: str, ran: Ran, keys: dict[Label, Any]) -> None:
        report = self.report
        report.runs += 1
        report.trials += len(keys)
        report.ran[kind] += len(ran)
        for label, reason in ran.items():
            if keys[label] in self._recorded:
                report.needless[kind] += 1
                report.reasons[f"{kind}: {reason}"] += 1
        self._recorded.update(
            key for label, key in keys.items() if label not in ran or not self.project.draws_in_company(label[0])
        )


def main() -> None:
    """Makes at least as many edits as asked, on many projects, and prints the report."""
    folder, number, edits = Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3])
    logging.disable(logging.CRITICAL)
    # Python itself would take compiled code for current where size and second of an edit are the same.
    sys.dont_write_bytecode = True
    report, of_each = Report(), min(EDITS_OF_A_PROJECT, max(4, edits // 5))
    RandomEdits.folder, RandomEdits.report = folder, report
    try:
        while report.edits < edits:
            rules = settings(
                max_examples=max(2, (edits - report.edits) // of_each),
                stateful_step_count=1 + of_each,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
                print_blob=False,
                report_multiple_bugs=False,
            )
            run_state_machine_as_test(seed(number)(RandomEdits), settings=rules)
            number += 1
    finally:
        print(json.dumps(vars(report)))


if __name__ == "__main__":
    main()
