"""The shape of a graph of experiments: an order in which all can run, and which of them hang together.

Knows names and edges only: name → the names of what it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from crystallize.errors import GraphError


def sorted_names(edges: Mapping[str, Sequence[str]]) -> list[str]:
    """Names, each after those it reads. Raises GraphError for a cycle."""
    try:
        return list(TopologicalSorter(edges).static_order())
    except CycleError as error:
        cycle = " → ".join(reversed(error.args[1]))
        raise GraphError(f"the graph contains cycles: {cycle}", remedy="let one of them read something else") from None


def components(edges: Mapping[str, Sequence[str]]) -> list[set[str]]:
    """The names of experiments that hang together, whichever way, each in one set."""
    neighbours: dict[str, set[str]] = {name: set(upstream) for name, upstream in edges.items()}
    for name, upstream in edges.items():
        for other in upstream:
            neighbours[other].add(name)
    found = []
    left = set(edges)
    while left:
        component: set[str] = set()
        stack = [left.pop()]
        while stack:
            name = stack.pop()
            component.add(name)
            stack.extend(neighbours[name] - component)
        left -= component
        found.append(component)
    return found
