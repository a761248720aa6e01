"""The Ray cluster that a run uses: connecting to it, what its nodes have, leaving it.

The one place that imports Ray in the driver. Knows no jobs.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any

from crystallize.errors import DefinitionError
from crystallize.plan.needs import Needs

LOCAL = "local"
"""The address of a cluster that is this machine, started for the run and stopped after it."""
KNOCK_SECONDS = 5.0
LAST_WORDS_SECONDS = 0.5
LOOK_AGAIN_SECONDS = 2.0
"""Nodes come and go."""

logger = logging.getLogger("crystallize")


class Cluster:
    """A connection to a cluster, opened when it is first needed. A process can have one at a time.

    Parameters
    ----------
    address : ``auto`` (the one that this machine belongs to), ``local``, or ``host:port``.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._ray: Any = None
        self._is_ours = False
        self._refused: DefinitionError | None = None
        self._nodes: list[Mapping[str, float]] = []
        self._looked = 0.0
        self._warned: set[str] = set()

    def at(self, address: str) -> Cluster:
        """Itself. Raises DefinitionError for another address than its own."""
        if address != self.address:
            raise DefinitionError(
                f"one run cannot use two Ray clusters, '{self.address}' and '{address}'",
                key="address",
                remedy="run the experiments apart, or give --address for all of them",
            )
        return self

    @property
    def ray(self) -> Any:
        """The module `ray`, connected. Raises DefinitionError when it is not installed, or there is no such cluster."""
        if self._refused is not None:
            raise self._refused
        if self._ray is None:
            try:
                self._ray = self._connected()
            except DefinitionError as error:
                # Every job would ask again, and wait.
                self._refused = error
                raise
        return self._ray

    def slots(self, needs: Needs) -> int:
        """How many jobs with these needs the nodes can run at once; 1 when none can, and a warning says so, once.

        1 as well where there is no cluster: each job is told so when it runs.
        """
        try:
            ray = self.ray
        except DefinitionError:
            return 1
        if monotonic() - self._looked > LOOK_AGAIN_SECONDS:
            self._looked = monotonic()
            self._nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        fitting = sum(_slots(node, wanted(needs)) for node in self._nodes)
        listed = ", ".join(f"{value:g} {name}" for name, value in wanted(needs).items() if value)
        if not fitting and listed not in self._warned:
            self._warned.add(listed)
            logger.warning(
                "Ray at '%s': no node has %s; jobs wait until one comes, or ask for less", self.address, listed
            )
        return max(1, fitting)

    def close(self) -> None:
        """Leaves the cluster, unless somebody else in this process had connected before."""
        if self._is_ours:
            # What jobs print reaches us a moment after they have ended.
            sleep(LAST_WORDS_SECONDS)
            self._ray.shutdown()
            self._is_ours = False

    def _connected(self) -> Any:
        ray = imported()
        if ray.is_initialized():
            self._check_same(str(ray.get_runtime_context().gcs_address))
            return ray
        settings: dict[str, Any] = {"include_dashboard": False} if self.address == LOCAL else {}
        try:
            _knock(self.address)
            ray.init(address=self.address, logging_level=logging.ERROR, **settings)
        except (RuntimeError, ValueError, OSError) as error:
            fact = " ".join(str(error).split()).partition(". ")[0]
            raise DefinitionError(
                f"cannot use the Ray cluster at '{self.address}' ({fact})",
                key="address",
                remedy="start one with 'ray start --head', name another, or say 'local' for this machine alone",
            ) from None
        self._is_ours = True
        return ray

    def _check_same(self, present: str) -> None:
        """Raises DefinitionError when the process is connected to another cluster than is asked for."""
        if self.address not in ("auto", LOCAL, present):
            raise DefinitionError(
                f"this process is already connected to the Ray cluster at '{present}', not to '{self.address}'",
                key="address",
                remedy="call ray.shutdown() first, or give 'auto'",
            )


def imported() -> Any:
    """The module `ray`. Raises DefinitionError when it is not installed."""
    try:
        import ray
    except ImportError as error:
        raise not_installed() from error
    return ray


def check_installed() -> None:
    """Raises DefinitionError when Ray is not installed; imports nothing."""
    from importlib.util import find_spec

    if "ray" not in sys.modules and find_spec("ray") is None:
        raise not_installed()


def not_installed() -> DefinitionError:
    """What is raised then."""
    return DefinitionError(
        "Ray is not installed", key="executor", remedy="install the extra: pip install 'crystallize-dag[ray]'"
    )


def _knock(address: str) -> None:
    """Raises OSError when nobody listens at ``host:port``: Ray itself would try for minutes."""
    import socket

    host, _, port = address.rpartition(":")
    if host and port.isdecimal() and "/" not in host:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS):
            pass


def wanted(needs: Needs) -> dict[str, float]:
    """What a job needs, as Ray names it."""
    return {"CPU": needs.cpus, "GPU": needs.gpus, "memory": needs.memory or 0}


def _slots(has: Mapping[str, float], wanted: Mapping[str, float]) -> int:
    """How many jobs fit into a node; one that needs nothing of it fits as often as it has processors."""
    fits = [int(has.get(name, 0) / count) for name, count in wanted.items() if count]
    return min(fits) if fits else int(has.get("CPU", 0))
