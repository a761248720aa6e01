"""A window that asks for a name or a value."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from crystallize.tui.boxes import Field


class EntryScreen(ModalScreen[tuple[str, str] | None]):
    """Dismissed with what was entered in both fields; None when nothing was.

    Parameters
    ----------
    first : what the first field is for.
    second : what the second field is for; None: there is none.
    value : what the first field holds at the beginning.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("ctrl+s", "enter", "OK", priority=True),
    ]

    def __init__(self, title: str, first: str, second: str | None = None, value: str = "") -> None:
        super().__init__()
        self._title_text = title
        self._first = first
        self._second = second
        self._value = value

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._title_text, classes="title")
            yield Field(self._value, placeholder=self._first, id="first")
            if self._second is not None:
                yield Field(placeholder=self._second, id="second")
            with Horizontal(classes="buttons"):
                yield Button("OK", variant="primary", id="ok", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        self.query_one("#first").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_enter()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "ok":
            self.action_enter()
        else:
            self.dismiss(None)

    def action_enter(self) -> None:
        """Takes what is in the fields."""
        second = self.query("#second")
        value = second.first(Input).value if second else ""
        self.dismiss((self.query_one("#first", Input).value.strip(), value.strip()))
