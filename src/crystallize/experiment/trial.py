"""Trials: one replicate of one condition of one experiment. What the jobs of an experiment do when they run.

Implements the seam `Work`. Knows neither schedules nor stores: it fetches, runs the pipeline and hands over what was
recorded.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from crystallize.errors import MissingArtifactError, PipelineExecutionError
from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.generators import GeneratorWatch
from crystallize.experiment.objects.artifact import default_loader
from crystallize.experiment.objects.constants import CONDITION_KEY, REPLICATE_KEY, SEED_USED_KEY, TAGS
from crystallize.experiment.objects.context import FrozenContext, Inputs, LoggingContext, current_context
from crystallize.experiment.objects.datasource import DataSource, data_of
from crystallize.experiment.objects.links import Link
from crystallize.experiment.objects.plugins import LoggingPlugin, SeedPlugin
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.reads import Reads
from crystallize.fingerprint.reads.observe import unobserved
from crystallize.plan.job import Outcome, Source
from crystallize.plan.workspace import Workspace
from crystallize.store.codecs import plain
from crystallize.store.record import Output

if TYPE_CHECKING:
    from crystallize.experiment.luggage import Luggage
    from crystallize.experiment.memo.keys import StepKeys
    from crystallize.experiment.memo.step_memo import TrialMemo

logger = logging.getLogger("crystallize")

_EMPTY = FrozenContext({})
"""What the trials of an experiment start from before it has begun; many never do."""


class Trial(NamedTuple):
    """The task of a trial's job."""

    condition: str
    replicate: int
    """From 0."""
    seed: int | None
    """None: the experiment has no seed."""


class TrialWork:
    """What the trials of one experiment do.

    Parameters
    ----------
    treatments : condition → what the experiment itself applies in it.
    folder : where the experiment's view lies, for messages.
    volatile : port → the source of outside state whose contents were fetched for the trial.
    """

    def __init__(
        self,
        experiment: Blueprint,
        links: Sequence[Link],
        treatments: Mapping[str, Treatment],
        folder: str,
        volatile: Mapping[str, DataSource] = MappingProxyType({}),
    ) -> None:
        self._experiment = experiment
        self._links = links
        self._treatments = treatments
        self._folder = folder
        self._volatile = volatile
        self._shared = _EMPTY
        self.concurrent = False
        """Whether trials run side by side in this process, so that global generators belong to none of them."""
        self.threads = False
        """Whether they run in threads."""
        self.replicates: int | None = None
        """How many of each condition this run has."""
        self.fallbacks: tuple[str, ...] = ()
        """What to warn of before the first trial: conditions in which another experiment's baseline is read."""
        self.elsewhere = False
        """Whether trials run in other processes than this one."""
        self.uses_numpy = False
        """Whether the experiment's code imports numpy, so that its generator is seeded before anything imports it."""
        self.make_reads: Callable[[], Reads] | None = None
        """Gives who observes what the trials read; None: nobody does."""
        self.memo_keys: StepKeys | None = None
        """What the memos of steps go by; None: no step is cacheable."""
        self.luggage: Luggage | None = None
        """What it takes along to other machines; None: it stays on this one."""
        self._set_up: list[Any] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels with its luggage. Producers stay behind: their trials are other jobs."""
        from crystallize.experiment.luggage import unpack

        assert self.luggage is not None, "only the work of a group that runs elsewhere is pickled"
        links = [link._replace(producer=None) for link in self._links]
        state = {**vars(self), "_links": links, "_set_up": [], "luggage": None, "memo_keys": None, "make_reads": None}
        return unpack, (type(self), *self.luggage.pack(self._experiment, state))

    @cached_property
    def reads(self) -> Reads | None:
        """Who observes what the trials read; None: nobody. Where all are reused there is no need of one."""
        return None if self.make_reads is None else self.make_reads()

    def let_go(self) -> None:
        """Of what only trials need: all are over, and a large plan has many experiments."""
        self.reads = self.make_reads = self.memo_keys = None

    def begin(self) -> None:
        """Calls the plugins' `before_run`, then sets up the steps with a context that all trials start from."""
        with nullcontext() if self.reads is None else self.reads.setting_up():
            self._begin()

    def _begin(self) -> None:
        experiment = self._experiment
        experiment.run_replicates = self.replicates
        if self.threads and self.concurrent and experiment.get_plugin(SeedPlugin) is not None:
            logger.warning(
                "%s: executor_type='thread': trials share the global random generators, so seeds cannot make them "
                "reproducible; draw from ctx.rng, or use executor_type='process'",
                experiment.label,
            )
        for fallback in self.fallbacks:
            # As in 0.27, for those who listen; on the command line it is how graphs are, and no news in every run.
            logger.warning("%s", fallback, extra={"is_usual": True})
        for plugin in experiment.plugins:
            plugin.before_run(experiment)
        self._shared = shared_context(experiment)
        for step in experiment.pipeline.steps:
            self._set_up.append(step)
            step.setup(self._shared)
        if self.memo_keys is not None:
            with unobserved():
                self.memo_keys.begin()

    def end(self) -> None:
        """Tears down every step whose set-up was begun; the first exception is raised after all were."""
        errors = []
        for step in self._set_up:
            try:
                step.teardown(self._shared)
            except Exception as error:
                errors.append(error)
        self._set_up = []
        if errors:
            raise errors[0]

    def missing(self, task: Trial, source: Source, written: Sequence[Output]) -> Exception:
        """What a reader is told when this trial succeeded without writing the artifact it reads."""
        steps = [source.step] if source.step else self._experiment.writers(source.output)
        place = f"{self._folder}/replicate_{task.replicate}/{task.condition}"
        paths = " or ".join(f"{place}/{step}/{source.output}" for step in steps)
        return MissingArtifactError(
            f"artifact '{source.output}' of experiment '{self._experiment.name}' was never written by step "
            f"{' or '.join(steps)}: no {paths}; it wrote "
            f"{', '.join(f'{output.step}/{output.name}' for output in written) or 'nothing'}"
        )

    async def run(self, task: Trial, workspace: Workspace) -> Outcome:
        """Fetches, runs every step, and returns what they recorded."""
        watch = GeneratorWatch() if self.concurrent else None
        inputs = self._lay_inputs(task, workspace)
        reads = None if self.reads is None else self.reads.trial(task.condition, inputs.values())
        memo = None
        if self.memo_keys is not None:
            from crystallize.experiment.memo.step_memo import TrialMemo

            label = f"{self._experiment.label}/{task.condition}/{task.replicate}"
            memo = TrialMemo(self.memo_keys, workspace, label, reads, concurrent=self.concurrent)
        with nullcontext() if reads is None else reads.charged():
            ctx, provenance = await self._carry_out(task, workspace, inputs, watch, memo)
        _hand_over(ctx, workspace)
        outcome = Outcome(
            metrics=ctx.metrics._lists(),
            facts=self._facts(task, ctx),
            provenance=provenance,
            unrecordable=None if watch is None else watch.verdict(),
        )
        if self.elsewhere:
            outcome.recorded_by = _recorders(provenance)
        if memo is not None:
            outcome.facts.update(memo.facts())
        if reads is not None:
            reads.complete(outcome)
        return outcome

    async def _carry_out(
        self, task: Trial, workspace: Workspace, inputs: Inputs, watch: GeneratorWatch | None, memo: TrialMemo | None
    ) -> tuple[FrozenContext, Any]:
        """Calls the user's code; the context as it left it, and the provenance."""
        experiment = self._experiment
        ctx = self._context(task, workspace, inputs)
        token = current_context.set(ctx)
        try:
            treatment = self._treatments.get(task.condition)
            if treatment is not None:
                treatment.apply(ctx)
            for plugin in experiment.plugins:
                plugin.before_replicate(experiment, ctx)
            data = data_of(self._source(task), ctx)
            if hasattr(data, "__await__"):
                data = await data
            _, provenance = await experiment.pipeline.arun(
                data,
                ctx,
                rep=task.replicate,
                condition=task.condition,
                verbose=isinstance(ctx, LoggingContext),
                return_provenance=True,
                experiment=experiment,
                observer=watch,
                memo=memo,
            )
        except Exception as error:
            self._hint_at_bytes(error)
            raise
        finally:
            current_context.reset(token)
        return ctx, provenance

    def _swapped(self, task: Trial) -> DataSource | None:
        """What the treatment puts in place of the experiment's datasource; None when it puts nothing there."""
        treatment = self._treatments.get(task.condition)
        return None if treatment is None else treatment.datasource

    def _source(self, task: Trial) -> DataSource:
        """What gives a trial its data."""
        swapped = self._swapped(task)
        return self._experiment.datasource if swapped is None else swapped

    def _hint_at_bytes(self, error: Exception) -> None:
        """A step that fails on bytes it did not expect most often lacks a loader upstream."""
        raw = [link for link in self._links if link.loader is default_loader]
        if raw and isinstance(error, PipelineExecutionError):
            named = ", ".join(f"'{link.port}' ({link.output})" for link in raw)
            error.add_note(f"{named} came as bytes, for want of a loader; give the output a loader that decodes it")

    def _lay_inputs(self, task: Trial, workspace: Workspace) -> Inputs:
        """What the trial reads of other jobs, laid out before anybody observes it."""
        swapped = None if self._swapped(task) is None else task.condition
        return {id(link.source): workspace.input(link.port) for link in self._links if link.treatment == swapped}

    def _context(self, task: Trial, workspace: Workspace, inputs: Inputs) -> FrozenContext:
        ctx = begin_context(
            self._shared, self._experiment, task, concurrent=self.concurrent, uses_numpy=self.uses_numpy
        )
        ctx._inputs = inputs
        if self._volatile and self._swapped(task) is None:
            from crystallize.experiment.fetched import unwrap

            with unobserved():
                fetched = {id(source): workspace.read(port) for port, source in self._volatile.items()}
            ctx._fetched = {source: partial(unwrap, contents, ctx) for source, contents in fetched.items()}
        ctx._tell = workspace.emit
        written = ctx.artifacts._records
        ctx.artifacts._folder_for = lambda name: workspace.scratch("outputs", str(len(written)))
        return ctx

    def _facts(self, task: Trial, ctx: FrozenContext) -> dict[str, Any]:
        facts: dict[str, Any] = {} if self.reads is not None else {"observed": False}
        if task.seed is not None:
            facts["seed"] = task.seed
        tags = ctx.metrics._tagged()
        if tags:
            facts[TAGS] = plain(tags)
        treatment = self._treatments.get(task.condition)
        if treatment is not None and treatment.apply_map:
            unread = [key for key in treatment.apply_map if key not in ctx._asked]
            if unread:
                facts["unread"] = unread
                facts["asked"] = sorted(ctx._asked)
        return facts


def begin_context(
    shared: FrozenContext, experiment: Blueprint, task: Trial, *, concurrent: bool, uses_numpy: bool
) -> FrozenContext:
    """The context of one trial, or of a fetch for it, as it begins; global generators are seeded.

    Parameters
    ----------
    shared : what all trials of the experiment start from.
    concurrent : global generators belong to no trial, and are left to the user's own seed function.
    uses_numpy : numpy's is seeded even where nothing has imported it yet.
    """
    seeds = experiment.get_plugin(SeedPlugin)
    values: dict[str, Any] = {REPLICATE_KEY: task.replicate, CONDITION_KEY: task.condition}
    if task.seed is not None and seeds is not None:
        values[SEED_USED_KEY] = task.seed
        if not concurrent or seeds.seed_fn is not None:
            seeds.plant(task.seed, numpy=uses_numpy)
    ctx = shared._fork(values)
    logging = experiment.get_plugin(LoggingPlugin)
    return LoggingContext(ctx) if logging is not None and logging.verbose else ctx


def shared_context(experiment: Blueprint) -> FrozenContext:
    """What all trials of an experiment start from."""
    logging = experiment.get_plugin(LoggingPlugin)
    return FrozenContext(experiment.initial_ctx, None if logging is None else logging.logger())


def _recorders(provenance: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Metric → class name of the step that recorded it last."""
    return {name: record["step"] for record in provenance for name in record["ctx_changes"].get("metrics", ())}


def _hand_over(ctx: FrozenContext, workspace: Workspace) -> None:
    """Gives the artifacts that the steps wrote to the workspace."""
    for written in ctx.artifacts:
        if isinstance(written.data, bytes):
            workspace.write(written.name, written.step_name, written.data)
        elif written.data.exists():
            workspace.take(written.name, written.step_name, written.data)
