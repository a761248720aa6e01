"""Drawings as Graphviz graphs: an outline → a `graphviz.Digraph`. Knows neither files nor notebooks."""

from __future__ import annotations

from html import escape
from typing import Any

from crystallize.experiment.drawing.draw_text import COLOURS, outcome_line, size_line, state_of, treatments_line
from crystallize.experiment.drawing.outline import Edge, Node, Outline

FONT = "Helvetica,Arial,sans-serif"
INK, PALE, LINE = "#1f2933", "#667085", "#98a2b3"


def to_digraph(outline: Outline) -> Any:
    """The Graphviz graph, left to right; render it with its `pipe`, read it from its `source`."""
    from graphviz import Digraph

    graph = Digraph("experiments")
    graph.attr(rankdir="LR", bgcolor="white", pad="0.3", nodesep="0.35", ranksep="0.7", fontname=FONT)
    graph.attr("node", shape="box", style="rounded,filled", penwidth="1.2", margin="0.18,0.12", fontname=FONT)
    graph.attr("edge", color=LINE, penwidth="1.2", arrowsize="0.7", fontname=FONT)
    ids = {node.name: f"n{number}" for number, node in enumerate(outline.nodes)}
    for node in outline.nodes:
        filling, border = COLOURS[state_of(node.outcome)]
        graph.node(ids[node.name], label=_label(node), fillcolor=filling, color=border, tooltip=escape(node.name))
    for edge in outline.edges:
        style = "solid" if edge.artifact else "dashed"
        graph.edge(ids[edge.upstream], ids[edge.downstream], label=_edge_label(edge), style=style)
    return graph


def _label(node: Node) -> str:
    """A Graphviz label in its HTML dialect: the name in bold, the rest small below it."""
    rows = [f'<b><font point-size="14" color="{INK}">{escape(node.name)}</font></b>', _small(size_line(node), PALE)]
    if node.treatments:
        rows.append(_small(treatments_line(node), PALE))
    if node.outcome is not None:
        _, border = COLOURS[state_of(node.outcome)]
        rows.append(f"<b>{_small(outcome_line(node.outcome), border)}</b>")
    cells = "".join(f'<tr><td align="left">{row}</td></tr>' for row in rows)
    return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="2">{cells}</table>>'


def _edge_label(edge: Edge) -> str:
    return f"<{_small(f' {edge.label} ', PALE)}>" if edge.artifact else ""


def _small(text: str, colour: str) -> str:
    return f'<font point-size="10" color="{colour}">{escape(text)}</font>'
