"""The tabs of a run screen: what was printed, what came out, why, what failed, and all of it as data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Label, OptionList, Select, Static, TextArea
from textual.widgets.option_list import Option

from crystallize.experiment.reports.candidates import Candidate, print_candidates
from crystallize.experiment.reports.explained import print_explanations
from crystallize.experiment.reports.explanation import Explanation
from crystallize.experiment.reports.lines import line
from crystallize.experiment.reports.live import Failure, LiveNode
from crystallize.tui.boxes import Field
from crystallize.tui.lines import LogLines, Recorded
from crystallize.tui.logbook import MOST_LINES, Line, LogBook
from crystallize.tui.rendering import recorded
from crystallize.tui.target import Outcome
from crystallize.words import near, plural

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")
RUNS_SHOWN = 5
ARTIFACTS_IN_SIGHT, FAILURES_IN_SIGHT = 12, 10


class LogPane(Vertical):
    """What was printed, as it is printed; of all experiments, or of the one under the cursor."""

    def compose(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Label("", id="log-of")
            yield Field(placeholder="filter", id="log-filter")
        yield LogLines(id="log", max_lines=MOST_LINES)

    def on_mount(self) -> None:
        self._book = LogBook()
        self._seen = 0
        self._only = ""
        self._words: list[str] = []
        self._tell()

    def follow(self, book: LogBook) -> None:
        """Takes in what was added to `book` since the last call."""
        if book is not self._book:
            self._book = book
            self._again()
        elif book.total != self._seen:
            total = book.total
            self._write(book.since(self._seen))
            self._seen = total

    def only(self, experiment: str) -> None:
        """Shows the lines of one experiment; of all when it is empty."""
        if experiment != self._only:
            self._only = experiment
            self._again()
            self._tell()

    @property
    def is_filtered(self) -> bool:
        """Whether lines of some experiments are left out."""
        return bool(self._only)

    @property
    def text(self) -> str:
        """The lines in sight."""
        return "\n".join(self._log.lines)

    @property
    def _log(self) -> LogLines:
        return self.query_one(LogLines)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._words = event.value.casefold().split()
        self._again()

    def _again(self) -> None:
        self._log.clear()
        self._seen = self._book.total
        self._write(self._book.since(0))

    def _write(self, lines: Sequence[Line]) -> None:
        shown = [_log_line(each) for each in lines if self._is_wanted(each)]
        if shown:
            self._log.write_lines(shown)

    def _is_wanted(self, each: Line) -> bool:
        if self._only and each.where.partition("/")[0] != self._only:
            return False
        text = f"{each.where} {each.text}".casefold()
        return all(word in text for word in self._words)

    def _tell(self) -> None:
        self.query_one("#log-of", Label).update(f"only {self._only} (f: all)" if self._only else "all (f: only one)")


def _log_line(each: Line) -> str:
    text = _ESCAPES.sub("", each.text)
    return f"{each.where} │ {text}" if each.where else text


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
        self._paths: list[Path] = []
        self._outcome: Outcome | None = None
        self._older: Mapping[str, Sequence[Candidate]] = {}
        self._list_artifacts([])
        self.query_one("#summary-text", Recorded).show(lambda console: console.print("nothing has run yet"))

    def show(self, outcome: Outcome) -> None:
        """What came of a run."""
        self._outcome = outcome
        self.query_one("#summary-text", Recorded).show(outcome.show)
        self._list_artifacts(outcome.artifacts())

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
        self.post_message(self.Open(self._paths[event.option_index]))

    def _print(self, console: Console) -> None:
        if self._outcome is not None:
            self._outcome.show(console)
        self._print_older(console)

    def _print_older(self, console: Console) -> None:
        for name, listed in self._older.items():
            if listed:
                line(console, ("runs of ", "dim"), (name, "bold"))
                print_candidates(console, listed[:RUNS_SHOWN])

    def _list_artifacts(self, artifacts: Sequence[tuple[str, Path]]) -> None:
        listed = self.query_one("#artifacts", OptionList)
        listed.clear_options()
        self._paths = [path for _, path in artifacts]
        listed.add_options(Option(Text.assemble(f"{told}  ", (near(path), "dim"))) for told, path in artifacts)
        listed.display = bool(self._paths)
        listed.styles.height = min(len(self._paths), ARTIFACTS_IN_SIGHT)  # else all of them are measured, every time
        title = self.query_one("#artifacts-title", Static)
        title.display = bool(self._paths)
        title.update(f"{plural(len(self._paths), 'artifact')} (enter opens)")


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
    last = failure.text.strip().splitlines()[-1:] or [""]
    return Text.assemble(word, (failure.where, "bold"), f"  {last[0].strip()}")


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
