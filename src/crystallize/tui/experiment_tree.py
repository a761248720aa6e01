"""The list of the first screen: experiments and pipelines in their groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.widgets.tree import TreeNode

from crystallize.errors import CrystallizeError
from crystallize.experiment.folders.listing import Item
from crystallize.tui.pipeline import Pipeline
from crystallize.tui.target import Graph, Target
from crystallize.tui.trees import QuietTree
from crystallize.valohai.listing import PipelineItem

Entry = Item | PipelineItem
"""What may be chosen."""


def target_of(entry: Entry) -> Target:
    """What running it runs."""
    return Graph(entry.path) if isinstance(entry, Item) else Pipeline(entry.path, entry.name, entry.reuse)


class ExperimentTree(QuietTree[Entry | None]):
    """Experiments and pipelines by group. Its leaves are these, its other nodes groups."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "Run")]

    def __init__(self) -> None:
        super().__init__("experiments", id="experiments")
        self.faults: dict[Target, CrystallizeError] = {}
        """What loading the code of experiments has shown."""
        self.running: Target | None = None
        """What runs now."""

    def show(self, items: list[Entry], chosen: Path | None = None) -> None:
        """Shows `items`, with the cursor on `chosen`, else where it was."""
        kept = Graph(chosen) if chosen is not None else None if self.item is None else target_of(self.item)
        closed = {str(node.label) for node in self.root.children if not node.is_expanded}
        groups: dict[str, TreeNode[Entry | None]] = {}
        found: TreeNode[Entry | None] | None = None
        with self.filling():
            for item in items:
                if item.group not in groups:
                    groups[item.group] = self.root.add(item.group, expand=item.group not in closed)
                leaf = groups[item.group].add_leaf(item.name, item)
                found = leaf if found is None or target_of(item) == kept else found
        self.put_cursor(found)

    def on_click(self, event: Click) -> None:
        """One click chooses, two run: no run begins by a slip of the mouse."""
        line = event.style.meta.get("line")
        node = None if line is None else self.get_node_at_line(line)
        if node is not None and node.data is not None and event.chain < 2:
            event.prevent_default()
            self.cursor_line = node.line

    @property
    def item(self) -> Entry | None:
        """The experiment or pipeline under the cursor."""
        return None if self.cursor_node is None else self.cursor_node.data

    def fault_of(self, item: Entry) -> CrystallizeError | None:
        """Why it cannot run, as far as is known."""
        return item.error or self.faults.get(target_of(item))

    def render_label(self, node: TreeNode[Entry | None], base_style: Any, style: Any) -> Text:
        """Icon and name, in the experiment's own colour; a mark where something is wrong with it."""
        item = node.data
        if item is None:
            fold = "▾ " if node.is_expanded else "▸ "
            return Text.assemble((fold, base_style), (str(node.label), "bold"), style=style)
        label = Text(f"{item.icon} ")
        label.append(item.name, style=_color(item.color))
        if target_of(item) == self.running:
            label.append("  ◐ runs", style="bold yellow")
        elif self.fault_of(item) is not None:
            label.append("  ✘ e", style="bold red")
        label.stylize(style)
        return label


def _color(name: str | None) -> str:
    """`name` where it is a colour; a slip in a configuration spoils no screen."""
    from rich.color import Color, ColorParseError

    try:
        return "" if name is None else Color.parse(name).name
    except ColorParseError:
        return ""
