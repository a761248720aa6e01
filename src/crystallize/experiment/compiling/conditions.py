"""Which conditions each experiment of a run has: treatments flow by name, from those who define them downwards.

Design 5.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from crystallize.errors import DefinitionError, UnknownNameError, nearest_of
from crystallize.experiment.compiling.node import Asked, Node, Nodes, upstream_of
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.objects.links import links_of, volatile_sources
from crystallize.experiment.objects.treatment import Treatment


def choose_conditions(ordered: Sequence[Node], nodes: Nodes, asked: Asked) -> None:
    """Gives each node its treatments and conditions; `ordered` are the nodes in topological order.

    Raises UnknownNameError for a treatment that is asked for and that no node defines, DefinitionError for hypotheses
    without any treatment to compare.
    """
    chosen = None if asked.treatments is None else [_name_of(treatment) for treatment in asked.treatments]
    switched_off = asked.switched_off if chosen is None else {}
    given = {t.name: t for t in (*asked.beside, *(asked.treatments or ())) if isinstance(t, Treatment)}
    defined: dict[str, None] = {}
    for node in ordered:
        node.treatments = {**given, **{t.name: t for t in node.experiment.treatments}}
        node.sources = {t.name: t.datasource for t in node.treatments.values() if t.datasource is not None}
        upstreams = upstream_of(node, nodes)
        node.conditions = node.defined = _joined(node, [upstream.defined for upstream in upstreams])
        if switched_off:
            off = switched_off.get(node.experiment.label, frozenset())
            switched_on = _joined(node, [upstream.conditions for upstream in upstreams])
            node.conditions = tuple(n for n in switched_on if n not in off or n == BASELINE_CONDITION)
            node.switched = tuple(_tell_switched(node, upstreams))
        defined |= dict.fromkeys(node.defined)
    if chosen is not None:
        for name in chosen:
            if name not in defined:
                raise _unknown_treatment(name, defined, ordered)
        for node in ordered:
            wanted = {BASELINE_CONDITION, *chosen}
            node.conditions = tuple(name for name in node.conditions if name in wanted)
    if asked.only is not None:
        for node in ordered:
            node.conditions = (asked.only,) if node.runs else node.conditions
    _check_sources(ordered)
    for node in ordered:
        if asked.hypotheses_of(node.experiment):
            _check_comparable(node, chosen)


def _joined(node: Node, inherited: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The baseline, the node's own treatments, and what it inherits, each once."""
    return tuple(dict.fromkeys(chain((BASELINE_CONDITION,), node.treatments, *inherited)))


def _tell_switched(node: Node, upstreams: Sequence[Node]) -> Iterator[str]:
    """What is left out of a node, and where it reads a baseline because an upstream node leaves something out."""
    off = [name for name in node.defined if name not in node.conditions]
    if off:
        yield f"switched off: {', '.join(off)}"
    for upstream in upstreams:
        for name in node.conditions:
            if name in upstream.defined and name not in upstream.conditions:
                label = upstream.experiment.label
                yield f"{name} is switched off in '{label}', so it reads the baseline of '{label}'"


def _check_sources(nodes: Sequence[Node]) -> None:
    """Datasources of treatments are no outside state, and those that only the run is given read no experiment."""
    running = [node for node in nodes if node.runs]
    for node in running:
        for name, source in node.sources.items():
            is_given = node.treatments[name] not in node.experiment.treatments
            fact, remedy = None, "add the treatment to the one experiment that it is meant for"
            if is_given and len(running) > 1:
                fact = f"would replace the datasources of {len(running)} experiments"
            elif is_given and links_of(source):
                fact = "reads another experiment, and the graph is made before the run"
            elif volatile_sources(source):
                fact = "is volatile"
                remedy = "make it the datasource of an experiment, whose artifact the treatment reads"
            if fact is not None:
                raise DefinitionError(
                    f"the datasource of treatment '{name}' {fact}", path=node.experiment.path, remedy=remedy
                )


def _check_comparable(node: Node, chosen: Sequence[str] | None) -> None:
    """A selection may leave out what the hypotheses of a node compare; to have nothing to compare is a mistake."""
    if node.runs and (chosen == [] or set(node.defined) == {BASELINE_CONDITION}):
        raise DefinitionError(
            f"experiment '{node.experiment.label}' has hypotheses but no treatments to compare with the baseline",
            path=node.experiment.path,
            key="hypotheses",
            remedy="add a treatment",
        )


def _name_of(treatment: Treatment | str) -> str:
    return treatment if isinstance(treatment, str) else treatment.name


def _unknown_treatment(name: str, defined: Iterable[str], nodes: Sequence[Node]) -> UnknownNameError:
    names = ", ".join(node.experiment.label for node in nodes if node.runs)
    return UnknownNameError(
        f"no treatment '{name}' is defined by {names}", key="treatments", remedy=nearest_of(name, list(defined))
    )
