"""Help: every key, on one page."""

from __future__ import annotations

from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from crystallize.experiment.reports.live import State
from crystallize.tui.rendering import FORESEEN, mark

KEYS = {
    "Experiments": {
        "enter": "run the experiment and all it reads, or a pipeline with the parameters that you give it",
        "o": "open it without running",
        "n": "Create New Experiment",
        "c": "edit its configuration",
        "E": "open its configuration in your editor",
        "e": "what is wrong with it: file, line, traceback",
        "/": "search; escape ends it",
        "r": "look at the folder again",
        "h": "history of runs",
        "s": "the store: what is kept",
        "q": "quit",
    },
    "A run": {
        "R": "run; while it runs: stop it (again: at once)",
        "l": "reuse off for the experiment under the cursor, for this screen only",
        "L": "reuse off for the whole run, for this screen only",
        "x": "switch the treatment under the cursor off or on (config.state.json)",
        "b": "Reuse nodes: take results from an earlier run",
        "tab": "between the graph, its trials and the tabs",
        "1 … 5": "Logs, Summary, Why, Errors, Data",
        "S": "Summary",
        "f": "log of the experiment under the cursor only, or all",
        "O": "open the file of all that was printed; the tab shows the last 2000 lines",
        "t": "the present tab as plain text",
        "y": "copy the present tab",
        "c": "edit the configuration; the parameters of a pipeline",
        "e": "open the configuration in your editor; in Errors, enter opens the code",
        "escape": "back; the run goes on",
    },
    "A configuration": {
        "enter": "change the entry under the cursor, or add one",
        "k, j": "move the entry up or down",
        "ctrl+t": "between the tree and the text",
        "ctrl+o": "open the file at the line in your editor",
        "ctrl+s": "save",
    },
    "History and store": {
        "space": "compare the run under the cursor with others",
        "f": "forget the results of an experiment, after a question",
        "w": "sweep what nobody needs, after a question",
        "r": "look again",
    },
    "Everywhere": {
        "?, F1": "this page",
        "ctrl+p": "command palette, with themes",
    },
}


class HelpScreen(ModalScreen[None]):
    """Shows the keys and the marks."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "dismiss", "Back")]

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="dialog", classes="wide"):
            for heading, keys in KEYS.items():
                yield Static(heading, classes="title")
                yield Static(_table(keys))
            yield Static("Marks", classes="title")
            yield Static(_marks())


def _table(keys: dict[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True, min_width=8)
    table.add_column()
    for key, said in keys.items():
        table.add_row(key, said)
    return table


def _marks() -> Text:
    text = Text()
    for state in State:
        text.append(mark(state))
        text.append(f" {state.word}   ")
    text.append("\nbefore a run  ")
    for word, (character, style) in FORESEEN.items():
        text.append(character, style=style)
        text.append(f" would {word}   ")
    return text
