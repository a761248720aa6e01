"""The store: what is kept, how large it is, and, after a question, how less is kept."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import DataTable, Static

from crystallize.errors import CrystallizeError, in_words
from crystallize.experiment.reports.status import Status
from crystallize.session import Session
from crystallize.settings import Settings
from crystallize.store.forget import forget
from crystallize.store.sweep import Rules, Sweeping, plan_sweep, sweep
from crystallize.tui.aside import aside
from crystallize.tui.asking import AskScreen
from crystallize.tui.keys import Keys
from crystallize.words import duration, near, plural, size


class StoreScreen(Screen[None]):
    """Shows the store of the project around `folder`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "forget", "Forget results"),
        Binding("w", "sweep", "Sweep"),
        Binding("r", "load", "Refresh"),
        Binding("escape,q", "app.leave_screen", "Back"),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._settings = Settings.load(folder)
        self._root = self._settings.results_root
        self._status: Status | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        yield DataTable(id="held", cursor_type="row")
        yield Static("", id="store-note")
        yield Keys()

    def on_mount(self) -> None:
        self._table.add_columns("experiment", "trials", "results", "took", "artifacts", "needed")
        self._table.focus()
        self.action_load()

    @property
    def _table(self) -> DataTable[str]:
        return self.query_one("#held", DataTable)

    @aside("store")
    def action_load(self) -> None:
        """Counts what is there, beside the screen."""
        try:
            with Session(self._settings, write=False) as session:
                status = Status.of(session.store(self._root))
        except CrystallizeError as error:
            self.app.call_from_thread(self._tell, in_words(error))
        else:
            self.app.call_from_thread(self._take, status)

    def _take(self, status: Status) -> None:
        self._status = status
        told = f"{near(status.folder)}  {size(status.bytes)} · {plural(status.records, 'record')}"
        self.query_one("#top", Static).update(Text.assemble(("◆ store", "bold"), f"  {told}"))
        table, row = self._table, self._table.cursor_row
        table.clear()
        for each in status.experiments:
            sizes = (duration(each.seconds), size(each.bytes), size(each.needed_bytes))
            table.add_row(each.name, str(each.trials), str(each.results), *sizes)
        table.move_cursor(row=row)
        notes = [f"pinned: {plural(status.pinned, 'result')}"] if status.pinned else []
        if status.orphans:
            orphans = plural(status.orphans, "blob")
            notes.append(f"nothing refers to {orphans} of {size(status.orphan_bytes)}; w sweeps")
        self._tell("\n".join(notes) if status.experiments else "nothing is stored yet")

    def _tell(self, text: str) -> None:
        self.query_one("#store-note", Static).update(Text(text, style="dim"))

    def action_forget(self) -> None:
        """Drops the results of the experiment under the cursor, after a question."""
        row = self._table.cursor_row
        if self._status is None or not 0 <= row < len(self._status.experiments):
            return
        held = self._status.experiments[row]
        question = (
            f"Forget the {plural(held.results, 'result')} of {held.name}, which took {duration(held.seconds)}?\n"
            "They run again when they are needed; version folders stay as they are."
        )

        def answered(sure: bool | None) -> None:
            if sure:
                self._forget(held.name)

        self.app.push_screen(AskScreen(question, "Forget"), answered)

    @aside("store-change")
    def _forget(self, experiment: str) -> None:
        with Session(self._settings) as session:
            found = forget(session.store(self._root), experiment)
        told = f"forgot {plural(found.records, 'result')}: {size(found.freed_bytes)} freed"
        self.app.call_from_thread(self.notify, told)
        self.app.call_from_thread(self.action_load)

    @aside("plan")
    def action_sweep(self) -> None:
        """Says what nobody needs, and removes it after a question."""
        with Session(self._settings, write=False) as session:
            found = plan_sweep(session.store(self._root), Rules())
        self.app.call_from_thread(self._ask_sweep, found)

    def _ask_sweep(self, found: Sweeping) -> None:
        if not found.freed_bytes and not found.orphans and not found.left:
            self.notify("there is nothing to sweep")
            return
        left = f" and {plural(len(found.left), 'temporary file')}" if found.left else ""
        question = (
            f"Remove {plural(len(found.orphans), 'blob')} that nothing refers to{left}: {size(found.freed_bytes)}?\n"
            "Results stay. For other rules: crystallize store sweep --help"
        )

        def answered(sure: bool | None) -> None:
            if sure:
                self._sweep()

        self.app.push_screen(AskScreen(question, "Sweep"), answered)

    @aside("store-change")
    def _sweep(self) -> None:
        with Session(self._settings) as session:
            found = sweep(session.store(self._root), Rules())
        self.app.call_from_thread(self.notify, f"{size(found.freed_bytes)} freed")
        self.app.call_from_thread(self.action_load)
