"""Many lines of text, of which only those in sight cost anything: what was printed, and what reports say."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich.console import Console
from rich.text import Text
from textual.geometry import Size
from textual.selection import Selection
from textual.strip import Strip
from textual.widget import Widget
from textual.widgets import Log

from crystallize.tui.aside import aside
from crystallize.tui.rendering import recorded

Show = Callable[[Console], None]


class LogLines(Log):
    """A log that many lines are added to many times a second: the rest of the screen keeps its layout.

    Reaches into what Textual keeps to itself: its lines, and how wide they are (tests/tui/test_textual.py).
    """

    def write_lines(self, lines: Iterable[str], scroll_end: bool | None = None) -> LogLines:
        """Adds lines; goes on to the end if that is in sight."""
        added = [part for line in lines for part in line.splitlines()]
        follows = self.is_vertical_scroll_end and not self.is_vertical_scrollbar_grabbed
        self._lines += added
        self._width = max(self._width, max(map(len, added), default=0))
        self._prune_max_lines()
        size = Size(self._width, len(self._lines))
        self.set_reactive(Widget.virtual_size, size)  # setting it anew would lay everything out again
        self._scroll_update(size)
        if follows:
            self.scroll_end(animate=False, immediate=True, x_axis=False)
        self.refresh()
        return self


class Lines(Widget):
    """Styled lines, as high as there are lines; what is too long is cut off."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._lines: Sequence[Text] = ()

    def put(self, lines: Sequence[Text]) -> None:
        """Shows other lines."""
        moves = len(lines) != len(self._lines)
        self._lines = lines
        self.refresh(layout=moves)

    @property
    def allow_select(self) -> bool:
        return True

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many as there are lines."""
        return len(self._lines)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """What the mouse has marked."""
        return selection.extract("\n".join(line.plain for line in self._lines)), "\n"

    def render_line(self, y: int) -> Strip:
        """One line, with what the mouse has marked in it."""
        style, width = self.rich_style, self.size.width
        if y >= len(self._lines):
            return Strip.blank(width, style)
        text = self._lines[y].copy()
        selection = self.text_selection
        span = None if selection is None else selection.get_span(y)
        if span is not None:
            end = len(text) if span[1] == -1 else span[1]
            text.stylize(self.screen.get_component_rich_style("screen--selection"), span[0], end)
        strip = Strip(text.render(self.app.console)).apply_style(style)
        return strip.adjust_cell_length(width, style).apply_offsets(0, y)


class Recorded(Lines):
    """What a report prints, as wide as there is room; printed in a thread beside the screen, for it may be long."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._show: Show = lambda console: None
        self._width = 0
        self._is_busy = False
        self._is_old = False

    def show(self, show: Show) -> None:
        """Shows another report."""
        self._show = show
        self._record()

    @property
    def is_drawn(self) -> bool:
        """Whether nothing newer is being printed."""
        return not self._is_busy

    def on_resize(self) -> None:
        if self.size.width != self._width:
            self._record()

    def _record(self) -> None:
        self._is_old = self._is_busy
        width = self.size.width
        if not self._is_busy and width:
            self._is_busy, self._width = True, width
            self._print(self._show, width)

    @aside("record")
    def _print(self, show: Show, width: int) -> None:
        text = recorded(width, show)
        lines = list(text.split("\n", allow_blank=True)) if text.plain else []
        self.app.call_from_thread(self._take, lines)

    def _take(self, lines: Sequence[Text]) -> None:
        self._is_busy = False
        self.put(lines)
        if self._is_old:
            self._record()
