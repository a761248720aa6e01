"""Runs the real command in a forked process that can be told when to die: at the n-th thing it does to the results.

What it does is heard from Python's audit events (a file opened for writing, renamed, removed, …) and from SQLite's
trace of statements, so no code of ours is touched. A death is SIGKILL right before the act, or, to tear a write in two,
a limit on the size of files, beyond which the system kills the process in the midst of its next write.
"""

from __future__ import annotations

import itertools
import os
import resource
import signal
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

_CHANGES = frozenset(
    {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.utime", "os.truncate"}
)
_OPENS_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_STAGES = (
    ("INTO records", "record"),
    ("INTO view", "view row"),
    ("FROM view", "view row"),
    ("INTO memo", "memo"),
    ("INTO blob", "small blob"),
    ("INTO run", "history"),
    ("UPDATE runs", "history"),
    ("COMMIT", "commit"),
    ("ROLLBACK", "commit"),
)
"""In a statement → what it belongs to."""


class Death(NamedTuple):
    """When a process dies."""

    at: int
    """Before the act of this number, counted from 1."""
    tear_bytes: int | None = None
    """It goes on until it has written so many bytes of a new file, or so many more than the database has."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    code: int
    """Exit code; negative: the signal that killed it."""
    acts: list[str]
    """The stage of each act that it came to."""
    said: str
    """What it printed."""

    @property
    def killed(self) -> bool:
        """Whether it was killed, and did not end by itself."""
        return self.code in (-signal.SIGKILL, -signal.SIGXFSZ)


def run(folder: Path, arguments: Sequence[str], *, dies: Death | None = None, after_s: float | None = None) -> Ended:
    """Runs ``crystallize`` with `arguments` in `folder`; it dies as told, or after so many seconds."""
    out = folder / "said.txt"
    out.touch()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _be_the_command(folder, arguments, dies, out, writing)
    os.close(writing)
    timer = threading.Timer(after_s, os.kill, (child, signal.SIGKILL)) if after_s is not None else None
    if timer is not None:
        timer.start()
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    if timer is not None:
        timer.cancel()
        timer.join()
    _, status = os.waitpid(child, 0)
    said = out.read_text(encoding="utf-8", errors="replace")
    out.unlink()
    return Ended(os.waitstatus_to_exitcode(status), told.splitlines(), said)


def load_command(folder: Path) -> None:
    """Imports whatever a run in `folder` imports, so that the processes that are forked need not."""

    def loaded() -> list[str]:
        os.chdir(folder)
        from crystallize.cli.main import main

        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
            assert main(["run"]) == 0
        files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
        return [name for name, file in files.items() if file is not None and not Path(file).is_relative_to(folder)]

    for name in asked(loaded):
        with suppress(ImportError):
            import_module(name)


def _be_the_command(folder: Path, arguments: Sequence[str], dies: Death | None, out: Path, pipe: int) -> None:
    code = 70
    try:
        os.chdir(folder)
        printed = os.open(out, os.O_WRONLY)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _listen(folder / "data", dies, pipe)
        from crystallize.cli.main import main

        code = main(arguments)
        sys.stdout.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    os._exit(code)


def _listen(data: Path, dies: Death | None, pipe: int) -> None:
    """Calls what this process does to `data` by its stage, and ends it when its hour has come."""
    numbers = itertools.count(1)
    below = str(data)

    def act(stage: str) -> None:
        number = next(numbers)
        os.write(pipe, f"{stage}\n".encode())
        if dies is not None and number == dies.at:
            if dies.tear_bytes is None:
                os.kill(os.getpid(), signal.SIGKILL)
            largest = _largest(data / ".crystallize") if stage not in ("blob", "view file", "marker") else 0
            limit = largest + (dies.tear_bytes or 0)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    def on_statement(statement: str) -> None:
        if not statement.startswith(("SELECT", "PRAGMA", "--")):
            act(next((stage for words, stage in _STAGES if words in statement), "other row"))

    def on_event(event: str, args: tuple[Any, ...]) -> None:
        if event in _CHANGES or (event == "open" and isinstance(args[2], int) and args[2] & _OPENS_TO_WRITE):
            path = os.fsdecode(args[0]) if isinstance(args[0], (str, bytes, os.PathLike)) else ""
            if path.startswith(below):
                act(_stage_of(path))

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connects(*args, **options)
        connection.set_trace_callback(on_statement)
        return connection

    connects: Any = sqlite3.connect
    sqlite3.connect = connect  # type: ignore[assignment]
    sys.addaudithook(on_event)


def _stage_of(path: str) -> str:
    if "/.crystallize/blobs/" in path:
        return "blob"
    if "/.crystallize/" in path or path.endswith("/.crystallize"):
        return "store folder"
    return "marker" if path.endswith(".crystallize_complete") else "view file"


def _largest(folder: Path) -> int:
    return max((path.stat().st_size for path in folder.glob("store.sqlite*")), default=0)


def asked(work: Callable[[], Any]) -> Any:
    """What `work` gives in a process of its own, as JSON: nothing of it stays in this one."""
    import json

    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writing, "w", encoding="utf-8") as pipe:
            try:
                pipe.write(json.dumps(["ok", work()]))
            except BaseException:
                import traceback

                pipe.write(json.dumps(["failed", traceback.format_exc()]))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        state, answer = json.loads(pipe.read())
    os.waitpid(child, 0)
    assert state == "ok", answer
    return answer
