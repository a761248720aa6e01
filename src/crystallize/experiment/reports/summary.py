"""What is printed after a run: metrics, artifacts, hypotheses, notices and errors by experiment, then the counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystallize.errors import BlockedError, CrystallizeError, PipelineExecutionError, in_words
from crystallize.experiment.folders.user_code import user_traceback
from crystallize.experiment.reports.lines import line, print_indented, table
from crystallize.experiment.results.ends import ends
from crystallize.experiment.results.result import Result
from crystallize.experiment.results.structs import HypothesisResult
from crystallize.experiment.results.summary import describe
from crystallize.words import duration, near, plural, ranges

if TYPE_CHECKING:
    from rich.console import Console

    from crystallize.experiment.reports.tally import Tally
    from crystallize.session import Report

MOST_BLOCKED = 3
"""How many reasons for blocked trials are told before the rest is counted."""

_HAS_FRAMES = '  File "'


def print_results(console: Console, results: Mapping[str, Result]) -> None:
    """One section per experiment, then the notices that concern all of them."""
    shared = set.intersection(*(set(result.notices) for result in results.values())) if results else set()
    for name, result in results.items():
        _print_experiment(console, name, result, [note for note in result.notices if note not in shared])
    for notice in dict.fromkeys(note for result in results.values() for note in result.notices if note in shared):
        line(console, ("note: ", "yellow"), notice)


def print_run(
    console: Console,
    strategy: str,
    report: Report,
    tally: Tally,
    results: Mapping[str, Result],
    left_out: Sequence[CrystallizeError],
) -> None:
    """Everything about a finished run, ending in a line like ``ran 3, reused 37, failed 0, blocked 0 in 1.2 s``."""
    if results:
        number = f" {report.run}" if report.run else ""
        line(console, (f"run{number}", "bold"), (f"  strategy {strategy}", "dim"))
        console.print()
    print_results(console, results)
    counts = tally.counts
    told = [f"{state} {counts[state]}" for state in ("ran", "reused", "failed", "blocked")]
    if counts["cancelled"]:
        told.append(f"stopped before {counts['cancelled']}")
    if left_out:
        told.append(f"left out {plural(len(left_out), 'experiment')}")
    is_fine = not (counts["failed"] or counts["blocked"] or counts["cancelled"] or left_out)
    line(
        console,
        (", ".join(told), "bold green" if is_fine else "bold red"),
        f" in {duration(report.seconds)} (saved {duration(tally.seconds_saved)}){_beside(results)}",
    )


def _beside(results: Mapping[str, Result]) -> str:
    """What happened beside whole trials: steps from memos, fetches of outside state."""
    hits = sum(result.memo_hits for result in results.values())
    fetched = sum(result.fetched for result in results.values())
    memos = f", {plural(hits, 'step')} from memos" if hits else ""
    return memos + (f", fetched {fetched}" if fetched else "")


def print_faults(console: Console, errors: Iterable[Exception]) -> None:
    """What is wrong, or blocked by that; one line each, below the traceback of the user's own code."""
    for error in errors:
        for row in getattr(error, "traceback_text", "").splitlines():
            line(console, row)
        word = ("blocked: ", "bold yellow") if isinstance(error, BlockedError) else ("error: ", "bold red")
        line(console, word, " ".join(str(error).split()) or type(error).__name__)


def print_metrics(console: Console, conditions: Iterable[tuple[str, Mapping[str, Sequence[Any]]]]) -> None:
    """Mean ± deviation of each metric in each condition; the longer of the two goes downwards."""
    by_condition = {condition: dict(metrics) for condition, metrics in conditions if metrics}
    names = list(dict.fromkeys(metric for metrics in by_condition.values() for metric in metrics))
    if not names:
        return
    cell = {
        (condition, metric): describe(values)
        for condition, metrics in by_condition.items()
        for metric, values in metrics.items()
    }
    if len(names) > len(by_condition):
        made = table("metric", *by_condition)
        for metric in names:
            made.add_row(metric, *(cell.get((condition, metric), "") for condition in by_condition))
    else:
        made = table("condition", *names)
        for condition in by_condition:
            made.add_row(condition, *(cell.get((condition, metric), "") for metric in names))
    print_indented(console, made)


def print_artifacts(console: Console, artifacts: Mapping[str, Mapping[str, Path]], replicates: int) -> None:
    """Where each artifact lies, in a form that a shell expands to the files of all conditions and replicates."""
    width = max(map(len, artifacts), default=0)
    for name, paths in artifacts.items():
        for path in _joined(paths, replicates):
            line(console, (f"  {name.ljust(width)}  ", "dim"), path)


def _print_experiment(console: Console, name: str, result: Result, notices: Sequence[str]) -> None:
    replicates = result.provenance.get("replicates", 1)
    ran, reused = sum(result.ran.values()), sum(result.reused.values())
    pinned = "" if result.pinned is None else f" · pinned from run {result.pinned}"
    fetched = f" · fetched {result.fetched}" if result.fetched else ""
    counts = f"  {plural(replicates, 'replicate')} · ran {ran} · reused {reused}{fetched}{pinned}"
    line(console, (name, "bold"), (counts, "dim"))
    print_metrics(console, ((condition, ends(part)) for condition, part in result.metrics.parts()))
    _print_origins(console, result)
    print_artifacts(console, result.artifacts, replicates)
    for hypothesis in result.metrics.hypotheses:
        _print_hypothesis(console, hypothesis)
    for notice in notices:
        line(console, ("  note: ", "yellow"), notice)
    _print_errors(console, result)
    console.print()


def _print_origins(console: Console, result: Result) -> None:
    """How many replicates of each condition are fresh and how many reused, where the heading leaves it open."""
    alike: dict[str, list[str]] = {}
    for condition, ran in result.ran.items():
        reused = result.reused.get(condition, 0)
        counts = [f"{count} {word}" for count, word in ((ran, "fresh"), (reused, "reused")) if count]
        alike.setdefault(", ".join(counts) or "nothing ran", []).append(condition)
    if len(result.ran) > 1 and any(result.ran.values()) and any(result.reused.values()):
        origins = " · ".join(f"{', '.join(conditions)}: {counts}" for counts, conditions in alike.items())
        line(console, (f"  {origins}", "dim"))


def _joined(paths: Mapping[str, Path], replicates: int) -> list[str]:
    """The paths of all conditions and replicates, drawn together where they differ in nothing else."""
    alike: dict[str, list[str]] = {}
    for condition, path in paths.items():
        alike.setdefault(near(path).replace(f"/{condition}/", "/{condition}/", 1), []).append(condition)
    joined = []
    for pattern, conditions in alike.items():
        chosen = conditions[0] if len(conditions) == 1 else "{" + ",".join(conditions) + "}"
        shown = pattern.replace("{condition}", chosen, 1)
        joined.append(
            shown if replicates == 1 else shown.replace("/replicate_0/", f"/replicate_{{0..{replicates - 1}}}/")
        )
    return joined


def _print_hypothesis(console: Console, hypothesis: HypothesisResult) -> None:
    best = hypothesis.ranking.get("best")
    line(console, "  hypothesis ", (hypothesis.name, "bold"), ": best ", (str(best), "bold" if best else "dim"))
    said: list[tuple[str, Mapping[str, Any]]] = []
    for condition in _ranked(hypothesis):
        each = hypothesis.results.get(condition, {})
        said += [(condition, group) for group in (each if isinstance(each, list) else [each])]
    keys = list(dict.fromkeys(str(key) for _, group in said for key in group))
    if not keys:
        return
    made = table("treatment", *keys)
    for condition, group in said:
        made.add_row(condition, *(describe([group[key]]) if key in group else "" for key in keys))
    print_indented(console, made, 4)


def _ranked(hypothesis: HypothesisResult) -> list[str]:
    first = [name for name, _ in hypothesis.ranking.get("ranked", ())]
    return list(dict.fromkeys([*first, *hypothesis.results]))


def _print_errors(console: Console, result: Result) -> None:
    """Each failure with the user's traceback; trials that failed alike are told once."""
    alike: dict[str, list[str]] = {}
    blocked: list[str] = []
    for key, error in result.errors.items():
        if isinstance(error, BlockedError):
            blocked.append(" ".join(str(error).split()))
        else:
            alike.setdefault(told(error), []).append(key)
    for text, keys in alike.items():
        line(console, ("  failed: ", "bold red"), _trials(keys))
        for row in text.splitlines():
            line(console, f"    {row}")
    for reason in blocked[:MOST_BLOCKED]:
        line(console, ("  blocked: ", "bold yellow"), reason)
    if len(blocked) > MOST_BLOCKED:
        line(console, ("  blocked: ", "bold yellow"), f"and {plural(len(blocked) - MOST_BLOCKED, 'more trial')}")


def told(error: BaseException) -> str:
    """A failure in words: the traceback of the user's code, or one line where none of it was running."""
    if isinstance(error, PipelineExecutionError):
        text = told(error.original_exception)
        return text if _HAS_FRAMES in text else f"step {error.step_name} failed: {text}"
    text = user_traceback(error).rstrip()
    if _HAS_FRAMES in text:
        return text
    return in_words(error)


def _trials(keys: Sequence[str]) -> str:
    """``baseline, replicates 0-3`` from ``baseline_rep_0`` and its like; other keys as they are."""
    by_condition: dict[str, list[int]] = {}
    named: list[str] = []
    for key in keys:
        condition, is_trial, replicate = key.rpartition("_rep_")
        if is_trial and replicate.isdigit():
            by_condition.setdefault(condition, []).append(int(replicate))
        else:
            named.append(key.replace("_", " "))
    trials = [
        f"{condition}, replicate{'s' if len(numbers) > 1 else ''} {ranges(numbers)}"
        for condition, numbers in by_condition.items()
    ]
    return "; ".join([*trials, *named])
