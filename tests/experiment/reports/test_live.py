from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crystallize import Experiment, ExperimentGraph, Pipeline, Treatment, data_source, pipeline_step
from crystallize.experiment.reports.live import LiveRun, State
from crystallize.plan.events import PlanGrew, RunStarted


@data_source
def numbers(ctx):  # type: ignore[no-untyped-def]
    return [1, 2]


@pipeline_step()
def total(data, factor=1):  # type: ignore[no-untyped-def]
    if factor == 13:
        raise ValueError("unlucky")
    return data, {"total": sum(data) * factor}


def graph(factor: int = 2) -> ExperimentGraph:
    treatments = [Treatment("high", {"factor": factor})]
    made = Experiment(numbers(), Pipeline([total()]), name="sums", treatments=treatments, replicates=3)
    return ExperimentGraph(made)


def followed(made: ExperimentGraph) -> LiveRun:
    live = LiveRun()
    made.running(watchers=[live], default_strategy="resume").run()
    return live


def test_every_trial_is_counted_by_condition_and_replicate(tmp_path: Path) -> None:
    live = followed(graph())
    node = live.nodes["sums"]

    assert node.state is State.DONE
    assert node.told() == "ran 6"
    assert list(node.conditions) == ["baseline", "high"]
    assert list(node.conditions["high"]) == [State.DONE] * 3
    assert (live.settled, live.total, live.number) == (6, 6, 1)
    assert {why: dict(counts) for why, counts in node.reasons.items()} == {"first run": {"baseline": 3, "high": 3}}


def test_reused_trials_say_from_which_run(tmp_path: Path) -> None:
    followed(graph())

    node = followed(graph(3)).nodes["sums"]

    assert node.told() == "reused 3 · ran 3"
    assert set(node.reasons) == {"nothing changed since run 1", "context.factor: 2 → 3"}


def test_a_failure_has_its_traceback_and_the_place_in_the_users_code(tmp_path: Path) -> None:
    live = followed(graph(13))

    assert live.nodes["sums"].state is State.FAILED
    assert [each.where for each in live.failures] == ["sums/high/0", "sums/high/1", "sums/high/2"]
    assert "ValueError: unlucky" in live.failures[0].text
    assert live.failures[0].place is not None
    assert live.failures[0].place[0] == __file__
    assert not live.failures[0].is_blocked


def test_jobs_that_a_plan_grows_by_are_counted_too(tmp_path: Path) -> None:
    made = graph()
    grown: list[tuple[int, int]] = []
    live = LiveRun()

    def grow(event: object) -> None:
        live(event)  # type: ignore[arg-type]
        if isinstance(event, RunStarted):
            job = replace(event.plan.jobs[0], index=6, label="sums/baseline/3")
            live(PlanGrew([job]))
            grown.append((live.total, len(list(live.nodes["sums"].conditions["baseline"]))))

    made.running(watchers=[grow], default_strategy="resume").run()

    assert grown == [(7, 4)]


def test_a_display_may_say_what_a_job_is_shown_as(tmp_path: Path) -> None:
    live = LiveRun(place=lambda job, group: (job.label, "execution", 0))
    graph().running(watchers=[live], default_strategy="resume").run()

    assert list(live.nodes)[:2] == ["sums/baseline/0", "sums/high/0"]
    assert live.nodes["sums/high/2"].state is State.DONE
