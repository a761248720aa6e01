"""Which conditions each experiment of a run has: treatments flow by name, from those who define them downwards.

Design 5.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from crystallize.errors import DefinitionError, UnknownNameError
from crystallize.experiment.compiling.node import Asked, Node, Nodes, upstream_of
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.objects.treatment import Treatment


def choose_conditions(ordered: Sequence[Node], nodes: Nodes, asked: Asked) -> None:
    """Gives each node its treatments and conditions; `ordered` are the nodes in topological order.

    Raises UnknownNameError for a treatment that is asked for and that no node defines, DefinitionError for hypotheses
    without any treatment to compare.
    """
    chosen = None if asked.treatments is None else [_name_of(treatment) for treatment in asked.treatments]
    given = {t.name: t for t in asked.treatments or () if isinstance(t, Treatment)}
    defined: dict[str, None] = {}
    for node in ordered:
        node.treatments = {**given, **{t.name: t for t in node.experiment.treatments}}
        inherited = [name for upstream in upstream_of(node, nodes) for name in upstream.conditions]
        node.defined = tuple(dict.fromkeys([BASELINE_CONDITION, *node.treatments, *inherited]))
        node.conditions = node.defined
        defined |= dict.fromkeys(node.defined)
    if chosen is not None:
        for name in chosen:
            if name not in defined:
                raise _unknown_treatment(name, defined, ordered)
        for node in ordered:
            wanted = {BASELINE_CONDITION, *chosen}
            node.conditions = tuple(name for name in node.conditions if name in wanted)
    for node in ordered:
        if asked.hypotheses_of(node.experiment):
            _check_comparable(node, chosen)


def _check_comparable(node: Node, chosen: Sequence[str] | None) -> None:
    """A selection may leave out what the hypotheses of a node compare, as long as it leaves anything to compare."""
    compared = [node.defined] if chosen is None else [node.defined, chosen]
    if node.runs and any(set(names) <= {BASELINE_CONDITION} for names in compared):
        raise DefinitionError(
            f"experiment '{node.experiment.label}' has hypotheses but no treatments to compare with the baseline",
            path=node.experiment.path,
            key="hypotheses",
            remedy="add a treatment",
        )


def _name_of(treatment: Treatment | str) -> str:
    return treatment if isinstance(treatment, str) else treatment.name


def _unknown_treatment(name: str, defined: Iterable[str], nodes: Sequence[Node]) -> UnknownNameError:
    near = get_close_matches(name, defined, n=3) or list(defined)
    names = ", ".join(node.experiment.label for node in nodes if node.runs)
    return UnknownNameError(
        f"no treatment '{name}' is defined by {names}", key="treatments", remedy=f"nearest: {', '.join(near)}"
    )
