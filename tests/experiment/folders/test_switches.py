from __future__ import annotations

from pathlib import Path

import pytest

from crystallize.experiment.folders.switches import read_switches, state_file, write_switches


@pytest.mark.contract("2.4.1")
def test_what_is_switched_off_is_kept_in_the_form_of_the_contract(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"

    write_switches(config, {"low", "high"})

    assert state_file(config).read_text().split() == ["{", '"inactive_treatments":', "[", '"high",', '"low"', "]", "}"]
    assert read_switches(config).off == {"low", "high"}


def test_when_everything_is_on_there_is_no_file(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    write_switches(config, {"low"})

    write_switches(config, ())

    assert list(tmp_path.iterdir()) == []
    assert read_switches(config) == (frozenset(), None)


@pytest.mark.parametrize("text", ["{", "[]", '{"other": 1}', '{"inactive_treatments": "high"}', "\udcff"])
def test_a_damaged_file_counts_as_none_and_says_so_in_a_line(tmp_path: Path, text: str) -> None:
    config = tmp_path / "config.yaml"
    state_file(config).write_text(text, encoding="utf-8", errors="surrogateescape")

    off, fault = read_switches(config)

    assert off == frozenset()
    assert fault is not None and "ignored" in fault and "\n" not in fault
