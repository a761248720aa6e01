"""Compiling: a graph of experiments and what the user asked for → a plan of trials.

Below this, nobody knows conditions, treatments or replicates. The order of the decisions is here; each has a file in
`compiling/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.compiling.company import mark_company
from crystallize.experiment.compiling.conditions import choose_conditions
from crystallize.experiment.compiling.fetches import add_fetches, fetched_ports
from crystallize.experiment.compiling.groups import add_group, rows_of_views
from crystallize.experiment.compiling.node import Asked, Node, Nodes
from crystallize.experiment.compiling.ports import PortMaker
from crystallize.experiment.compiling.replicates import count_replicates
from crystallize.experiment.compiling.tables import tables_of
from crystallize.experiment.objects.links import volatile_sources
from crystallize.experiment.objects.plugins import SeedPlugin
from crystallize.experiment.parts import Surroundings
from crystallize.experiment.pinning import check_pinned_names, pinned_trials
from crystallize.experiment.results.view_rows import ViewRows
from crystallize.experiment.trial import Trial
from crystallize.experiment.upstream import never_recorded
from crystallize.fingerprint.digest import digest_of
from crystallize.fingerprint.manifest import Part, PartTable
from crystallize.plan.job import Job, Late, Resolved, Yield
from crystallize.plan.plan import Plan
from crystallize.session import Session
from crystallize.store.reuse import Exactly, Force, Policy, Use


def compile_graph(
    ordered: Sequence[Node], asked: Asked, session: Session, around: Surroundings
) -> tuple[Plan, list[ViewRows]]:
    """The plan of `ordered`, nodes that come in topological order, and the rows of their views.

    Fills in what each node's run looks like.

    Raises UnknownNameError for a treatment that no node defines, ReplicateMismatchError for counts that cannot be
    paired, PinnedRecordGone for a pin that lacks what is needed, DefinitionError for what cannot be run.
    """
    plan = Plan()
    nodes = {id(node.experiment): node for node in ordered}
    choose_conditions(ordered, nodes, asked)
    shared = _OwnParts()
    rows = rows_of_views(ordered, session)
    _pin(ordered, asked, session)
    for node in ordered:
        node.replicates = count_replicates(node, nodes, asked)
        if node.pinned is not None:
            node.conditions = node.pinned.conditions_among(node.conditions, node.replicates)
            node.pinned.check_there((c, r) for c in node.conditions for r in range(node.replicates))
        if _decides(node):
            node.volatile = volatile_sources(node.experiment.datasource)
        add_group(plan, node, rows, session, asked)
    mark_company(plan, ordered)
    for root in {node.root for node in ordered if _decides(node)}:
        session.store(root).survey_with(around.surveyor(session.store(root)))
    for node in ordered:
        tables = tables_of(node, session, around) if _decides(node) else {}
        trials = _trials(node, shared, asked)
        if node.volatile:
            add_fetches(plan, node, nodes, trials, session, around)
        _add_jobs(plan, node, nodes, trials, tables, session, asked)
    return plan, list(rows.values())


def _pin(nodes: Sequence[Node], asked: Asked, session: Session) -> None:
    check_pinned_names(asked.pin, [node.experiment.label for node in nodes])
    for node in nodes:
        label = node.experiment.label
        if label in asked.pin:
            store, history = session.store(node.root), session.history(node.root)
            node.pinned = pinned_trials(label, asked.pin[label], history, store)


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


def _trials(node: Node, shared: _OwnParts, asked: Asked) -> list[tuple[Trial, tuple[Part, ...]]]:
    """The trials of a node with the parts of their own, replicate by replicate, condition by condition."""
    seeds = [_seed(node.experiment, replicate, asked) for replicate in range(node.replicates)]
    return [
        (Trial(condition, replicate, seed), shared.of(replicate, seed))
        for replicate, seed in enumerate(seeds)
        for condition in node.conditions
    ]


def _add_jobs(
    plan: Plan,
    node: Node,
    nodes: Nodes,
    trials: Sequence[tuple[Trial, tuple[Part, ...]]],
    tables: Mapping[str, PartTable],
    session: Session,
    asked: Asked,
) -> None:
    node.first = len(plan.jobs)
    policies = {condition: _policy(node, condition, asked) for condition in node.conditions}
    ports = PortMaker(node, node.trial_links, nodes) if _decides(node) else None
    if ports is not None and node.work is not None:
        node.work.fallbacks = ports.fallbacks()
    label = node.experiment.label
    for trial, own in trials:
        condition, replicate = trial.condition, trial.replicate
        name = f"{label}/{condition}/{replicate}"
        inputs = ports.of(condition, replicate) + fetched_ports(node, condition, replicate) if ports else ()
        policy = policies[condition] if ports else _recorded(name, condition, replicate, node, session)
        plan.jobs.append(
            Job(
                index=len(plan.jobs),
                label=name,
                group=node.group,
                task=trial,
                table=tables.get(condition, _NOTHING),
                own=own,
                inputs=inputs,
                after=ports.after(condition, replicate) if ports else (),
                # Beside a run aside nothing else is written, not even that it failed.
                late=None if asked.aside is None or not isinstance(policy, Force) or node.runs else _missing(node),
                policy=policy,
            )
        )


def _decides(node: Node) -> bool:
    """Whether its trials are decided on what they read; else records stand in for them."""
    return node.runs and node.pinned is None


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


def _missing(node: Node) -> Late:
    def fail(left: Mapping[int, Yield]) -> Resolved:
        raise never_recorded(node.experiment)

    return fail


def _seed(experiment: Blueprint, replicate: int, asked: Asked) -> int | None:
    seeds = experiment.get_plugin(SeedPlugin)
    return None if seeds is None else seeds.seed_for(replicate, base=asked.seed)
