"""The tables of parts that the trials of an experiment share, and who observes and remembers in them by those parts."""

from __future__ import annotations

from collections.abc import Mapping

from crystallize.experiment.compiling.node import Node
from crystallize.experiment.parts import Described, PartMaker, Surroundings
from crystallize.experiment.reads import Reads
from crystallize.fingerprint.manifest import PartTable
from crystallize.session import Session
from crystallize.store.store import Store


def tables_of(node: Node, session: Session, around: Surroundings) -> dict[str, PartTable]:
    """One table per condition: the parts of the experiment, then those of the condition."""
    store = session.store(node.root)
    maker = _maker(node, None, around, store)
    described: dict[str, Described] = {}
    for condition in node.conditions:
        own = maker.extended() if len(node.conditions) > 1 else maker
        if condition in node.sources:
            own = _maker(node, condition, around, store)
        own.add_treatment(condition, node.treatments.get(condition))
        described[condition] = own.described()
    _equip(node, described, session, around)
    return {condition: each.table for condition, each in described.items()}


def _equip(node: Node, described: Mapping[str, Described], session: Session, around: Surroundings) -> None:
    """Gives the work of a node what observes, remembers and travels by its parts, as they are now."""
    assert node.work is not None, "a node that is decided runs"
    experiment, work, store = node.experiment, node.work, session.store(node.root)
    tables = [each.table for each in described.values()]
    reached = around.reached_by.together([each.reached for each in described.values()])
    work.uses_numpy = any(part.name == "env.numpy" for part in next(iter(described.values())).environment)
    if node.is_far:
        from crystallize.experiment.luggage import Luggage

        work.luggage = Luggage(around.codebase, around.environ, reached.homes, reached.names, tables)
    elif any(step.cacheable for step in experiment.pipeline.steps):
        from crystallize.experiment.memo.keys import StepKeys

        work.memo_keys = StepKeys(experiment, around, store, tables)
    if session.settings.observe:
        work.reads = Reads(
            around.surveyor(store),
            around.keeping,
            homes=reached.homes,
            holders=node.holders,
            texts={condition: each.texts for condition, each in described.items()},
            ignore=experiment.ignore,
        )


def _maker(node: Node, condition: str | None, around: Surroundings, store: Store) -> PartMaker:
    """A maker with the parts of the experiment, as its trials are in a condition that has a datasource of its own.

    None: as they are in all others.
    """
    experiment = node.experiment
    maker = PartMaker(around, store, store.secret_key)
    maker.add_datasource(experiment.datasource if condition is None else node.sources[condition])
    maker.add_links(link for link in node.trial_links if link.treatment == condition)
    maker.add_steps(experiment.pipeline.steps)
    maker.add_outputs(experiment.outputs)
    maker.add_context(experiment.initial_ctx)
    maker.add_plugins(experiment.plugins)
    maker.add_files(experiment.reads, around.root, experiment.ignore)
    return maker
