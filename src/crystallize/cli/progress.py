"""Live progress on stderr: counts, rate, seconds left, what runs where. A bar in a terminal, else a line now and then.

Shows a `Standing`, wherever that comes from: the run of this process, or one that another process drives.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from crystallize.cli import console
from crystallize.experiment.reports.going import busy_line, line
from crystallize.plan import events
from crystallize.plan.standing import Standing

if TYPE_CHECKING:
    from rich.console import RenderableType

LINE_SECONDS = 5.0
"""Between two lines where there is no terminal."""
SHOWN_BUSY = 4
"""How many running trials are named; the rest is counted."""


class Progress:
    """A watcher that shows how a run goes, from the first job that runs until the run is over.

    Use as a context manager around the run. A run that reuses everything shows nothing.

    Parameters
    ----------
    unit : what its jobs are called.
    """

    def __init__(self, unit: str = "trials") -> None:
        self._unit = unit
        self._now: Callable[[], Standing] = Standing
        self._display: Display | None = None

    def __call__(self, event: events.Event) -> None:
        """Follows one event."""
        if isinstance(event, events.RunStarted):
            self._now = event.now
        elif self._display is None and isinstance(event, events.JobStarted | events.FetchStarted):
            self._display = Display(self._now, self._unit)
            self._display.__enter__()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display.__exit__(kind, error, trace)


class Display:
    """Shows, while entered, what `now` says."""

    def __init__(self, now: Callable[[], Standing], unit: str = "trials") -> None:
        self._shown = _Bar(now) if sys.stderr.isatty() else _Lines(now, unit)

    def __enter__(self) -> Display:
        self._shown.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._shown.stop()


class _Bar:
    """Lines that are drawn over themselves, above which what the user's code prints scrolls by."""

    def __init__(self, now: Callable[[], Standing]) -> None:
        from rich.live import Live

        self._now = now
        self._live: Any = Live(
            self,
            console=console.err(),
            transient=True,
            refresh_per_second=8,
            redirect_stdout=sys.stdout.isatty(),
        )

    def start(self) -> None:
        """Shows the lines."""
        self._live.start()

    def stop(self) -> None:
        """Takes them away."""
        self._live.stop()

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        standing = self._now()
        row = Table.grid(padding=(0, 1), expand=True)
        for ratio in (None, 1, None, None):
            row.add_column(no_wrap=True, ratio=ratio)
        bar = ProgressBar(total=standing.total, completed=standing.settled)
        experiment = standing.busy[-1].label.partition("/")[0] if standing.busy else ""
        row.add_row(experiment, bar, f"{standing.settled}/{standing.total}", line(standing))
        lines = [f"  {busy_line(each)}" for each in standing.busy[:SHOWN_BUSY]]
        return Group(row, *(Text(each, "dim", no_wrap=True) for each in [*lines, *_more(standing)]))


class _Lines:
    """A line of text every few seconds, for logs."""

    def __init__(self, now: Callable[[], Standing], unit: str) -> None:
        self._unit = unit
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._write, args=(now,), name="crystallize-progress", daemon=True)

    def start(self) -> None:
        """Writes the first line in a while."""
        self._thread.start()

    def stop(self) -> None:
        """Writes no more lines."""
        self._stop.set()
        self._thread.join()

    def _write(self, now: Callable[[], Standing]) -> None:
        while not self._stop.wait(LINE_SECONDS):
            standing = now()
            busy = [f"{each.label} ({each.where})" for each in standing.busy[:SHOWN_BUSY]]
            running = " · ".join(["", *busy, *(each.strip() for each in _more(standing))])
            sys.stderr.write(f"{standing.settled} of {standing.total} {self._unit}: {line(standing)}{running}\n")
            sys.stderr.flush()


def _more(standing: Standing) -> list[str]:
    more = standing.busy_count - min(len(standing.busy), SHOWN_BUSY)
    return [f"  and {more} more"] if more > 0 else []
