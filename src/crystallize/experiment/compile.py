"""Compiling: a graph of experiments and what the user asked for → a plan of trials.

Below this, nobody knows conditions, treatments or replicates. Design 5.5 (treatments flow by name), 5.6 (replicates)
and 5.7 (seeds) are decided here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from crystallize.errors import DefinitionError, ReplicateMismatchError, UnknownNameError
from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.memo.keys import StepKeys
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.objects.inputs import ExperimentInput
from crystallize.experiment.objects.links import Link
from crystallize.experiment.objects.plugins import SeedPlugin
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.parts import PartMaker, Surroundings
from crystallize.experiment.pinning import PinnedTrials, check_pinned_names, pinned_trials
from crystallize.experiment.reads import Reads
from crystallize.experiment.results.collect import Collected
from crystallize.experiment.results.view import ExperimentView
from crystallize.experiment.results.view_files import newest_version, view_folder
from crystallize.experiment.results.view_rows import ViewRows
from crystallize.experiment.trial import Trial, TrialWork
from crystallize.experiment.upstream import UpstreamWork
from crystallize.fingerprint.digest import digest_of
from crystallize.fingerprint.manifest import Part, PartTable
from crystallize.plan.job import Group, Input, Job, Source
from crystallize.plan.plan import Plan
from crystallize.session import Session
from crystallize.store.reuse import Exactly, Force, Policy, Use

KIND = "trial/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asked of one run."""

    strategy: str | None = None
    """For every node; None: as each defines."""
    default_strategy: str
    """For nodes that define none."""
    treatments: Sequence[Treatment | str] | None = None
    """None: all that are defined. Names: baseline and these. Objects: given to every node, own ones winning."""
    replicates: int | None = None
    """For every node; None: as defined."""
    seed: int | None = None
    """Base seed for every node; None: as defined."""
    restore: bool = False
    """Missing markers are losses, not wishes: they are put back."""
    pin: Mapping[str, int] = field(default_factory=dict)
    """Experiment → the run whose trials it takes as they are."""

    def strategy_of(self, experiment: Blueprint) -> str:
        """``resume`` or ``rerun``."""
        return self.strategy or experiment.defined_strategy or self.default_strategy


@dataclass(slots=True)
class Node:
    """One experiment in one run."""

    experiment: Blueprint
    links: list[Link]
    after: list[Blueprint]
    """Experiments whose artifacts count as a whole."""
    runs: bool = True
    """False: an upstream of the run that is only read, as it was recorded last."""
    defined: tuple[str, ...] = ()
    """Baseline, own treatments and those of its ancestors."""
    conditions: tuple[str, ...] = ()
    """Those of them that this run is about."""
    treatments: dict[str, Treatment] = field(default_factory=dict)
    """Condition → what this experiment itself applies in it."""
    replicates: int = 1
    paired: bool = False
    """Whether each replicate reads one of its own of another experiment."""
    root: Path = Path()
    """Its artifact root."""
    group: int = 0
    first: int = 0
    """Index of its first job; they follow replicate by replicate, condition by condition."""
    pinned: PinnedTrials | None = None
    """What it takes in place of its trials."""
    view: ExperimentView | None = None
    collected: Collected | None = None
    work: TrialWork | None = None

    def job(self, condition: str, replicate: int) -> int:
        """Index of the job of one trial."""
        return self.first + replicate * len(self.conditions) + self.conditions.index(condition)


def compile_graph(
    nodes: Sequence[Node], asked: Asked, session: Session, around: Surroundings
) -> tuple[Plan, list[ViewRows]]:
    """The plan of `nodes`, which come in topological order, and the rows of their views.

    Fills in what each node's run looks like.

    Raises UnknownNameError for a treatment that no node defines, ReplicateMismatchError for counts that cannot be
    paired, PinnedRecordGone for a pin that lacks what is needed, DefinitionError for what cannot be run.
    """
    plan = Plan()
    by_experiment = {id(node.experiment): node for node in nodes}
    _choose_conditions(nodes, by_experiment, asked)
    shared = _OwnParts()
    rows = _view_rows(nodes, session)
    _pin(nodes, asked, session)
    for node in nodes:
        node.replicates = _count_replicates(node, by_experiment, asked)
        if node.pinned is not None:
            node.conditions = node.pinned.conditions_among(node.conditions, node.replicates)
            node.pinned.check_there((c, r) for c in node.conditions for r in range(node.replicates))
        node.collected = Collected(node.conditions, node.replicates)
        _add_group(plan, node, rows, session)
        tables = _tables(node, session, around) if node.runs and node.pinned is None else {}
        if node.work is not None and tables:
            node.work.uses_numpy = any(part.name == "env.numpy" for part in tables[BASELINE_CONDITION].parts)
        _add_jobs(plan, node, by_experiment, tables, shared, session, asked)
    return plan, list(rows.values())


def _view_rows(nodes: Sequence[Node], session: Session) -> dict[Path, ViewRows]:
    """Artifact root → the rows of all views in it, read at once."""
    folders: dict[Path, list[str]] = {}
    for node in nodes:
        node.root = node.experiment.artifact_root
        if node.runs:
            version = newest_version(node.root / node.experiment.label) if node.experiment.artifacts.versioned else 0
            folders.setdefault(node.root, []).append(view_folder(node.experiment.label, version))
    return {root: ViewRows(session.store(root), listed) for root, listed in folders.items()}


def _pin(nodes: Sequence[Node], asked: Asked, session: Session) -> None:
    check_pinned_names(asked.pin, [node.experiment.label for node in nodes])
    for node in nodes:
        label = node.experiment.label
        if label in asked.pin:
            store, history = session.store(node.root), session.history(node.root)
            node.pinned = pinned_trials(label, asked.pin[label], history, store)


def _choose_conditions(nodes: Sequence[Node], by_experiment: Mapping[int, Node], asked: Asked) -> None:
    chosen = None if asked.treatments is None else [_name_of(treatment) for treatment in asked.treatments]
    given = {t.name: t for t in asked.treatments or () if isinstance(t, Treatment)}
    defined: dict[str, None] = {}
    for node in nodes:
        node.treatments = {**given, **{t.name: t for t in node.experiment.treatments}}
        inherited = [name for upstream in _upstream(node, by_experiment) for name in upstream.conditions]
        node.defined = tuple(dict.fromkeys([BASELINE_CONDITION, *node.treatments, *inherited]))
        node.conditions = node.defined
        defined |= dict.fromkeys(node.defined)
    if chosen is not None:
        for name in chosen:
            if name not in defined:
                raise _unknown_treatment(name, defined, nodes)
        for node in nodes:
            wanted = {BASELINE_CONDITION, *chosen}
            node.conditions = tuple(name for name in node.conditions if name in wanted)


def _name_of(treatment: Treatment | str) -> str:
    return treatment if isinstance(treatment, str) else treatment.name


def _unknown_treatment(name: str, defined: Iterable[str], nodes: Sequence[Node]) -> UnknownNameError:
    near = get_close_matches(name, defined, n=3) or list(defined)
    names = ", ".join(node.experiment.label for node in nodes if node.runs)
    return UnknownNameError(
        f"no treatment '{name}' is defined by {names}", key="treatments", remedy=f"nearest: {', '.join(near)}"
    )


def _upstream(node: Node, by_experiment: Mapping[int, Node]) -> list[Node]:
    producers = [link.producer for link in node.links] + node.after
    return list({id(p): by_experiment[id(p)] for p in producers}.values())


def _count_replicates(node: Node, by_experiment: Mapping[int, Node], asked: Asked) -> int:
    """Design 5.6: asked for, else defined, else the upstreams' common count other than 1, else 1."""
    paired = [(link.port, by_experiment[id(link.producer)].replicates) for link in node.links if not link.gather]
    paired += [(upstream.label, by_experiment[id(upstream)].replicates) for upstream in node.after]
    counts = {count for _, count in paired if count != 1}
    node.paired = bool(counts)
    own = asked.replicates if asked.replicates is not None and node.runs else node.experiment.defined_replicates
    replicates = own if own is not None else next(iter(counts)) if len(counts) == 1 else 1
    if node.pinned is not None:
        return min(replicates, node.pinned.replicates)
    wrong = [(port, count) for port, count in paired if count not in (1, replicates)]
    if wrong or (own is None and len(counts) > 1):
        pins = [f"{up.experiment.label} {up.pinned.why}" for up in _upstream(node, by_experiment) if up.pinned]
        listed = ", ".join([*(f"{port}={count}" for port, count in paired), *pins])
        raise ReplicateMismatchError(
            f"experiment '{node.experiment.label}' has {replicates} replicates and reads {listed}",
            path=node.experiment.path,
            key="replicates",
            remedy=f"give upstream experiments 1 or {replicates} replicates, or read all of one with [*]",
        )
    return replicates


def _add_group(plan: Plan, node: Node, rows: Mapping[Path, ViewRows], session: Session) -> None:
    experiment, root = node.experiment, node.root
    node.group = len(plan.groups)
    if not node.runs:
        plan.groups.append(Group(name=experiment.label, kind=KIND, work=UpstreamWork(experiment), root=root))
        return
    node.view = ExperimentView(
        rows[root],
        experiment.label,
        about={"id": experiment.id, "name": experiment.name},
        versioned=experiment.artifacts.versioned,
        keep_versions=experiment.artifacts.kept_versions(session.settings.artifact_retention),
        big_bytes=experiment.artifacts.big_megabytes(session.settings.big_file_threshold_mb) * 2**20,
        conditions=node.defined,
        replicates=max(node.replicates, experiment.defined_replicates or 1),
    )
    kind, workers = experiment.executor(len(node.conditions) * node.replicates)
    node.work = TrialWork(experiment, node.links, node.treatments, node.view.path)
    node.work.concurrent = workers > 1
    plan.groups.append(
        Group(name=experiment.label, kind=KIND, work=node.work, root=root, executor=kind, workers=workers)
    )


def _tables(node: Node, session: Session, around: Surroundings) -> dict[str, PartTable]:
    """One table per condition: the parts of the experiment, then those of the condition."""
    experiment = node.experiment
    store = session.store(node.root)
    store.survey_with(around.surveyor(store))
    maker = PartMaker(around, store, store.secret_key)
    maker.add_datasource(experiment.datasource)
    maker.add_links(node.links)
    maker.add_steps(experiment.pipeline.steps)
    maker.add_outputs(experiment.outputs)
    maker.add_context(experiment.initial_ctx)
    maker.add_plugins(experiment.plugins)
    maker.add_files(experiment.reads, around.root, experiment.ignore)
    tables, texts = {}, {}
    for condition in node.conditions:
        own = maker.extended()
        own.add_treatment(condition, node.treatments.get(condition))
        tables[condition] = own.table()
        texts[condition] = own.texts
    if node.work is not None and any(step.cacheable for step in experiment.pipeline.steps):
        node.work.memo_keys = StepKeys(experiment, around, store, tables.values())
    if node.work is not None and session.settings.observe:
        node.work.reads = Reads(
            around.surveyor(store),
            around.keeping,
            homes=maker.homes,
            holders=_holders(experiment),
            texts=texts,
            ignore=experiment.ignore,
        )
    return tables


def _holders(experiment: Blueprint) -> list[object]:
    """What the user's own classes made that lives from trial to trial: steps, datasources, plugins."""
    source = experiment.datasource
    sources = source.inputs.values() if isinstance(source, ExperimentInput) else [source]
    made = [*experiment.pipeline.steps, *sources, *experiment.plugins]
    return [
        each
        for each in made
        if not hasattr(each, "definition") and type(each).__module__.partition(".")[0] != "crystallize"
    ]


class _OwnParts:
    """The parts of a single trial, shared by all trials of the same replicate and seed."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, int | None], tuple[Part, ...]] = {}

    def of(self, replicate: int, seed: int | None) -> tuple[Part, ...]:
        parts = self._made.get((replicate, seed))
        if parts is None:
            listed = [Part("replicate", digest_of("replicate/1", str(replicate).encode()), str(replicate))]
            if seed is not None:
                listed.append(Part("seed", digest_of("seed/1", str(seed).encode()), str(seed)))
            parts = self._made[(replicate, seed)] = tuple(listed)
        return parts


def _add_jobs(
    plan: Plan,
    node: Node,
    by_experiment: Mapping[int, Node],
    tables: Mapping[str, PartTable],
    shared: _OwnParts,
    session: Session,
    asked: Asked,
) -> None:
    node.first = len(plan.jobs)
    policies = {condition: _policy(node, condition, asked) for condition in node.conditions}
    reads = node.runs and node.pinned is None
    inputs = _InputMaker(node, by_experiment)
    label = node.experiment.label
    for replicate in range(node.replicates):
        seed = _seed(node.experiment, replicate, asked)
        own = shared.of(replicate, seed)
        for condition in node.conditions:
            name = f"{label}/{condition}/{replicate}"
            plan.jobs.append(
                Job(
                    index=len(plan.jobs),
                    label=name,
                    group=node.group,
                    task=Trial(condition, replicate, seed),
                    table=tables.get(condition, _NOTHING),
                    own=own,
                    inputs=inputs.ports(condition, replicate) if reads else (),
                    after=inputs.after(condition, replicate) if reads else (),
                    policy=policies[condition] if reads else _recorded(name, condition, replicate, node, session),
                )
            )


_NOTHING = PartTable(())


def _policy(node: Node, condition: str, asked: Asked) -> Policy:
    if asked.strategy_of(node.experiment) == "rerun":
        return Force("rerun")
    wish = None if asked.restore or node.view is None else node.view.wish(condition)
    return wish or Use()


def _recorded(label: str, condition: str, replicate: int, node: Node, session: Session) -> Policy:
    if node.pinned is not None:
        return node.pinned.policy(condition, replicate)
    record = session.store(node.root).last_of_label(label)
    return Force("never recorded") if record is None else Exactly(record.number)


def _seed(experiment: Blueprint, replicate: int, asked: Asked) -> int | None:
    seeds = experiment.get_plugin(SeedPlugin)
    return None if seeds is None else seeds.seed_for(replicate, base=asked.seed)


class _InputMaker:
    """The inputs of the trials of one node."""

    def __init__(self, node: Node, by_experiment: Mapping[int, Node]) -> None:
        self._links = [(link, by_experiment[id(link.producer)]) for link in node.links]
        self._after = [by_experiment[id(upstream)] for upstream in node.after]
        self._node = node

    def ports(self, condition: str, replicate: int) -> tuple[Input, ...]:
        """One input per link."""
        return tuple(self._input(link, upstream, condition, replicate) for link, upstream in self._links)

    def after(self, condition: str, replicate: int) -> tuple[int, ...]:
        """One upstream job per experiment that is only waited for."""
        return tuple(
            upstream.job(self._condition(None, upstream, condition), _replicate(upstream, replicate))
            for upstream in self._after
        )

    def _input(self, link: Link, upstream: Node, condition: str, replicate: int) -> Input:
        chosen = self._condition(link.condition, upstream, condition)
        if chosen not in upstream.conditions:
            raise DefinitionError(
                f"experiment '{self._node.experiment.label}' reads condition '{link.condition}' of "
                f"'{upstream.experiment.label}', which runs {', '.join(upstream.conditions)}",
                key=link.port,
                remedy="leave `condition=` out to follow the reader's own condition",
            )
        replicates = range(upstream.replicates) if link.gather else [_replicate(upstream, replicate)]
        if upstream.pinned is not None:
            for r in replicates:
                upstream.pinned.check_output(chosen, r, link.output, link.step, self._node.experiment.label)
        sources = tuple(Source(upstream.job(chosen, r), link.output, link.step) for r in replicates)
        return Input(link.port, sources, link.gather)

    def _condition(self, fixed: str | None, upstream: Node, condition: str) -> str:
        wanted = fixed or condition
        if upstream.pinned is not None:
            upstream.pinned.check_condition(wanted, self._node.experiment.label)
        return wanted if fixed is not None or wanted in upstream.conditions else BASELINE_CONDITION


def _replicate(upstream: Node, replicate: int) -> int:
    return 0 if upstream.replicates == 1 else replicate
