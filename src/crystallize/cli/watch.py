"""`crystallize watch`: follows a run of another terminal, or of the background, and ends as it ends."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from crystallize.history.history import RunRow
    from crystallize.history.live import Live

LOOK_SECONDS = 0.1
"""Between two looks whether the run is over."""
CODES = {"ok": 0, "failed": 1, "killed": 1, "interrupted": 130, "cancelled": 130}
"""State of a run that is over → the exit code it ended with; one that was killed had none."""


def watch(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="The number of a run, or latest.")] = "latest",
    log: Annotated[bool, typer.Option("--log", help="Show what a run in the background prints.")] = False,
) -> None:
    """Follow a run until it is over.

    Then it says what the run did, and ends with its exit code. The latest run is the newest that is going on, else the
    newest. Ctrl-C ends the watching, not the run.

    \b
    Examples:
      crystallize watch
      crystallize watch 12 --log
    """
    from crystallize.cli import console
    from crystallize.errors import MissingFileError
    from crystallize.experiment.reports.archive import open_archive
    from crystallize.experiment.reports.runs import print_run

    with open_archive() as archive:
        found = archive.run(run)
        live = archive.history.live(found.number)
    if log and not live.log.exists():
        raise MissingFileError(
            f"run {found.number} has no log", path=live.log, remedy="it printed to the terminal in which it was started"
        )
    try:
        with _log_followed(live.log) if log else _displayed(found, live):
            while live.is_running(live.run):
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        typer.echo(f"run {live.run} goes on; stop it with: crystallize cancel {live.run}", err=True)
        raise typer.Exit(130) from None
    with open_archive() as archive:
        found = archive.run(str(found.number))
        if not log:
            print_run(console.out(), archive, found, only_trouble=True)
    if found.state == "killed":
        typer.echo(f"run {found.number} is dead: its process was killed; crystallize run goes on from there", err=True)
    raise typer.Exit(CODES[found.state])


@contextmanager
def _displayed(run: RunRow, live: Live) -> Iterator[None]:
    """While entered, shows how the run stands."""
    from crystallize.cli.progress import Display
    from crystallize.plan.standing import Standing

    if run.state != "running":
        yield
        return
    last = [Standing(at=time.time())]

    def now() -> Standing:
        last[0] = live.read() or last[0]
        return last[0]

    with Display(now):
        yield


@contextmanager
def _log_followed(path: Path) -> Iterator[None]:
    """While entered, a thread prints what is in the file and what comes in; the rest when it is left."""
    import threading

    over = threading.Event()

    def follow() -> None:
        with path.open("r", encoding="utf-8", errors="replace", newline="") as file:
            while True:
                was_over = over.wait(LOOK_SECONDS)
                sys.stdout.write(file.read())
                sys.stdout.flush()
                if was_over:
                    return

    thread = threading.Thread(target=follow, name="crystallize-log", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
