"""The tab Logs: what was printed, as it is printed; of all experiments, or of the one under the cursor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, Static

from crystallize.tui.aside import aside
from crystallize.tui.boxes import Field
from crystallize.tui.lines import LogLines
from crystallize.tui.logbook import MOST_LINES, Found, Line, LogBook
from crystallize.words import near, plural

_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|.)")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines are shown."""

    only: str = ""
    """Of one experiment; of all when it is empty."""
    words: tuple[str, ...] = ()
    """All of which they hold, in lower case."""

    def __call__(self, line: Line) -> bool:
        if self.only and line.where.partition("/")[0] != self.only:
            return False
        text = line.told.casefold() if self.words else ""
        return all(word in text for word in self.words)


class LogPane(Vertical):
    """Shows the last lines of a log book that are wanted, and says where older ones are."""

    def compose(self) -> ComposeResult:
        with Horizontal(classes="bar"):
            yield Label("", id="log-of")
            yield Field(placeholder="filter", id="log-filter")
        yield Static("", id="log-older", classes="hint")
        yield LogLines(id="log", max_lines=MOST_LINES)

    def on_mount(self) -> None:
        self._book = LogBook()
        self._seen = self._count = 0
        self._wanted = Wanted()
        self._searched_for: Wanted | None = None
        """While older lines are looked through."""
        self._tell()

    def follow(self, book: LogBook) -> None:
        """Takes in what was added to `book` since the last call."""
        if book is not self._book:
            self._book = book
            self._again()
        elif book.total != self._seen and self._searched_for is None:
            found = book.since(self._seen)
            if len(found.lines) == found.number:
                self._take(found)
            else:  # so many that some have left the memory: they count where lines are picked
                self._again()

    def only(self, experiment: str) -> None:
        """Shows the lines of one experiment; of all when it is empty."""
        if experiment != self._wanted.only:
            self._wanted = replace(self._wanted, only=experiment)
            self._again()

    @property
    def is_filtered(self) -> bool:
        """Whether lines of some experiments are left out."""
        return bool(self._wanted.only)

    @property
    def text(self) -> str:
        """The lines in sight, below what is said of older ones."""
        return "\n".join([*filter(None, [self._older]), *self._log.lines])

    @property
    def path(self) -> Path | None:
        """The file that has all lines; None while there is none."""
        return self._book.path

    @property
    def _log(self) -> LogLines:
        return self.query_one(LogLines)

    @property
    def _older(self) -> str:
        """What is said of lines that are not in sight."""
        older = self._count - self._log.line_count
        if older <= 0:
            return ""
        told = plural(older, "older line")
        return f"{told} not kept" if self.path is None else f"{told} in {near(self.path)} (O opens it)"

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self._wanted = replace(self._wanted, words=tuple(event.value.casefold().split()))
        self._again()

    def _again(self) -> None:
        self._log.clear()
        self._count = 0
        self._searched_for = None
        if self._wanted == Wanted() or self._book.total <= MOST_LINES:
            self._take(self._book.since(0))
        else:
            self._searched_for = self._wanted
            self._search(self._book, self._wanted)

    @aside("log")
    def _search(self, book: LogBook, wanted: Wanted) -> None:
        self.app.call_from_thread(self._take_searched, book, wanted, book.find(wanted))

    def _take_searched(self, book: LogBook, wanted: Wanted, found: Found) -> None:
        if book is self._book and wanted == self._searched_for:
            self._searched_for = None
            self._show(found.lines, found.number)
            self._seen = found.seen

    def _take(self, found: Found) -> None:
        wanted = [line for line in found.lines if self._wanted(line)]
        self._seen = found.seen
        self._show(wanted, found.number if self._wanted == Wanted() else len(wanted))

    def _show(self, lines: Sequence[Line], count: int) -> None:
        if lines:
            self._log.write_lines(_shown(line) for line in lines)
        self._count += count
        self._tell()

    def _tell(self) -> None:
        only = self._wanted.only
        of = self.query_one("#log-of", Label)
        told = f"only {only} (f: all)" if only else "all (f: only one)"
        if str(of.content) != told:
            of.update(told)
        older = self.query_one("#log-older", Static)
        told = self._older
        if older.display != bool(told):
            older.display = bool(told)
        if told:
            older.update(told, layout=False)


def _shown(line: Line) -> str:
    """On one line, without what moves cursors and paints."""
    return " ".join(_ESCAPES.sub("", line.told).splitlines())
