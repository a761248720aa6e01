"""Questions for the store: manifests of jobs whose inputs are known, and the policy each is asked under.

The run and the dry run both build their questions here, so they ask the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from crystallize.fingerprint.digest import Digest, digest_of, short
from crystallize.fingerprint.manifest import Manifest, Part
from crystallize.plan.job import Input, Job, Late, Resolved, Source, Yield
from crystallize.plan.plan import Plan
from crystallize.store.record import Output, Record
from crystallize.store.reuse import After, Question, Use

Floors = Mapping[str, tuple[int, str]]
"""Label → the record number above which records may be used, and why: set when a job failed."""

NOTHING = Yield()


class Settled:
    """What the jobs settled so far have written, kept only for jobs that something reads."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._outputs: dict[int, tuple[Output, ...]] = {}
        self._yields: dict[int, Yield] = {}
        self._waited_for = {index for job in plan.jobs for index in job.waits}
        self._grows = bool(plan.growths)
        """What is still to come may wait for any job."""
        self._resolved: dict[int, Resolved] = {}

    def keep(self, index: int, left: Record | Yield) -> None:
        """Remembers what job `index` left: its artifacts, and all of it where something waits for more than those."""
        self._outputs[index] = left.outputs
        if self._grows or index in self._waited_for:
            self._yields[index] = Yield(left.outputs, left.metrics, left.facts)

    def left_by(self, indices: Iterable[int]) -> dict[int, Yield]:
        """What each of these jobs, which something waits for, left; nothing, where it failed."""
        return {index: self._yields.get(index, NOTHING) for index in indices}

    def final(self, job: Job) -> Job:
        """The job as it is when all it waits for is settled."""
        if job.late is None:
            return job
        return replace(job, task=self._resolve(job, job.late).task)

    def manifest(self, job: Job) -> Manifest:
        """The manifest of a job all of whose upstream jobs are settled.

        Raises the upstream work's missing-artifact error when something the job reads was never written.
        """
        kind = self._plan.groups[job.group].kind
        if job.late is not None:
            return Manifest(kind, job.table, (*job.own, *self._resolve(job, job.late).parts))
        if not job.inputs and not job.after:
            return Manifest(kind, job.table, job.own)
        inputs = [self._input_part(port) for port in job.inputs]
        after = [self._after_part(number, index) for number, index in enumerate(job.after)]
        return Manifest(kind, job.table, (*job.own, *inputs, *after))

    def require(self, source: Source) -> Output:
        """The artifact that `source` names; raises the upstream work's missing-artifact error when there is none."""
        written = self._outputs.get(source.job, ())
        output = find_output(written, source)
        if output is None:
            upstream = self._plan.jobs[source.job]
            raise self._plan.groups[upstream.group].work.missing(upstream.task, source, written)
        return output

    def _resolve(self, job: Job, late: Late) -> Resolved:
        if job.index not in self._resolved:
            self._resolved[job.index] = late(self.left_by(job.waits))
        return self._resolved[job.index]

    def _input_part(self, port: Input) -> Part:
        found = [self.require(source) for source in port.sources]
        digest, preview = found[0].digest, self._preview(port.sources[0], found[0])
        if port.gather:
            digest = digest_of("gather/1", *[output.digest for output in found])
            preview = f"{len(found)} × {preview}"
        return Part(f"input.{port.port}", digest, preview)

    def _after_part(self, number: int, index: int) -> Part:
        outputs = self._outputs.get(index, ())
        pieces: list[bytes] = []
        for output in outputs:
            pieces += (output.step.encode(), output.name.encode(), output.digest)
        digest: Digest = digest_of("after/1", *pieces)
        return Part(f"after.{number}", digest, f"{len(outputs)} artifacts of {self._plan.jobs[index].label}")

    def _preview(self, source: Source, output: Output) -> str:
        return f"{output.name} of {self._plan.jobs[source.job].label} ({short(output.digest)})"


def find_output(outputs: tuple[Output, ...], source: Source) -> Output | None:
    """The artifact that `source` names among `outputs`; the last written of several."""
    for output in reversed(outputs):
        if output.name == source.output and (source.step is None or output.step == source.step):
            return output
    return None


def question_for(job: Job, manifest: Manifest, floors: Floors) -> Question:
    """What the store is asked about `job`: its own policy, unless it failed since the records were made."""
    floor = floors.get(job.label) if isinstance(job.policy, Use) else None
    return Question(manifest, job.policy if floor is None else After(*floor), job.label)
