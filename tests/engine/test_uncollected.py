from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from crystallize.engine.uncollected import collected_again, uncollected


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.enable()
    collected_again()


def test_the_collector_is_off_inside_and_on_again_after_an_error() -> None:
    with pytest.raises(KeyError), uncollected():
        inside = gc.isenabled()
        raise KeyError

    assert not inside
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off_and_nothing_is_left_out() -> None:
    before = gc.get_freeze_count()
    gc.disable()

    with uncollected(freeze=True):
        pass

    assert not gc.isenabled()
    assert gc.get_freeze_count() == before


def test_what_was_made_inside_is_left_out_until_it_is_said_otherwise() -> None:
    with uncollected(freeze=True):
        made: list[object] = []
        made.append(made)
    left_out = gc.get_freeze_count()

    collected_again()

    assert left_out > 0
    assert gc.get_freeze_count() == 0
