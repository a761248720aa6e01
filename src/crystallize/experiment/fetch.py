"""Fetches: jobs that bring in outside state (a query, a download) for the trial that reads it. Design 4 and 5.2.

Implements the seam `Work`. A fetch runs in every run, and what it brings is an input of its trial: equal contents, and
the trial is reused. Knows neither schedules nor plans.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from crystallize.errors import MissingArtifactError, StoreError
from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.fetched import Gift
from crystallize.experiment.memo.look import Before
from crystallize.experiment.memo.reads import PartReads
from crystallize.experiment.objects.constants import SAME_AS, UNSTEADY
from crystallize.experiment.objects.context import FrozenContext, current_context
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.links import Link, name_of
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.reads import Reads, TrialReads
from crystallize.experiment.trial import Trial, begin_context, shared_context
from crystallize.fingerprint.reads.observe import unobserved
from crystallize.plan.job import Outcome, Source
from crystallize.plan.workspace import Workspace
from crystallize.store.record import Output, Record


class FetchWork:
    """What the fetches of one experiment do.

    Parameters
    ----------
    sources : name → source of outside state; under its name each leaves its contents.
    links : what the sources read of other experiments.
    treatments : condition → what is applied before its fetches; of sources that look at no context nothing is.
    reads : who observes the experiment's trials; what code keeps of a file that a fetch read counts for them.
    concurrent, uses_numpy : as for `TrialWork`.
    """

    def __init__(
        self,
        experiment: Blueprint,
        sources: Mapping[str, DataSource],
        links: Sequence[Link],
        treatments: Mapping[str, Treatment],
        *,
        reads: Reads | None,
        concurrent: bool,
        uses_numpy: bool,
    ) -> None:
        self._experiment = experiment
        self._sources = sources
        self._links = links
        self._treatments = treatments
        self._reads = reads
        self._concurrent = concurrent
        self._uses_numpy = uses_numpy
        self._shared = FrozenContext({})

    def begin(self) -> None:
        """Makes what all fetches start from. The plugins' hooks and the steps' `setup` belong to trials that run."""
        self._shared = shared_context(self._experiment)

    def end(self) -> None:
        """Nothing to close."""

    def missing(self, task: Trial, source: Source, written: Sequence[Output]) -> Exception:
        """What a reader is told when a fetch left nothing, as when its record was damaged."""
        return MissingArtifactError(f"'{source.output}' of {fetch_label(self._experiment, task)} is gone; run again")

    async def run(self, task: Trial, workspace: Workspace) -> Outcome:
        """Asks each source, and keeps what it gave."""
        gifts = await self._ask_all(task, workspace)
        for name, gift in gifts.items():
            workspace.write(name, "", gift.packed())
        previous = workspace.store.last_of_label(fetch_label(self._experiment, task))
        return Outcome(metrics={}, facts={} if previous is None else _compared(previous, gifts, workspace))

    async def _ask_all(self, task: Trial, workspace: Workspace) -> dict[str, Gift]:
        ctx = begin_context(
            self._shared, self._experiment, task, concurrent=self._concurrent, uses_numpy=self._uses_numpy
        )
        ctx._tell = workspace.emit
        with unobserved():
            ctx._inputs = {id(link.source): workspace.input(link.port) for link in self._links}
        reads = None if self._reads is None else self._reads.trial(task.condition, ctx._inputs.values())
        token = current_context.set(ctx)
        try:
            with nullcontext() if reads is None else reads.charged():
                treatment = self._treatments.get(task.condition)
                if treatment is not None:
                    treatment.apply(ctx)
                return {
                    name: await self._ask(source, ctx, task, treatment, reads) for name, source in self._sources.items()
                }
        finally:
            current_context.reset(token)

    async def _ask(
        self, source: DataSource, ctx: FrozenContext, task: Trial, treatment: Treatment | None, reads: TrialReads | None
    ) -> Gift:
        before = Before(ctx)
        part = None if reads is None else PartReads(reads)
        with nullcontext() if part is None else part.charged():
            data = source.fetch(ctx)
            if hasattr(data, "__await__"):
                data = await data
        owns_generators = task.seed is not None and not self._concurrent
        with unobserved():
            return Gift(
                name_of(source),
                data,
                before,
                ctx,
                asked=[] if treatment is None else ctx._asked.intersection(treatment.apply_map or ()),
                passing=map(str, _flat(ctx._inputs.values())),
                written=[] if part is None else part.written_paths(),
                generators=before.generators if owns_generators else (),
            )


def fetch_label(experiment: Blueprint, task: Trial) -> str:
    """``experiment/fetch/condition/replicate``."""
    return f"{experiment.label}/fetch/{task.condition}/{task.replicate}"


def _compared(previous: Record, gifts: Mapping[str, Gift], workspace: Workspace) -> dict[str, Any]:
    """What the record of a fetch is told of the last one."""
    before = {output.name: output for output in previous.outputs}
    changed = [each for each in workspace.outputs if each.name in before and each.digest != before[each.name].digest]
    if not changed and before.keys() == gifts.keys():
        return {SAME_AS: previous.run}
    notes = [_unsteady(gifts[output.name], before[output.name], workspace) for output in changed]
    return {UNSTEADY: [note for note in notes if note]}


def _unsteady(gift: Gift, before: Output, workspace: Workspace) -> str | None:
    try:
        return gift.unsteady(workspace.store.read_bytes(before))
    except StoreError:
        return None  # it was swept


def _flat(paths: Iterable[Path | list[Path]]) -> list[Path]:
    return [path for each in paths for path in (each if isinstance(each, list) else [each])]
