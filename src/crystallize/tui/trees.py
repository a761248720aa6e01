"""Trees of many rows that are filled at once and drawn again often; Textual's own take every change to be the only one.

Reaches into what Textual keeps to itself: which lines it has drawn, and when it counts its rows; see
`tests/tui/test_textual.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.style import NULL_STYLE
from rich.text import Text
from textual.widgets import Tree
from textual.widgets.tree import TreeNode

T = TypeVar("T")


class QuietTree(Tree[T]):
    """A tree without a root in sight, whose cursor is never lost between two fillings."""

    def __init__(self, label: str, *, id: str) -> None:
        self._is_filled = True
        self._told: dict[TreeNode[T], Text] = {}
        super().__init__(label, id=id)
        self.show_root = False
        self.guide_depth = 2

    def _invalidate(self) -> None:
        if self._is_filled:
            super()._invalidate()

    @contextmanager
    def filling(self) -> Iterator[None]:
        """While entered, the rows are replaced; they are counted when all of them are there."""
        self._is_filled = False
        try:
            self.clear()
            yield
            self.root.expand()
        finally:
            self._is_filled = True
            self._invalidate()

    def put_cursor(self, node: TreeNode[T] | None) -> None:
        """Puts the cursor on a row at once: a key that comes right after a filling finds it there."""
        assert self.last_line is not None, "counting the rows gives each of them its line"
        while node is not None and node.line < 0:  # folded away
            node = node.parent
        self.cursor_line = -1 if node is None else node.line
        if node is not None:
            self.call_after_refresh(self.scroll_to_node, node, animate=False)

    def redraw(self) -> None:
        """Draws those rows in sight again that say something new; no other row is looked at."""
        self._line_cache.clear()
        before, self._told = self._told, {}
        top = self.scroll_offset.y
        for line in range(top, top + self.size.height):
            node = self.get_node_at_line(line)
            if node is not None:
                told = self._told[node] = self.render_label(node, NULL_STYLE, NULL_STYLE)
                if before.get(node) != told:
                    node.refresh()
