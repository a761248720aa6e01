"""Pipelines of a `valohai.yaml` on the run screen: what `crystallize pipeline run` does, in the form of a target."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.text import Text

from crystallize.engine.foresee import Foreseen
from crystallize.engine.interrupt import Interrupt
from crystallize.errors import DefinitionError
from crystallize.experiment.reports.archive import Archive
from crystallize.experiment.reports.candidates import Candidate
from crystallize.experiment.reports.explanation import Explanation, changes_of, state_of
from crystallize.experiment.reports.lines import line, print_indented, table
from crystallize.experiment.reports.live import LiveRun
from crystallize.experiment.reports.opened import RUNS_OFFERED, Choices, Known
from crystallize.experiment.results.structs import merged
from crystallize.history.history import History, RunRow
from crystallize.plan.job import Job
from crystallize.session import Session
from crystallize.settings import Settings
from crystallize.store.record import Output
from crystallize.store.store import Store
from crystallize.tui.target import Outcome, Say, Shown, Written
from crystallize.valohai.document import Document, read_document
from crystallize.valohai.form import Key, check, check_inputs, fields_of, input_fields, specified
from crystallize.valohai.log import Line
from crystallize.valohai.pinning import parse_pins
from crystallize.valohai.references import References
from crystallize.valohai.results import NodeRow, Results, reason_of
from crystallize.valohai.running import Asked, PipelineRun
from crystallize.valohai.spec import NodeSpec, PipelineSpec
from crystallize.valohai.variants import children_of
from crystallize.words import duration

EXECUTION, CHILDREN = "execution", "children"
"""What stands in place of a condition: a node is one execution, a task several."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One pipeline of a `valohai.yaml`."""

    path: Path
    name: str
    reuses: bool = field(default=False, compare=False)

    def load(self) -> LoadedPipeline:
        """Reads the file."""
        return LoadedPipeline(read_document(self.path), self.name)


@dataclass(frozen=True, slots=True)
class _Node:
    """One node, as the board draws it."""

    experiment: _Name
    replicates: int
    defined: tuple[str, ...]
    switched: tuple[str, ...] = ()
    treatments: Mapping[str, object] = field(default_factory=dict)

    @property
    def conditions(self) -> tuple[str, ...]:
        return self.defined


@dataclass(frozen=True, slots=True)
class _Name:
    label: str
    path: Path | None = None


@dataclass(frozen=True, slots=True)
class _Outlook:
    nodes: Sequence[Shown]
    explanations: Sequence[Explanation]
    strategy: str = "a run"

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.explanations if each.state in ("run", "undecided"))

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        found: dict[str, dict[str, dict[str, int]]] = {}
        for each in self.explanations:
            for condition, children in each.trials.items():
                states = found.setdefault(each.experiment, {}).setdefault(condition, {})
                states[each.state] = states.get(each.state, 0) + len(children)
        return found


class LoadedPipeline:
    """A pipeline that can be foreseen and run. Raises DefinitionError when it cannot be read."""

    def __init__(self, document: Document, name: str) -> None:
        self.name = name
        self.settings = Settings.load(document.path.parent)
        self.switched_off: Mapping[str, frozenset[str]] = {}
        self._document = document
        self._spec = specified(document, name, {})
        self.fields = [*fields_of(document, name), *input_fields(self._spec)]
        with Session(self.settings, write=False) as session:
            self.store_folder = session.store(self.settings.results_root).folder
        skipped = [node.name for node in self._spec.nodes if node.kind == "deployment"]
        self.faults = [f"{node}: skipped; deployments are not carried out here" for node in skipped]

    def refusal(self, values: Mapping[Key, object]) -> str:
        """Why these values cannot be given; empty when they can."""
        try:
            spec = specified(self._document, self.name, values)
            check(spec)
            with Session(self.settings, write=False) as session:
                store = session.store(self.settings.results_root)
                check_inputs(spec, References(spec.path.parent, store))
        except DefinitionError as error:
            return f"{error.key}: {error.fact}; {error.remedy}" if error.key else str(error)
        return ""

    def known(self) -> Known | None:
        """What became of its last run; None when it never ran."""
        with Session(self.settings, write=False) as session:
            store = session.store(self.settings.results_root)
            runs = Archive(store, session.history(store.root)).runs(self.name, 1)
        return Known(runs[0][0], runs[0][1][0] if runs[0][1] else None, {}) if runs else None

    def edges(self) -> Mapping[str, Sequence[str]]:
        """Node → what it waits for, in the order in which they run."""
        from graphlib import TopologicalSorter

        waits: dict[str, list[str]] = {node.name: [] for node in self._spec.nodes if node.kind != "deployment"}
        for edge in self._spec.edges:
            if edge.source in waits and edge.target in waits and edge.source not in waits[edge.target]:
                waits[edge.target].append(edge.source)
        return {name: waits[name] for name in TopologicalSorter(waits).static_order()}

    def outlook(self, choices: Choices) -> _Outlook:
        """What a run would do, and why. Writes nothing."""
        running, spec = self._running(choices)
        with running.foreseen() as (foreseen, store):
            rows = [_explained(each, store) for each in foreseen if not running.fetches(each.job)]
        return _Outlook(_nodes(spec), rows)

    def candidates(self) -> Mapping[str, Sequence[Candidate]]:
        """Node → what the last runs had of it, newest first; in the order in which they run."""
        with Session(self.settings, write=False) as session:
            store = session.store(self.settings.results_root)
            history = session.history(store.root)
            runs = history.runs(self.name, RUNS_OFFERED)
            return {name: [_candidate(self.name, name, run, history, store) for run in runs] for name in self.edges()}

    def perform(
        self,
        choices: Choices,
        live: LiveRun,
        say: Say,
        interrupt: Interrupt,
        begin: Callable[[Sequence[Shown]], None],
    ) -> Outcome:
        """Runs it; what commands write goes to the log under the number of their execution."""

        def listen(counter: int, said: Line) -> None:
            say(f"#{counter}", said.message)

        live.place = _place
        results = Results()
        running, spec = self._running(choices, listen, results, live)
        begin(_nodes(spec))
        running.run(lambda name: say("", f"commands run in: {name}"), interrupt)
        return PipelineOutcome(self.name, results, self.settings)

    def _running(
        self, choices: Choices, listener: Callable[[int, Line], None] | None = None, *watchers: Results | LiveRun
    ) -> tuple[PipelineRun, PipelineSpec]:
        spec = specified(self._document, self.name, choices.values)
        check(spec)
        spec.reuse = not choices.rerun_all
        for node in spec.nodes:
            node.fresh = node.name in choices.rerun
        pins = parse_pins([], [f"{run}:{node}" for node, run in choices.pins.items()])
        asked = Asked(workers=os.cpu_count() or 1, pins=pins)
        return PipelineRun(spec, asked, self.settings, listener=listener, watchers=watchers), spec


@dataclass(frozen=True, slots=True)
class PipelineOutcome:
    """What became of each node."""

    pipeline: str
    results: Results
    settings: Settings

    def show(self, console: Console) -> None:
        """A row per execution, then what each of them said and wrote."""
        counts = " · ".join(f"{state} {count}" for state, count in self.results.counts.items())
        line(console, (self.pipeline, "bold"), (f"  {counts} · saved {duration(self.results.seconds_saved)}", "dim"))
        made = table("node", "state", "execution", "took", "why", folded="why")
        for row in self.results.rows:
            counter = f"#{row.execution}" if row.execution is not None else ""
            why = row.error or row.reason
            made.add_row(row.short, Text(row.state, _STYLES.get(row.state, "")), counter, duration(row.seconds), why)
        print_indented(console, made)
        for row in self.results.rows:
            if row.metadata or row.outputs:
                console.print()
                line(console, (row.short, "bold"))
                for key, value in row.metadata.items():
                    line(console, (f"  {key}  ", "dim"), str(value))
                for output in row.outputs:
                    line(console, ("  output  ", "dim"), output)
        for notice in self.results.notices:
            line(console, ("note: ", "yellow"), notice)

    @property
    def word(self) -> str:
        """Of executions."""
        return "output"

    def written(self) -> list[Written]:
        """Per execution. They lie in the store only; what is opened is put beside it, until the store is swept."""
        return [
            Written(f"{row.short} · {output.name}", f"{output.size_bytes:,} bytes", partial(self._laid, row, output))
            for row, output in self.results.outputs
        ]

    def _laid(self, row: NodeRow, output: Output) -> Path:
        with Session(self.settings, write=False) as session:
            store = session.store(self.settings.results_root)
            path = store.scratch_folder() / f"opened-{row.record}" / output.name
            store.lay(output, path)
        return path

    def json(self) -> str:
        """One object per execution."""
        return json.dumps([_entry(row) for row in self.results.rows], indent=2, ensure_ascii=False, default=str)

    def xml(self) -> str:
        """One element per execution."""
        from xml.etree import ElementTree as Xml

        top = Xml.Element("CrystallizeSummary", pipeline=self.pipeline)
        for row in self.results.rows:
            part = Xml.SubElement(top, "Execution", node=row.short, state=row.state)
            for key, value in row.metadata.items():
                Xml.SubElement(part, "Metadata", name=key).text = str(value)
            for output in row.outputs:
                Xml.SubElement(part, "Output").text = output
            if row.error:
                Xml.SubElement(part, "Error").text = row.error
        Xml.indent(top)
        return Xml.tostring(top, encoding="unicode")


_STYLES = {"ran": "green", "reused": "blue", "failed": "red", "blocked": "yellow", "cancelled": "yellow"}


def _entry(row: NodeRow) -> dict[str, object]:
    about = {"node": row.short, "state": row.state, "reason": row.reason, "execution": row.execution}
    return about | {"outputs": list(row.outputs), "metadata": dict(row.metadata), "error": row.error}


def _place(job: Job, group: str) -> tuple[str, str, int]:
    row = NodeRow(label=job.label, state="")
    return row.node, EXECUTION if row.child is None else CHILDREN, row.child or 0


def _nodes(spec: PipelineSpec) -> list[Shown]:
    return [_node(spec, node) for node in spec.nodes if node.kind != "deployment"]


def _node(spec: PipelineSpec, node: NodeSpec) -> Shown:
    if node.task is None:
        return _Node(_Name(node.name), 1, (EXECUTION,))
    try:
        count = len(list(children_of(node.task, path=spec.path, key=node.key)))
    except DefinitionError:  # told when it is to run
        count = 1
    return _Node(_Name(node.name), count, (CHILDREN,))


def _explained(foreseen: Foreseen, store: Store) -> Explanation:
    node, condition, child = _place(foreseen.job, "")
    return Explanation(
        experiment=node,
        state=state_of(foreseen),
        reason=reason_of(foreseen) or str(foreseen.error or ""),
        changes=changes_of(foreseen, store),
        trials={condition: [child]},
        seconds=0.0 if foreseen.previous is None else foreseen.previous.seconds,
    )


def _candidate(pipeline: str, node: str, run: RunRow, history: History, store: Store) -> Candidate:
    """What one run had of one node."""
    rows = [row for row in history.jobs(run.number) if NodeRow(label=row.label, state="").node == node]
    found = Candidate(run, dict(Counter(row.error or row.reason for row in rows)))
    served = history.served.of(run.number, pipeline)
    for label, number in sorted(served.items()):
        row = NodeRow(label=label, state="")
        record = store.record(number) if row.node == node else None
        if record is not None:
            name = EXECUTION if row.child is None else f"{EXECUTION} {row.child}"
            found.records[name] = [number]
            found.metrics[name] = found.shown[name] = merged([record.metrics])
    return found
