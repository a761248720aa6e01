"""Fields of forms: check boxes that are told apart without colours, and lines to type in that keep still."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Checkbox, Input


class Box(Checkbox):
    """``☑`` or ``☐``, and a label; the arrows go to the next one."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", show=False),
        Binding("up", "app.focus_previous", "Previous", show=False),
    ]

    def __init__(self, label: str, value: bool = False, *, id: str | None = None, disabled: bool = False) -> None:
        super().__init__(label, value, id=id, disabled=disabled, compact=True)

    @property
    def _button(self) -> Content:
        return Content("☑" if self.value else "☐")


class Field(Input):
    """One line to type in. Its cursor does not blink: nothing on the screen moves that has nothing to say."""

    def __init__(self, value: str = "", *, placeholder: str = "", id: str) -> None:
        super().__init__(value, placeholder=placeholder, id=id, compact=True)
        self.cursor_blink = False
