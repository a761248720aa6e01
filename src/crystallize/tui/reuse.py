"""The window **Reuse nodes**: which experiments take their results from which earlier run, whatever has changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.events import DescendantFocus
from textual.screen import ModalScreen
from textual.widgets import Button, Label, Select, Static

from crystallize.experiment.reports.candidates import Candidate, moment, print_candidates
from crystallize.tui.boxes import Box
from crystallize.tui.rendering import recorded


class ReuseScreen(ModalScreen[dict[str, int] | None]):
    """Dismissed with experiment → run, for those that are pinned; None when nothing was decided.

    Parameters
    ----------
    nodes : the experiments, in the order in which they run.
    candidates : experiment → what earlier runs had of it, newest first.
    pins : what is pinned now.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("ctrl+s", "keep", "Reuse", priority=True),
    ]

    def __init__(
        self, nodes: Sequence[str], candidates: Mapping[str, Sequence[Candidate]], pins: Mapping[str, int]
    ) -> None:
        super().__init__()
        self._names = nodes
        self._candidates = candidates
        self._pins = dict(pins)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Static("Reuse nodes", classes="title")
            yield Label("Pipeline from which to reuse")
            options = self._options()
            if options:
                pinned = next(iter(self._pins.values()), None)
                known = {run for _, run in options}
                first = pinned if pinned in known else options[0][1]
                yield Select(options, value=first, allow_blank=False, id="source", compact=True)
            else:
                yield Static("there is no earlier run", classes="hint")
            with VerticalScroll(id="nodes", can_focus=False):
                yield from (Box(name) for name in self._names)
            with VerticalScroll(id="candidate"):
                yield Static("", id="candidate-text")
            with Horizontal(classes="buttons"):
                yield Button("Reuse", variant="primary", id="keep", compact=True)
                yield Button("Reuse nothing", id="none", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        self._list_nodes()

    @property
    def _chosen_run(self) -> int | None:
        found = self.query("#source")
        value = found.first(Select).value if found else None
        return value if isinstance(value, int) else None

    def _options(self) -> list[tuple[Text, int]]:
        """Every run that had any of the nodes, newest first: date, state, and the metrics of the last node."""
        runs: dict[int, Text] = {}
        for name in reversed(self._names):
            for each in self._candidates.get(name, ()):
                run = each.run
                if run.number not in runs and each.records:
                    told = f"run {run.number} · {moment(run.started)} · {run.state}"
                    metrics = each.told(next(iter(each.records), ""))
                    runs[run.number] = Text.assemble(told, (f" · {name}: {metrics}" if metrics else "", "dim"))
        return [(runs[number], number) for number in sorted(runs, reverse=True)]

    def _list_nodes(self) -> None:
        """The nodes, those that are pinned to the chosen run ticked; those that it has no results of cannot be."""
        run = self._chosen_run
        for name, box in zip(self._names, self.query(Box), strict=True):
            has = any(each.run.number == run and each.records for each in self._candidates.get(name, ()))
            box.disabled = not has
            box.label = name if has or run is None else f"{name} (not in run {run})"
            box.value = has and self._pins.get(name) == run
        self._show_candidate(self._names[-1])

    def _show_candidate(self, name: str) -> None:
        """Reasons, metrics and records of one node, in the chosen run."""
        found = [each for each in self._candidates.get(name, ()) if each.run.number == self._chosen_run]
        pane = self.query_one("#candidate", VerticalScroll)
        width = pane.scrollable_content_region.width or 70
        self.query_one("#candidate-text", Static).update(recorded(width, lambda c: print_candidates(c, found)))

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self._list_nodes()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        if isinstance(event.widget, Box):
            self._show_candidate(self._name_of(event.widget))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        if event.button.id == "keep":
            self.action_keep()
        else:
            self.dismiss({} if event.button.id == "none" else None)

    def action_keep(self) -> None:
        """Pins what is ticked to the chosen run."""
        run = self._chosen_run
        ticked = [self._name_of(box) for box in self.query(Box) if box.value]
        self.dismiss({} if run is None else dict.fromkeys(ticked, run))

    def _name_of(self, box: Box) -> str:
        return self._names[list(self.query(Box)).index(box)]
