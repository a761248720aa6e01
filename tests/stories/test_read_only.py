"""Results that may be read and not written: whoever needs nothing new gets them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..mounts import SmallDisk, small_disk
from .story import Story
from .training import TRAINING


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "8m") as mounted:
        yield mounted


@pytest.fixture
def training(tmp_path: Path, disk: SmallDisk) -> Story:
    story = Story(tmp_path / "project", TRAINING)
    story.environ["CRYSTALLIZE_DATA"] = str(disk.folder / "data")
    story.run()
    disk.make_read_only()
    return story


def test_what_is_reused_whole_needs_nothing_written_and_says_what_is_not_kept(training: Story) -> None:
    done = training.command("run")
    document = json.loads(training.command("run", "--format", "json").stdout)

    assert "ran 0, reused 7, failed 0" in done.stdout
    assert done.stdout.count("cannot be written: the history has no trace of this run") == 1
    assert (document["run"], document["reused"]) == (None, 7)
    assert [row.split()[0] for row in training.command("history").stdout.splitlines()] == ["run", "1"]


def test_what_would_have_to_run_is_told_with_the_remedy_and_never_begun(training: Story) -> None:
    training.edit("experiments/train/steps.py", "* rate + boost", "* rate - boost")

    done = training.command("run", code=2)

    assert "train/baseline/0 has to run (" in done.stderr
    assert "make it writable" in done.stderr
    assert "Traceback" not in done.stderr
