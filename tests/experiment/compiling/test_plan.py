"""The plan that a graph becomes: what its jobs share, and what is made only for trials that run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ArtifactPlugin,
    BasePlugin,
    Experiment,
    ExperimentGraph,
    FrozenContext,
    Pipeline,
    data_source,
    pipeline_step,
)
from crystallize.experiment.compile import compile_graph
from crystallize.experiment.compiling import tables
from crystallize.experiment.parts import Surroundings
from crystallize.fingerprint.left import LEFT
from crystallize.plan.job import Job
from crystallize.session import Session
from crystallize.settings import Settings


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def write(data: Any, *, words: Artifact) -> Any:
    words.write(b"so much depends upon")
    return data, {}


@pipeline_step()
def count(data: Any, ctx: FrozenContext) -> Any:
    return data, {"read": len(Path("shared.csv").read_text())}


@pytest.fixture(autouse=True)
def project(tmp_path: Path) -> None:
    (tmp_path / "crystallize.toml").touch()
    (tmp_path / "shared.csv").write_text("shared", encoding="utf-8")


def counting() -> Experiment:
    return Experiment(nothing(), Pipeline([count()]), [ArtifactPlugin("data")], name="counting")


def jobs_of_reader(written: int, read: int) -> list[Job]:
    """The jobs of an experiment with `read` replicates that reads one with `written`."""
    words = Artifact("words.txt")
    writer = Experiment(nothing(), Pipeline([write(words=words)]), name="w", outputs=[words], replicates=written)
    graph = ExperimentGraph(writer, Experiment(words, Pipeline([count()]), name="r", replicates=read))
    running, settings = graph.running(), Settings.load()
    LEFT.begin()
    with Session(settings, write=False) as session:
        plan, _ = compile_graph(running.nodes, running.asked, session, Surroundings(settings.root, settings.environ))
    return [job for job in plan.jobs if job.label.startswith("r/")]


def test_replicates_that_read_the_same_share_what_they_read() -> None:
    first, *others = jobs_of_reader(written=1, read=3)

    assert [source.job for port in first.inputs for source in port.sources] == [0]
    assert all(job.inputs is first.inputs for job in others)


def test_replicates_of_pairs_read_each_its_own() -> None:
    jobs = jobs_of_reader(written=3, read=3)

    assert [[source.job for port in job.inputs for source in port.sources] for job in jobs] == [[0], [1], [2]]


def test_where_all_trials_are_reused_nobody_is_made_to_observe_them(monkeypatch: pytest.MonkeyPatch) -> None:
    counting().run(strategy="resume")
    monkeypatch.setattr(tables, "Reads", None)

    assert counting().run(strategy="resume").reused == {"baseline": 1}


class Ignores(BasePlugin):
    """Changes what counts for another experiment, when the plan has been compiled."""

    affects_results = False
    other: Experiment

    def before_run(self, experiment: Any) -> None:
        self.other.ignore = ("*.csv",)


def test_what_does_not_count_is_as_it_was_when_the_plan_was_compiled() -> None:
    def run() -> dict[str, int]:
        words, ignores = Artifact("words.txt"), Ignores()
        writer = Experiment(nothing(), Pipeline([write(words=words)]), [ignores], name="w", outputs=[words])
        ignores.other = Experiment(words, Pipeline([count()]), name="r")
        return ExperimentGraph(writer, ignores.other).run(strategy="resume")["r"].ran

    run()
    Path("shared.csv").write_text("changed since")

    assert run() == {"baseline": 1}
