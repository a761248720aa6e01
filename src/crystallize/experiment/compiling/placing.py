"""Where the trials of an experiment run, and how many at a time: what it defines, and what was asked of this run."""

from __future__ import annotations

from crystallize.engine.cluster import check_installed
from crystallize.engine.machine import devices, processors
from crystallize.errors import DefinitionError, nearest
from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.compiling.node import Asked
from crystallize.experiment.objects.execution import RayExecution
from crystallize.plan.needs import Needs
from crystallize.settings import Settings

SHARED = ("async", "thread")
"""Executors under which trials run side by side in the driver's process."""
OWN = "process"
REMOTE = ("ray",)
EXECUTORS = ("serial", *SHARED, OWN, *REMOTE)


def placed(experiment: Blueprint, trials: int, needs: Needs, asked: Asked, settings: Settings) -> tuple[str, int]:
    """The executor and the number of trials that it may run at a time.

    Raises DefinitionError when this machine lacks the GPUs that they need.
    """
    kind, workers = experiment.executor(trials)
    if asked.executor is not None:
        everything = asked.executor == "async" or asked.executor in REMOTE
        kind, workers = asked.executor, trials if everything else processors()
    if asked.jobs is not None:
        # What runs one after the other in the driver can only run at once elsewhere, if nothing is to change.
        kind, workers = OWN if kind == "serial" and asked.jobs > 1 else kind, asked.jobs
    if needs.own_process and kind not in REMOTE:
        workers = min(workers, processors()) if kind in SHARED else workers
        kind = OWN
        _check_devices(experiment, needs, settings)
    return kind, 1 if kind == "serial" else max(1, min(workers, trials))


def on_ray(experiment: Blueprint) -> RayExecution:
    """How the experiment says that it runs on Ray; what holds otherwise where it does not say so."""
    return experiment.get_plugin(RayExecution) or RayExecution()


def checked_executor(name: str | None, address: str | None = None) -> str | None:
    """`name` itself: ``serial``, ``async``, ``thread``, ``process`` or ``ray``, which an `address` means as well.

    Raises DefinitionError for any other, for an address of anything but Ray, and for Ray where that is not installed.
    """
    if name is not None and name not in EXECUTORS:
        raise DefinitionError(f"there is no executor {name!r}", key="executor", remedy=nearest(name, EXECUTORS))
    if address is not None and name not in (None, *REMOTE):
        raise DefinitionError(
            f"executor {name!r} has no address", key="address", remedy="leave it out, or run on 'ray'"
        )
    if address is not None or name in REMOTE:
        check_installed()
        return REMOTE[0]
    return name


def checked_jobs(count: int | None) -> int | None:
    """`count` itself. Raises DefinitionError when it is not at least 1."""
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
        raise DefinitionError(f"{count!r} is no number of jobs", key="jobs", remedy="give 1 or more")
    return count


def _check_devices(experiment: Blueprint, needs: Needs, settings: Settings) -> None:
    shown = len(devices(settings.environ))
    if needs.gpus > shown:
        raise DefinitionError(
            f"experiment '{experiment.label}' needs {needs.gpus:g} GPUs, and this machine shows {shown}",
            path=experiment.path,
            key="resources.gpus",
            remedy="ask for fewer, name them in CUDA_VISIBLE_DEVICES, or run it on Ray",
        )
