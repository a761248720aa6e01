from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crystallize.experiment.folders.listing import BROKEN, Listing, matching


def write(root: Path, name: str, text: str = "") -> Path:
    path = root / name / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"name: {path.parent.name}\nsteps: [s]\n{text}", encoding="utf-8")
    return path


def names(root: Path) -> list[str]:
    return [item.name for item in Listing(root).scan()]


def test_items_stand_by_group_then_priority_then_name_and_broken_ones_first(tmp_path: Path) -> None:
    write(tmp_path, "b")
    write(tmp_path, "a")
    write(tmp_path, "last", "cli: {priority: 1000}")
    write(tmp_path, "first", "cli: {priority: 1}")
    write(tmp_path, "reader", "datasource: {x: a#out}")
    write(tmp_path, "own", "cli: {group: Alpha}")
    write(tmp_path, "broken", "nonsense: 1")

    items = Listing(tmp_path).scan()

    assert [item.name for item in items] == ["broken", "own", "first", "a", "b", "last", "reader"]
    assert items[0].group == BROKEN
    assert items[0].error is not None and items[0].error.line == 3


@pytest.mark.contract("4.2.2")
def test_a_graph_bears_its_sign_whatever_its_icon(tmp_path: Path) -> None:
    write(tmp_path, "reader", "datasource: {x: a#out}\ncli: {icon: '📊'}")
    write(tmp_path, "plain", "cli: {icon: '📊'}")

    assert {item.name: item.icon for item in Listing(tmp_path).scan()} == {"plain": "📊", "reader": "📈"}


@pytest.mark.contract("4.2.1", "4.2.2")
def test_hidden_experiments_and_folders_of_dependencies_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "seen")
    write(tmp_path, "unseen", "cli: {hidden: true}")
    write(tmp_path, "node_modules/pack")
    write(tmp_path, ".cache/old")
    write(tmp_path, ".venv/lib")

    assert names(tmp_path) == ["seen"]


def test_a_second_scan_reads_only_what_has_changed(tmp_path: Path) -> None:
    write(tmp_path, "same")
    path = write(tmp_path, "other")
    listing = Listing(tmp_path)
    before = {item.name: item for item in listing.scan()}
    path.write_text("name: other\ndescription: new\nsteps: [s]\n", encoding="utf-8")
    write(tmp_path, "third")

    after = {item.name: item for item in listing.scan()}

    assert after["same"] is before["same"]
    assert after["other"] != before["other"]
    assert set(after) == {"same", "other", "third"}


def test_no_code_of_the_user_is_loaded(tmp_path: Path) -> None:
    write(tmp_path, "blaring")
    (tmp_path / "blaring/steps.py").write_text("raise RuntimeError('loaded')", encoding="utf-8")

    assert names(tmp_path) == ["blaring"]
    assert not any("blaring" in module for module in sys.modules)


def test_searching_asks_for_every_word_in_name_group_or_description(tmp_path: Path) -> None:
    write(tmp_path, "train", "description: Fits a MODEL.")
    write(tmp_path, "test")
    items = Listing(tmp_path).scan()

    assert [item.name for item in matching(items, "model tr")] == ["train"]
    assert [item.name for item in matching(items, "")] == ["test", "train"]
    assert list(matching(items, "model nothing")) == []
