"""What happens in a Ray worker: a process, most often on another machine, that has nothing of what the driver has.

The work of a group arrives once and is kept for its other jobs. Knows neither schedules nor databases.
"""

from __future__ import annotations

import os
import pickle
import socket
from pathlib import Path
from typing import Any

from crystallize.engine.parcel import packed_error
from crystallize.engine.watchdog import word_of
from crystallize.engine.worker import done
from crystallize.errors import JobTimeoutError, MachineError, StoreError, WorkerLostError
from crystallize.fingerprint.environment import own_version
from crystallize.plan.job import Work
from crystallize.plan.needs import Needs
from crystallize.plan.workspace import ATTEMPT
from crystallize.store.store import stay_away

MOST_ATTEMPTS = 4
"""How often a job is begun: Ray itself begins one without end whose machine lacks memory."""
KEPT = 4
"""So many works are kept: a worker process may serve several groups in turn, and for as long as the run takes."""

_arrived: dict[str, tuple[Work, Needs]] = {}


def do(key: str, sent: list[Any], job: bytes, folder: str) -> bytes:
    """Does one job; what became of it, packed. Called again, elsewhere, when this process or its machine dies.

    Parameters
    ----------
    key : names the work.
    sent : reference to the driver's version, and the pickled work with what its jobs need; fetched when it is new here.
    folder : the job's own on the store's file system, made by the driver.
    """
    try:
        stay_away()
        _check_shared(Path(folder))
        hung = word_of(Path(folder))
        if hung is not None:
            # Ray takes a worker that was ended because time was up for one that died.
            raise JobTimeoutError(hung.what, hung.seconds, hung.where)
        if len(list(Path(folder).glob(f"{ATTEMPT}*"))) >= MOST_ATTEMPTS:
            raise WorkerLostError("was lost each time, most likely for want of memory", MOST_ATTEMPTS)
        work, needs = _work(key, sent)
        task, workspace = pickle.loads(job)
        workspace.run_here(machine())
        workspace.step_aside()
    except BaseException as error:
        return packed_error(error)
    return done(work, needs, task, workspace, Path(folder))


def machine() -> str:
    """What this machine is called in messages."""
    return socket.gethostname()


def _work(key: str, sent: list[Any]) -> tuple[Work, Needs]:
    if key not in _arrived:
        import ray

        version, packed = ray.get(sent[0])
        here = own_version()
        if version != here:
            raise MachineError(f"{machine()}: crystallize {here} there, {version} here; install the same everywhere")
        while len(_arrived) >= KEPT:
            del _arrived[next(iter(_arrived))]
        _arrived[key] = pickle.loads(packed)
    return _arrived[key]


def _check_shared(folder: Path) -> None:
    if not os.access(folder, os.W_OK):
        raise StoreError(
            f"{machine()}: {folder}, made by the driver just now, is not there or cannot be written; let all machines "
            "of the cluster share the store's folder under one path, or set CRYSTALLIZE_STORE to one that they share"
        )
