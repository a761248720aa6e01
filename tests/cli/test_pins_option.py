from __future__ import annotations

import pytest

from crystallize.cli.pins import parse_pins
from crystallize.errors import DefinitionError

NAMES = ["clean", "train.small", "train.large"]


@pytest.mark.parametrize(
    ("pins", "reuse_from", "expected"),
    [
        (None, None, {}),
        (["clean=3"], None, {"clean": 3}),
        (["a=b=3"], None, {"a=b": 3}),
        (None, ["2:train.*"], {"train.small": 2, "train.large": 2}),
        (["train.large=5"], ["2:*", "4:train*"], {"clean": 2, "train.small": 4, "train.large": 5}),
    ],
)
def test_pins_and_patterns_name_a_run_for_each_experiment(
    pins: list[str] | None, reuse_from: list[str] | None, expected: dict[str, int]
) -> None:
    assert parse_pins(pins, reuse_from, NAMES) == expected


@pytest.mark.parametrize(
    ("pins", "reuse_from"),
    [(["clean"], None), (["clean=x"], None), (["=3"], None), (None, ["3"]), (None, ["x:*"]), (None, ["3:eval*"])],
)
def test_anything_else_is_refused(pins: list[str] | None, reuse_from: list[str] | None) -> None:
    with pytest.raises(DefinitionError):
        parse_pins(pins, reuse_from, NAMES)
