"""What is kept of trials: their ends in plan order, whatever the order in which they are told."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crystallize.experiment.objects.constants import TAGS
from crystallize.experiment.results.collect import Collected, How, TrialEnd
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.manifest import PartTable
from crystallize.plan.job import Job
from crystallize.store.record import Output, Record
from crystallize.store.reuse import Use

FIRST = 5
DIGESTS = st.binary(min_size=32, max_size=32).map(Digest)


def job(position: int) -> Job:
    return Job(index=FIRST + position, label="", group=0, task=None, table=PartTable(()), own=(), policy=Use())


def record(**metrics: list[Any]) -> Record:
    fingerprint = digest_of("test/1", repr(metrics).encode())
    return Record(1, fingerprint, "e/baseline/0", "trial/1", metrics, {}, (), 0.0, 1, 0.0)


def test_ends_come_in_plan_order_whatever_ended_first() -> None:
    collected = Collected(("baseline", "high"), 2, FIRST)
    for position in (3, 0, 2, 1):
        collected.keep_record(job(position), record(value=[position]))

    assert [(condition, replicate) for condition, replicate, _ in collected.all()] == [
        ("baseline", 0),
        ("high", 0),
        ("baseline", 1),
        ("high", 1),
    ]
    assert collected.metrics("baseline") == {"value": [0, 2]}
    assert collected.metrics("high") == {"value": [1, 3]}


def test_a_trial_that_has_not_ended_is_not_among_the_ends() -> None:
    collected = Collected(("baseline",), 3, FIRST)
    collected.keep_record(job(0), record(value=[0]))
    collected.keep(job(2), TrialEnd(How(error=ValueError("no"))))

    assert [replicate for replicate, _ in collected.of("baseline")] == [0, 2]
    assert len(collected.ends()) == 2
    assert len(collected) == 3


def test_a_condition_that_does_not_run_has_no_ends() -> None:
    collected = Collected(("high",), 1, FIRST)
    collected.keep_record(job(0), record(value=[0]))

    assert collected.of("baseline") == []
    assert collected.metrics("baseline") == {}


def test_trials_that_ended_alike_share_how_they_did() -> None:
    collected = Collected(("baseline",), 2, FIRST)
    for position in range(2):
        collected.keep_record(job(position), record(loss=[0.5], part=[position]))
    one, other = collected.ends()

    assert one.how is other.how
    assert [dict(end.metrics) for end in (one, other)] == [
        {"loss": (0.5,), "part": (0,)},
        {"loss": (0.5,), "part": (1,)},
    ]


def test_conditions_that_ran_for_reasons_of_their_own_share_theirs() -> None:
    collected = Collected(("baseline", "high"), 2, FIRST)
    for position in range(4):
        collected.keep_record(job(position), record(value=[position]), why=("one", "other")[position % 2])
    ends = collected.ends()

    assert ends[0].how is ends[2].how
    assert ends[1].how is ends[3].how
    assert collected.whys() == ["one", "other", "one", "other"]


def test_facts_that_are_only_equal_are_not_shared() -> None:
    collected = Collected(("baseline",), 3, FIRST)
    for position, tag in enumerate([True, 1, 1.0]):
        facts = {TAGS: {"value": [{"flag": tag}]}}
        collected.keep_record(job(position), record(value=[position])._replace(facts=facts))

    assert repr(collected.tags("baseline")) == "{'value': [{'flag': True}, {'flag': 1}, {'flag': 1.0}]}"


def test_a_trial_that_has_not_ended_ran_for_no_reason() -> None:
    collected = Collected(("baseline",), 2, FIRST)
    collected.keep_record(job(1), record(value=[1]), why="first run")

    assert collected.whys() == ["", "first run"]


@given(st.lists(st.builds(Output, st.text(), st.text(), DIGESTS, st.integers(0, 2**63 - 1), st.booleans())))
def test_outputs_are_those_of_the_record(outputs: list[Output]) -> None:
    collected = Collected(("baseline",), 1, FIRST)
    collected.keep_record(job(0), record(value=[1])._replace(outputs=tuple(outputs)))

    assert collected.ends()[0].outputs == outputs


@given(st.dictionaries(st.text(), st.lists(st.integers())))
def test_metrics_are_those_of_the_record(metrics: dict[str, list[int]]) -> None:
    collected = Collected(("baseline",), 1, FIRST)
    collected.keep_record(job(0), record(**metrics))

    assert collected.metrics("baseline") == metrics
    assert {name: list(values) for name, values in collected.ends()[0].metrics} == metrics


def test_origins_are_told_only_where_a_replicate_is_missing_or_has_several_values() -> None:
    collected = Collected(("baseline",), 3, FIRST)
    collected.keep_record(job(0), record(loss=[1], curve=[1, 2]))
    collected.keep_record(job(1), record(loss=[1], curve=[3]))
    collected.keep_record(job(2), record(loss=[1], late=[7]))

    assert collected.origins("baseline") == {"curve": [0, 0, 1], "late": [2]}
