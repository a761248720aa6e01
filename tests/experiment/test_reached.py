"""What definitions reach together."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from crystallize.experiment.reached import ReachedBy
from crystallize.fingerprint.code.codebase import Codebase
from crystallize.fingerprint.left import LeftStates

FIRST = """
import json, os
def first(path):
    return json.loads(os.environ["FIRST"] + "one.txt")
"""
SECOND = """
import csv, os
def second(path):
    return csv.reader(os.environ["A_SECOND"] + "two.txt")
"""


def test_it_is_the_union_of_what_each_reaches_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in (("reached_first", FIRST), ("reached_second", SECOND)):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    modules = [import_module("reached_first"), import_module("reached_second")]
    codebase, together = Codebase(tmp_path, LeftStates()), ReachedBy()
    codes = [codebase.of(modules[0].first), codebase.of(modules[1].second)]

    reached = together(codes)

    assert reached.packages == codes[0].packages | codes[1].packages
    assert reached.environ == ("A_SECOND", "FIRST")
    assert reached.texts == codes[0].texts | codes[1].texts
    assert reached.homes == codes[0].homes | codes[1].homes
    assert reached.names == codes[0].names | codes[1].names
    assert together(iter(codes)) is reached
    assert together(codes[:1]) is not reached
    assert together(codes[:1]).environ == ("FIRST",)
