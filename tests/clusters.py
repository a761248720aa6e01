"""A Ray cluster of two nodes on this machine, for the tests that need a real one. Nothing of it stays behind."""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install 'crystallize-dag[ray]'")
relaxed = pytest.mark.filterwarnings("default")
"""Warnings of Ray are no business of ours."""

_NODE = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}


class TwoNodes:
    """A head, which lives as long as the cluster, and a second node; each has one processor."""

    def __init__(self, cluster: Any) -> None:
        self._cluster = cluster
        self._second: Any = None

    @property
    def address(self) -> str:
        """``host:port``."""
        return str(self._cluster.address)

    def ensure_second(self) -> str:
        """The id of the second node, which is started when it is not there."""
        if self._second is None:
            self._second = self._cluster.add_node(**_NODE)
        return str(self._second.node_id)

    def kill_second(self) -> None:
        """Kills it as a power cut would."""
        self._cluster.remove_node(self._second, allow_graceful=False)
        self._second = None


@contextmanager
def two_nodes() -> Iterator[TwoNodes]:
    """The cluster, for as long as the block lasts."""
    folder = tempfile.mkdtemp(prefix="ray-")
    (Path(folder) / "ray").mkdir()
    environ = {
        "RAY_TMPDIR": folder,
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        for name, value in environ.items():
            patch.setenv(name, value)
        warnings.simplefilter("ignore")
        from ray.cluster_utils import Cluster

        cluster = Cluster()
        try:
            cluster.add_node(**_NODE)
            nodes = TwoNodes(cluster)
            nodes.ensure_second()
            yield nodes
        finally:
            cluster.shutdown()
            _remove(folder)


def _remove(folder: str) -> None:
    """Removes the folder of a cluster, whose last processes may still be writing there."""
    until = time.monotonic() + 5
    while Path(folder).exists() and time.monotonic() < until:
        shutil.rmtree(folder, ignore_errors=True)
