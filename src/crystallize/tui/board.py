"""The left of a run screen: the graph, the trials of the experiment under the cursor, and what to know of switches."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Button, Static, Tree

from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.reports.live import LiveCondition, LiveRun
from crystallize.experiment.reports.opened import Choices
from crystallize.tui.graph_tree import Drawn, GraphTree
from crystallize.tui.target import Foresight, Loaded, Shown
from crystallize.tui.trial_tree import Condition, TrialTree


class Board(Vertical):
    """Draws a graph as a live run says that it stands, else as the outlook says that it would run."""

    class Moved(Message):
        """Another experiment is under the cursor."""

    def __init__(self) -> None:
        super().__init__(id="left")
        self.live: LiveRun | None = None
        self.choices = Choices()
        self._opened: Loaded | None = None
        self._by_name: dict[str, Shown] = {}
        self._counts: Mapping[str, Mapping[str, Mapping[str, int]]] = {}

    def compose(self) -> ComposeResult:
        yield GraphTree(self._drawn)
        yield Static("", id="notes")
        yield Static("", id="trials-of")
        yield TrialTree(self._live_condition, self._foreseen)
        yield Button("Reuse nodes", id="reuse-nodes", compact=True)

    def on_mount(self) -> None:
        self._graph.focus()

    @property
    def _graph(self) -> GraphTree:
        return self.query_one(GraphTree)

    @property
    def _trials(self) -> TrialTree:
        return self.query_one(TrialTree)

    @property
    def node(self) -> Shown | None:
        """The experiment under the cursor."""
        return self._by_name.get(self._graph.chosen or "")

    @property
    def name_of_node(self) -> str:
        """What it is called; empty where there is none."""
        return self._graph.chosen or ""

    @property
    def condition(self) -> str | None:
        """The condition under the cursor."""
        return self._trials.condition

    @property
    def config(self) -> Path | None:
        """The configuration of the experiment under the cursor."""
        return None if self.node is None else self.node.experiment.path

    def show(self, opened: Loaded, nodes: Sequence[Shown], outlook: Foresight | None = None) -> None:
        """Shows a graph that was loaded, its conditions, and what a run of it would do where that is known."""
        chosen = self._graph.chosen or opened.name
        self._opened = opened
        self._by_name = {node.experiment.label: node for node in nodes}
        if outlook is not None:
            self._counts = outlook.counts()
        self._graph.show(opened.edges(), chosen)
        self._show_conditions()
        self._show_notes()

    def redraw(self) -> None:
        """Draws what is in sight again."""
        self._graph.redraw()
        self._trials.redraw()

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[object]) -> None:
        event.stop()
        if event.control is self._graph:
            self._show_conditions()
            self._trials.redraw()
            self.post_message(self.Moved())

    def _show_notes(self) -> None:
        notes = [f"{name}: {notice}" for name, node in self._by_name.items() for notice in node.switched]
        notes += self._opened.faults if self._opened is not None else []
        widget = self.query_one("#notes", Static)
        widget.display = bool(notes)
        widget.update(Text("\n".join(notes), style="yellow"))

    def _show_conditions(self) -> None:
        node = self.node
        if node is not None and self._opened is not None:
            off = self._opened.switched_off.get(node.experiment.label, frozenset())
            self._trials.show([_condition(node, name, off) for name in node.defined])
            what = "executions" if node.experiment.path is None else "trials"
            self.query_one("#trials-of", Static).update(f"{what} of {node.experiment.label}", layout=False)

    # what the trees ask

    def _drawn(self, name: str) -> Drawn:
        node = self._by_name.get(name)
        live = None if self.live is None else self.live.nodes.get(name)
        foreseen: dict[str, int] = {}
        for states in self._counts.get(name, {}).values() if live is None else ():
            for state, count in states.items():
                foreseen[state] = foreseen.get(state, 0) + count
        return Drawn(
            live=live,
            foreseen=foreseen,
            pin=self.choices.pins.get(name),
            reruns=self.choices.rerun_all or name in self.choices.rerun,
            off=0 if node is None else len(set(node.defined) - set(node.conditions)),
        )

    def _live_condition(self, condition: str) -> LiveCondition | None:
        node = None if self.live is None else self.live.nodes.get(self.name_of_node)
        return None if node is None else node.conditions.get(condition)

    def _foreseen(self, condition: str) -> Mapping[str, int]:
        return self._counts.get(self.name_of_node, {}).get(condition, {})


def _condition(node: Shown, name: str, off: Collection[str]) -> Condition:
    treatment = node.treatments.get(name)
    return Condition(
        name=name,
        is_on=name in node.conditions,
        is_off_here=name in off,
        payload={} if treatment is None else treatment.apply_map,
        inherited=treatment is None and name != BASELINE_CONDITION and node.experiment.path is not None,
        replicates=node.replicates,
        each="child" if node.experiment.path is None else "replicate",
    )
