"""Running a spec from the command line: progress while it runs, then what became of every node."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from crystallize.cli.options import Output
from crystallize.cli.run import INTERRUPTED, KEPT
from crystallize.errors import DefinitionError

if TYPE_CHECKING:
    from crystallize.engine.foresee import Foreseen
    from crystallize.plan.events import Watcher
    from crystallize.session import Report
    from crystallize.store.store import Store
    from crystallize.valohai.log import Line
    from crystallize.valohai.results import NodeRow, Results
    from crystallize.valohai.running import Asked, PipelineRun
    from crystallize.valohai.spec import PipelineSpec

LOUD = (
    "no podman and no docker here: commands run in this machine's own shell. Nothing is isolated, "
    "and images are not used (choose with --runtime)"
)
STATES = {"run": "would run", "reuse": "would be reused", "undecided": "undecided", "fail": "would fail"}
_STYLES = {"ran": "green", "reused": "blue", "failed": "red", "blocked": "yellow", "cancelled": "yellow"} | {
    "run": "green", "reuse": "blue", "fail": "red", "undecided": "yellow"
}  # fmt: skip


def carry_out(
    spec: PipelineSpec,
    asked: Asked,
    command: str,
    *,
    form: Output,
    dry_run: bool,
    outputs: Path | None,
    logs: bool,
) -> None:
    """Runs a spec, or foresees it, tells what became of it, and ends with the exit code.

    Parameters
    ----------
    outputs : where copies of what was written go; None: nowhere.
    logs : whether lines are printed as commands write them.
    """
    from crystallize.cli.progress import Progress
    from crystallize.cli.streams import quiet_logs
    from crystallize.settings import Settings
    from crystallize.valohai.results import Results
    from crystallize.valohai.running import PipelineRun

    settings = Settings.load(spec.path.parent)
    results = Results()
    progress = Progress("executions")
    quiet_logs()
    listener = _Printer(len(spec.nodes) > 1, to_stderr=form is Output.json) if logs else None
    watchers: list[Watcher] = [results] if logs else [results, progress]
    running = PipelineRun(spec, asked, settings, listener=listener, watchers=watchers)
    if dry_run:
        explain(spec, asked, form, command=command, brief=True)
        return
    with progress:
        report = running.run(on_runtime=lambda name: _tell_runtime(name, asked, settings.runtime))
    if outputs is not None:
        results.copy_outputs(running.root, settings, outputs)
    raise typer.Exit(_tell(running, results, report, command, form))


def explain(
    spec: PipelineSpec, asked: Asked, form: Output, *, command: str = "pipeline explain", brief: bool = False
) -> None:
    """Foresees a spec and says why each node would run or be reused.

    Parameters
    ----------
    brief : without what changed in files.
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import line
    from crystallize.settings import Settings
    from crystallize.valohai.running import PipelineRun

    settings = Settings.load(spec.path.parent)
    running = PipelineRun(spec, asked, settings)
    with running.foreseen() as (foreseen, store):
        rows = [_foreseen(each, store, running.notes(each)) for each in foreseen if not running.fetches(each.job)]
    counts = Counter(row.state for row in rows)
    if form is Output.json:
        console.print_json(
            {
                **_head(running, command, dry_run=True),
                "run": None,
                **{state: counts[state] for state in STATES},
                "jobs": [_entry(row) for row in rows],
            }
        )
    else:
        out = console.out()
        _print_head(out, running, "dry run" if brief else "explain", "nothing is written")
        for row in rows:
            _print_foreseen(out, row, brief)
        _print_skipped(out, running)
        told = [f"{words} {counts[state]}" for state, words in STATES.items() if counts[state] or state != "fail"]
        line(out, (", ".join(told), "bold"))
    if counts["fail"]:
        raise typer.Exit(1)


def _foreseen(foreseen: Foreseen, store: Store, more: Sequence[str]) -> NodeRow:
    from crystallize.experiment.reports.explanation import changes_of, state_of
    from crystallize.store.reuse import Hit
    from crystallize.valohai.execution import EXECUTION
    from crystallize.valohai.results import NodeRow, reason_of

    decision, job, manifest = foreseen.decision, foreseen.job, foreseen.manifest
    record = decision.record if isinstance(decision, Hit) else foreseen.previous
    return NodeRow(
        label=job.label,
        state=state_of(foreseen),
        reason=reason_of(foreseen),
        execution=decision.record.facts.get(EXECUTION) if isinstance(decision, Hit) else None,
        record=decision.record.number if isinstance(decision, Hit) else None,
        fingerprint=None if manifest is None else manifest.fingerprint,
        seconds=0.0 if record is None else record.seconds,
        error=None if foreseen.error is None else str(foreseen.error),
        changes=changes_of(foreseen, store),
        notes=(*(manifest.table.notes if manifest is not None else ()), *more),
    )


def variables(texts: Sequence[str]) -> dict[str, str]:
    """What ``--var NAME=VALUE`` means. Raises DefinitionError."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise DefinitionError(
                f"{text!r} is not of the form NAME=VALUE", key="--var", remedy="write --var MODE=fast"
            )
        found[name] = value
    return found


class _Printer:
    """A listener that prints lines as they come, each behind the number of its execution where there are several."""

    def __init__(self, numbered: bool, *, to_stderr: bool) -> None:
        self._numbered = numbered
        self._to_stderr = to_stderr

    def __call__(self, counter: int, line: Line) -> None:
        stream = sys.stdout if line.stream == "stdout" and not self._to_stderr else sys.stderr
        prefix = f"#{counter}  " if self._numbered or line.stream == "status" else ""
        stream.write(f"{prefix}{line.message}\n")
        stream.flush()


def _tell_runtime(name: str, asked: Asked, configured: str | None) -> None:
    if name == "local" and asked.runtime is None and configured is None:
        typer.secho(f"note: {LOUD}", fg="yellow", bold=True, err=True)


def _tell(running: PipelineRun, results: Results, report: Report, command: str, form: Output) -> int:
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import line
    from crystallize.words import duration

    actions = running.actions
    assert actions is not None, "it was run"
    counts = results.counts
    if form is Output.json:
        console.print_json(
            {
                **_head(running, command, dry_run=False),
                "run": report.run or None,
                "interrupted": report.interrupted,
                **{state: counts[state] for state in ("ran", "reused", "failed", "blocked", "cancelled")},
                "seconds": report.seconds,
                "seconds_saved": results.seconds_saved,
                "would_reuse": report.would_reuse,
                "jobs": [_entry(row) for row in results.rows],
                "errors": actions.errors,
                "notices": [*running.spec.notices, *actions.notices, *results.notices],
            }
        )
    else:
        out = console.out()
        _print_head(out, running, f"run {report.run}", "")
        _print_rows(out, results.rows)
        _print_skipped(out, running)
        for text in (*running.spec.notices, *actions.notices, *results.notices):
            line(out, ("note: ", "yellow"), text)
        if report.would_reuse:
            line(out, ("note: ", "yellow"), f"reuse is off; --reuse would have reused {report.would_reuse}")
        for row in results.rows:
            if row.state == "failed":
                line(out, ("failed: ", "bold red"), row.error or row.label)
        for text in actions.errors:
            line(out, ("failed: ", "bold red"), text)
        told = [f"{state} {counts[state]}" for state in ("ran", "reused", "failed", "blocked")]
        if counts["cancelled"]:
            told.append(f"stopped before {counts['cancelled']}")
        fine = not (counts["failed"] or counts["blocked"] or counts["cancelled"] or actions.errors)
        share = f", reuse {results.share:.0%}" if running.spec.reuse and results.rows else ""
        saved = f" in {duration(report.seconds)} (saved {duration(results.seconds_saved)}){share}"
        line(out, (", ".join(told), "bold green" if fine else "bold red"), saved)
    if report.interrupted:
        console.err().print(KEPT)
        return INTERRUPTED
    return 1 if counts["failed"] or counts["blocked"] or actions.errors else 0


def _head(running: PipelineRun, command: str, *, dry_run: bool) -> dict[str, Any]:
    spec = running.spec
    return {
        "schema": 1,
        "command": command,
        "dry_run": dry_run,
        "pipeline": spec.name,
        "reuse": spec.reuse,
        "runtime": running.runtime.name if running.runtime is not None else None,
        "skipped": [node.name for node in running.compiled.skipped] if running.compiled is not None else [],
    }


def _entry(row: NodeRow) -> dict[str, Any]:
    from crystallize.cli.schema import exact

    return {
        "label": row.label,
        "node": row.node,
        "child": row.child,
        "state": row.state,
        "reason": row.reason,
        "execution": row.execution,
        "record": row.record,
        "fingerprint": None if row.fingerprint is None else row.fingerprint.hex(),
        "seconds": row.seconds,
        "error": row.error,
        "outputs": list(row.outputs),
        "metadata": exact(dict(row.metadata)),
        "notes": list(row.notes),
    }


def _print_head(out: Any, running: PipelineRun, what: str, more: str) -> None:
    from crystallize.experiment.reports.lines import line

    runtime = running.runtime.name if running.runtime is not None else "?"
    about = [f"reuse {'on' if running.spec.reuse else 'off'}", f"runtime {runtime}", *([more] if more else [])]
    line(out, (what, "bold"), f"  {running.spec.name}", (f"  {' · '.join(about)}", "dim"))
    out.print()


def _print_rows(out: Any, rows: Sequence[NodeRow]) -> None:
    from rich.text import Text

    from crystallize.experiment.reports.lines import print_indented, table
    from crystallize.words import duration

    made = table("node", "state", "execution", "took", "why", folded="why")
    for row in rows:
        counter = f"#{row.execution}" if row.execution is not None else ""
        made.add_row(row.short, Text(row.state, _STYLES.get(row.state, "")), counter, duration(row.seconds), row.reason)
    print_indented(out, made)
    out.print()


def _print_foreseen(out: Any, row: NodeRow, brief: bool) -> None:
    from crystallize.experiment.reports.lines import line

    reason = row.error or row.reason
    line(out, (row.short, "bold"), "  ", (STATES[row.state], _STYLES[row.state]), f": {reason}")
    if brief:
        return
    for change in row.changes:
        if change.diff:
            for text in change.diff.splitlines():
                line(out, "    ", (text, {"+": "green", "-": "red", "@": "cyan"}.get(text[:1], "")))
        else:
            old, new = (text if text is not None else "(nothing)" for text in (change.old, change.new))
            line(out, f"    {change.name}: ", (old, "red"), " → ", (new, "green"))
    for note in row.notes:
        line(out, ("    note: ", "dim"), (note, "dim"))


def _print_skipped(out: Any, running: PipelineRun) -> None:
    from crystallize.experiment.reports.lines import line

    for node in running.compiled.skipped if running.compiled is not None else ():
        line(out, ("note: ", "yellow"), f"{node.name}: skipped; deployments are not carried out here")
