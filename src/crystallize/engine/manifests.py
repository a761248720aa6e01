"""Questions for the store: manifests of jobs whose inputs are known, and the policy each is asked under.

The run and the dry run both build their questions here, so they ask the same.
"""

from __future__ import annotations

from collections.abc import Mapping

from crystallize.fingerprint.digest import Digest, digest_of, short
from crystallize.fingerprint.manifest import Manifest, Part
from crystallize.plan.job import Input, Job, Source
from crystallize.plan.plan import Plan
from crystallize.store.record import Output
from crystallize.store.reuse import After, Question, Use

Floors = Mapping[str, tuple[int, str]]
"""Label → the record number above which records may be used, and why: set when a job failed."""


class Settled:
    """What the jobs settled so far have written, kept only for jobs that something reads."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._outputs: dict[int, tuple[Output, ...]] = {}

    def keep(self, index: int, outputs: tuple[Output, ...]) -> None:
        """Remembers what job `index` wrote."""
        self._outputs[index] = outputs

    def output(self, source: Source) -> Output | None:
        """The artifact that `source` names, or None when its job succeeded without writing it."""
        return find_output(self._outputs[source.job], source)

    def manifest(self, job: Job) -> Manifest:
        """The manifest of a job all of whose upstream jobs are settled.

        Raises the upstream work's missing-artifact error when something the job reads was never written.
        """
        kind = self._plan.groups[job.group].kind
        if not job.inputs and not job.after:
            return Manifest(kind, job.table, job.own)
        own = list(job.own)
        own.extend(self._input_part(port) for port in job.inputs)
        own.extend(self._after_part(number, index) for number, index in enumerate(job.after))
        return Manifest(kind, job.table, own)

    def require(self, source: Source) -> Output:
        """The artifact that `source` names; raises the upstream work's missing-artifact error when there is none."""
        output = self.output(source)
        if output is None:
            upstream = self._plan.jobs[source.job]
            raise self._plan.groups[upstream.group].work.missing(upstream.task, source, self._outputs[source.job])
        return output

    def _input_part(self, port: Input) -> Part:
        found = [self.require(source) for source in port.sources]
        if not port.gather:
            return Part(f"input.{port.port}", found[0].digest, self._preview(port.sources[0], found[0]))
        digest = digest_of("gather/1", *(output.digest for output in found))
        return Part(f"input.{port.port}", digest, f"{len(found)} × {self._preview(port.sources[0], found[0])}")

    def _after_part(self, number: int, index: int) -> Part:
        outputs = self._outputs[index]
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
