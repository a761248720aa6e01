"""`crystallize run --detach`: the run goes on in the background, in a session of its own, and prints to a log.

The process is forked before anything of the user's is loaded, so nothing of it exists twice.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import typer

from crystallize.cli.options import Output
from crystallize.history.live import log_of, runs_folder
from crystallize.plan import events
from crystallize.session import Session
from crystallize.settings import Settings


def detach(settings: Settings, form: Output) -> events.Watcher:
    """Returns in the background alone: a watcher of the run, without which the command that waits never ends.

    In the foreground it says which run that is and raises `typer.Exit`. A run that cannot begin is told there too.
    """
    with Session(settings) as session:
        folder = session.store(settings.results_root).folder
    runs_folder(folder).mkdir(exist_ok=True)
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    process = os.fork()
    if process:
        os.close(writer)
        raise typer.Exit(_wait(process, reader, folder, form))
    os.close(reader)
    os.setsid()
    _print_to(_first_log(folder, os.getpid()))
    return _Announcement(folder, writer)


class _Announcement:
    """Tells the command that waits which run has begun."""

    def __init__(self, folder: Path, writer: int) -> None:
        self._folder = folder
        self._writer = writer

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.RunStarted):
            _first_log(self._folder, os.getpid()).rename(log_of(self._folder, event.run))
            with suppress(BrokenPipeError):  # who waited has gone
                os.write(self._writer, str(event.run).encode())
            os.close(self._writer)


def _wait(process: int, reader: int, folder: Path, form: Output) -> int:
    """Waits until the run begins, and says so; the exit code."""
    from crystallize.cli import console, schema
    from crystallize.words import near

    with os.fdopen(reader, "rb") as pipe:
        number = pipe.read()
    if not number:
        code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        log = _first_log(folder, process)
        sys.stderr.write(log.read_text(encoding="utf-8", errors="replace"))
        log.unlink()
        return code
    run = int(number)
    log = log_of(folder, run)
    if form is Output.json:
        console.print_json(schema.detached_document(run, process, log))
    else:
        typer.echo(f"run {run} goes on in the background, as process {process}")
        typer.echo(f"  crystallize watch {run}\n  crystallize cancel {run}\n  {near(log)}")
    return 0


def _print_to(path: Path) -> None:
    """From now on this process and all it starts print to the file, and read nothing."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, stream in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, stream)
    os.close(log)
    os.close(nothing)
    for text in (sys.stdout, sys.stderr):
        if hasattr(text, "reconfigure"):
            text.reconfigure(line_buffering=True)


def _first_log(folder: Path, process: int) -> Path:
    """Where a run prints that has no number yet."""
    return runs_folder(folder) / f"process-{process}.log"
