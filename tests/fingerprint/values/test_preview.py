from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import pytest

from crystallize.fingerprint.values.preview import preview
from tests.fingerprint.samples import DIFFERENT, Color, Count, Model, Name, Plain, function


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.05, "0.05"),
        ("a\nb", r"'a\nb'"),
        ({"lr": 0.1, "layers": [1, 2]}, "{'lr': 0.1, 'layers': [1, 2]}"),
        ((1,), "(1,)"),
        (list(range(20)), "[0, 1, 2, 3, 4, 5, 6, 7, …]"),
        ({"c", "a", "b"}, "{'a', 'b', 'c'}"),
        (Color.RED, "Color.RED"),
        (Model(0.1, [1]), "Model(rate=0.1, layers=[1])"),
        (Count(3), "Count(3)"),
        (Name("x"), "Name('x')"),
        (function, "function"),
        (partial(function, 1, x=2), "partial(function, 1, x=2)"),
        (Plain, "Plain"),
        (Path("a/b"), f"{type(Path()).__name__}('a/b')"),
        (ValueError("bad"), "ValueError('bad')"),
        ([[[[1]]]], "[[[list(…)]]]"),
        (Plain(password="hunter2", db_secret="x", size=3), "Plain(password=…, db_secret=…, size=3)"),
        ({"Password": "hunter2"}, "{'Password': …}"),
    ],
)
def test_a_value_is_shown_as_people_write_it(value, shown):
    assert preview(value) == shown


@pytest.mark.parametrize(
    "value", [*DIFFERENT, threading.Lock(), object(), lambda: 0], ids=lambda value: type(value).__name__
)
def test_a_preview_is_one_short_line_without_addresses_whatever_the_value(value):
    text = preview(value)

    assert "\n" not in text
    assert " at 0x" not in text
    assert 0 < len(text) <= 200


def test_a_value_that_cannot_even_be_looked_at_is_shown_by_its_type():
    assert preview(Broken()) == "<Broken>"


def test_a_users_repr_is_never_called():
    class Loud(Plain):
        def __repr__(self) -> str:
            raise AssertionError

    assert preview([Loud(a=1)]).endswith("Loud(a=1)]")


def test_a_value_that_contains_itself_is_shown():
    value: list[object] = []
    value.append(value)

    assert preview(value) == "[[[list(…)]]]"


def test_a_huge_set_and_a_huge_number_are_not_written_out():
    assert preview(set(range(5000))) == "set of 5000"
    assert preview(10**10_000).startswith("<int of ")
