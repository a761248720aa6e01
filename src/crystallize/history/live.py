"""What other processes see of a run that is going on, and ask of it: small files in the folder `runs` of the store.

    <run>.json   how it stands, rewritten in place: as large for a million jobs as for ten
    <run>.stop   somebody asks it to stop; taken away when it was read
    <run>.log    what a run in the background or the terminal UI prints, and its jobs; the only one that stays after it

Whether the run lives is not said here: its lock says that, see `History.is_running`.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from crystallize.plan.standing import Busy, Standing

LOOK_SECONDS = 0.25
"""Between two looks at what is asked, and so between two writes."""
KEPT_RUNS = 50
"""Files of so many runs stay: logs, and what killed runs left."""

_NOW = "now"


class Live:
    """The files of one run.

    Parameters
    ----------
    is_running : says of which runs of the store it is true.
    """

    def __init__(self, store_folder: Path, run: int, is_running: Callable[[int], bool]) -> None:
        self.folder = runs_folder(store_folder)
        self.run = run
        self.is_running = is_running
        self.log = log_of(store_folder, run)
        """There for runs in the background and in the terminal UI."""
        self._standing = self.folder / f"{run}.json"
        self._stop = self.folder / f"{run}.stop"

    def write(self, standing: Standing) -> None:
        """Shows how the run stands."""
        new = self._standing.with_suffix(".new")
        new.write_text(json.dumps(standing._asdict()), encoding="utf-8")
        new.replace(self._standing)

    def read(self) -> Standing | None:
        """What the run showed last; None when it has not shown anything yet, or is over."""
        try:
            standing = Standing(**json.loads(self._standing.read_text(encoding="utf-8")))
            return standing._replace(busy=tuple(Busy(*each) for each in standing.busy))
        except (OSError, ValueError, TypeError):
            return None

    def ask_to_stop(self, now: bool) -> None:
        """Asks the run to stop: when what runs is finished, or `now`. Raises OSError when that cannot be written."""
        self.folder.mkdir(exist_ok=True)
        self._stop.write_text(_NOW if now else "", encoding="utf-8")

    def take_request(self) -> bool | None:
        """Whether it shall stop now, once for each time that somebody asked it to stop; None when nobody did."""
        try:
            now = self._stop.read_text(encoding="utf-8") == _NOW
            self._stop.unlink()
        except FileNotFoundError:
            return None
        return now

    def clear(self) -> None:
        """The run is over."""
        for path in (self._standing, self._stop):
            path.unlink(missing_ok=True)

    def clear_old(self) -> None:
        """Removes the files of runs long before this one."""
        for path in self.folder.iterdir():
            run = int(path.stem) if path.stem.isdecimal() else self.run
            if run <= self.run - KEPT_RUNS and not self.is_running(run):
                path.unlink(missing_ok=True)


def runs_folder(store_folder: Path) -> Path:
    """Where the files of all runs of a store lie."""
    return store_folder / "runs"


def log_of(store_folder: Path, run: int) -> Path:
    """Where a run in the background or in the terminal UI prints to."""
    return runs_folder(store_folder) / f"{run}.log"


class Feed:
    """While entered, a thread shows how a run stands, and passes on when it is asked to stop.

    What cannot be written is not shown, and costs the run nothing. The thread touches no database, so that workers may
    be forked beside it.

    Parameters
    ----------
    lives : the files of the run, one for each store that it has a number in.
    now : how the run stands.
    stop : called with whether it shall stop now.
    """

    def __init__(self, lives: Iterable[Live], now: Callable[[], Standing], stop: Callable[[bool], None]) -> None:
        self._lives = list(lives)
        self._now = now
        self._stop = stop
        self._shown: Standing | None = None
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Feed:
        if self._lives:
            self._thread = threading.Thread(target=self._go_on, name="crystallize-feed", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        self._over.set()
        self._thread.join()
        for live in self._lives:
            with suppress(OSError):
                live.clear()

    def _go_on(self) -> None:
        while not self._over.wait(LOOK_SECONDS):
            with suppress(OSError):
                self._show()
            for live in self._lives:
                with suppress(OSError):
                    asked = live.take_request()
                    if asked is not None:
                        self._stop(asked)

    def _show(self) -> None:
        standing = self._now()
        if self._shown is None:
            for live in self._lives:
                live.folder.mkdir(exist_ok=True)
                live.clear_old()
        # Times alone are no news: who reads them counts on from `at`.
        if self._shown is None or _without_times(standing) != _without_times(self._shown):
            self._shown = standing
            for live in self._lives:
                live.write(standing)


def _without_times(standing: Standing) -> Standing:
    return standing._replace(at=0.0, per_second=0.0, seconds_left=None)
