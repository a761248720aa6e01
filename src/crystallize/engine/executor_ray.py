"""Ray: jobs on the machines of a cluster, as tasks that Ray places by what they need.

The work of a group travels once, pickled; a job travels with the small contents of its inputs, and large contents are
read from and written to the store's own folder, which all machines share. A machine that dies costs nothing but time:
Ray begins its jobs anew elsewhere. Knows no schedule.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

from crystallize.engine import worker_ray
from crystallize.engine.cluster import Cluster, wanted
from crystallize.engine.parcel import packed_job, unpacked
from crystallize.engine.watchdog import word_of
from crystallize.errors import CrystallizeError, JobTimeoutError, MachineError, WorkerLostError, in_words, message_of
from crystallize.fingerprint.environment import own_version
from crystallize.plan.job import Group, Outcome, Work
from crystallize.plan.workspace import Workspace


class RayExecutor:
    """The tasks of one group.

    Parameters
    ----------
    capacity : at most so many at a time.
    cluster : where; the connection belongs to who made it.
    """

    def __init__(self, group: Group, capacity: int, cluster: Cluster) -> None:
        self._group = group
        self._most = capacity
        self._cluster = cluster
        self._key = uuid4().hex
        self._sent: Any = None
        self._task: Any = None

    @property
    def capacity(self) -> int:
        """As many as the cluster has room for: what waits there in a queue would seem to run."""
        return min(self._most, self._cluster.slots(self._group.needs))

    async def run(self, work: Work, task: Any, workspace: Workspace) -> Outcome:
        """Has one job done somewhere. Raises what the user's code raised, or JobTimeoutError, WorkerLostError.

        NotTransferableError or DefinitionError when the work cannot travel, StoreError when a machine does not see
        the store's folder.
        """
        ray = self._cluster.ray
        folder = workspace.scratch()
        workspace.take_along()
        running = self._ready(work).remote(self._key, [self._sent], packed_job(task, workspace), str(folder))
        try:
            delivered = await running
        except asyncio.CancelledError:
            ray.cancel(running, force=True)
            raise
        except ray.exceptions.RayError as error:
            raise _lost(error, folder) from None
        outcome, there = unpacked(delivered)
        workspace.accept(there)
        return outcome

    def close(self) -> None:
        """Lets the cluster forget the work."""
        self._sent = self._task = None

    def _ready(self, work: Work) -> Any:
        """The remote function, with what its tasks need; the work is sent before its first call."""
        if self._task is None:
            import cloudpickle

            needs = self._group.needs
            resources = wanted(needs)
            self._sent = self._cluster.ray.put((own_version(), cloudpickle.dumps((work, needs))))
            self._task = self._cluster.ray.remote(worker_ray.do).options(
                name=self._group.name,
                num_cpus=resources["CPU"],
                num_gpus=resources["GPU"],
                memory=resources["memory"] or None,
                max_retries=worker_ray.MOST_ATTEMPTS - 1,
            )
        return self._task


def _lost(error: Exception, folder: Path) -> CrystallizeError:
    """What to raise for a task of which Ray says that it will never end."""
    hung = word_of(folder)
    if hung is not None:
        return JobTimeoutError(hung.what, hung.seconds, hung.where)
    cause = getattr(error, "cause", None)
    if cause is not None:
        fact = message_of(cause).strip().rpartition("\n")[2]
        return MachineError(f"a machine of the cluster cannot begin the job ({fact}); install crystallize there")
    fact = in_words(error).partition("\n")[0].rstrip(".")
    return WorkerLostError(f"was lost ({fact})", worker_ray.MOST_ATTEMPTS)
