"""One command as a process of this machine: its lines as they come, its limits, and nothing of it left behind.

Every command leads a process group of its own, which ends as a whole: asked first, then killed. Knows no containers;
what is started may be the client of one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import IO, Any, Literal

GRACE_SECONDS = 5.0
"""Between being asked to end and being killed."""
DRAIN_SECONDS = 2.0
"""How long what a command started in the background may go on writing after the command itself has ended."""
LONGEST_LINE = 1 << 20
"""Bytes; a longer line is cut into several."""
_CHUNK = 1 << 16

Stream = Literal["stdout", "stderr"]
OnLine = Callable[[Stream, str], None]
Why = Literal["exit", "time", "quiet", "stop"]
"""exit: by itself; time, quiet: it took too long, or said nothing for too long; stop: it was asked to."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a command may go on, in seconds; None: as long as it likes."""

    time_s: float | None = None
    quiet_s: float | None = None
    """Without a line of output."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    """Its exit code; 128 and more when a signal ended it."""
    why: Why


async def run_process(
    argv: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    on_line: OnLine,
    limits: Limits,
    stop: asyncio.Event,
    end: Callable[[], Awaitable[None]] | None = None,
) -> Ended:
    """Runs a command to its end and returns how that came; nothing of its process group is left then.

    Parameters
    ----------
    on_line : called with each line, without its end, as it is written.
    stop : set by whoever wants the command to end.
    end : what ends it beside signals to its group: a container's own stop.

    Raises OSError when it cannot be started. When cancelled, the command is killed first.
    """
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    pipes = (_Pipe("stdout", process.stdout, on_line), _Pipe("stderr", process.stderr, on_line))
    exited = asyncio.ensure_future(_exit_of(process))
    asked = asyncio.ensure_future(stop.wait())
    try:
        why = await _watch(exited, asked, pipes, limits)
        if why != "exit":
            await _ask_to_end(process, exited, end)
        code = await exited
        await asyncio.wait([pipe.ended for pipe in pipes], timeout=DRAIN_SECONDS)
        return Ended(code if code >= 0 else 128 - code, why)
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        if not exited.done():
            await asyncio.wait({exited}, timeout=DRAIN_SECONDS)
        for pipe in pipes:
            pipe.close()
        asked.cancel()
        exited.cancel()
        await asyncio.gather(asked, exited, return_exceptions=True)


class _Pipe:
    """Turns what a command writes into lines, and remembers when the last came.

    Not asyncio's own subprocesses: those end only when every process that has inherited a pipe has closed it.
    """

    def __init__(self, name: Stream, file: IO[bytes] | None, on_line: OnLine) -> None:
        assert file is not None, "both are pipes"
        self._name, self._file, self._on_line = name, file, on_line
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self.last = monotonic()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        """Done when nothing more will come."""
        os.set_blocking(file.fileno(), False)
        self._loop.add_reader(file.fileno(), self._read)

    def close(self) -> None:
        """Reads what is there, and nothing after it."""
        if not self.ended.done():
            self._read()
            self._end()
        self._file.close()

    def _read(self) -> None:
        try:
            chunk = os.read(self._file.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if not chunk:
            self._end()
            return
        self.last = monotonic()
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._tell(line)
        while len(self._rest) > LONGEST_LINE:
            self._tell(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]

    def _end(self) -> None:
        self._loop.remove_reader(self._file.fileno())
        if not self.ended.done():
            self.ended.set_result(None)
        if self._rest:
            self._tell(self._rest)
            self._rest = b""

    def _tell(self, line: bytes) -> None:
        self._on_line(self._name, line.decode("utf-8", "replace").rstrip("\r"))


async def _exit_of(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a command, once it has ended, whoever still holds its pipes."""
    if not hasattr(os, "pidfd_open"):  # pragma: no cover  (Linux has it)
        return await asyncio.to_thread(process.wait)
    loop, handle = asyncio.get_running_loop(), os.pidfd_open(process.pid)
    ended: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not ended.done():
            ended.set_result(None)

    loop.add_reader(handle, tell)
    try:
        await ended
    finally:
        loop.remove_reader(handle)
        os.close(handle)
    return process.wait()


async def _watch(
    exited: asyncio.Future[Any], asked: asyncio.Future[Any], pipes: Sequence[_Pipe], limits: Limits
) -> Why:
    began = monotonic()
    while True:
        ends: dict[Why, float] = {}
        if limits.time_s is not None:
            ends["time"] = began + limits.time_s
        if limits.quiet_s is not None:
            ends["quiet"] = max(pipe.last for pipe in pipes) + limits.quiet_s
        now = monotonic()
        for why, end in ends.items():
            if end <= now:
                return why
        timeout = min(ends.values()) - now if ends else None
        await asyncio.wait({exited, asked}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if exited.done():
            return "exit"
        if asked.done():
            return "stop"


async def _ask_to_end(
    process: subprocess.Popen[bytes], exited: asyncio.Future[int], end: Callable[[], Awaitable[None]] | None
) -> None:
    if end is not None:
        await end()
    _signal_group(process.pid, signal.SIGTERM)
    await asyncio.wait({exited}, timeout=GRACE_SECONDS)
    _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def marked(marker: str) -> list[int]:
    """The processes whose environment holds `marker` (``NAME=value``), this one not.

    Finds what left the process group of its command. Knows only Linux; elsewhere nothing is found.
    """
    wanted = marker.encode()
    found = []
    with suppress(FileNotFoundError):
        for name in os.listdir("/proc"):  # noqa: PTH208  (after every command)
            with suppress(OSError):
                if name.isdecimal() and int(name) != os.getpid() and wanted in _environ_of(name):
                    found.append(int(name))
    return found


def _environ_of(process: str) -> list[bytes]:
    with open(f"/proc/{process}/environ", "rb", buffering=0) as file:  # noqa: PTH123  (likewise)
        return file.read().split(b"\0")


def kill_marked(marker: str) -> int:
    """Kills every process that is `marked` and returns how many there were."""
    found = marked(marker)
    for process in found:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)
    return len(found)
