"""The first screen: every experiment below a folder, and what is known of the one under the cursor."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer
from textual.widgets import Input, Static, Tree

from crystallize.errors import CrystallizeError
from crystallize.experiment.folders.listing import Item, Listing, matching
from crystallize.experiment.reports.opened import Choices
from crystallize.settings import project_root
from crystallize.tui.aside import aside
from crystallize.tui.bench import Bench, Task
from crystallize.tui.boxes import Field
from crystallize.tui.details import Details, Look
from crystallize.tui.experiment_tree import Entry, ExperimentTree, target_of
from crystallize.tui.faults import FaultScreen
from crystallize.tui.keys import Keys
from crystallize.tui.target import Target
from crystallize.valohai.listing import PipelineListing
from crystallize.words import plural

RESCAN_SECONDS = 2.0
LOOK_SECONDS = 0.15
"""The cursor rests so long before the experiment under it is loaded."""
SEARCH_SECONDS = 0.06
"""After the last letter; the list of thousands is not drawn for each."""
EMPTY = "no experiments yet, press n"


def _folder(folder: Path) -> str:
    """Where we are, as people call it."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) and folder != home else str(folder)


class SelectScreen(Screen[None]):
    """Chooses an experiment."""

    class Chosen(Message):
        """An experiment is to be opened, and run at once if `start`."""

        def __init__(self, item: Entry, start: bool) -> None:
            super().__init__()
            self.item = item
            self.start = start

    class Wanted(Message):
        """Something beside the present experiment: ``new``, ``history`` or ``store``."""

        def __init__(self, what: str, item: Entry | None = None) -> None:
            super().__init__()
            self.what = what
            self.item = item

    class Looked(Message):
        """What the bench found out about an experiment."""

        def __init__(self, look: Look) -> None:
            super().__init__()
            self.look = look

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "choose(False)", "Open"),
        Binding("n", "want('new')", "New"),
        Binding("c", "want('edit')", "Configure"),
        Binding("slash", "search", "Search", key_display="/"),
        Binding("h", "want('history')", "History"),
        Binding("s", "want('store')", "Store"),
        Binding("e", "fault", "Error"),
        Binding("r", "rescan", "Rescan"),
        Binding("E", "want('editor')", "Editor", show=False),
        Binding("escape", "clear_search", "Clear search", show=False),
    ]

    def __init__(self, folder: Path, bench: Bench) -> None:
        super().__init__()
        self._listing = Listing(folder)
        self._pipelines = PipelineListing(folder, project_root(folder))
        self._scanning = Lock()
        self._bench = bench
        self._items: list[Entry] = []
        self._asked: Task | None = None
        self._words = ""
        self._search: Timer | None = None
        self.is_scanned = False
        """Whether the folder has been looked at."""
        self._awaited: Path | None = None
        """Goes under the cursor as soon as it is found."""

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield Field(placeholder="search ( / )", id="search")
                yield ExperimentTree()
                yield Static(EMPTY, id="empty")
            yield Details()
        yield Keys()

    def on_mount(self) -> None:
        self.query_one("#empty").display = False
        self._tree.focus()
        self.set_interval(RESCAN_SECONDS, self._rescan)

    def on_screen_resume(self) -> None:
        """Whenever this screen comes to the front, the first time too."""
        self.scan()
        if self._tree.display:
            self._tree.focus()
        self._look()

    @property
    def _tree(self) -> ExperimentTree:
        return self.query_one(ExperimentTree)

    @property
    def chosen_name(self) -> str | None:
        """The experiment under the cursor."""
        return None if self._tree.item is None else self._tree.item.name

    # what there is

    @property
    def experiments(self) -> list[Item]:
        """All of them, as they were a moment ago."""
        return [item for item in self._items if isinstance(item, Item)]

    def _rescan(self) -> None:
        if self.is_current:
            self.scan()

    @aside("scan")
    def scan(self) -> None:
        """Looks at the folder, beside the screen."""
        with self._scanning:
            items = [*self._listing.scan(), *self._pipelines.scan()]
        self.app.call_from_thread(self._take, items)

    def _take(self, items: list[Entry]) -> None:
        if not self.is_mounted or (self.is_scanned and items == self._items):
            return
        self.is_scanned = True
        self._items = items
        self._tree.faults = {}
        self._show()

    def _show(self) -> None:
        found = [item for item in self._items if _fits(item, self._words)] if self._words else self._items
        self._tree.show(found, self._awaited)
        if self._awaited in {item.path for item in found}:
            self._awaited = None
        empty = self.query_one("#empty", Static)
        empty.display = not found
        self._tree.display = bool(found)
        # With nothing to search, no key may end up in the search.
        self.query_one("#search").disabled = not self._items
        if not found:
            empty.update(f"nothing is called like “{self._words}”" if self._items else EMPTY)
            self.query_one(Details).clear()
        self._show_top()
        self._look()

    def _show_top(self) -> None:
        experiments = self.experiments
        graphs = sum(item.is_graph for item in experiments)
        pipelines = len(self._items) - len(experiments)
        broken = sum(self._tree.fault_of(item) is not None for item in self._items)
        told = Text.assemble(("◆ crystallize", "bold"), "  ", plural(len(experiments), "experiment"))
        if graphs:
            told.append(f" · {plural(graphs, 'graph')}")
        if pipelines:
            told.append(f" · {plural(pipelines, 'pipeline')}")
        if broken:
            told.append(f" · {plural(broken, 'load error')} (e)", style="bold red")
        told.append(f"  {_folder(self._listing.folder)}", style="dim")
        told.truncate(self.size.width - 2, overflow="ellipsis")
        self.query_one("#top", Static).update(told)

    def await_new(self, config: Path) -> None:
        """Looks at the folder, where `config` is new, and goes to it."""
        self._awaited = config
        self.scan()

    def mark_running(self, target: Target | None) -> None:
        """Marks what runs now."""
        if self.is_mounted:
            self._tree.running = target
            self._tree.redraw()

    # what is known of one

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[Item | None]) -> None:
        """Shows at once what the configuration says, and asks the bench for the rest."""
        self._look()

    def _look(self) -> None:
        if self._asked is not None:
            self._asked.dropped = True
        item = self._tree.item
        if item is None:
            return
        details = self.query_one(Details)
        details.show(item)
        fault = self._tree.fault_of(item)
        if fault is not None:
            details.show_fault(fault)
        else:
            self.set_timer(LOOK_SECONDS, lambda: self._ask(item))

    def _ask(self, item: Entry) -> None:
        if item != self._tree.item or not self.is_current:
            return

        def done(found: Look | BaseException) -> None:
            look = Look(target, fault=found) if isinstance(found, BaseException) else found
            self.post_message(self.Looked(look))

        target = target_of(item)
        self._asked = self._bench.put(lambda: look_at(target), done)

    def on_select_screen_looked(self, event: Looked) -> None:
        look = event.look
        if isinstance(look.fault, CrystallizeError):
            self._tree.faults[look.target] = look.fault
        else:
            self._tree.faults.pop(look.target, None)
        self._tree.redraw()
        self._show_top()
        item = self._tree.item
        if item is not None and target_of(item) == look.target:
            self.query_one(Details).complete(look)

    # what the user wants

    def on_tree_node_selected(self, event: Tree.NodeSelected[Item | None]) -> None:
        if event.node.data is not None:
            self.action_choose(True)

    def on_input_changed(self, event: Input.Changed) -> None:
        if self._search is not None:
            self._search.stop()
        self._search = self.set_timer(SEARCH_SECONDS, self._find)

    def _find(self) -> None:
        """Shows what fits the words of the search."""
        words = self.query_one("#search", Input).value
        if words != self._words:
            self._words = words
            self._show()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._go_to_found()

    def on_key(self, event: Any) -> None:
        if event.key == "down" and self.query_one("#search").has_focus:
            self._go_to_found()

    def _go_to_found(self) -> None:
        """Out of the search into what it found; where that is nothing, its words can be corrected."""
        self._find()
        if self._tree.display:
            self._tree.focus()

    def action_choose(self, start: bool) -> None:
        """Opens the experiment under the cursor."""
        item = self._tree.item
        if item is not None:
            if item.error is not None:
                self.action_fault()
            else:
                self.post_message(self.Chosen(item, start))

    def action_want(self, what: str) -> None:
        """Asks the app for another screen."""
        if what not in ("edit", "editor") or self._tree.item is not None:
            self.post_message(self.Wanted(what, self._tree.item))

    def action_fault(self) -> None:
        """What is wrong with the experiment under the cursor, else with the first that has a fault."""
        item = self._tree.item
        listed: list[Entry] = [item, *self._items] if item is not None else self._items
        for each in listed:
            fault = self._tree.fault_of(each)
            if fault is not None:
                self.app.push_screen(FaultScreen(each.name, fault))
                return
        self.notify("nothing is wrong with any of these experiments")

    def action_search(self) -> None:
        self.query_one("#search").focus()

    def action_clear_search(self) -> None:
        self.query_one("#search", Input).value = ""
        self._find()
        self._tree.focus()

    def action_rescan(self) -> None:
        """Looks at everything again, the code of the present experiment too."""
        self.is_scanned = False
        self.scan()
        self._look()


def look_at(target: Target) -> Look:
    """What the code and the history say of it; to be called on the bench."""
    opened = target.load()
    outlook = opened.outlook(Choices(rerun_all=not target.reuses))
    return Look(target, outlook=outlook, known=opened.known(), opened=opened)


def _fits(entry: Entry, words: str) -> bool:
    if isinstance(entry, Item):
        return any(matching([entry], words))
    text = f"{entry.name} {entry.group} {' '.join(entry.nodes)}".casefold()
    return all(word in text for word in words.casefold().split())
