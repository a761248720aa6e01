"""What is asked of a run is checked before anything happens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import Treatment
from crystallize.experiment.compiling.asking import asked_of
from crystallize.settings import Settings

SETTINGS = Settings(root=Path("/"))


def test_wishes_win_over_settings_and_these_over_the_default() -> None:
    ours = Settings(root=Path("/"), strategy="resume")

    assert (asked_of(SETTINGS).default_strategy, asked_of(SETTINGS).strategy) == ("rerun", None)
    assert asked_of(ours, "rerun").default_strategy == "resume"
    assert asked_of(ours, strategy="rerun").strategy == "rerun"


def test_what_can_be_read_once_only_is_read_once() -> None:
    given: Any = (Treatment(name, {}) for name in ("a", "b"))
    asked = asked_of(SETTINGS, treatments=given, hypotheses=())

    assert [str(each) for each in asked.treatments or ()] == ["Treatment('a')", "Treatment('b')"]
    assert asked.hypotheses == []


@pytest.mark.parametrize(
    ("wish", "kind", "message"),
    [
        ({"strategy": "again"}, ValueError, "there is no strategy 'again'"),
        ({"replicates": "3"}, TypeError, "replicates is '3', a str"),
        ({"jobs": 0}, ValueError, "jobs"),
        ({"executor": "gpu"}, ValueError, "there is no executor 'gpu'"),
        ({"executor": "thread", "address": "auto"}, ValueError, "executor 'thread' has no address"),
    ],
)
def test_what_cannot_be_met_is_told_at_once(wish: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        asked_of(SETTINGS, **wish)
