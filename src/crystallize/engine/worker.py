"""What happens in a worker process: it takes over the work of one group from the driver and does its jobs, one by one.

Runs in a fork of the driver, made after the group's `begin`: it holds what the driver holds, so what was fingerprinted
is what is executed, and nothing of the user's needs to travel there.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crystallize.engine import watchdog
from crystallize.engine.executor import carry_out
from crystallize.engine.machine import DEVICES
from crystallize.engine.parcel import packed_error, packed_result
from crystallize.engine.worker_output import WorkerOutput
from crystallize.errors import PipelineExecutionError
from crystallize.fingerprint.reads.observe import forget_running
from crystallize.plan.job import Outcome, Work
from crystallize.plan.needs import Needs
from crystallize.plan.workspace import Workspace
from crystallize.store.store import reconnect_stores

LEFT = 86
"""Exit code of a worker whose job left by ``os._exit(0)``, which would look like an end that was meant."""

_here: list[tuple[Work, Needs, WorkerOutput]] = []
_PARENT_DEATH_SIGNAL = 1
"""Of ``prctl``, Linux."""


def enter(work: Work, needs: Needs, driver: int, output: WorkerOutput) -> None:
    """Called once in each worker, before its first job.

    Parameters
    ----------
    driver : process id of the driver; the worker ends when that one does.
    output : where what it prints goes: the driver's own streams may belong to a progress display.
    """
    _end_with(driver)
    output.speak()
    reconnect_stores()
    forget_running()
    _here[:] = [(work, needs, output)]


def do(number: int, job: bytes) -> tuple[bytes, int]:
    """Does one job; what became of it, packed, and how many events it emitted, sent for `number`."""
    work, needs, output = _here[0]
    task, workspace = pickle.loads(job)
    sent: list[None] = []

    def tell(event: Any) -> None:
        output.send(number, event)
        sent.append(None)

    workspace.tell = tell
    workspace.run_here()
    if workspace.devices:
        os.environ[DEVICES] = ",".join(workspace.devices)
    return done(work, needs, task, workspace, workspace.scratch()), len(sent)


def done(work: Work, needs: Needs, task: Any, workspace: Workspace, folder: Path) -> bytes:
    """Does one job within what it is allowed; what became of it, packed.

    Parameters
    ----------
    folder : where word is left when time is up.
    """
    with _leaving_visibly():
        return _done(work, needs, task, workspace, folder)


def _done(work: Work, needs: Needs, task: Any, workspace: Workspace, folder: Path) -> bytes:
    try:
        with watchdog.watched(folder), watchdog.limited("the job", needs.timeout), _bounded(needs.memory):
            outcome: Outcome = asyncio.run(carry_out(work, task, workspace))
        return packed_result(outcome, workspace)
    except BaseException as error:
        cause = error.original_exception if isinstance(error, PipelineExecutionError) else error
        if isinstance(cause, MemoryError) and needs.memory is not None:
            cause.add_note(f"resources: memory allows it {needs.memory / 2**20:,.0f} MiB")
        return packed_error(error)


@contextmanager
def _bounded(memory: int | None) -> Iterator[None]:
    """Lets the process take `memory` bytes more than it holds now, where the system can see to that (Linux)."""
    status = Path("/proc/self/status")
    if memory is None or not status.exists():
        yield
        return
    held = next(line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmData:"))
    before = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (int(held.split()[1]) * 1024 + memory, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _end_with(driver: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
        if os.getppid() != driver:
            os._exit(1)
    else:
        import threading

        threading.Thread(target=_watch, args=(driver,), daemon=True).start()


def _watch(driver: int) -> None:
    import time

    while os.getppid() == driver:
        time.sleep(1)
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def _leaving_visibly() -> Iterator[None]:
    """Inside, a job that calls ``os._exit(0)`` is not taken for a worker that was told to end."""
    worker, leave = os.getpid(), os._exit

    def left(code: int) -> None:
        leave(LEFT if code == 0 and os.getpid() == worker else code)

    os._exit = left  # type: ignore[assignment]
    try:
        yield
    finally:
        os._exit = leave
