"""Times, sizes, counts and paths are written and read the same in every command."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystallize.words import ago, duration, near, parse_size, parse_time, plural, ranges, size


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("500", 500), ("10kB", 10_000), ("2GB", 2 * 10**9), (" 1.5 GiB ", 3 * 2**29), ("2gb", 2 * 10**9)],
)
def test_a_size_is_bytes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)])
def test_a_time_is_seconds(text: str, expected: float) -> None:
    assert parse_time(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "2 dogs", "1e9", "30"])
def test_what_is_neither_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form 12h, 30d, 2w"):
        parse_time(text)


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_249_000, "1.2 MB"),
        (340e6, "340 MB"),
        (2e9, "2.0 GB"),
        (5e13, "50.0 TB"),
    ],
)
def test_a_size_is_told_in_three_figures(count: float, told: str) -> None:
    assert size(count) == told
