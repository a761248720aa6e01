"""The app: which screen is in front, which run goes on, and how one leaves."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen

from crystallize.experiment.folders.config import CONFIG_NAME
from crystallize.experiment.folders.listing import Item
from crystallize.experiment.reports.opened import Choices
from crystallize.fingerprint.reads.observe import unobserved
from crystallize.settings import Settings, project_root
from crystallize.tui.asking import AskScreen
from crystallize.tui.bench import Bench
from crystallize.tui.create import CreateScreen
from crystallize.tui.ear import Ear
from crystallize.tui.edit import EditScreen
from crystallize.tui.editor import HINT, command, editor_of, has_window
from crystallize.tui.experiment_tree import Entry, target_of
from crystallize.tui.faults import FaultScreen
from crystallize.tui.help import HelpScreen
from crystallize.tui.history import HistoryScreen
from crystallize.tui.performance import Performance
from crystallize.tui.run import RunScreen
from crystallize.tui.select import SelectScreen
from crystallize.tui.store import StoreScreen
from crystallize.tui.target import Target
from crystallize.valohai.listing import PipelineItem

SWITCH_SECONDS = 0.0005
"""So long pure Python in another thread may keep the screen waiting, several times for each key; 5 ms are felt."""


class CrystallizeApp(App[None]):
    """The terminal UI of the project in `folder`.

    Parameters
    ----------
    terminal : descriptor of the terminal, for editors; None where editors cannot be shown (a browser, a test).
    """

    class Over(Message):
        """A run has come to its end."""

        def __init__(self, performance: Performance) -> None:
            super().__init__()
            self.performance = performance

    TITLE = "crystallize"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark,f1", "help", "Help", show=False),
        Binding("q,ctrl+c,ctrl+q", "leave", "Quit", show=False),
    ]

    def __init__(self, folder: Path, ear: Ear | None = None, terminal: int | None = None) -> None:
        super().__init__()
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
        self.folder = folder
        self._ear = ear or Ear()
        self._terminal = terminal
        self._bench = Bench()
        self._last: dict[Target, Performance] = {}
        self._present: Performance | None = None

    def on_load(self) -> None:
        # Screens look at files while trials run in another thread; no trial may be charged with that. Every task and
        # thread of the app begins with the context of this one.
        unobserved().__enter__()

    def on_mount(self) -> None:
        self._switch_interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        self.push_screen(SelectScreen(self.folder, self._bench))

    def on_unmount(self) -> None:
        self._bench.close()
        sys.setswitchinterval(self._switch_interval)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the command palette offers beside Textual's own."""
        yield from super().get_system_commands(screen)
        yield SystemCommand("New experiment", "Create New Experiment", lambda: self._want("new"))
        yield SystemCommand("History", "Earlier runs: compare two, time saved", lambda: self._want("history"))
        yield SystemCommand("Store", "What is kept, how large it is; forget and sweep", lambda: self._want("store"))

    # screens

    def on_select_screen_chosen(self, event: SelectScreen.Chosen) -> None:
        target = target_of(event.item)
        goes_on = self._present is not None and self._present.target == target
        asks = event.start and not goes_on and isinstance(event.item, PipelineItem) and event.item.asks
        if event.start and not asks:
            self._start(target, Choices(rerun_all=not target.reuses))
        self.push_screen(RunScreen(target, self._bench, self._last.get(target), asks=asks))

    def on_select_screen_wanted(self, event: SelectScreen.Wanted) -> None:
        self._want(event.what, event.item)

    def _want(self, what: str, item: Entry | None = None) -> None:
        if what == "new":
            known = next(screen.experiments for screen in self.screen_stack if isinstance(screen, SelectScreen))
            self.push_screen(CreateScreen(project_root(self.folder), known), self._created)
        elif what == "history":
            self.push_screen(HistoryScreen(self.folder))
        elif what == "store":
            self.push_screen(StoreScreen(self.folder))
        elif what == "edit" and isinstance(item, Item):
            self._configure(item.path)
        elif what == "edit" and item is not None:
            self.edit(str(item.path), 1)
        elif what == "editor" and item is not None:
            self.edit(str(item.path), item.error.line or 1 if item.error is not None else 1)

    def _created(self, folder: Path | None) -> None:
        if folder is not None:
            self.notify(f"{folder.name} is there: enter runs it")
            screen = self.screen
            if isinstance(screen, SelectScreen):
                screen.await_new(folder / CONFIG_NAME)

    def on_run_screen_configure(self, event: RunScreen.Configure) -> None:
        self._configure(event.config)

    def _configure(self, config: Path) -> None:
        self.push_screen(EditScreen(config))

    def action_leave_screen(self) -> None:
        """Leaves the present screen; a run goes on."""
        if len(self.screen_stack) > 2:
            self.pop_screen()
        else:
            self.action_leave()

    def action_help(self) -> None:
        self.push_screen(HelpScreen())

    # runs

    def on_run_screen_start(self, event: RunScreen.Start) -> None:
        self._start(event.target, event.choices)

    def _start(self, target: Target, choices: Choices) -> None:
        if self._present is not None and not self._present.over:
            if self._present.target != target:
                name = self._present.target.name
                self.notify(f"{name} is running; wait for it, or stop it with R on its screen", severity="warning")
            return
        performance = Performance(target, choices, self._ear)
        self._present = self._last[target] = performance
        self._bench.put(performance.perform, lambda _: self._tell_over(performance))
        screen = self.screen
        if isinstance(screen, RunScreen) and screen.target == target:
            screen.attend(performance)
        self._mark_running()

    def _tell_over(self, performance: Performance) -> None:
        self.post_message(self.Over(performance))

    def on_crystallize_app_over(self, event: Over) -> None:
        if self._present is event.performance:
            self._present = None
        self._mark_running()
        screen = self.screen
        if not (isinstance(screen, RunScreen) and screen.target == event.performance.target):
            name = event.performance.target.name
            bad = bool(event.performance.live.failures)
            self.notify(f"{name} {'failed' if bad else 'is done'}", severity="error" if bad else "information")

    def _mark_running(self) -> None:
        target = None if self._present is None else self._present.target
        for screen in self.screen_stack:
            if isinstance(screen, SelectScreen):
                screen.mark_running(target)

    # editors

    def on_run_screen_edit(self, event: RunScreen.Edit) -> None:
        self.edit(event.file, event.line)

    def on_edit_screen_edit(self, event: EditScreen.Edit) -> None:
        self.edit(event.file, event.line)

    def on_fault_screen_edit(self, event: FaultScreen.Edit) -> None:
        self.edit(event.file, event.line)

    def edit(self, file: str, line: int) -> None:
        """Opens a file in the user's editor, which has the terminal until it is closed."""
        editor = editor_of(Settings.load(self.folder).environ)
        if editor is None:
            self.notify(HINT, severity="error")
            return
        told = command(editor, file, line)
        try:
            if has_window(editor):
                nowhere = subprocess.DEVNULL
                opened = subprocess.Popen(told, stdin=nowhere, stdout=nowhere, stderr=nowhere)
                threading.Thread(target=opened.wait, name="crystallize-editor", daemon=True).start()
            elif self._terminal is None:
                self.notify(f"there is no terminal for {editor[0]} here; open {file}:{line}", severity="warning")
            else:
                with self.suspend():
                    subprocess.run(told, stdout=self._terminal, stderr=self._terminal, check=False)
        except OSError as error:
            self.notify(f"{editor[0]}: {error.strerror}", severity="error")

    # leaving

    async def action_quit(self) -> None:
        self.action_leave()

    def action_leave(self) -> None:
        """Ends the app; asks first while a run goes on."""
        if self._present is None:
            self.exit()
            return
        name = self._present.target.name
        question = f"{name} is running. Stop it and leave?\nWhat has finished is kept; the next run goes on from there."
        self.push_screen(AskScreen(question, "Stop and leave"), self._leave)

    def _leave(self, sure: bool | None) -> None:
        if sure:
            if self._present is not None:
                self._present.stop()
            self.exit()
