from __future__ import annotations

import ast
from pathlib import Path

import pytest

from crystallize.errors import DefinitionError
from crystallize.experiment.folders.edits import KINDS, add, fault_of, move, save, set_value

TEXT = """\
# what it is about
name: train   # the name

datasource: {numbers: numbers}
steps:
  - first  # comes first
  - second: {lr: 0.1}
treatments:
  # the bold one
  high: {lr: 1}
"""
CONFIG = Path("experiments/train/config.yaml")


def test_a_step_is_added_with_its_stub_and_nothing_else_changes(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    (tmp_path / "steps.py").write_text('"""Steps."""\n\nimport json\n\nX = json\n')

    edited = add(TEXT, config, "step", "third")
    save(config, edited)

    assert config.read_text() == TEXT.replace("  - second: {lr: 0.1}\n", "  - second: {lr: 0.1}\n  - third\n")
    module = (tmp_path / "steps.py").read_text()
    assert module.startswith('"""Steps."""\n\nfrom crystallize import pipeline_step\nimport json\n')
    assert "@pipeline_step()\ndef third(data):" in module


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_ends_in_a_configuration_that_is_valid_and_in_python_that_parses(tmp_path: Path, kind: str) -> None:
    config = tmp_path / "config.yaml"

    edited = add(TEXT, config, kind, "extra")

    assert fault_of(edited.text, config) is None
    assert "# what it is about" in edited.text and "# comes first" in edited.text and "# the bold one" in edited.text
    for text in edited.modules.values():
        ast.parse(text)
    assert list(edited.modules) == [module for module in [KINDS[kind].module] if module]


def test_an_entry_of_a_section_that_is_not_there_begins_it(tmp_path: Path) -> None:
    edited = add("steps: [s]\n", tmp_path / "config.yaml", "treatment", "high", "lr: 0.5")

    assert edited.text == "steps: [s]\ntreatments:\n  high:\n    lr: 0.5\n"


def test_a_reference_needs_no_stub(tmp_path: Path) -> None:
    edited = add(TEXT, tmp_path / "config.yaml", "datasource", "rows", "clean#rows")

    assert "datasource: {numbers: numbers, rows: clean#rows}" in edited.text
    assert edited.modules == {}


def test_a_function_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text("def third(data):\n    return data\n")

    assert add(TEXT, tmp_path / "config.yaml", "step", "third").modules == {}


@pytest.mark.parametrize(
    ("kind", "name", "fact"),
    [
        ("step", "a b", "no name of a function"),
        ("treatment", "high", "already"),
        ("treatment", "a/b", "contains '/'"),
        ("output", "", "no name of a function"),
    ],
)
def test_what_will_not_do_is_refused(kind: str, name: str, fact: str) -> None:
    with pytest.raises(DefinitionError, match=fact):
        add(TEXT, CONFIG, kind, name)


def test_a_value_is_set_in_its_place() -> None:
    assert set_value(TEXT, CONFIG, ["treatments", "high", "lr"], "2.5") == TEXT.replace("{lr: 1}", "{lr: 2.5}")


def test_a_value_that_makes_no_configuration_is_refused_with_its_line() -> None:
    with pytest.raises(DefinitionError, match="is no text") as caught:
        set_value(TEXT, CONFIG, ["name"], "[1]")

    assert caught.value.line == 2


def test_entries_move_up_and_down() -> None:
    moved, keys = move(TEXT, CONFIG, ["steps", 1], down=False)

    assert keys == ["steps", 0]
    assert "  - second: {lr: 0.1}\n  - first  # comes first\n" in moved
    assert move(TEXT, CONFIG, ["steps", 1], down=True) == (TEXT, ["steps", 1])


def test_lists_stay_as_far_in_as_they_were(tmp_path: Path) -> None:
    text = "steps:\n- first\n- second\n"

    assert add(text, tmp_path / "config.yaml", "step", "third").text == text + "- third\n"


def test_the_fault_of_a_text_has_its_line() -> None:
    fault = fault_of(TEXT + "colour: red\n", CONFIG)

    assert fault is not None and fault.line == 11
