"""Any text as plain text: to be selected, searched by the terminal, and copied."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Footer, TextArea


class PlainScreen(ModalScreen[None]):
    """Shows one text over the whole screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,t", "dismiss", "Back", priority=True),
        Binding("y", "copy", "Copy all", priority=True),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        yield TextArea(self._text, read_only=True, id="plain", show_line_numbers=False, soft_wrap=False)
        yield Footer(show_command_palette=False)

    def action_copy(self) -> None:
        """Copies the whole text, also over ssh where the terminal allows."""
        self.app.copy_to_clipboard(self._text)
        self.notify("copied")
