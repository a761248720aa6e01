from __future__ import annotations

import gc
from threading import Thread

import pytest

from crystallize.errors import NotReusableError
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.left import LeftStates


class Step:
    def __init__(self) -> None:
        self.calls = 0


class Slotted:
    __slots__ = ("calls",)

    def __init__(self) -> None:
        self.calls = 0


def digest_of_calls(step: Step | Slotted) -> Digest:
    return digest_of("calls/1", str(step.calls).encode())


def key(left: LeftStates, step: Step | Slotted) -> Digest:
    return left.key(step, "fields", digest_of_calls(step), lambda: digest_of_calls(step))


@pytest.fixture
def left() -> LeftStates:
    return LeftStates()


@pytest.mark.parametrize("step", [Step(), Slotted()])
def test_an_instance_found_as_it_was_left_is_keyed_as_it_was_compiled(left, step):
    compiled = key(left, step)
    step.calls += 1
    left.leave()

    assert key(left, step) == compiled


def test_the_compiled_digest_holds_over_many_runs_that_each_count_on(left):
    step = Step()
    compiled = key(left, step)
    for _ in range(3):
        step.calls += 1
        left.leave()
        assert key(left, step) == compiled


def test_an_edit_between_two_runs_counts(left):
    step = Step()
    compiled = key(left, step)
    step.calls += 1
    left.leave()
    step.calls = 100

    assert key(left, step) == digest_of_calls(step) != compiled


def test_an_edit_after_a_plan_that_did_not_run_counts(left):
    step, other = Step(), Step()
    key(left, step)
    step.calls = 100
    left.begin()
    key(left, other)
    left.leave()

    left.begin()

    assert key(left, step) == digest_of_calls(step)


def test_another_instance_in_the_same_state_is_not_taken_for_the_one_that_was_left(left):
    step, twin = Step(), Step()
    key(left, step)
    step.calls += 1
    left.leave()
    twin.calls += 1

    assert key(left, twin) == digest_of_calls(twin)


def test_slots_of_one_holder_are_apart(left):
    step = Step()
    compiled = left.key(step, "a", digest_of_calls(step), lambda: digest_of_calls(step))
    step.calls += 1
    left.leave()

    found = digest_of_calls(step)

    assert left.key(step, "a", found, lambda: found) == compiled
    assert left.key(step, "b", found, lambda: found) == found


def test_a_value_that_can_no_longer_be_encoded_is_forgotten(left):
    step = Step()

    def fails() -> Digest:
        raise NotReusableError("step.handle", "an open file", "close it")

    left.key(step, "fields", digest_of_calls(step), fails)
    step.calls += 1
    left.leave()

    assert key(left, step) == digest_of_calls(step)


def test_a_value_back_in_its_compiled_state_is_no_longer_remembered(left):
    step = Step()
    key(left, step)
    step.calls = 1
    left.leave()
    key(left, step)
    step.calls = 0
    left.leave()
    step.calls = 1

    assert key(left, step) == digest_of_calls(step)


def test_a_holder_is_not_kept_alive(left):
    step = Step()
    key(left, step)
    step.calls += 1
    left.leave()
    was = id(step)
    del step
    gc.collect()
    left.leave()

    assert all(place[0] != was for place in left._left)


def test_many_threads_may_key_at_once(left):
    steps = [Step() for _ in range(50)]
    keyed: list[Digest] = []
    threads = [Thread(target=lambda step=step: keyed.append(key(left, step))) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    left.leave()

    assert len(keyed) == 50
