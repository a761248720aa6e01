"""The window **Create pipeline**: a field for each parameter and each input, typed, with its help and its default.

Whether the values may be given is decided by the same code that a run asks, at every key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Checkbox, Input, Label, Select, Static

from crystallize.tui.boxes import Box
from crystallize.tui.boxes import Field as Entry
from crystallize.tui.pipeline import LoadedPipeline
from crystallize.valohai.form import Field, Key


class FormScreen(ModalScreen[Mapping[Key, Any] | None]):
    """Dismissed with the values that differ from the defaults; None when nothing was decided.

    Parameters
    ----------
    values : what was given before.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("ctrl+s", "create", "Create", priority=True),
    ]

    def __init__(self, pipeline: LoadedPipeline, values: Mapping[Key, Any]) -> None:
        super().__init__()
        self._pipeline = pipeline
        self._given = values

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Static(f"Create pipeline {self._pipeline.name}", classes="title")
            with VerticalScroll(id="parameters", can_focus=False):
                if not self._pipeline.fields:
                    yield Static("it has neither parameters nor inputs", classes="hint")
                for number, field in enumerate(self._pipeline.fields):
                    with Horizontal(classes="parameter"):
                        yield Label(field.name)
                        yield self._entry(number, field)
                    yield Static(_about(field), classes="hint about")
            yield Static("", id="verdict")
            with Horizontal(classes="buttons"):
                yield Button("Create pipeline", variant="primary", id="create", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        self._judge()

    def _entry(self, number: int, field: Field) -> Widget:
        value, id = self._given.get(field.key, field.default), f"field-{number}"
        if field.kind == "flag":
            return Box("", bool(value), id=id)
        if field.choices and not field.several:
            known = str(value) in field.choices
            return Select([(each, each) for each in field.choices], value=str(value) if known else Select.NULL, id=id,
                          compact=True)  # fmt: skip
        return Entry(_written(value), placeholder=field.kind, id=id)

    @property
    def values(self) -> dict[Key, Any]:
        """What differs from the defaults."""
        found = {}
        for field, value in self._read():
            if value != (field.default if field.kind == "flag" else _written(field.default)):
                found[field.key] = _parts(value) if field.several else value
        return found

    def _read(self) -> Iterator[tuple[Field, Any]]:
        for number, field in enumerate(self._pipeline.fields):
            entry = self.query_one(f"#field-{number}")
            if isinstance(entry, Checkbox):
                yield field, entry.value if entry.value != bool(field.default) else field.default
            elif isinstance(entry, Select):
                yield field, _written(field.default) if entry.is_blank() else entry.value
            elif isinstance(entry, Input):
                yield field, entry.value.strip()

    def _judge(self) -> bool:
        refusal = self._pipeline.refusal(self.values)
        told = Text.assemble(("✘ ", "bold red"), (refusal, "red")) if refusal else Text("✔", style="green")
        self.query_one("#verdict", Static).update(told)
        self.query_one("#create", Button).disabled = bool(refusal)
        return not refusal

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._judge()

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        event.stop()
        self._judge()

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self._judge()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_create()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "create":
            self.action_create()
        else:
            self.dismiss(None)

    def action_create(self) -> None:
        """Takes the values, if all of them fit."""
        if self._judge():
            self.dismiss(self.values)


def _parts(value: str) -> list[str]:
    return [part for each in value.split(",") if (part := each.strip())]


def _written(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _about(field: Field) -> str:
    kind = f"{field.kind}s, separated by commas" if field.several else field.kind
    default = f"default {_written(field.default)}" if field.default is not None else "no default"
    return " · ".join(filter(None, [kind, default, field.help]))
