"""The order of a graph."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crystallize.errors import GraphError
from crystallize.experiment.shape import sorted_names

Edges = dict[str, list[str]]


@st.composite
def graphs(draw: st.DrawFn) -> Edges:
    """Graphs without cycles, listed in any order."""
    names = [f"node_{number}" for number in range(draw(st.integers(0, 9)))]
    edges: Edges = {}
    for number, name in enumerate(names):
        edges[name] = draw(st.lists(st.sampled_from(names[:number]), unique=True)) if number else []
    return {name: edges[name] for name in draw(st.permutations(names))}


@given(graphs())
def test_the_order_is_that_of_the_standard_library(edges: Edges) -> None:
    assert sorted_names(edges) == list(TopologicalSorter(edges).static_order())


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ({"a": ["a"]}, "a → a"),
        ({"a": [], "b": ["a", "c"], "c": ["b"], "d": ["c"]}, "(b → c → b|c → b → c)"),
    ],
)
def test_of_a_cycle_nothing_else_is_named(edges: Edges, cycle: str) -> None:
    with pytest.raises(GraphError, match=f"contains cycles: {cycle};"):
        sorted_names(edges)
