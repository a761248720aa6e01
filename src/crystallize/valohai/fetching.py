"""Fetches: jobs that bring the objects of remote inputs into the store. Implements the seam `Work`.

One job for each object, keyed by its address and its version: unchanged objects are downloaded once, and what reads
them is decided on their contents. Where a server tells no version, the object is downloaded in every run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from crystallize.errors import MissingArtifactError
from crystallize.fingerprint.digest import digest_of
from crystallize.fingerprint.manifest import Part, PartTable
from crystallize.plan.job import FETCH, Group, Job, Outcome, Source
from crystallize.plan.plan import Plan
from crystallize.plan.workspace import Workspace
from crystallize.store.record import Output
from crystallize.store.reuse import Force, Policy, Use
from crystallize.store.store import Store
from crystallize.valohai.remote import Remote, RemoteObject

NO_VERSION = "its server tells no version"

logger = logging.getLogger("crystallize")


class FetchWork:
    """What the fetches of one pipeline do."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def begin(self) -> None:
        """Nothing is shared."""

    def end(self) -> None:
        """Nothing to close."""

    def missing(self, task: RemoteObject, source: Source, written: Sequence[Output]) -> Exception:
        """What a reader is told when the object is not there."""
        return MissingArtifactError(f"{task.uri} was not downloaded")

    async def run(self, task: RemoteObject, workspace: Workspace) -> Outcome:
        """Downloads the object, going on where an earlier run broke off."""
        mark = digest_of("download/1", task.uri.encode(), task.version.encode()).hex()[:32]
        target = workspace.store.scratch_folder() / f"download-{mark}"
        if not task.version:
            target.unlink(missing_ok=True)
        await asyncio.to_thread(self._remote.download, task, target, logger.warning)
        await asyncio.to_thread(workspace.take, task.path, "", target)
        return Outcome(metrics={}, facts={"status": "complete", "uri": task.uri})


class Fetches:
    """The fetch jobs of one plan: one for each object, whoever reads it.

    Parameters
    ----------
    group : index of the group whose jobs read what is fetched.
    """

    def __init__(self, plan: Plan, group: int, store: Store, remote: Remote, *, workers: int) -> None:
        self._plan = plan
        self._reader = group
        self._store = store
        self._remote = remote
        self._workers = workers
        self._group: int | None = None
        self._jobs: dict[tuple[str, str], int] = {}
        self._found: dict[str, list[RemoteObject]] = {}

    def jobs_for(self, reference: str) -> list[tuple[int, RemoteObject]]:
        """The jobs that fetch what a reference stands for, by path. Raises RemoteError."""
        return [(self._job(item), item) for item in self._find(reference)]

    def expect(self, reference: str | None) -> None:
        """Jobs may be asked for later: looks now at what the reference stands for; None: that is not known yet."""
        self._its_group()
        if reference is not None:
            self._find(reference)

    def _find(self, reference: str) -> list[RemoteObject]:
        if reference not in self._found:
            self._found[reference] = self._remote.find(reference)
        return self._found[reference]

    def _job(self, item: RemoteObject) -> int:
        key = (item.uri, item.version)
        if key not in self._jobs:
            index = self._jobs[key] = len(self._plan.jobs)
            policy: Policy = Use() if item.version else Force(NO_VERSION)
            self._plan.jobs.append(
                Job(
                    index=index,
                    label=f"{self._plan.groups[self._reader].name}/.fetch/{item.uri}",
                    group=self._its_group(),
                    task=item,
                    table=PartTable([Part("uri", digest_of("uri/1", item.uri.encode()), item.uri[:200])]),
                    own=(Part("version", digest_of("version/1", item.version.encode()), item.version[:200]),),
                    policy=policy,
                )
            )
        return self._jobs[key]

    def _its_group(self) -> int:
        if self._group is None:
            self._group = len(self._plan.groups)
            reader = self._plan.groups[self._reader]
            self._plan.groups.append(
                Group(
                    name=f"{reader.name}/.fetch",
                    kind=FETCH,
                    work=FetchWork(self._remote),
                    root=self._store.root,
                    fetches_for=self._reader,
                    executor="async",
                    workers=self._workers,
                )
            )
        return self._group
