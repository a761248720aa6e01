"""What this machine has, and how much of it running jobs keep busy. Local executors begin no job that does not fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from crystallize.plan.needs import Needs

DEVICES = "CUDA_VISIBLE_DEVICES"

_NVIDIA = Path("/proc/driver/nvidia/gpus")


class Machine:
    """Counts what the jobs in flight of one run need, and says which GPUs each of them has.

    A job that needs more than there is runs alone, as far as processors and memory are concerned.

    Parameters
    ----------
    devices : the GPUs that may be used, see `devices`.
    """

    def __init__(self, devices: tuple[str, ...] = ()) -> None:
        self._jobs = 0
        self._cpus = 0.0
        self._memory = 0
        self._free = dict.fromkeys(devices, 1.0)

    def admits(self, needs: Needs) -> bool:
        """Whether a job with these needs may begin beside those that run."""
        if needs.gpus and self._devices_for(needs.gpus) is None:
            return False
        if not self._jobs:
            return True
        if needs.memory is not None and self._memory + needs.memory > memory_bytes():
            return False
        # One processor a job is what `workers` counts already: someone may well want more workers than processors.
        return needs.cpus <= 1 or self._cpus + needs.cpus <= processors()

    def take(self, needs: Needs) -> tuple[str, ...]:
        """A job that is admitted begins; the GPUs that it has."""
        self._count(needs, 1)
        devices = (self._devices_for(needs.gpus) or ()) if needs.gpus else ()
        for device in devices:
            self._free[device] -= min(needs.gpus, 1.0)
        return devices

    def give_back(self, needs: Needs, devices: tuple[str, ...]) -> None:
        """A job has ended."""
        self._count(needs, -1)
        for device in devices:
            self._free[device] += min(needs.gpus, 1.0)

    def _count(self, needs: Needs, sign: int) -> None:
        self._jobs += sign
        self._cpus += sign * needs.cpus
        self._memory += sign * (needs.memory or 0)

    def _devices_for(self, count: float) -> tuple[str, ...] | None:
        """Whole devices, or the fullest one that has room for a share; None when there are not as many."""
        if count < 1:
            fitting = [device for device, free in self._free.items() if free >= count - 1e-9]
            return (min(fitting, key=self._free.__getitem__),) if fitting else None
        whole = [device for device, free in self._free.items() if free == 1.0]
        return tuple(whole[: int(count)]) if len(whole) >= count else None


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """What the machine has in all."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def devices(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The GPUs that may be used: those of CUDA_VISIBLE_DEVICES, else those that the driver shows."""
    listed = environ.get(DEVICES)
    if listed is not None:
        return tuple(each.strip() for each in listed.split(",") if each.strip() not in ("", "-1"))
    return tuple(str(number) for number, _ in enumerate(_NVIDIA.iterdir())) if _NVIDIA.is_dir() else ()
