"""Runs a random project after each of many random edits, and holds every result to one made from nothing.

``python -m tests.stories.random_edits FOLDER SEED STEPS`` prints a `Report` as JSON. A process of its own, because it
forks: some runs happen in a new process, as on the command line, others one after the other in this one, as in a
notebook; the truth always comes from a new process with an empty store.
"""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crystallize import ExperimentGraph

from .random_project import FOR_READERS, OF_ROOTS, Node, Project, edited, make, write

STEPS_OF_A_PROJECT = 40

Ran = dict[str, str]
"""Label of a trial that ran → why."""
Tree = dict[str, str]
"""Path below the folder of results → contents."""


@dataclass
class Report:
    """What came of it."""

    steps: int = 0
    trials: int = 0
    ran: int = 0
    needless: int = 0
    """Trials that ran although the very same had been recorded before."""
    needless_after: Counter[str] = field(default_factory=Counter)
    """The edit before a needless run, with the reason given → how often."""
    stale: list[str] = field(default_factory=list)
    """Where a result differs from the truth: step, edit, and the files that differ."""


class Soak:
    """One project, edited again and again."""

    def __init__(self, folder: Path, seed: int, report: Report) -> None:
        self._chance = random.Random(seed)
        self._root, self._truth = folder / "project", folder / "truth"
        self._data = self._root / "data"
        self._project = make(self._chance)
        self._past: list[Project] = []
        self._recorded: set[Any] = set()
        self._report = report

    def step(self) -> None:
        """One edit or return to an earlier state, one run, one comparison."""
        edit = self._edit()
        write(self._project, self._root, sneaky=self._chance.random() < 0.3)
        os.environ["QA_VARIABLE"] = str(self._project.variable)
        shutil.rmtree(self._truth, ignore_errors=True)
        forked(lambda: self._run(self._truth))
        here = self._chance.random() < 0.4
        ran = self._run(self._data) if here else forked(lambda: self._run(self._data))
        self._compare(edit)
        self._count(edit, ran)

    def _edit(self) -> str:
        self._past.append(deepcopy(self._project))
        if len(self._past) == 1:
            return "first run"
        if self._chance.random() < 0.2:
            self._project = deepcopy(self._chance.choice(self._past))
            return "revert"
        edits = []
        for _ in range(self._chance.choice([1, 1, 1, 2, 3])):
            self._project, what = edited(self._project, self._chance)
            edits.append(what)
        return " + ".join(edits)

    def _run(self, data: Path) -> Ran:
        os.chdir(self._root)
        os.environ["CRYSTALLIZE_DATA"] = str(data)
        for name in [name for name in sys.modules if name.partition(".")[0] == "lib"]:
            del sys.modules[name]  # as a new process would find them
        results = ExperimentGraph.from_yaml("experiments").run(strategy="resume")
        failed = {name: list(map(str, result.errors.values())) for name, result in results.items() if result.errors}
        assert not failed, failed
        return {
            "/".join((name, *key.rsplit("_rep_", 1))): reason
            for name, result in results.items()
            for key, reason in result.reasons.items()
        }

    def _compare(self, edit: str) -> None:
        told, truth = tree(self._data, self._project), tree(self._truth, self._project)
        wrong = sorted(path for path in told.keys() | truth.keys() if told.get(path) != truth.get(path))
        if wrong:
            shown = "; ".join(f"{path}: {difference(told.get(path), truth.get(path))}" for path in wrong[:2])
            self._report.stale.append(f"step {self._report.steps}, {edit}: {len(wrong)} files differ: {shown}")

    def _count(self, edit: str, ran: Ran) -> None:
        report, keys = self._report, self._keys()
        report.steps += 1
        report.trials += len(keys)
        report.ran += len(ran)
        for label, reason in ran.items():
            if keys[label] in self._recorded:
                report.needless += 1
                report.needless_after[f"{edit}: {reason}"] += 1
        self._recorded.update(keys.values())

    def _keys(self) -> dict[str, Any]:
        """Label → all that a trial's result depends on, read from the project and from the truth about its inputs."""
        keys: dict[str, Any] = {}
        conditions: dict[str, list[str]] = {}
        for name, node in self._project.nodes.items():
            inherited = any("high" in conditions[upstream] for upstream in node.reads)
            conditions[name] = ["baseline", *(["high"] if inherited or node.treatment is not None else [])]
            for condition in conditions[name]:
                for folder in sorted((self._truth / name / "v0").glob("replicate_*")):
                    replicate = folder.name.rpartition("_")[2]
                    inputs = [self._input(up, condition, replicate, node, conditions[up]) for up in node.reads]
                    keys[f"{name}/{condition}/{replicate}"] = (
                        name, condition, replicate, own_knobs(node), node.gathers,
                        node.treatment if condition == "high" else None,
                        self._project.deep, self._project.variable, self._project.seed, tuple(inputs),
                    )  # fmt: skip
        return keys

    def _input(self, upstream: str, condition: str, replicate: str, reader: Node, has: list[str]) -> Any:
        chosen = condition if condition in has else "baseline"
        folder = self._truth / upstream / "v0"
        count = len(list(folder.glob("replicate_*")))
        numbers = range(count) if reader.gathers else [int(replicate) if count > 1 else 0]
        files = [folder / f"replicate_{number}" / chosen / "WorkStep" for number in numbers]
        contents = [path.read_bytes() for each in files for path in sorted(each.iterdir())]
        knobs = self._project.nodes[upstream].knobs
        return upstream, tuple(contents), tuple(knobs[knob] for knob in FOR_READERS)


def own_knobs(node: Node) -> tuple[int, ...]:
    """The knobs that count for an experiment itself."""
    skipped = {"loader", *(OF_ROOTS if node.reads else ())}
    return tuple(number for knob, number in node.knobs.items() if knob not in skipped)


def tree(data: Path, project: Project) -> Tree:
    """The results of all experiments, as their folders show them."""
    return {
        str(path.relative_to(data)): path.read_bytes().decode("latin-1")
        for name in project.nodes
        for path in sorted((data / name).rglob("*"))
        if path.is_file() and path.name != "metadata.json"
    }


def difference(told: str | None, truth: str | None) -> str:
    """Where the contents of a file are wrong; of metrics those that are."""
    try:
        shown, right = json.loads(told or "")["metrics"], json.loads(truth or "")["metrics"]
    except (ValueError, KeyError, TypeError):
        return f"{told!r} is not {truth!r}"
    names = [name for name in {**shown, **right} if shown.get(name) != right.get(name)]
    return ", ".join(f"{name} {shown.get(name)} is not {right.get(name)}" for name in names)


def forked(work: Callable[[], Ran]) -> Ran:
    """What `work` gives in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writing, b"\n" + json.dumps(work()).encode())
        except BaseException as error:
            import traceback

            os.write(writing, "".join(traceback.format_exception(error)).encode()[-60_000:])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    assert said.startswith(b"\n"), said.decode()
    ran: Ran = json.loads(said)
    return ran


def main() -> None:
    """Runs as many steps as asked and prints the report; a new project every forty steps."""
    folder, seed, steps = Path(sys.argv[1]).resolve(), int(sys.argv[2]), int(sys.argv[3])
    logging.disable(logging.CRITICAL)
    # Without compiled code kept nobody can tell that a module was not edited since its import.
    sys.dont_write_bytecode = False
    report = Report()
    for number in range(0, steps, STEPS_OF_A_PROJECT):
        soak = Soak(folder / str(number), seed + number, report)
        for _ in range(min(STEPS_OF_A_PROJECT, steps - number)):
            soak.step()
        os.chdir(folder)
        shutil.rmtree(folder / str(number))
    print(json.dumps(vars(report)))


if __name__ == "__main__":
    main()
