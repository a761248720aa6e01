"""The run screen: a graph and how all its trials stand, what was chosen for it, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Button, Static, TabbedContent, TabPane

from crystallize.errors import CrystallizeError
from crystallize.experiment.folders.switches import read_switches, write_switches
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.reports.live import Failure
from crystallize.experiment.reports.opened import Choices
from crystallize.tui.bench import Bench, Task
from crystallize.tui.board import Board
from crystallize.tui.form import FormScreen
from crystallize.tui.heading import heading
from crystallize.tui.keys import Keys
from crystallize.tui.lines import Recorded
from crystallize.tui.log_pane import LogPane
from crystallize.tui.panes import DataPane, ErrorsPane, SummaryPane, WhyPane
from crystallize.tui.performance import Performance
from crystallize.tui.pipeline import Pipeline
from crystallize.tui.plain import PlainScreen
from crystallize.tui.reuse import ReuseScreen
from crystallize.tui.target import Loaded, Prepared, Target
from crystallize.valohai.form import Key

TICK_SECONDS = 0.2
"""Between two looks at a run. Each costs a redraw, and a key that comes meanwhile waits for it."""
LOG_TICKS = 2
"""Between two looks at the log."""
TABS = ("logs", "summary", "why", "errors", "data")


class RunScreen(Screen[None]):
    """Runs a target, and shows how that goes.

    Parameters
    ----------
    performance : the last run of it in this app; None: there was none.
    asks : whether it asks for parameters at once, and then runs.
    """

    class Start(Message):
        """The target is to be run."""

        def __init__(self, target: Target, choices: Choices) -> None:
            super().__init__()
            self.target = target
            self.choices = choices

    class Edit(Message):
        """A file is to be opened in the user's editor."""

        def __init__(self, file: str, line: int = 1) -> None:
            super().__init__()
            self.file = file
            self.line = line

    class Configure(Message):
        """A configuration is to be edited."""

        def __init__(self, config: Path) -> None:
            super().__init__()
            self.config = config

    class Found(Message):
        """The bench has prepared a run, or could not."""

        def __init__(self, found: Prepared | BaseException) -> None:
            super().__init__()
            self.found = found

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("R", "run", "Run/Cancel"),
        Binding("x", "switch", "On/off"),
        Binding("l", "rerun(False)", "Reuse off"),
        Binding("L", "rerun(True)", "All off"),
        Binding("escape,q", "app.leave_screen", "Back"),
        Binding("S", "tab('summary')", "Summary"),
        Binding("b", "reuse", "Reuse nodes"),
        Binding("t", "plain", "Plain text"),
        Binding("e", "editor", "Editor", show=False),
        Binding("c", "configure", "Configure", show=False),
        Binding("f", "follow", "One log", show=False),
        Binding("O", "log", "Whole log", show=False),
        Binding("y", "copy", "Copy", show=False),
        *(Binding(str(n), f"tab('{tab}')", tab.title(), show=False) for n, tab in enumerate(TABS, 1)),
    ]

    def __init__(self, target: Target, bench: Bench, performance: Performance | None, *, asks: bool = False) -> None:
        super().__init__()
        self.target = target
        self._asks = asks
        self._bench = bench
        self.performance = performance
        self._prepared: Prepared | None = None
        self._asked: Task | None = None
        self._opened: Loaded | None = None
        self._rerun: set[str] = set()
        self._rerun_all = not target.reuses
        self._values: Mapping[Key, Any] = {}
        self._pins: dict[str, int] = {}
        self._seen = -1
        self._ticks = 0
        self._failures = 0
        self._concluded: Performance | None = None

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        with Horizontal(id="body"):
            yield Board()
            with TabbedContent(initial="logs", id="tabs"):
                with TabPane("Logs", id="logs"):
                    yield LogPane()
                with TabPane("Summary", id="summary"):
                    yield SummaryPane()
                with TabPane("Why", id="why"):
                    yield WhyPane()
                with TabPane("Errors", id="errors"):
                    yield ErrorsPane()
                with TabPane("Data", id="data-tab"):
                    yield DataPane()
        yield Keys()

    def on_mount(self) -> None:
        self.set_interval(TICK_SECONDS, self._tick)
        if self.performance is None or self.performance.over:
            self.prepare()
        if self._asks and isinstance(self.target, Pipeline):
            self._ask_values(self.target, start=True)
        self._tick()

    @property
    def _board(self) -> Board:
        return self.query_one(Board)

    @property
    def is_settled(self) -> bool:
        """Whether nothing runs, what the next run would do is known, and all of it is drawn."""
        is_known = self._asked is None and self._concluded is self.performance
        return is_known and all(each.is_drawn for each in self.query(Recorded))

    @property
    def _goes_on(self) -> bool:
        return self.performance is not None and not self.performance.over

    @property
    def choices(self) -> Choices:
        """What was chosen here."""
        return Choices(
            rerun=frozenset(self._rerun), rerun_all=self._rerun_all, pins=dict(self._pins), values=dict(self._values)
        )

    # before a run

    def prepare(self) -> None:
        """Asks the bench to load the graph and to say what a run would do."""
        if self._asked is not None:
            self._asked.dropped = True
        choices = self.choices

        def look() -> Prepared:
            opened = self.target.load()
            return Prepared(opened, opened.outlook(choices), opened.candidates())

        self._asked = self._bench.put(look, self._tell_found)

    def _tell_found(self, found: Prepared | BaseException) -> None:
        self.post_message(self.Found(found))

    def on_run_screen_found(self, event: Found) -> None:
        self._asked = None
        found = event.found
        if isinstance(found, BaseException):
            self.query_one(ErrorsPane).follow([Failure.of(self.target.name, found)])
            self.action_tab("errors")
            return
        self._prepared = found
        self._opened = found.opened
        self._board.show(found.opened, found.outlook.nodes, found.outlook)
        self.query_one(SummaryPane).show_older(found.candidates)
        if self.performance is None:
            self.query_one(WhyPane).show_outlook(found.outlook.explanations)
        self._redraw()

    # while it runs

    def attend(self, performance: Performance) -> None:
        """From now on this run is shown."""
        if self._asked is not None:
            self._asked.dropped = True
            self._asked = None
        self.performance = performance
        self._opened, self._seen, self._concluded = None, -1, None
        self._redraw()
        self._tick()

    def _tick(self) -> None:
        performance = self.performance
        if performance is None:
            self._show_heading()
            return
        self._ticks += 1
        if performance.over or (self._ticks % LOG_TICKS == 0 and self.query_one(TabbedContent).active == "logs"):
            self.query_one(LogPane).follow(performance.log)
        if performance.opened is not None and self._opened is not performance.opened and performance.live.began:
            self._opened = performance.opened
            self._board.show(performance.opened, performance.nodes)
        if performance.live.changes != self._seen:
            self._seen = performance.live.changes
            self.query_one(ErrorsPane).follow(performance.live.failures)
            if self.query_one(TabbedContent).active == "why":
                self.query_one(WhyPane).show_run(list(performance.live.nodes.values()))
            self._redraw()
        elif not performance.over:
            self._show_heading()
        if performance.over and self._concluded is not performance:
            self._conclude(performance)

    def _conclude(self, performance: Performance) -> None:
        self._concluded = performance
        self.query_one(WhyPane).show_run(list(performance.live.nodes.values()))
        if performance.outcome is not None:
            self.query_one(SummaryPane).show(performance.outcome)
            self.query_one(DataPane).show(performance.outcome)
        failed = any(not each.is_blocked for each in performance.live.failures)
        if self.query_one(TabbedContent).active in ("logs", "summary", "errors"):
            self.action_tab("errors" if failed else "summary")
        self._redraw()
        self.prepare()

    def _redraw(self) -> None:
        self._board.live = None if self.performance is None else self.performance.live
        self._board.choices = self.choices
        self._board.redraw()
        self._show_heading()
        failures = 0 if self.performance is None else len(self.performance.live.failures)
        if failures != self._failures:
            self._failures = failures
            self.query_one(TabbedContent).get_tab("errors").label = f"Errors ({failures})" if failures else "Errors"

    def _show_heading(self) -> None:
        name = self.target.name if self._opened is None else self._opened.name
        strategy = "rerun" if self._rerun_all else "resume"
        outlook = None if self._prepared is None else self._prepared.outlook
        width = self.size.width - 2
        told = heading(name, strategy, outlook, self.performance, width)
        # One line before and after: nothing else has to move.
        self.query_one("#top", Static).update(told, layout=False)

    def on_board_moved(self, event: Board.Moved) -> None:
        pane = self.query_one(LogPane)
        if pane.is_filtered:
            pane.only(self._board.name_of_node)

    # what the user wants

    def action_run(self) -> None:
        """Runs the graph as its files are now, or stops it: what runs is finished first, the second time broken off."""
        if self.performance is not None and self._goes_on:
            self.performance.stop()
            again = "R again stops at once" if self.performance.asked_to_stop == 1 else "stopping at once"
            self.notify(f"stopping: what runs now is finished first; {again}")
        else:
            self.post_message(self.Start(self.target, self.choices))

    def action_rerun(self, whole: bool) -> None:
        """Turns reuse off, or on again; for this screen only."""
        if whole:
            self._rerun_all = not self._rerun_all
        elif self._board.name_of_node:
            self._rerun ^= {self._board.name_of_node}
        self._changed()

    def action_switch(self) -> None:
        """Switches the treatment under the cursor off or on, for good."""
        node, condition = self._board.node, self._board.condition
        if node is None or node.experiment.path is None or condition is None:
            return
        if condition == BASELINE_CONDITION:
            self.notify("the baseline is always on: treatments are compared with it", severity="warning")
            return
        off = read_switches(node.experiment.path).off
        if condition not in off and condition not in node.conditions:
            self.notify(f"{condition} is switched off in an experiment above: switch it on there", severity="warning")
            return
        write_switches(node.experiment.path, off ^ {condition})
        state = "on" if condition in off else "off"
        self.notify(f"{condition} is {state} in {node.experiment.label}")
        self._changed()

    def action_reuse(self) -> None:
        """Chooses the nodes that take their results from an earlier run."""
        if self._prepared is None:
            self.notify("the graph is not loaded yet", severity="warning")
            return

        def chosen(pins: dict[str, int] | None) -> None:
            if pins is not None:
                self._pins = pins
                self._changed()

        nodes = list(self._prepared.candidates)
        self.app.push_screen(ReuseScreen(nodes, self._prepared.candidates, self._pins), chosen)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "reuse-nodes":
            self.action_reuse()

    def _changed(self) -> None:
        if self._goes_on:
            self.notify("this holds from the next run on")
        else:
            self.performance = self._concluded = None
            self.prepare()
        self._redraw()

    def action_tab(self, tab: str) -> None:
        """Brings a tab to the front and its contents under the keys."""
        self.query_one(TabbedContent).active = "data-tab" if tab == "data" else tab

    def on_tabbed_content_tab_activated(self, event: TabbedContent.TabActivated) -> None:
        if event.pane.id == "why" and self.performance is not None:
            self.query_one(WhyPane).show_run(list(self.performance.live.nodes.values()))

    def action_follow(self) -> None:
        """Shows what only the experiment under the cursor prints, or all of them."""
        pane = self.query_one(LogPane)
        pane.only("" if pane.is_filtered else self._board.name_of_node)

    def action_log(self) -> None:
        """Opens the file that has all that was printed."""
        path = self.query_one(LogPane).path
        if path is None:
            self.notify("nothing was printed, or it could not be kept in a file")
        else:
            self.post_message(self.Edit(str(path)))

    def action_plain(self) -> None:
        """The present tab as text to select and copy."""
        self.app.push_screen(PlainScreen(self._present_text()))

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._present_text())
        self.notify("copied")

    def _present_text(self) -> str:
        kinds = (LogPane, SummaryPane, WhyPane, ErrorsPane, DataPane)
        active = self.query_one(TabbedContent).active_pane
        pane = None if active is None else next((each for each in active.query("*") if isinstance(each, kinds)), None)
        return "" if pane is None else pane.text

    def action_editor(self) -> None:
        """Opens the configuration of the experiment under the cursor in the user's editor."""
        self.post_message(self.Edit(str(self._board.config or self.target.path)))

    def action_configure(self) -> None:
        """Edits the configuration of the experiment under the cursor, or the parameters of a pipeline."""
        if isinstance(self.target, Pipeline):
            self._ask_values(self.target)
        else:
            self.post_message(self.Configure(self._board.config or self.target.path))

    def _ask_values(self, pipeline: Pipeline, *, start: bool = False) -> None:
        def given(values: Mapping[Key, Any] | None) -> None:
            if values is None:
                return
            self._values = values
            if start and not self._goes_on:
                self.action_run()
            else:
                self._changed()

        try:
            self.app.push_screen(FormScreen(pipeline.load(), self._values), given)
        except CrystallizeError as error:
            self.notify(str(error), severity="error")

    def on_errors_pane_edit(self, event: ErrorsPane.Edit) -> None:
        self.post_message(self.Edit(event.file, event.line))

    def on_summary_pane_open(self, event: SummaryPane.Open) -> None:
        self.post_message(self.Edit(str(event.path)))
