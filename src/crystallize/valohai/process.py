"""One command as a process of this machine: its lines as they come, its limits, and nothing of it left behind.

Every command leads a process group of its own, which ends as a whole: asked first, then killed. Knows no containers;
what is started may be the client of one.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Literal

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
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env=environ,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    heard = _Heard(on_line)
    pumps = [
        asyncio.create_task(heard.pump("stdout", process.stdout)),
        asyncio.create_task(heard.pump("stderr", process.stderr)),
    ]
    exited = asyncio.create_task(process.wait())
    asked = asyncio.create_task(stop.wait())
    try:
        why = await _watch(exited, asked, heard, limits)
        if why != "exit":
            await _ask_to_end(process, exited, end)
        code = await exited
        _done, late = await asyncio.wait(pumps, timeout=DRAIN_SECONDS)
        _signal_group(process.pid, signal.SIGKILL)
        for pump in late:
            pump.cancel()
        return Ended(code if code >= 0 else 128 - code, why)
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        await asyncio.wait({exited}, timeout=DRAIN_SECONDS)
        for task in (*pumps, asked, exited):
            task.cancel()
        await asyncio.gather(*pumps, asked, exited, return_exceptions=True)


class _Heard:
    """Turns bytes into lines and remembers when the last came."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self.last = monotonic()

    async def pump(self, name: Stream, stream: asyncio.StreamReader | None) -> None:
        assert stream is not None, "both are pipes"
        rest = b""
        while chunk := await stream.read(_CHUNK):
            self.last = monotonic()
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._tell(name, line)
            while len(rest) > LONGEST_LINE:
                self._tell(name, rest[:LONGEST_LINE])
                rest = rest[LONGEST_LINE:]
        if rest:
            self._tell(name, rest)

    def _tell(self, name: Stream, line: bytes) -> None:
        self._on_line(name, line.decode("utf-8", "replace").rstrip("\r"))


async def _watch(exited: asyncio.Task[int], asked: asyncio.Task[bool], heard: _Heard, limits: Limits) -> Why:
    began = monotonic()
    while True:
        ends: dict[Why, float] = {}
        if limits.time_s is not None:
            ends["time"] = began + limits.time_s
        if limits.quiet_s is not None:
            ends["quiet"] = heard.last + limits.quiet_s
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
    process: asyncio.subprocess.Process, exited: asyncio.Task[int], end: Callable[[], Awaitable[None]] | None
) -> None:
    if end is not None:
        await end()
    _signal_group(process.pid, signal.SIGTERM)
    await asyncio.wait({exited}, timeout=GRACE_SECONDS)
    _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def kill_marked(marker: str) -> int:
    """Kills every process whose environment holds `marker` (``NAME=value``) and returns how many there were.

    Finds what left the process group of its command. Knows only Linux; elsewhere nothing is found.
    """
    wanted = marker.encode()
    found = 0
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(entry.name) != os.getpid() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                os.kill(int(entry.name), signal.SIGKILL)
                found += 1
    return found
