"""Times, counts and paths read the same in every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystallize.words import ago, duration, near, plural, ranges


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.0, "0.00 s"),
        (0.994, "0.99 s"),
        (0.996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations_keep_two_digits_that_matter(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(-5, "just now"), (59, "just now"), (60, "1 min ago"), (7200, "2 h ago"), (172800, "2 days ago")],
)
def test_moments_are_told_by_how_long_ago_they_are(seconds: float, told: str) -> None:
    assert ago(1000.0 - seconds, 1000.0) == told


def test_one_is_singular() -> None:
    assert [plural(count, "trial") for count in (0, 1, 2)] == ["0 trials", "1 trial", "2 trials"]


@pytest.mark.parametrize(
    ("numbers", "told"), [([], ""), ([4], "4"), ([3, 1, 2, 0, 7], "0-3, 7"), ([1, 3, 5, 6], "1, 3, 5-6")]
)
def test_runs_of_numbers_are_drawn_together(numbers: list[int], told: str) -> None:
    assert ranges(numbers) == told


def test_paths_below_the_working_directory_are_told_from_there(tmp_path: Path) -> None:
    assert near(tmp_path / "data/x") == str(Path("data/x"))
    assert near(tmp_path.parent / "other") == str(tmp_path.parent / "other")
