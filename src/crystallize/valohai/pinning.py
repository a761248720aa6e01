"""Manual reuse: earlier executions that stand in for nodes, whatever has changed since.

Everything that could be lacking is asked for before anything runs: the execution is complete, its outputs are there,
and at least one of them flows along each edge that leads on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from crystallize.errors import DefinitionError, PinnedRecordGone, UnknownNameError, nearest
from crystallize.history.history import History
from crystallize.store.record import Record
from crystallize.store.store import Store
from crystallize.valohai.ledger import ExecutionRow, Ledger
from crystallize.valohai.spec import NodeSpec, PipelineSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """What was asked for."""

    executions: Mapping[str, str] = field(default_factory=dict)
    """Node → counter of an execution, or its UUID."""
    runs: Sequence[tuple[str, str]] = ()
    """(run, glob of node names): those nodes are what they were in that run; ``latest`` is its last run."""

    def overlaid(self, over: Pins) -> Pins:
        """These, with those of `over` in their place where they are about the same node."""
        return Pins(executions={**self.executions, **over.executions}, runs=[*self.runs, *over.runs])

    def apply(self, spec: PipelineSpec, store: Store, history: History) -> None:
        """Pins the nodes of `spec`.

        Raises UnknownNameError for nodes that it does not have, PinnedRecordGone for what cannot stand in.
        """
        ledger = Ledger(store)
        for run, pattern in self.runs:
            self._pin_from_run(spec, run, pattern, store, history)
        for name, reference in self.executions.items():
            node = spec.node(name)
            if node is None:
                remedy = nearest(name, [each.name for each in spec.nodes])
                raise UnknownNameError(f"pipeline '{spec.name}' has no node '{name}'", key="--pin", remedy=remedy)
            row = ledger.execution(int(reference)) if reference.isdecimal() else ledger.by_uuid(reference)
            if row is None:
                raise _refusal(name, f"there is no execution {reference}", "see: crystallize execution list")
            _pin(node, [_record_of(name, row, store)], f"pinned to execution {row.counter}")
        for node in spec.nodes:
            if node.pinned:
                _check_edges(spec, node, store)

    def _pin_from_run(self, spec: PipelineSpec, run: str, pattern: str, store: Store, history: History) -> None:
        number = _run_number(run, spec, history)
        fitting = [node for node in spec.nodes if node.kind != "deployment" and fnmatchcase(node.name, pattern)]
        if not fitting:
            remedy = f"there are {', '.join(node.name for node in spec.nodes)}"
            raise UnknownNameError(f"no node fits '{pattern}'", key="--reuse-from", remedy=remedy)
        served = history.served.of(number, spec.name)
        for node in fitting:
            label = f"{spec.name}/{node.name}"
            numbers = [
                record
                for name, record in sorted(served.items(), key=lambda item: _child(item[0]))
                if name == label or name.rpartition("/")[0] == label
            ]
            if not numbers:
                raise _refusal(node.name, f"run {number} has no result of it", f"see: crystallize history {spec.name}")
            records = [_complete(node.name, store.record(each), store) for each in numbers]
            _pin(node, records, f"pinned from run {number}")


def parse_pins(pins: Sequence[str], reuse_from: Sequence[str]) -> Pins:
    """What ``--pin NODE=EXECUTION`` and ``--reuse-from RUN:GLOB[,GLOB]`` mean. Raises DefinitionError."""
    executions: dict[str, str] = {}
    for text in pins:
        node, equals, execution = text.rpartition("=")
        if not (node and equals and execution):
            raise _malformed(text, "--pin", "NODE=EXECUTION", "preprocess=12")
        executions[node] = execution.removeprefix("#")
    runs: list[tuple[str, str]] = []
    for text in reuse_from:
        run, colon, patterns = text.partition(":")
        if not (run and colon and patterns):
            raise _malformed(text, "--reuse-from", "RUN:GLOB", "3:'pre*'")
        runs += [(run.removeprefix("="), pattern.strip()) for pattern in patterns.split(",") if pattern.strip()]
    return Pins(executions=executions, runs=runs)


def _run_number(run: str, spec: PipelineSpec, history: History) -> int:
    rows = history.runs(spec.name, 5)
    offered = ", ".join(str(row.number) for row in rows) or "there are none"
    if run == "latest" and rows:
        return rows[0].number
    if not run.isdecimal() or history.run(int(run)) is None:
        raise PinnedRecordGone(f"--reuse-from {run}: there is no such run; runs of '{spec.name}': {offered}")
    return int(run)


def _pin(node: NodeSpec, records: Sequence[Record], why: str) -> None:
    node.pinned = tuple(record.number for record in records)
    node.pinned_why = why


def _record_of(node: str, row: ExecutionRow, store: Store) -> Record:
    if row.status != "complete":
        fact = f"execution {row.counter} is not complete but '{row.status}' ({row.detail or 'it is running'})"
        raise _refusal(node, fact, "choose one that is")
    return _complete(node, None if row.record is None else store.record(row.record), store)


def _complete(node: str, record: Record | None, store: Store) -> Record:
    if record is None:
        raise _refusal(node, "its record is gone from the store", "run it again")
    if record.facts.get("status") != "complete":
        raise _refusal(node, f"record {record.number} is of an execution that failed", "choose another one")
    lost = store.missing_output(record)
    if lost is not None:
        raise _refusal(node, lost, "run it again")
    return record


def _check_edges(spec: PipelineSpec, node: NodeSpec, store: Store) -> None:
    records = [store.record(number) for number in node.pinned]
    names = [output.name for record in records if record is not None for output in record.outputs]
    for edge in spec.edges:
        target = spec.node(edge.target)
        if edge.source != node.name or edge.source_type != "output" or target is None or target.pinned:
            continue
        if edge.target_type == "input" and not any(fnmatchcase(name, edge.source_key) for name in names):
            listed = ", ".join(names[:5]) or "nothing"
            raise _refusal(
                node.name, f"no output is called '{edge.source_key}', which '{edge.target}' needs", f"it wrote {listed}"
            )


def _child(label: str) -> int:
    child = label.rpartition("/")[2]
    return int(child) if child.isdecimal() else 0


def _refusal(node: str, fact: str, remedy: str) -> PinnedRecordGone:
    return PinnedRecordGone(f"pin of node '{node}': {fact}; {remedy}, or leave the pin out")


def _malformed(text: str, option: str, form: str, example: str) -> DefinitionError:
    return DefinitionError(
        f"{text!r} is not of the form {form}", key=option, remedy=f"write for instance {option} {example}"
    )
