"""Sizes and ages, as people write and read them."""

from __future__ import annotations

import pytest

from crystallize.cli.quantities import parse_age, parse_size
from crystallize.words import size


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("500", 500), ("10kB", 10_000), ("2GB", 2 * 10**9), (" 1.5 GiB ", 3 * 2**29), ("2gb", 2 * 10**9)],
)
def test_a_size_is_bytes(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)])
def test_an_age_is_seconds(text: str, expected: float) -> None:
    assert parse_age(text) == expected


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "2 dogs", "1e9", "30"])
def test_what_is_neither_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not of the form 12h, 30d, 2w"):
        parse_age(text)


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
