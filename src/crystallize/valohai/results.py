"""What became, or would become, of every execution of a run: rows for whoever prints them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crystallize.engine.foresee import Foreseen
from crystallize.errors import ExecutionError, message_of
from crystallize.plan import events
from crystallize.session import Session
from crystallize.settings import Settings
from crystallize.store.compare import DIFFERS
from crystallize.store.record import Output, Record
from crystallize.store.reuse import Hit, Miss
from crystallize.valohai.execution import EXECUTION


@dataclass(slots=True, kw_only=True)
class NodeRow:
    """One execution, in a run or foreseen."""

    label: str
    state: str
    """``ran``, ``reused``, ``failed``, ``blocked`` or ``cancelled``; of one that is foreseen ``run``, ``reuse``,
    ``undecided`` or ``fail``."""
    reason: str = ""
    execution: int | None = None
    """Number of the execution that made the result; None when there is none."""
    record: int | None = None
    fingerprint: bytes | None = None
    seconds: float = 0.0
    error: str | None = None
    outputs: tuple[str, ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """Key → last value."""
    changes: tuple[Any, ...] = ()
    """Foreseen: `Difference` each."""
    notes: tuple[str, ...] = ()

    @property
    def node(self) -> str:
        """The node's name."""
        parts = self.label.split("/")
        return parts[-2] if len(parts) > 2 and parts[-1].isdecimal() else parts[-1]

    @property
    def child(self) -> int | None:
        """Its number among the children of a task."""
        parts = self.label.split("/")
        return int(parts[-1]) if len(parts) > 2 and parts[-1].isdecimal() else None

    @property
    def short(self) -> str:
        """Node and child, without the pipeline."""
        return self.node if self.child is None else f"{self.node}/{self.child}"


def reason_of(foreseen: Foreseen) -> str:
    """Why an execution would run or be reused, or what it waits for; empty for one that fails before it starts."""
    decision = foreseen.decision
    if isinstance(decision, Hit):
        return foreseen.job.pinned or f"nothing changed since run {decision.record.run}"
    if isinstance(decision, Miss):
        return decision.why
    if foreseen.waits_for is None:
        return ""
    above, _, fetched = foreseen.waits_for.label.partition("/.fetch/")
    waits_for = NodeRow(label=above, state="").short
    return f"waits for {waits_for}: the download of {fetched}" if fetched else f"waits for {waits_for}"


class Results:
    """A watcher that keeps a row for each execution of a run, in the order of the plan."""

    def __init__(self) -> None:
        self._rows: dict[int, NodeRow] = {}
        self._records: dict[int, Record] = {}
        self.counts: Counter[str] = Counter()
        """State → executions."""
        self.seconds_saved = 0.0
        """That the reused executions took when they ran."""
        self.notices: list[str] = []
        """What the user should know of results that are there."""

    @property
    def rows(self) -> list[NodeRow]:
        """What became of each execution."""
        return [self._rows[index] for index in sorted(self._rows)]

    @property
    def share(self) -> float:
        """How much of the run was reused, from 0 to 1."""
        return self.counts["reused"] / max(len(self._rows), 1)

    def __call__(self, event: events.Event) -> None:
        """Notes what an event says."""
        if isinstance(event, events.JobReused):
            self.seconds_saved += event.record.seconds
            reason = event.job.pinned or f"nothing changed since run {event.record.run}"
            self._add(event.job.index, "reused", _of_record(event.job.label, "reused", reason, event.record))
            self._records[event.job.index] = event.record
        elif isinstance(event, events.JobDone):
            row = _of_record(event.job.label, "ran", event.note or event.miss.why, event.record)
            self._add(event.job.index, "ran", row)
            self._records[event.job.index] = event.record
            facts = event.record.facts
            self.notices += [f"{row.short}: {text}" for text in facts.get("notices", ())]
            if DIFFERS in facts:
                self.notices.append(f"{row.short}: {facts[DIFFERS]}")
        elif isinstance(event, events.JobFailed):
            counter = event.error.counter if isinstance(event.error, ExecutionError) else None
            row = NodeRow(
                label=event.job.label,
                state="failed",
                reason=event.miss.why if event.miss is not None else "",
                execution=counter,
                seconds=event.seconds,
                error=message_of(event.error) or type(event.error).__name__,
            )
            self._add(event.job.index, "failed", row)
        elif isinstance(event, events.JobBlocked):
            fact = str(event.error).partition(": ")[2].partition(" (")[0]
            row = NodeRow(label=event.job.label, state="blocked", error=str(event.error), reason=fact)
            self._add(event.job.index, "blocked", row)
        elif isinstance(event, events.JobCancelled):
            self._add(event.job.index, "cancelled", NodeRow(label=event.job.label, state="cancelled"))

    @property
    def outputs(self) -> list[tuple[NodeRow, Output]]:
        """Every file that was written, or was when the reused execution ran, in the order of the plan."""
        return [(self._rows[index], each) for index, record in sorted(self._records.items()) for each in record.outputs]

    def copy_outputs(self, root: Path, settings: Settings, folder: Path) -> None:
        """Copies what was written to `folder`: by node, and by child for tasks; a single execution's right into it.

        A new folder inside the project is kept out of git and of the source tree.
        """
        if not folder.exists() and folder.absolute().is_relative_to(settings.root):
            folder.mkdir(parents=True)  # inside the source tree, whose files count
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")
        with Session(settings, write=False) as session:
            store = session.store(root)
            for index, record in self._records.items():
                row = self._rows[index]
                target = folder if len(self._rows) == 1 else folder / row.short
                for output in record.outputs:
                    store.lay(output, target / output.name)

    def _add(self, index: int, state: str, row: NodeRow) -> None:
        self.counts[state] += 1
        self._rows[index] = row


def _of_record(label: str, state: str, reason: str, record: Record) -> NodeRow:
    return NodeRow(
        label=label,
        state=state,
        reason=reason,
        execution=record.facts.get(EXECUTION),
        record=record.number or None,
        fingerprint=record.fingerprint,
        seconds=record.seconds,
        outputs=tuple(output.name for output in record.outputs),
        metadata={key: values[-1] for key, values in record.metrics.items() if values},
    )
