"""Edits one configuration, as a tree and as text; what is wrong is told at its line, at every key.

What an edit comes to is decided by `folders/edits.py`, which keeps comments and order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static, TextArea, Tree
from textual.widgets.tree import TreeNode

from crystallize.errors import DefinitionError
from crystallize.experiment.folders.edits import KINDS, Edited, add, document_of, fault_of, move, save, set_value
from crystallize.tui.asking import AskScreen
from crystallize.tui.entry import EntryScreen
from crystallize.tui.keys import Keys
from crystallize.words import near
from crystallize.yaml_lines import read_text

ADDED = {about.section: kind for kind, about in KINDS.items()}
"""Section → what is added to it."""
HINTS = {"treatment": "values, such as lr: 0.1", "datasource": "or a reference, such as producer#summary"}
"""What a second field asks for, beside the name."""


class ConfigText(TextArea):
    """The text, with what is wrong behind the line that it is about."""

    def __init__(self, text: str) -> None:
        super().__init__(text, id="config-text", show_line_numbers=True, tab_behavior="indent", soft_wrap=True)
        self.cursor_blink = False
        self.fault: DefinitionError | None = None

    def get_line(self, line_index: int) -> Text:
        """A line, and the fault if it is the one."""
        line = super().get_line(line_index)
        if self.fault is not None and line_index + 1 == (self.fault.line or 1):
            line.append(f"   ✘ {self.fault.fact}", style="bold red")
        return line

    def show_fault(self, fault: DefinitionError | None) -> None:
        """Tells this fault from now on."""
        self.fault = fault
        self._line_cache.clear()
        self.refresh()


class ConfigTree(Tree[tuple[Any, ...]]):
    """The entries; under each section a leaf that adds to it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "select_cursor", "Edit/Add")]

    def __init__(self) -> None:
        super().__init__("configuration", id="config-tree")
        self.show_root = False
        self.guide_depth = 2
        self.auto_expand = False

    def show(self, value: dict[str, Any], keys: Sequence[Any] | None = None) -> None:
        """Shows the entries, with the cursor on `keys`, else where it was."""
        row = self.cursor_line
        kept = tuple(keys) if keys is not None else None
        self.clear()
        places: dict[tuple[Any, ...], TreeNode[tuple[Any, ...]]] = {}
        for key in dict.fromkeys([*value, *ADDED]):
            self._add(self.root, (key,), value.get(key), places, is_there=key in value)
        self.root.expand()
        if kept in places:
            self.call_after_refresh(self.move_cursor, places[kept])
        else:
            self.call_after_refresh(self.move_cursor_to_line, max(row, 0))

    def _add(
        self,
        above: TreeNode[tuple[Any, ...]],
        keys: tuple[Any, ...],
        value: Any,
        places: dict[tuple[Any, ...], TreeNode[tuple[Any, ...]]],
        is_there: bool = True,
    ) -> None:
        section = ADDED.get(keys[0]) if len(keys) == 1 else None
        entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        if section is None and not isinstance(value, dict | list):
            label = f"{keys[-1]}: {value}" if isinstance(keys[-1], str) else str(value)
            places[keys] = above.add_leaf(label, keys)
            return
        if isinstance(keys[-1], int) and isinstance(value, dict) and len(value) == 1:
            label = str(next(iter(value)))
        else:
            label = str(keys[-1])
        node = above.add(Text(label, style="bold" if is_there else "dim"), keys, expand=True)
        places[keys] = node
        for key, item in entries:
            self._add(node, (*keys, key), item, places)
        if section is not None:
            node.add_leaf(Text(f"+ add {section}", style="green"), ("+", section))


class EditScreen(Screen[None]):
    """Edits the configuration at `config`."""

    class Edit(Message):
        """A file is to be opened in the user's editor."""

        def __init__(self, file: str, line: int) -> None:
            super().__init__()
            self.file = file
            self.line = line

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", "Save", priority=True),
        Binding("escape", "leave", "Back", priority=True),
        Binding("ctrl+t", "switch", "Tree/text", priority=True),
        Binding("ctrl+o", "editor", "Editor", priority=True),
        Binding("k", "move(False)", "Up"),
        Binding("j", "move(True)", "Down"),
    ]

    def __init__(self, config: Path) -> None:
        super().__init__()
        self.config = config
        self._saved = _read(config)
        self._modules: dict[str, str] = {}
        """Texts of modules that stubs were added to, still to be written."""

    def compose(self) -> ComposeResult:
        yield Static(id="top")
        with Horizontal(id="body"):
            with Vertical(id="left"):
                yield ConfigTree()
            with Vertical():
                yield ConfigText(self._saved)
        yield Static("", id="verdict")
        yield Keys()

    def on_mount(self) -> None:
        self.query_one(ConfigTree).focus()
        self._judge()

    @property
    def _area(self) -> ConfigText:
        return self.query_one(ConfigText)

    @property
    def is_changed(self) -> bool:
        """Whether there is something to save."""
        return self._area.text != self._saved or bool(self._modules)

    # judging

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        self._judge()

    def _judge(self, keys: Sequence[Any] | None = None) -> None:
        text = self._area.text
        fault = fault_of(text, self.config)
        self._area.show_fault(fault)
        if fault is None:
            more = f" · with stubs in {', '.join(self._modules)}" if self._modules else ""
            verdict = Text.assemble(("✔ ", "green"), (f"valid{more}", "dim"))
        else:
            place = f"line {fault.line}: " if fault.line else ""
            remedy = f"; {fault.remedy}" if fault.remedy else ""
            verdict = Text.assemble(("✘ ", "bold red"), (f"{place}{fault.fact}{remedy}", "red"))
        self.query_one("#verdict", Static).update(verdict)
        document = document_of(text, self.config)
        if document is not None:
            self.query_one(ConfigTree).show(document.value, keys)
        told = Text.assemble(
            ("◆ configure", "bold"), f"  {near(self.config)}", (" ● changed" * self.is_changed, "yellow")
        )
        self.query_one("#top", Static).update(told)

    # the tree

    @property
    def _keys(self) -> tuple[Any, ...]:
        node = self.query_one(ConfigTree).cursor_node
        return () if node is None or node.data is None else node.data

    def on_tree_node_highlighted(self, event: Tree.NodeHighlighted[tuple[Any, ...]]) -> None:
        keys = event.node.data
        document = document_of(self._area.text, self.config)
        if keys and keys[0] != "+" and document is not None and self.query_one(ConfigTree).has_focus:
            self._area.move_cursor((document.line(*keys) - 1, 0))

    def on_tree_node_selected(self, event: Tree.NodeSelected[tuple[Any, ...]]) -> None:
        keys = event.node.data or ()
        if keys and keys[0] == "+":
            self._ask_new(str(keys[1]))
        elif keys and not event.node.children:
            self._ask_value(keys)

    def _ask_new(self, kind: str) -> None:
        hint = {"treatment": "values, such as lr: 0.1", "datasource": "or a reference, such as producer#summary"}.get(
            kind
        )

        def entered(answer: tuple[str, str] | None) -> None:
            if answer is not None:
                name, value = answer
                payload = f"{{{value}}}" if kind == "treatment" and value and not value.startswith("{") else value
                self._change(lambda text: add(text, self.config, kind, name, payload))

        self.app.push_screen(EntryScreen(f"Add {kind}", "name", hint), entered)

    def _ask_value(self, keys: tuple[Any, ...]) -> None:
        document = document_of(self._area.text, self.config)
        if document is None:
            return
        value: Any = document.value
        for key in keys:
            value = value[key]

        def entered(answer: tuple[str, str] | None) -> None:
            if answer is not None:
                self._change(lambda text: Edited(set_value(text, self.config, keys, answer[0]), {}))

        shown = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        self.app.push_screen(EntryScreen(".".join(map(str, keys)), "value", None, shown), entered)

    def action_move(self, down: bool) -> None:
        """Moves the entry under the cursor one place."""
        keys = self._keys
        if keys and keys[0] != "+":
            try:
                text, place = move(self._area.text, self.config, keys, down)
            except (DefinitionError, KeyError) as error:
                self.notify(str(error), severity="error")
            else:
                self._area.load_text(text)
                self._judge(place)

    def _change(self, edit: Callable[[str], Edited]) -> None:
        try:
            edited = edit(self._area.text)
        except DefinitionError as error:
            self.notify(f"{error.fact}; {error.remedy or 'change it'}", severity="error")
            return
        self._modules |= edited.modules
        self._area.load_text(edited.text)
        self._judge()

    # saving and leaving

    def action_switch(self) -> None:
        """Goes from the tree to the text, and back."""
        tree = self.query_one(ConfigTree)
        (self._area if tree.has_focus else tree).focus()

    def action_save(self) -> None:
        """Writes the configuration and its stubs; refused while something is wrong, or was changed elsewhere."""
        if fault_of(self._area.text, self.config) is not None:
            self.notify("not saved: mend the line that is marked first", severity="error")
        elif _read(self.config) != self._saved:
            self.notify("not saved: the file was changed elsewhere; leave and open it again", severity="error")
        else:
            try:
                save(self.config, Edited(self._area.text, self._modules))
            except OSError as error:
                self.notify(f"not saved: {error}", severity="error")
                return
            self._saved, self._modules = self._area.text, {}
            self._judge()
            self.notify("saved")

    def action_editor(self) -> None:
        """Opens the file at the present line in the user's editor."""
        if self.is_changed:
            self.notify("save first (ctrl+s)", severity="warning")
        else:
            self.post_message(self.Edit(str(self.config), self._area.cursor_location[0] + 1))

    def on_screen_resume(self) -> None:
        """Another editor may have changed the file meanwhile."""
        text = _read(self.config)
        if text != self._saved and not self.is_changed:
            self._saved = text
            self._area.load_text(text)

    def action_leave(self) -> None:
        """Goes back; asks first when something is not saved."""

        def answered(sure: bool | None) -> None:
            if sure:
                self.app.pop_screen()

        if self.is_changed:
            self.app.push_screen(AskScreen("Leave without saving?", "Leave"), answered)
        else:
            self.app.pop_screen()


def _read(config: Path) -> str:
    try:
        return read_text(config)
    except DefinitionError:
        return ""
