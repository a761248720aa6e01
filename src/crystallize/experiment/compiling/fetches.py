"""The fetches of each experiment: one job per trial that brings in the outside state its volatile sources read.

Sources that look at no context cannot tell the conditions of a replicate apart. The fetches of these have one
fingerprint, so a run fetches once for all of them, and every condition is tried on the same data.
"""

from __future__ import annotations

from collections.abc import Sequence

from crystallize.engine.executors import SERIAL
from crystallize.experiment.compiling.node import Node, Nodes
from crystallize.experiment.compiling.ports import PortMaker
from crystallize.experiment.objects.links import name_of
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.parts import PartMaker, Surroundings
from crystallize.experiment.trial import Trial
from crystallize.fingerprint.manifest import Part, PartTable
from crystallize.plan.job import FETCH, Group, Input, Job, Source
from crystallize.plan.plan import Plan
from crystallize.session import Session
from crystallize.store.reuse import Force

POLICY = Force("volatile")


def add_fetches(
    plan: Plan,
    node: Node,
    nodes: Nodes,
    trials: Sequence[tuple[Trial, tuple[Part, ...]]],
    session: Session,
    around: Surroundings,
) -> None:
    """Adds the group and the jobs that fetch for `trials`, each with the parts of its own; `node` has its work."""
    from crystallize.experiment.fetch import FetchWork, fetch_label

    assert node.work is not None, "a node that fetches runs"
    treatments = node.treatments if _look_at_context(node) else {}
    tables = _tables(node, treatments, session, around)
    work = FetchWork(
        node.experiment,
        {name: node.volatile[port] for port, name in _names(node).items()},
        node.fetch_links,
        treatments,
        reads=node.work.reads,
        concurrent=node.work.concurrent,
        uses_numpy=any(part.name == "env.numpy" for table in tables.values() for part in table.parts),
    )
    trial_group = plan.groups[node.group]
    node.fetch_group = len(plan.groups)
    plan.groups.append(
        Group(
            name=f"{trial_group.name}/fetch",
            kind=FETCH,
            work=work,
            root=trial_group.root,
            fetches_for=node.group,
            # What is fetched is compared with what was fetched last, in the database.
            executor=SERIAL if node.is_far else trial_group.executor,
            workers=trial_group.workers,
        )
    )
    ports = PortMaker(node, node.fetch_links, nodes)
    for trial, own in trials:
        if trial.condition in node.sources:
            continue
        node.fetches[trial.condition, trial.replicate] = len(plan.jobs)
        plan.jobs.append(
            Job(
                index=len(plan.jobs),
                label=fetch_label(node.experiment, trial),
                group=node.fetch_group,
                task=trial,
                table=tables[trial.condition],
                own=own,
                inputs=ports.of(trial.condition, trial.replicate),
                after=ports.after(trial.condition, trial.replicate),
                policy=POLICY,
            )
        )


def fetched_ports(node: Node, condition: str, replicate: int) -> tuple[Input, ...]:
    """What one trial reads of its fetch."""
    job = node.fetches.get((condition, replicate))
    if job is None:
        return ()
    return tuple(Input(port, (Source(job, name),)) for port, name in _names(node).items())


def _names(node: Node) -> dict[str, str]:
    """Port → the name under which its source leaves what it fetched: the source's own, so that experiments share it."""
    names: dict[str, str] = {}
    for port, source in node.volatile.items():
        count = sum(name_of(other) == name_of(source) for other in list(node.volatile.values())[: len(names)])
        names[port] = f"{name_of(source)}.{count + 1}" if count else name_of(source)
    return names


def _look_at_context(node: Node) -> bool:
    return any(source.takes_context for source in node.volatile.values())


def _tables(
    node: Node, treatments: dict[str, Treatment], session: Session, around: Surroundings
) -> dict[str, PartTable]:
    """One table per condition; the same for all where no source can tell them apart."""
    store = session.store(node.root)
    maker = PartMaker(around, store, store.secret_key)
    for source in node.volatile.values():
        maker.add_fetch(source)
    maker.add_links(node.fetch_links)
    maker.add_plugins(node.experiment.plugins)
    if not _look_at_context(node):
        return dict.fromkeys(node.conditions, maker.table())
    maker.add_context(node.experiment.initial_ctx)
    tables = {}
    for condition in node.conditions:
        own = maker.extended()
        own.add_treatment(condition, treatments.get(condition))
        tables[condition] = own.table()
    return tables
