"""The line at the top of a run screen: what is run, how far it is, how fast, and how long it will take."""

from __future__ import annotations

from time import monotonic

from rich.text import Text

from crystallize.experiment.reports.dry_run import LEAST_SECONDS
from crystallize.experiment.reports.live import LiveRun, State
from crystallize.tui.performance import Performance
from crystallize.tui.target import Foresight
from crystallize.words import duration, plural, rounded

BAR_COLUMNS = 24


def heading(name: str, strategy: str, outlook: Foresight | None, performance: Performance | None, width: int) -> Text:
    """One line of at most `width` columns."""
    text = Text.assemble((f"◆ {name}", "bold"), "  ")
    if performance is not None:
        text.append(_running(performance, width - text.cell_len))
    elif outlook is None:
        text.append("loading …", style="dim")
    else:
        text.append(_foreseen(outlook, strategy))
    text.truncate(width, overflow="ellipsis")
    return text


def _foreseen(outlook: Foresight, strategy: str) -> Text:
    counts: dict[str, int] = {}
    for each in outlook.explanations:
        counts[each.state] = counts.get(each.state, 0) + each.count
    words = {"run": "run", "reuse": "reuse", "undecided": "undecided", "fail": "fail"}
    told = ", ".join(f"{word} {counts[state]}" for state, word in words.items() if counts.get(state))
    text = Text(f"{plural(sum(counts.values()), 'trial')}: would {told}")
    if outlook.seconds >= LEAST_SECONDS:
        text.append(f" · about {duration(outlook.seconds)}")
    text.append(f" · {strategy} · R runs", style="dim")
    return text


def _running(performance: Performance, width: int) -> Text:
    live = performance.live
    if not performance.over and not live.total:
        return Text("loading …", style="dim")
    text = bar(live.settled, live.total, BAR_COLUMNS if width > 70 else BAR_COLUMNS // 2)
    text.append(f" {live.settled}/{live.total}")
    text.append(_ended(performance) if performance.over else _going(performance))
    return text


def _going(performance: Performance) -> Text:
    live = performance.live
    standing = live.now()
    text = Text()
    if standing.per_second:
        text.append(f" · {standing.per_second:.1f}/s")
    if standing.seconds_left:
        text.append(f" · about {rounded(max(1.0, standing.seconds_left))} left")
    if performance.asked_to_stop:
        text.append(" · stopping", style="bold yellow")
    if standing.busy:
        more = f" and {standing.busy_count - 1} more" if standing.busy_count > 1 else ""
        text.append(f" · {standing.busy[0].label}{more}", style="dim")
    return text


def _ended(performance: Performance) -> Text:
    live = performance.live
    counts = {state: sum(node.counts[state] for node in live.nodes.values()) for state in _TOLD}
    told = ", ".join(f"{state.word} {count}" for state, count in counts.items() if count)
    failed = any(counts[state] for state in _TROUBLE) or bool(live.failures)
    run = f"run {live.number}: " if live.number else ""
    text = Text(" · ")
    text.append(f"{run}{told or 'failed'}", style="bold red" if failed else "bold green")
    text.append(f" in {duration(_seconds(live))} · R runs again", style="dim")
    return text


_TROUBLE = (State.FAILED, State.BLOCKED, State.CANCELLED)
_TOLD = (State.DONE, State.REUSED, *_TROUBLE)


def _seconds(live: LiveRun) -> float:
    return (live.ended or monotonic()) - live.began if live.began else 0.0


def bar(settled: int, total: int, columns: int) -> Text:
    """How far it is, in `columns` columns."""
    full = columns if not total else round(columns * settled / total)
    return Text.assemble(("━" * full, "green"), ("━" * (columns - full), "dim"))
