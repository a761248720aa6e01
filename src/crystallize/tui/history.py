"""The history: earlier runs, what they did, what reuse saved, and two of them side by side."""

from __future__ import annotations

import time
from pathlib import Path
from typing import ClassVar

from rich.console import Console
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widgets import DataTable, Static

from crystallize.errors import CrystallizeError, in_words
from crystallize.experiment.reports.archive import open_archive
from crystallize.experiment.reports.compared import print_comparison
from crystallize.experiment.reports.comparison import compare
from crystallize.experiment.reports.runs import print_run
from crystallize.history.history import GroupRow, RunRow
from crystallize.tui.aside import aside
from crystallize.tui.keys import Keys
from crystallize.tui.lines import Recorded
from crystallize.words import ago, duration, plural

RUNS_SHOWN = 200


class HistoryScreen(Screen[None]):
    """Shows the runs of the project around `folder`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "mark", "Compare with"),
        Binding("r", "load", "Refresh"),
        Binding("escape,q", "app.leave_screen", "Back"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
        self._folder = folder
        self._runs: list[tuple[RunRow, list[GroupRow]]] = []
        self._marked: RunRow | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        with Horizontal(id="body"):
            with Vertical(id="left", classes="half"):
                yield DataTable(id="runs", cursor_type="row")
            with VerticalScroll(id="about-run"):
                yield Recorded(id="run-text")
        yield Keys()

    def on_mount(self) -> None:
        self._table.add_columns("", "run", "when", "state", "ran", "reused", "took", "what")
        self._table.focus()
        self.action_load()

    @property
    def _table(self) -> DataTable[Text | str]:
        return self.query_one("#runs", DataTable)

    @aside("load")
    def action_load(self) -> None:
        """Reads the runs, beside the screen."""
        try:
            with open_archive(self._folder) as archive:
                runs = archive.runs(None, RUNS_SHOWN)
        except CrystallizeError as error:
            self.app.call_from_thread(self._tell, Text(in_words(error), style="red"))
        else:
            self.app.call_from_thread(self._take, runs)

    def _take(self, runs: list[tuple[RunRow, list[GroupRow]]]) -> None:
        self._runs = runs
        self._fill()
        if not runs:
            self._tell(Text("no runs yet", style="dim"))
        saved = sum(group.seconds_saved for _, groups in runs for group in groups)
        told = Text.assemble(("◆ history", "bold"), f"  {plural(len(runs), 'run')} · reuse saved {duration(saved)}")
        self.query_one("#top", Static).update(told)

    def _fill(self) -> None:
        table, now = self._table, time.time()
        row = table.cursor_row
        table.clear()
        for run, groups in self._runs:
            style = {"ok": "green", "failed": "red"}.get(run.state, "yellow")
            ran, reused = (sum(getattr(group, state) for group in groups) for state in ("ran", "reused"))
            mark = "●" if self._marked == run else ""
            counts = (str(ran or "·"), str(reused or "·"))
            took, what = duration(run.seconds), ", ".join(run.targets)
            state = Text(run.state, style)
            table.add_row(mark, str(run.number), ago(run.started, now), state, *counts, took, what)
        table.move_cursor(row=row)

    @property
    def _chosen(self) -> RunRow | None:
        row = self._table.cursor_row
        return self._runs[row][0] if 0 <= row < len(self._runs) else None

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        if self._chosen is not None:
            self._show(self._chosen, self._marked)

    def _show(self, run: RunRow, marked: RunRow | None) -> None:
        self.query_one(Recorded).show(lambda console: _print(console, self._folder, run, marked))

    def _tell(self, text: Text) -> None:
        if self.is_mounted:
            self.query_one(Recorded).show(lambda console: console.print(text))

    def action_mark(self) -> None:
        """From now on the run under the cursor is compared with this one; again: no longer."""
        self._marked = None if self._marked == self._chosen else self._chosen
        self._fill()
        if self._marked is not None:
            self.notify(f"run {self._marked.number} is compared with the run under the cursor")


def _print(console: Console, folder: Path, run: RunRow, marked: RunRow | None) -> None:
    """One run; or what differs from the marked one, which is older or newer."""
    try:
        with open_archive(folder) as archive:
            if marked is None or marked == run:
                print_run(console, archive, run)
            else:
                older, newer = sorted((marked.number, run.number))
                print_comparison(console, compare(archive, str(older), str(newer)))
    except CrystallizeError as error:
        console.print(Text(in_words(error), style="red"))
