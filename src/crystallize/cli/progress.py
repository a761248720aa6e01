"""Live progress on stderr: counts, seconds left, seconds saved. A bar in a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Collection
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Any

from crystallize.cli import console
from crystallize.cli.tally import Tally
from crystallize.plan import events
from crystallize.plan.plan import Plan
from crystallize.session import Session
from crystallize.settings import Settings

if TYPE_CHECKING:
    from rich.console import RenderableType

LINE_SECONDS = 5.0
"""Between two lines where there is no terminal."""

PreviousSeconds = Callable[[Plan], dict[str, float]]
"""Label of a job → how long it took last time."""


class Estimate:
    """Seconds left, from how long each job took last time; jobs never seen count like others that were.

    Parameters
    ----------
    previous : label → seconds it took last time.
    settled : labels of jobs that are settled already.
    """

    def __init__(self, plan: Plan, previous: dict[str, float], settled: Collection[str] = ()) -> None:
        self._plan = plan
        self._expected = [previous.get(job.label) for job in plan.jobs]
        self._left = [0] * len(plan.groups)
        self._known = [0.0] * len(plan.groups)
        self._unknown = [0] * len(plan.groups)
        self._took = [0.0] * len(plan.groups)
        self._done = [0] * len(plan.groups)
        for job, expected in zip(plan.jobs, self._expected, strict=True):
            if job.label not in settled:
                self._count(job.group, expected, 1)

    def settle(self, index: int, seconds: float | None) -> None:
        """Job `index` is settled; `seconds`: how long it ran, None when it did not."""
        group = self._plan.jobs[index].group
        self._count(group, self._expected[index], -1)
        if seconds is not None:
            self._took[group] += seconds
            self._done[group] += 1

    def seconds_left(self) -> float | None:
        """None while nothing is known of any job."""
        total = 0.0
        for number, group in enumerate(self._plan.groups):
            if not self._left[number]:
                continue
            typical = self._typical(number)
            if typical is None:
                return None
            total += (self._known[number] + self._unknown[number] * typical) / min(group.workers, self._left[number])
        return total

    def _typical(self, group: int) -> float | None:
        if self._done[group]:
            return self._took[group] / self._done[group]
        known = self._left[group] - self._unknown[group]
        if known:
            return self._known[group] / known
        done = sum(self._done)
        return sum(self._took) / done if done else None

    def _count(self, group: int, expected: float | None, change: int) -> None:
        self._left[group] += change
        if expected is None:
            self._unknown[group] += change
        else:
            self._known[group] += change * expected


class Progress:
    """A watcher that shows how a run goes, from the first job that runs until the run is over.

    Use as a context manager around the run. A run that reuses everything shows nothing.
    """

    def __init__(self, tally: Tally, previous: PreviousSeconds) -> None:
        self._tally = tally
        self._previous = previous
        self._estimate: Estimate | None = None
        self._running = ""
        self._fetches = 0
        self._settled_at = monotonic()
        self._display: _Bar | _Lines | None = None

    def __call__(self, event: events.Event) -> None:
        """Follows one event. The tally must have seen it before."""
        if isinstance(event, (events.JobStarted, events.FetchStarted)):
            self._show(event.job.group)
        elif self._estimate is not None and isinstance(event, events.Fetched):
            took = None if event.record is None or event.shared else event.record.seconds
            self._estimate.settle(event.job.index, took)
        elif self._estimate is not None and isinstance(
            event, (events.JobReused, events.JobDone, events.JobFailed, events.JobBlocked, events.JobCancelled)
        ):
            ran = isinstance(event, (events.JobDone, events.JobFailed))
            self._estimate.settle(event.job.index, self._tally.jobs[-1].seconds if ran else None)
            self._settled_at = monotonic()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.stop()

    @property
    def total(self) -> int:
        """Jobs of the run, without those that only fetch."""
        return len(self._tally.plan.jobs) - self._fetches

    @property
    def settled(self) -> int:
        """Jobs of which nothing more will be told."""
        return self._tally.counts.total()

    def line(self) -> str:
        """How the run goes, in one line."""
        counts = self._tally.counts
        parts = [f"ran {counts['ran']}", f"reused {counts['reused']}", f"failed {counts['failed']}"]
        left = None if self._estimate is None else self._estimate.seconds_left()
        if left:
            since = monotonic() - self._settled_at
            parts.append(f"about {console.rounded(max(1.0, left - since))} left")
        if self._tally.seconds_saved >= 0.05:
            parts.append(f"saved {console.duration(self._tally.seconds_saved)}")
        return " · ".join(parts)

    def _show(self, group: int) -> None:
        self._running = self._tally.plan.groups[group].name
        if self._display is None:
            self._start()

    def _start(self) -> None:
        plan = self._tally.plan
        self._fetches = sum(plan.groups[job.group].fetches_for is not None for job in plan.jobs)
        self._estimate = Estimate(plan, self._previous(plan), {row.label for row in self._tally.jobs})
        self._settled_at = monotonic()
        self._display = (_Bar if sys.stderr.isatty() else _Lines)(self)

    def __rich__(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        row = Table.grid(padding=(0, 1), expand=True)
        for ratio in (None, 1, None, None):
            row.add_column(no_wrap=True, ratio=ratio)
        bar = ProgressBar(total=self.total, completed=self.settled)
        row.add_row(self._running, bar, f"{self.settled}/{self.total}", self.line())
        return row


def previous_seconds(plan: Plan, settings: Settings) -> dict[str, float]:
    """Label of a job → how long its newest record took; jobs that were never recorded are absent."""
    labels: dict[Path, list[str]] = {}
    for job in plan.jobs:
        labels.setdefault(plan.groups[job.group].root, []).append(job.label)
    previous: dict[str, float] = {}
    with Session(settings, write=False) as session:
        for root, listed in labels.items():
            previous |= session.store(root).last_seconds(listed)
    return previous


class _Bar:
    """A line that is drawn over itself, above which what the user's code prints scrolls by."""

    def __init__(self, progress: Progress) -> None:
        from rich.live import Live

        self._live: Any = Live(
            progress,
            console=console.err(),
            transient=True,
            refresh_per_second=8,
            redirect_stdout=sys.stdout.isatty(),
        )
        self._live.start()

    def stop(self) -> None:
        """Takes the line away."""
        self._live.stop()


class _Lines:
    """A line of text every few seconds, for logs."""

    def __init__(self, progress: Progress) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, args=(progress,), name="crystallize-progress", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Writes no more lines."""
        self._stop.set()
        self._thread.join()

    def _write(self, progress: Progress) -> None:
        while not self._stop.wait(LINE_SECONDS):
            sys.stderr.write(f"{progress.settled} of {progress.total} trials: {progress.line()}\n")
            sys.stderr.flush()
