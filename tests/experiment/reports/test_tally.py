"""The tally: every settled job is counted once, under the word for how it ended."""

from __future__ import annotations

from crystallize.experiment.reports.tally import Tally, by_group
from crystallize.history.history import GroupRow, JobRow
from crystallize.plan import events

from ...cli.making import FIRST, plan_of, record_of


def test_each_end_of_a_job_is_counted_under_its_own_word() -> None:
    plan = plan_of(train=5)
    ran, reused, failed, blocked, cancelled = plan.jobs
    tally = Tally()

    tally(events.RunStarted(plan))
    tally(events.JobStarted(ran, FIRST))
    tally(events.JobDone(ran, record_of(ran, 2.0), FIRST))
    tally(events.JobReused(reused, record_of(reused, 3.0)))
    tally(events.JobFailed(failed, ValueError("bad"), FIRST, 0.5))
    tally(events.JobBlocked(blocked, ValueError("waited")))
    tally(events.JobCancelled(cancelled))

    assert [row.state for row in tally.jobs] == ["ran", "reused", "failed", "blocked", "cancelled"]
    assert tally.counts == {"ran": 1, "reused": 1, "failed": 1, "blocked": 1, "cancelled": 1}
    assert tally.seconds_saved == 3.0
    assert by_group(tally.jobs) == {"train": GroupRow("train", 1, 1, 1, 1, 2.5, 3.0)}


def test_a_result_that_was_not_recorded_says_why_and_has_no_record() -> None:
    plan = plan_of(train=1)
    tally = Tally()

    tally(events.RunStarted(plan))
    tally(events.JobDone(plan.jobs[0], record_of(plan.jobs[0], number=0), FIRST, "changed while it was read"))

    assert (tally.jobs[0].record, tally.jobs[0].reason) == (None, "changed while it was read")


def test_an_exception_without_words_is_told_by_its_name() -> None:
    plan = plan_of(train=1)
    tally = Tally()

    tally(events.RunStarted(plan))
    tally(events.JobFailed(plan.jobs[0], ValueError(), None, 0.0))

    assert tally.jobs[0].error == "ValueError"


def test_trouble_while_closing_an_experiment_is_remembered() -> None:
    tally = Tally()

    tally(events.GroupSettled(0, None))
    fine = tally.trouble
    tally(events.GroupSettled(0, ValueError("teardown")))

    assert (fine, tally.trouble) == (False, True)


def test_what_would_run_counts_as_if_it_had() -> None:
    rows = [JobRow("a/b/0", "a", state, "", seconds=1.0) for state in ("run", "reuse", "undecided", "fail")]

    assert by_group(rows) == {"a": GroupRow("a", 1, 1, 1, 0, 2.0, 1.0)}
