"""What is wrong with an experiment, in a window of its own: file, line, remedy, the traceback of the user's code."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Static

from crystallize.errors import in_words
from crystallize.experiment.folders.user_code import place_of
from crystallize.words import near


class FaultScreen(ModalScreen[None]):
    """Shows one fault; `enter` opens the editor at its place."""

    class Edit(Message):
        """The place of a fault is to be opened in the user's editor."""

        def __init__(self, file: str, line: int) -> None:
            super().__init__()
            self.file = file
            self.line = line

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", "Back"),
        Binding("enter,e", "edit", "Open in the editor"),
    ]

    def __init__(self, name: str, fault: BaseException) -> None:
        super().__init__()
        self._name_of = name
        self._fault = fault
        self._place = place_of(fault)

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="dialog", classes="wide"):
            yield Static(Text.assemble((f"{self._name_of} cannot be loaded", "bold red")), classes="title")
            yield Static(self._told(), id="fault")
            yield Static("enter opens the place in your editor · escape goes back", classes="hint")

    def _told(self) -> Text:
        text = Text()
        traceback = getattr(self._fault, "traceback_text", "")
        if traceback:
            text.append(traceback.rstrip() + "\n\n", style="dim")
        if self._place is not None:
            from pathlib import Path

            file, number = self._place
            text.append(f"{near(Path(file))}:{number}\n", style="bold")
        text.append(in_words(self._fault))
        return text

    def action_edit(self) -> None:
        if self._place is not None:
            self.post_message(self.Edit(*self._place))
