"""The window **Create New Experiment**: a name, files, and what the new experiment reads of others.

What may be written is decided by `folders/scaffold.py: draft`, at every key; nothing is written before it says yes.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Checkbox, Input, Label, Static, Tree
from textual.widgets.tree import TreeNode

from crystallize.errors import DefinitionError
from crystallize.experiment.folders.listing import Item
from crystallize.experiment.folders.references import Catalog
from crystallize.experiment.folders.scaffold import Draft, create_experiment, draft
from crystallize.tui.boxes import Box, Field
from crystallize.words import near

FILES = ("datasources.py", "steps.py", "outputs.py", "verifiers.py")
NEEDED = ("datasources.py", "steps.py")
"""Ticked at first."""


class OutputTree(Tree[str]):
    """Experiments and their outputs; `enter` or a click takes an output in or leaves it out again."""

    def __init__(self, items: list[Item]) -> None:
        super().__init__("outputs", id="outputs")
        self.show_root = False
        self.guide_depth = 2
        self.auto_expand = False
        self.chosen: list[str] = []
        """References, in the order in which they were taken in."""
        for item in items:
            outputs = item.config.outputs if item.config is not None else ()
            if outputs:
                node = self.root.add(item.name, expand=True, allow_expand=False)
                for output in outputs:
                    node.add_leaf(f"{item.name} -> {output.alias}", f"{item.name}#{output.alias}")
        self.root.expand()

    def toggle_output(self, reference: str) -> None:
        """Takes it in, or leaves it out."""
        if reference in self.chosen:
            self.chosen.remove(reference)
        else:
            self.chosen.append(reference)
        for node in (leaf for item in self.root.children for leaf in item.children):
            if node.data == reference:
                node.refresh()

    def render_label(self, node: TreeNode[str], base_style: object, style: object) -> Text:
        """``producer -> summary``, with a box."""
        text = Text(str(node.label), style="bold")
        if node.data is not None:
            box = ("☑ ", "bold green") if node.data in self.chosen else ("☐ ", "")
            text = Text.assemble(box, str(node.label))
        text.stylize(style)  # type: ignore[arg-type]
        return text


class CreateScreen(ModalScreen[Path | None]):
    """Dismissed with the new folder; None when nothing was made.

    Parameters
    ----------
    root : of the project.
    items : the experiments that there are.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("ctrl+s", "create", "Create", priority=True),
    ]

    def __init__(self, root: Path, items: list[Item]) -> None:
        super().__init__()
        self._catalog = Catalog(root)
        self._items = items

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog", classes="wide"):
            yield Static("Create New Experiment", classes="title")
            yield Field(placeholder="name", id="name")
            yield Static("", id="verdict")
            with VerticalScroll(id="create-options", can_focus=False):
                yield Label("Files")
                yield from (Box(file, file in NEEDED, id=_id_of(file)) for file in FILES)
                yield Box("Add example code", id="example")
                yield Box("Use outputs from other experiments", id="use-outputs")
                yield OutputTree(self._items)
            with Horizontal(classes="buttons"):
                yield Button("Create", variant="primary", id="create", compact=True)
                yield Button("Cancel", id="cancel", compact=True)

    def on_mount(self) -> None:
        self.query_one(OutputTree).display = False
        self.query_one("#name").focus()
        self._judge()

    @property
    def _inputs(self) -> list[str]:
        return list(self.query_one(OutputTree).chosen) if self.query_one("#use-outputs", Box).value else []

    @property
    def _files(self) -> list[str]:
        return [file for file in FILES if self.query_one(f"#{_id_of(file)}", Box).value]

    def _drafted(self) -> Draft:
        """What would be written. Raises DefinitionError for whatever may not be."""
        files, inputs = self._files, self._inputs
        if "steps.py" not in files:
            raise DefinitionError("an experiment needs steps", remedy="tick steps.py")
        if "datasources.py" not in files and not inputs:
            raise DefinitionError(
                "an experiment needs something to start from", remedy="tick datasources.py, or use outputs of others"
            )
        return draft(
            self.query_one("#name", Input).value,
            self._catalog,
            example=self.query_one("#example", Box).value,
            inputs=inputs,
            files=[file for file in files if file != "steps.py"],
        )

    def _judge(self) -> bool:
        """Says what would be written, or why nothing can be."""
        verdict = self.query_one("#verdict", Static)
        try:
            drafted = self._drafted()
        except DefinitionError as error:
            remedy = f"; {error.remedy}" if error.remedy else ""
            refused = Text.assemble(("✘ ", "bold red"), (f"{error.fact}{remedy}", "red"))
            is_begun = bool(self.query_one("#name", Input).value)
            verdict.update(refused if is_begun else Text("give it a name", style="dim"))
            self.query_one("#create", Button).disabled = True
            return False
        files = ", ".join(sorted(drafted.texts))
        verdict.update(Text.assemble(("✔ ", "green"), (f"{near(drafted.folder)}: {files}", "dim")))
        self.query_one("#create", Button).disabled = False
        return True

    def on_input_changed(self, event: Input.Changed) -> None:
        self._judge()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.action_create()

    def on_checkbox_changed(self, event: Checkbox.Changed) -> None:
        if event.checkbox.id == "use-outputs":
            tree = self.query_one(OutputTree)
            tree.display = event.value
            tree.cursor_line = 1
            if event.value and not tree.root.children:
                self.notify("no experiment has outputs yet", severity="warning")
        self._judge()

    def on_tree_node_selected(self, event: Tree.NodeSelected[str]) -> None:
        if event.node.data is not None:
            self.query_one(OutputTree).toggle_output(event.node.data)
            self._judge()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "create":
            self.action_create()
        else:
            self.dismiss(None)

    def action_create(self) -> None:
        """Writes the experiment, if all is well."""
        if not self._judge():
            return
        try:
            folder = create_experiment(
                self.query_one("#name", Input).value,
                self._catalog.root,
                example=self.query_one("#example", Box).value,
                inputs=self._inputs,
                files=[file for file in self._files if file != "steps.py"],
            )
        except (DefinitionError, OSError) as error:
            self.query_one("#verdict", Static).update(Text(str(error), style="red"))
        else:
            self.dismiss(folder)


def _id_of(file: str) -> str:
    return f"file-{file.removesuffix('.py')}"
