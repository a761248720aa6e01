"""What the screens use of Textual that it does not promise; a new major version is let in when all of this holds."""

from __future__ import annotations

import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import textual
from textual.widgets import Checkbox, Log, TextArea, Tree

KNOWN = ">=8.0,<9"
"""Versions of which all of this is known to hold."""


def test_the_project_asks_for_the_versions_that_are_known() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))

    assert f"textual{KNOWN}" in project["project"]["dependencies"]
    assert version("textual").startswith("8."), f"look through this file with {textual.__version__}, then change KNOWN"


@pytest.mark.parametrize(
    ("widget", "names"),
    [
        (Tree("t"), ["_invalidate", "_line_cache"]),
        (Log(), ["_lines", "_width", "_prune_max_lines", "_scroll_update"]),
        (TextArea(), ["_line_cache"]),
        (Checkbox(), ["_button"]),
    ],
    ids=["Tree", "Log", "TextArea", "Checkbox"],
)
def test_what_the_screens_reach_into_is_there(widget: object, names: list[str]) -> None:
    there = {*dir(type(widget)), *vars(widget)}

    assert set(names) <= there, f"Textual {KNOWN} has them; trees.py, lines.py, edit.py or boxes.py need another way"


def test_a_tree_counts_its_rows_anew_by_the_method_that_is_put_off_while_it_is_filled() -> None:
    for change in (Tree.clear, type(Tree("t").root).add):
        assert "_invalidate" in inspect.getsource(change) or "_clear_line_cache" in inspect.getsource(change)
    assert "_clear_line_cache" in inspect.getsource(Tree._invalidate)
