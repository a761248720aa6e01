"""The line of keys at the bottom of a screen: those of what has the focus, and always where all of them are told."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Footer, Static


class Keys(Horizontal):
    """The keys in the order of their bindings, so the most used come first: narrow terminals cut the last ones off."""

    def compose(self) -> ComposeResult:
        yield Footer(show_command_palette=False)
        yield Static("[@click=app.help][b]?[/b] Keys[/]", id="all-keys")
