"""The graph of a run screen: experiments from top to bottom, each below what it reads, with how their trials stand.

`layers` orders them; the tree only draws what a live run, or the outlook before it, says at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.text import Text
from textual.widgets.tree import TreeNode

from crystallize.experiment.reports.live import LiveNode, State
from crystallize.tui.rendering import FORESEEN, mark
from crystallize.tui.trees import QuietTree

MOST_INDENTED = 8
"""Deeper branches are not drawn further to the right."""


class Row(NamedTuple):
    """One experiment in the drawing."""

    name: str
    depth: int
    link: str
    """How it hangs on the row above: ``●`` reads nothing, ``↓`` goes on, ``╰`` branches off."""
    also: tuple[str, ...]
    """What it reads beside the experiment that it is drawn below."""


def layers(edges: Mapping[str, Sequence[str]]) -> list[Row]:
    """The experiments of a graph, each after all it reads and right below one of them where that can be.

    Parameters
    ----------
    edges : name → names of what it reads, in an order in which each comes after what it reads.
    """
    place = {name: number for number, name in enumerate(edges)}
    below: dict[str, list[str]] = {name: [] for name in edges}
    parent: dict[str, str] = {}
    for name, read in edges.items():
        if read:
            parent[name] = max(read, key=lambda upstream: place[upstream])
            below[parent[name]].append(name)
    rows: list[Row] = []
    waiting = [(name, 0, "●") for name in reversed(list(edges)) if not edges[name]]
    while waiting:
        name, depth, link = waiting.pop()
        rows.append(Row(name, depth, link, tuple(other for other in edges[name] if other != parent.get(name))))
        chained = len(below[name]) == 1
        to_child = (depth, "↓") if chained else (min(depth + 1, MOST_INDENTED), "╰")
        waiting.extend((child, *to_child) for child in reversed(below[name]))
    return rows


class Drawn(NamedTuple):
    """What is shown of one experiment beside its name."""

    live: LiveNode | None = None
    foreseen: Mapping[str, int] = {}
    """State of an explanation → trials; before a run."""
    pin: int | None = None
    reruns: bool = False
    off: int = 0
    """Treatments that are switched off."""


class GraphTree(QuietTree[Row]):
    """Experiments; asks `shown` about each when it is drawn."""

    def __init__(self, shown: Callable[[str], Drawn]) -> None:
        super().__init__("graph", id="graph")
        self.show_guides = False
        self.guide_depth = 1
        self._shown = shown

    def show(self, edges: Mapping[str, Sequence[str]], chosen: str) -> None:
        """Shows a graph with the cursor on `chosen`."""
        cursor: TreeNode[Row] | None = None
        with self.filling():
            for row in layers(edges):
                node = self.root.add_leaf(row.name, row)
                cursor = node if cursor is None or row.name == chosen else cursor
        self.put_cursor(cursor)

    @property
    def chosen(self) -> str | None:
        """The experiment under the cursor."""
        row = None if self.cursor_node is None else self.cursor_node.data
        return None if row is None else row.name

    def render_label(self, node: TreeNode[Row], base_style: Any, style: Any) -> Text:
        """Link, mark, name, and how the trials stand."""
        row = node.data
        if row is None:
            return Text()
        shown = self._shown(row.name)
        label = Text("  " * row.depth)
        label.append(f"{row.link} ", style="dim")
        label.append(_mark(shown))
        label.append(f" {row.name}", style="bold" if shown.live and shown.live.state is State.RUNNING else "")
        if shown.pin is not None:
            label.append(f"  📌 run {shown.pin}", style="cyan")
        elif shown.reruns:
            label.append("  ↻ reuse off", style="yellow")
        if shown.off:
            label.append(f"  {shown.off} off", style="dim")
        label.append(_standing(shown))
        if row.also:
            label.append(f"  ← {', '.join(row.also)}", style="dim")
        label.stylize(style)
        return label


def _mark(shown: Drawn) -> Text:
    if shown.live is not None:
        return mark(shown.live.state)
    state = next((state for state in ("fail", "run", "undecided", "reuse") if shown.foreseen.get(state)), None)
    return mark(State.WAITING) if state is None else Text(*FORESEEN[state])


def _standing(shown: Drawn) -> Text:
    """How far it is, and how its trials ended or would end."""
    live = shown.live
    if live is None:
        words = {"run": "run", "reuse": "reuse", "undecided": "undecided", "fail": "fail"}
        told = " · ".join(f"{words[state]} {count}" for state, count in shown.foreseen.items())
        return Text(f"  would {told}" if told else "", style="dim")
    ended = "" if live.settled == live.total else f"  {live.settled}/{live.total}"
    text = Text(ended)
    for state in (State.DONE, State.REUSED, State.FAILED, State.BLOCKED, State.CANCELLED):
        if live.counts[state]:
            style = {State.FAILED: "red", State.BLOCKED: "magenta"}.get(state, "dim")
            text.append(f"  {state.word} {live.counts[state]}", style=style)
    return text
