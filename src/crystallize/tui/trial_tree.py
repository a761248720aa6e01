"""The trials of one experiment on a run screen: a line per condition, opened into its replicates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

from crystallize.experiment.reports.live import LiveCondition, State
from crystallize.tui.rendering import FORESEEN, MARKS, mark
from crystallize.tui.trees import QuietTree

WIDEST_STRIP = 24
"""More replicates than that are counted, not drawn."""


class ConditionRow(NamedTuple):
    """A condition, or one of its replicates."""

    condition: str
    replicate: int | None = None


class Condition(NamedTuple):
    """What is shown of one condition."""

    name: str
    is_on: bool
    is_off_here: bool
    """Whether it is switched off in this very experiment, not in one that is read."""
    payload: Mapping[str, Any]
    inherited: bool
    """Whether only an experiment that is read defines it."""
    replicates: int
    each: str = "replicate"
    """What one of them is called."""


class TrialTree(QuietTree[ConditionRow]):
    """Conditions, opened into replicates; asks `live` and `foreseen` about each when it is drawn."""

    def __init__(
        self, live: Callable[[str], LiveCondition | None], foreseen: Callable[[str], Mapping[str, int]]
    ) -> None:
        super().__init__("trials", id="trials")
        self._live = live
        self._foreseen = foreseen
        self._conditions: dict[str, Condition] = {}

    def show(self, conditions: Sequence[Condition]) -> None:
        """Shows the conditions of another experiment, or those of this one as they are now."""
        kept = self.condition
        found = {each.name: each for each in conditions}
        if found == self._conditions:
            return
        rows = self.root.children
        is_alike = list(found) == list(self._conditions) and not any(row.children for row in rows)
        self._conditions = found
        if is_alike:  # of most experiments of a large graph: no row moves
            for row, each in zip(rows, found.values(), strict=True):
                row.allow_expand = each.is_on
            self.redraw()
            return
        chosen: TreeNode[ConditionRow] | None = None
        with self.filling():
            for name, each in found.items():
                node = self.root.add(name, ConditionRow(name), allow_expand=each.is_on)
                chosen = node if chosen is None or name == kept else chosen
        self.put_cursor(chosen)

    def on_tree_node_expanded(self, event: Tree.NodeExpanded[ConditionRow]) -> None:
        """Replicates get their rows when somebody wants to see them."""
        node, row = event.node, event.node.data
        if row is not None and row.replicate is None and not node.children:
            for replicate in range(self._conditions[row.condition].replicates):
                node.add_leaf(str(replicate), ConditionRow(row.condition, replicate))

    @property
    def condition(self) -> str | None:
        """The condition under the cursor."""
        row = None if self.cursor_node is None else self.cursor_node.data
        return None if row is None else row.condition

    def render_label(self, node: TreeNode[ConditionRow], base_style: Any, style: Any) -> Text:
        """A mark per replicate and the payload, or one replicate in words."""
        row = node.data
        if row is None or row.condition not in self._conditions:
            return Text()
        live = self._live(row.condition)
        label = self._condition(row, live) if row.replicate is None else self._replicate(row, live)
        label.stylize(style)
        return label

    def _condition(self, row: ConditionRow, live: LiveCondition | None) -> Text:
        each = self._conditions[row.condition]
        width = max(len(name) for name in self._conditions)
        label = Text(each.name.ljust(width), style="" if each.is_on else "dim strike")
        label.append("  ")
        if not each.is_on:
            label.append("off  x switches it on" if each.is_off_here else "off upstream", style="dim")
        elif live is not None:
            label.append(_strip(live))
        else:
            label.append(_foreseen_strip(self._foreseen(row.condition)))
        payload = ", ".join(f"{key} = {value!r}" for key, value in each.payload.items())
        if payload or each.inherited:
            label.append(f"  {payload or 'as upstream'}", style="dim")
        return label

    def _replicate(self, row: ConditionRow, live: LiveCondition | None) -> Text:
        number, each = row.replicate or 0, self._conditions[row.condition].each
        state = State.WAITING if live is None else live[number]
        return Text.assemble(mark(state), f" {each} {number}  ", (state.word if live is not None else "", "dim"))


def _strip(live: LiveCondition) -> Text:
    if live.total > WIDEST_STRIP:
        return Text(f"{live.settled}/{live.total}  {live.told()}")
    text = Text()
    for state in live:
        character, style = MARKS[state]
        text.append(character, style=style)
    return text


def _foreseen_strip(states: Mapping[str, int]) -> Text:
    total = sum(states.values())
    text = Text(f"{total} trial{'' if total == 1 else 's'}" if total else "", style="dim")
    for state, count in states.items():
        character, style = FORESEEN[state]
        text.append("  ")
        text.append(character * count if total <= WIDEST_STRIP else f"{character} {count}", style=style)
    return text
