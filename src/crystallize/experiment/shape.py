"""The shape of a graph of experiments: an order in which all can run, and which of them hang together.

Knows names and edges only: name → the names of what it reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crystallize.errors import GraphError


def sorted_names(edges: Mapping[str, Sequence[str]]) -> list[str]:
    """Names, each after those it reads, none of which is listed twice. Raises GraphError for a cycle."""
    readers: dict[str, list[str]] = {}
    for name, upstream in edges.items():
        readers.setdefault(name, [])
        for other in upstream:
            readers.setdefault(other, []).append(name)
    missing = {name: len(edges[name]) for name in readers}
    ordered = [name for name, count in missing.items() if not count]
    for name in ordered:  # which grows meanwhile
        for reader in readers[name]:
            missing[reader] -= 1
            if not missing[reader]:
                ordered.append(reader)
    if len(ordered) < len(edges):
        cycle = " → ".join(_cycle(edges))
        raise GraphError(f"the graph contains cycles: {cycle}", remedy="let one of them read something else")
    return ordered


def _cycle(edges: Mapping[str, Sequence[str]]) -> list[str]:
    """The names of one cycle, each before those that read it; the first comes last again."""
    from graphlib import CycleError, TopologicalSorter

    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


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
