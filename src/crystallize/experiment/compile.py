"""Compiling: a graph of experiments and what the user asked for → a plan of trials.

Below this, nobody knows conditions, treatments or replicates. The order of the decisions is here; each has a file in
`compiling/`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

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
from crystallize.fingerprint.manifest import Part, PartTable, Rows
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
    if asked.pin:
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
        trials = _trials(node, shared, asked)
        # Also where records stand in for them: the view notes which markers are there.
        policies = {condition: _policy(node, condition, asked) for condition in node.conditions}
        if _decides(node):
            tables = tables_of(node, session, around)
            if node.volatile:
                add_fetches(plan, node, nodes, trials, session, around)
            _add_jobs(plan, node, nodes, trials, tables, policies)
        else:
            _add_stand_ins(plan, node, trials, session, asked)
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
        self._made: dict[tuple[int, int | None], Rows] = {}

    def of(self, replicate: int, seed: int | None) -> Rows:
        parts = self._made.get((replicate, seed))
        if parts is None:
            listed = [Part("replicate", digest_of("replicate/1", str(replicate).encode()), str(replicate))]
            if seed is not None:
                listed.append(Part("seed", digest_of("seed/1", str(seed).encode()), str(seed)))
            parts = self._made[(replicate, seed)] = Rows(listed)
        return parts


_Own: TypeAlias = tuple[Trial, Rows]
"""A trial, and the parts of its own."""


def _trials(node: Node, shared: _OwnParts, asked: Asked) -> list[_Own]:
    """The trials of a node with the parts of their own, replicate by replicate, condition by condition."""
    seeds = node.experiment.get_plugin(SeedPlugin)
    trials: list[_Own] = []
    for replicate in range(node.replicates):
        seed = None if seeds is None else seeds.seed_for(replicate, base=asked.seed)
        own = shared.of(replicate, seed)
        trials += [(Trial(condition, replicate, seed), own) for condition in node.conditions]
    return trials


def _add_jobs(
    plan: Plan,
    node: Node,
    nodes: Nodes,
    trials: Sequence[_Own],
    tables: Mapping[str, PartTable],
    policies: Mapping[str, Policy],
) -> None:
    """Adds the trials of a node that is decided on what they read."""
    assert node.work is not None, "a node that is decided runs"
    ports = PortMaker(node, node.trial_links, nodes)
    node.work.fallbacks = ports.fallbacks()
    node.first, label = len(plan.jobs), node.experiment.label
    for trial, own in trials:
        condition, replicate, _ = trial
        inputs, after = ports.of(condition, replicate)
        plan.jobs.append(
            Job(
                index=len(plan.jobs),
                label=f"{label}/{condition}/{replicate}",
                group=node.group,
                task=trial,
                table=tables[condition],
                own=own,
                inputs=inputs + fetched_ports(node, condition, replicate) if node.fetches else inputs,
                after=after,
                policy=policies[condition],
            )
        )


def _add_stand_ins(plan: Plan, node: Node, trials: Sequence[_Own], session: Session, asked: Asked) -> None:
    """Adds the trials of a node that are taken as they were recorded."""
    node.first = len(plan.jobs)
    for trial, own in trials:
        condition, replicate, _ = trial
        label = f"{node.experiment.label}/{condition}/{replicate}"
        policy = _recorded(label, condition, replicate, node, session)
        # Beside a run aside nothing else is written, not even that it failed.
        is_missing = asked.aside is not None and not node.runs and isinstance(policy, Force)
        plan.jobs.append(
            Job(
                index=len(plan.jobs),
                label=label,
                group=node.group,
                task=trial,
                table=_NOTHING,
                own=own,
                late=_missing(node) if is_missing else None,
                policy=policy,
            )
        )


def _decides(node: Node) -> bool:
    """Whether its trials are decided on what they read; else records stand in for them."""
    return node.runs and node.pinned is None


_NOTHING = PartTable(())
_USE = Use()


def _policy(node: Node, condition: str, asked: Asked) -> Policy:
    if asked.strategy_of(node.experiment) == "rerun":
        return Force("rerun")
    wish = None if asked.restore or node.view is None else node.view.wish(condition)
    return wish or _USE


def _recorded(label: str, condition: str, replicate: int, node: Node, session: Session) -> Policy:
    if node.pinned is not None:
        return node.pinned.policy(condition, replicate)
    record = session.store(node.root).last_of_label(label)
    return Force("never recorded") if record is None else Exactly(record.number)


def _missing(node: Node) -> Late:
    def fail(left: Mapping[int, Yield]) -> Resolved:
        raise never_recorded(node.experiment)

    return fail
