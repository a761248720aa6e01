"""Grids and lists under `treatments:` of a `config.yaml`."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystallize.errors import DefinitionError
from crystallize.experiment.folders.config import read_config

HEAD = "datasource: {numbers: numbers}\nsteps: [train]\ntreatments:\n"


def payloads(folder: Path, text: str) -> dict[str, object]:
    path = folder / "train" / "config.yaml"
    path.parent.mkdir()
    path.write_text(HEAD + text, encoding="utf-8")
    return {entry.name: entry.payload for entry in read_config(path).treatments}


def test_a_grid_means_a_treatment_for_every_combination(tmp_path: Path) -> None:
    found = payloads(
        tmp_path, "  sweep:\n    epochs: 5\n    grid: {lr: [0.1, 0.01], depth: [2, 4]}\n  other: {lr: 1}\n"
    )

    assert found == {
        "sweep-lr=0.1,depth=2": {"epochs": 5, "lr": 0.1, "depth": 2},
        "sweep-lr=0.1,depth=4": {"epochs": 5, "lr": 0.1, "depth": 4},
        "sweep-lr=0.01,depth=2": {"epochs": 5, "lr": 0.01, "depth": 2},
        "sweep-lr=0.01,depth=4": {"epochs": 5, "lr": 0.01, "depth": 4},
        "other": {"lr": 1},
    }


def test_a_list_means_a_treatment_for_each_of_its_entries(tmp_path: Path) -> None:
    found = payloads(tmp_path, "  picked:\n    list: [{lr: 1}, {lr: 2, depth: 3}]\n")

    assert found == {"picked-lr=1": {"lr": 1}, "picked-lr=2,depth=3": {"lr": 2, "depth": 3}}


@pytest.mark.parametrize("value", ["{rows: 3}", "4", "[1, 2]", "text"])
def test_a_key_called_grid_or_list_that_means_no_treatments_stays_a_key(tmp_path: Path, value: str) -> None:
    found = payloads(tmp_path, f"  one: {{grid: {value}}}\n")

    assert list(found) == ["one"]


def test_the_baseline_is_no_grid(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"config.yaml:4.*the baseline is one condition"):
        payloads(tmp_path, "  baseline: {grid: {lr: [1]}}\n")


def test_a_grid_without_values_is_told_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"config.yaml:5.*'lr' has no values"):
        payloads(tmp_path, "  one: {a: 1}\n  sweep: {grid: {lr: []}}\n")


def test_combinations_that_clash_are_told(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="'sweep-k=1' is given twice"):
        payloads(tmp_path, "  sweep: {grid: {k: [1, '1']}}\n")
