"""The tabs of a run screen beside the log: what came out, why, what failed, and all of it as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Label, OptionList, Select, Static, TextArea
from textual.widgets.option_list import Option

from crystallize.errors import CrystallizeError
from crystallize.experiment.reports.candidates import Candidate, print_candidates
from crystallize.experiment.reports.explained import print_explanations
from crystallize.experiment.reports.explanation import Explanation
from crystallize.experiment.reports.lines import line
from crystallize.experiment.reports.live import Failure, LiveNode
from crystallize.tui.aside import aside
from crystallize.tui.lines import Recorded
from crystallize.tui.rendering import recorded
from crystallize.tui.target import Outcome, Written
from crystallize.words import near, plural

RUNS_SHOWN = 5
ARTIFACTS_IN_SIGHT, FAILURES_IN_SIGHT = 12, 10


class SummaryPane(VerticalScroll):
    """A section per experiment: metrics, hypotheses with the best one, artifacts that open; then older runs."""

    class Open(Message):
        """An artifact is to be opened."""

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    def compose(self) -> ComposeResult:
        yield Recorded(id="summary-text")
        yield Static("", id="artifacts-title", classes="title")
        yield OptionList(id="artifacts")
        yield Recorded(id="older")

    def on_mount(self) -> None:
        self._written: Sequence[Written] = ()
        self._outcome: Outcome | None = None
        self._older: Mapping[str, Sequence[Candidate]] = {}
        self._list("", [])
        self.query_one("#summary-text", Recorded).show(lambda console: console.print("nothing has run yet"))

    def show(self, outcome: Outcome) -> None:
        """What came of a run."""
        self._outcome = outcome
        self.query_one("#summary-text", Recorded).show(outcome.show)
        self._list(outcome.word, outcome.written())

    def show_older(self, candidates: Mapping[str, Sequence[Candidate]]) -> None:
        """What earlier runs gave."""
        self._older = candidates
        self.query_one("#older", Recorded).show(self._print_older)

    @property
    def text(self) -> str:
        """What is shown, without styles."""
        return recorded(160, self._print, wraps=False).plain

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._open(self._written[event.option_index])

    @aside("open")
    def _open(self, written: Written) -> None:
        try:
            self.post_message(self.Open(written.path()))
        except (CrystallizeError, OSError) as error:
            self.app.call_from_thread(partial(self.notify, str(error), severity="error"))

    def _print(self, console: Console) -> None:
        if self._outcome is not None:
            self._outcome.show(console)
        self._print_older(console)

    def _print_older(self, console: Console) -> None:
        for name, listed in self._older.items():
            if listed:
                line(console, ("runs of ", "dim"), (name, "bold"))
                print_candidates(console, listed[:RUNS_SHOWN])

    def _list(self, word: str, written: Sequence[Written]) -> None:
        listed = self.query_one("#artifacts", OptionList)
        listed.clear_options()
        self._written = written
        listed.add_options(Option(Text.assemble(f"{each.told}  ", (each.about, "dim"))) for each in written)
        listed.display = bool(written)
        listed.styles.height = min(len(written), ARTIFACTS_IN_SIGHT)  # else all of them are measured, every time
        title = self.query_one("#artifacts-title", Static)
        title.display = bool(written)
        title.update(f"{plural(len(written), word)} (enter opens)")


class WhyPane(VerticalScroll):
    """Why trials ran or did not; before a run, why they would, with the code that changed."""

    def compose(self) -> ComposeResult:
        yield Recorded(id="why-text")

    def on_mount(self) -> None:
        self._print: Callable[[Console], None] = lambda console: None

    def show_outlook(self, explanations: Sequence[Explanation]) -> None:
        """What a run would do."""
        self._show(lambda console: print_explanations(console, explanations))

    def show_run(self, nodes: Sequence[LiveNode]) -> None:
        """What a run does, or did."""
        self._show(lambda console: _print_reasons(console, nodes))

    @property
    def text(self) -> str:
        """What is shown, without styles."""
        return recorded(160, self._print, wraps=False).plain

    def _show(self, show: Callable[[Console], None]) -> None:
        self._print = show
        self.query_one(Recorded).show(show)


def _print_reasons(console: Console, nodes: Sequence[LiveNode]) -> None:
    for node in nodes:
        line(console, (node.name, "bold"), (f"  {node.told()}", "dim"))
        for why, conditions in node.reasons.items():
            counts = dict(conditions)
            where = ", ".join(counts) if len(counts) <= 4 else plural(len(counts), "condition")
            line(console, f"  {why}  ", (f"{plural(sum(counts.values()), 'trial')} ({where})", "dim"))
        console.print()


class ErrorsPane(Vertical):
    """Every failure, with the missing path or the user's traceback."""

    class Edit(Message):
        """The code at a failure is to be opened."""

        def __init__(self, file: str, line: int) -> None:
            super().__init__()
            self.file = file
            self.line = line

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "edit", "Open the code", show=False)]

    def compose(self) -> ComposeResult:
        yield Static("no errors", id="no-errors")
        yield OptionList(id="failures")
        with VerticalScroll(id="failure"):
            yield Static("", id="failure-text")

    def on_mount(self) -> None:
        self._failures: list[Failure] = []
        self.follow([])

    def follow(self, failures: list[Failure]) -> None:
        """Takes in what was added to `failures` since the last call; a shorter list is another run's."""
        listed = self.query_one("#failures", OptionList)
        if len(failures) < len(self._failures):
            self._failures = []
            listed.clear_options()
        added = failures[len(self._failures) :]
        self._failures += added
        listed.add_options([Option(_headline(each)) for each in added])
        has_any = bool(self._failures)
        self.query_one("#no-errors").display = not has_any
        listed.display = has_any
        listed.styles.height = min(len(self._failures), FAILURES_IN_SIGHT) + 1
        self.query_one("#failure").display = has_any
        if added and listed.highlighted is None:
            listed.highlighted = 0

    @property
    def text(self) -> str:
        """All failures."""
        return "\n\n".join(f"{each.where}\n{each.text}" for each in self._failures) or "no errors"

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        each = self._failures[event.option_index]
        text = Text(each.text)
        if each.place is not None:
            file, number = each.place
            text = Text.assemble((f"{near(Path(file))}:{number}", "bold"), ("  enter opens it\n\n", "dim"), text)
        self.query_one("#failure-text", Static).update(text)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        place = self._failures[event.option_index].place
        if place is None:
            self.notify("no code of yours is to blame here")
        else:
            self.post_message(self.Edit(*place))


def _headline(failure: Failure) -> Text:
    word = ("blocked  ", "magenta") if failure.is_blocked else ("failed   ", "bold red")
    last = next(reversed(failure.text.strip().splitlines()), "").strip()
    return Text.assemble(word, (failure.where, "bold"), "  ", last.removeprefix(f"{failure.where} "))


class DataPane(Vertical):
    """The results as text to copy."""

    def compose(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Select([("JSON", "json"), ("XML", "xml")], value="json", allow_blank=False, id="form", compact=True)
            yield Label("y copies all of it")
        yield TextArea("nothing has run yet", id="data", read_only=True, show_line_numbers=False)

    def on_mount(self) -> None:
        self._outcome: Outcome | None = None

    def show(self, outcome: Outcome) -> None:
        """What came of a run."""
        self._outcome = outcome
        if self.is_on_screen:
            self._draw()

    @property
    def text(self) -> str:
        """The results, in the chosen form."""
        if self._outcome is None:
            return "nothing has run yet"
        return self._outcome.xml() if self.query_one("#form", Select).value == "xml" else self._outcome.json()

    def on_show(self) -> None:
        """Not before somebody looks: thousands of trials are a long text."""
        self._draw()

    def on_select_changed(self, event: Select.Changed) -> None:
        event.stop()
        self._draw()

    def _draw(self) -> None:
        self.query_one("#data", TextArea).load_text(self.text)
