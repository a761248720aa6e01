"""Treatments that are switched off in `config.state.json`, as the command line sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from .story import Story
from .training import TRAINING

STATE = "experiments/train/config.state.json"


@pytest.fixture
def training(tmp_path: Path) -> Story:
    story = Story(tmp_path / "project", TRAINING)
    story.write(STATE, '{"inactive_treatments": ["strong"]}')
    return story


def test_run_respects_them_and_prints_what_is_off(training: Story) -> None:
    said = training.command("run", "train").stdout

    assert "switched off: strong" in said
    assert not (training.folder / "data/train/v0/strong").exists()


def test_a_dry_run_and_explain_say_the_same(training: Story) -> None:
    assert not any("strong" in label for label in training.foresee("train"))
    assert "train: switched off: strong" in training.command("run", "train", "--dry-run").stdout
    assert "strong" not in training.command("explain", "train").stdout


def test_all_treatments_ignores_them(training: Story) -> None:
    assert "train/strong/0" in training.run("train", "--all-treatments")


def test_a_treatment_that_is_named_runs(training: Story) -> None:
    assert "train/strong/0" in training.run("train", "--treatment", "strong")


def test_a_damaged_file_is_ignored_with_one_line(training: Story) -> None:
    training.write(STATE, "{")

    done = training.command("run", "train")

    assert len([line for line in done.stderr.splitlines() if "config.state.json" in line]) == 1
    assert (training.folder / "data/train/v0/strong/.crystallize_complete").exists()
