"""Floors of jobs that failed: only what is recorded after the failure serves in their place, until one succeeds."""

from __future__ import annotations

from collections.abc import Sequence

from crystallize.engine.manifests import Floors
from crystallize.plan.job import FETCH, Job
from crystallize.plan.plan import Plan
from crystallize.store.store import Store


class JobFloors:
    """The floors of one run; jobs that fetch have none.

    Parameters
    ----------
    stores : of each group.
    """

    def __init__(self, plan: Plan, stores: Sequence[Store]) -> None:
        self._plan = plan
        self._stores = stores
        found = {id(store): store.floors() for store in dict.fromkeys(stores)}
        self._floors = [found[id(store)] for store in stores]

    def of(self, group: int) -> Floors:
        """As the run found them, without those that it has lifted."""
        return self._floors[group]

    def lift(self, job: Job) -> None:
        """The job succeeded."""
        if self._floors[job.group].pop(job.label, None) is not None:
            self._stores[job.group].clear_floors([job.label])

    def put(self, job: Job) -> None:
        """The job failed: from now on only what is recorded after this serves in its place."""
        if self._plan.groups[job.group].kind != FETCH:
            store = self._stores[job.group]
            store.set_floor(job.label, store.latest_number(), "failed since")
