"""The tables of parts that the trials of an experiment share, and who observes and remembers in them by those parts."""

from __future__ import annotations

from crystallize.experiment.compiling.node import Node
from crystallize.experiment.objects.inputs import ExperimentInput
from crystallize.experiment.parts import PartMaker, Surroundings
from crystallize.experiment.reads import Reads
from crystallize.fingerprint.code.codebase import Code
from crystallize.fingerprint.manifest import PartTable
from crystallize.session import Session
from crystallize.store.store import Store


def tables_of(node: Node, session: Session, around: Surroundings) -> dict[str, PartTable]:
    """One table per condition: the parts of the experiment, then those of the condition."""
    experiment = node.experiment
    store = session.store(node.root)
    store.survey_with(around.surveyor(store))
    maker = _maker(node, None, around, store)
    tables, texts = {}, {}
    codes: dict[int, Code] = {}
    for condition in node.conditions:
        own = maker.extended() if len(node.conditions) > 1 else maker
        if condition in node.sources:
            own = _maker(node, condition, around, store)
        own.add_treatment(condition, node.treatments.get(condition))
        tables[condition] = own.table()
        texts[condition] = own.texts
        codes |= own.codes
    reached = around.reached_by(codes.values())
    if node.work is not None and node.is_far:
        from crystallize.experiment.luggage import Luggage

        node.work.luggage = Luggage(around.codebase, around.environ, reached.homes, reached.names, tables.values())
    if node.work is not None and not node.is_far and any(step.cacheable for step in experiment.pipeline.steps):
        from crystallize.experiment.memo.keys import StepKeys

        node.work.memo_keys = StepKeys(experiment, around, store, tables.values())
    if node.work is not None and session.settings.observe:
        node.work.reads = Reads(
            around.surveyor(store),
            around.keeping,
            homes=reached.homes,
            holders=_holders(node),
            texts=texts,
            ignore=experiment.ignore,
        )
    return tables


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


def _holders(node: Node) -> list[object]:
    """What the user's own classes made that lives from trial to trial: steps, datasources, plugins."""
    experiment = node.experiment
    wholes = [experiment.datasource, *node.sources.values()]
    sources = [
        part for whole in wholes for part in (whole.inputs.values() if isinstance(whole, ExperimentInput) else [whole])
    ]
    made = [*experiment.pipeline.steps, *sources, *experiment.plugins]
    return [
        each
        for each in made
        if not hasattr(each, "definition") and type(each).__module__.partition(".")[0] != "crystallize"
    ]
