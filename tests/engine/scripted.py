"""A scripted `Work`: the small real fake beside the experiment's own, for tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crystallize.errors import MissingArtifactError
from crystallize.fingerprint.digest import digest_of
from crystallize.fingerprint.manifest import Part, PartTable
from crystallize.plan.job import Group, Input, Job, Outcome, Source
from crystallize.plan.plan import Plan
from crystallize.plan.workspace import Workspace
from crystallize.store.record import Output
from crystallize.store.reuse import Policy, Use

Script = Callable[[Workspace], Mapping[str, Sequence[Any]]]


class ScriptedWork:
    """Runs the script that is the task, and notes what happened in `calls`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.begin_error: Exception | None = None

    def begin(self) -> None:
        self.calls.append("begin")
        if self.begin_error is not None:
            raise self.begin_error

    async def run(self, task: tuple[str, Script], workspace: Workspace) -> Outcome:
        name, script = task
        self.calls.append(name)
        return Outcome(metrics=script(workspace))

    def end(self) -> None:
        self.calls.append("end")

    def missing(self, task: Any, source: Source, written: Sequence[Output]) -> Exception:
        return MissingArtifactError(f"{task[0]} wrote no {source.output}")


class Planned:
    """Builds plans of scripted jobs, one group unless told otherwise."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.plan = Plan()
        self.works: list[ScriptedWork] = []

    def group(self, name: str = "g", executor: str = "serial", workers: int = 1) -> ScriptedWork:
        work = ScriptedWork()
        self.works.append(work)
        self.plan.groups.append(
            Group(name=name, kind="test/1", work=work, root=self.root, executor=executor, workers=workers)
        )
        return work

    def job(
        self,
        name: str,
        *,
        reads: Sequence[str] = (),
        script: Script | None = None,
        key: str | None = None,
        policy: Policy | None = None,
    ) -> Job:
        """A job that reads output ``out`` of the jobs named in `reads` and, by default, writes its name there."""
        if not self.plan.groups:
            self.group()
        by_name = {job.label.partition("/")[2]: job for job in self.plan.jobs}
        data = name.encode()

        def write_name(workspace: Workspace) -> Mapping[str, Sequence[Any]]:
            workspace.write("out", "S", data)
            return {"m": [1]}

        key = key or name
        job = Job(
            index=len(self.plan.jobs),
            label=f"{self.plan.groups[-1].name}/{name}",
            group=len(self.plan.groups) - 1,
            task=(name, script or write_name),
            table=PartTable([Part("key", digest_of("key", key.encode()), key)]),
            own=(),
            inputs=tuple(Input(read, (Source(by_name[read].index, "out"),)) for read in reads),
            policy=policy or Use(),
        )
        self.plan.jobs.append(job)
        return job
