"""Pinning by the Python API: what is taken, what is decided as usual, and what is refused before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ArtifactPlugin,
    Experiment,
    ExperimentGraph,
    FrozenContext,
    Pipeline,
    PipelineStep,
    Treatment,
    data_source,
)
from crystallize.errors import PinnedRecordGone, ReplicateMismatchError, UnknownNameError
from crystallize.store.pins import pinned_records
from crystallize.store.store import Store


class Make(PipelineStep):
    """Writes a number that the treatment may add to, and counts its calls."""

    calls = 0

    def __init__(self, number: int, output: str = "number.txt") -> None:
        self.number, self.output = number, output

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        type(self).calls += 1
        value = self.number + ctx.get("more", 0)
        ctx.artifacts.add(self.output, str(value).encode())
        ctx.metrics.add("number", value)
        return value

    @property
    def params(self) -> dict[str, Any]:
        return {"number": self.number}


class Read(PipelineStep):
    """Records what it reads."""

    calls = 0

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        type(self).calls += 1
        ctx.metrics.add("read", [each.decode() for each in data] if isinstance(data, list) else data.decode())
        return data

    @property
    def params(self) -> dict[str, Any]:
        return {}


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pytest.fixture(autouse=True)
def fresh_counts() -> None:
    Make.calls = Read.calls = 0


def graph_of(
    root: Path,
    number: int = 1,
    *,
    more: int | None = None,
    replicates: int = 1,
    read: int | None = None,
    output: str = "number.txt",
    gather: bool = False,
) -> ExperimentGraph:
    plugins = [ArtifactPlugin(root_dir=str(root))]
    artifact = Artifact(output)
    producer = Experiment(
        datasource=nothing(),
        pipeline=Pipeline([Make(number, output)]),
        plugins=plugins,
        name="producer",
        outputs=[artifact],
        treatments=[] if more is None else [Treatment("plus", {"more": more})],
        replicates=replicates,
    )
    consumer = Experiment(
        datasource=artifact.gather() if gather else artifact,
        pipeline=Pipeline([Read()]),
        plugins=plugins,
        name="consumer",
        replicates=read,
    )
    return ExperimentGraph.from_experiments([producer, consumer])


def test_a_pinned_experiment_gives_what_that_run_gave_and_runs_nothing(tmp_path: Path) -> None:
    graph_of(tmp_path, 1).run(strategy="resume")
    graph_of(tmp_path, 2).run(strategy="resume")
    Make.calls = Read.calls = 0

    results = graph_of(tmp_path, 3).run(strategy="resume", pin={"producer": 1})

    assert results["producer"].metrics.baseline.metrics == {"number": [1]}
    assert results["consumer"].metrics.baseline.metrics == {"read": ["1"]}
    assert (Make.calls, Read.calls) == (0, 0)
    assert (tmp_path / "producer/v0/replicate_0/baseline/Make/number.txt").read_text() == "1"


def test_results_say_that_they_are_pinned_and_number_their_run(tmp_path: Path) -> None:
    first = graph_of(tmp_path).run(strategy="resume")

    results = graph_of(tmp_path, 2).run(strategy="resume", pin={"producer": first["producer"].run})

    assert (results["producer"].pinned, results["consumer"].pinned) == (1, None)
    assert any(notice.startswith("pinned from run 1") for notice in results["producer"].notices)
    assert results["producer"].run == 2


def test_a_pin_beats_rerun_and_what_lies_below_is_forced(tmp_path: Path) -> None:
    graph_of(tmp_path).run(strategy="resume")
    Make.calls = Read.calls = 0

    graph_of(tmp_path).run(strategy="rerun", pin={"producer": 1})

    assert (Make.calls, Read.calls) == (0, 1)


def test_a_run_that_went_back_is_pinned_to_what_it_used_not_to_the_newest_record(tmp_path: Path) -> None:
    for number in (1, 2, 1):
        graph_of(tmp_path, number).run(strategy="resume")

    results = graph_of(tmp_path, 2).run(strategy="resume", pin={"producer": 3})

    assert results["producer"].metrics.baseline.metrics == {"number": [1]}


def test_without_the_pin_everything_is_as_before(tmp_path: Path) -> None:
    graph_of(tmp_path, 1).run(strategy="resume")
    graph_of(tmp_path, 2).run(strategy="resume")
    graph_of(tmp_path, 2).run(strategy="resume", pin={"producer": 1})
    Make.calls = 0

    results = graph_of(tmp_path, 2).run(strategy="resume")

    assert results["producer"].metrics.baseline.metrics == {"number": [2]}
    assert (tmp_path / "producer/v0/replicate_0/baseline/Make/number.txt").read_text() == "2"
    assert Make.calls == 0


def test_pinned_records_are_kept_from_the_sweep(tmp_path: Path) -> None:
    graph_of(tmp_path, 1, replicates=2).run(strategy="resume")

    graph_of(tmp_path, 2, replicates=2).run(strategy="resume", pin={"producer": 1})

    store = Store.open(tmp_path, write=False)
    labels = {store.record(number).label for number in pinned_records(store.database)}  # type: ignore[union-attr]
    store.close()
    assert labels == {"producer/baseline/0", "producer/baseline/1"}


def test_only_the_replicates_that_are_wanted_now_are_taken(tmp_path: Path) -> None:
    graph_of(tmp_path, 1, replicates=4).run(strategy="resume")

    results = graph_of(tmp_path, 2, replicates=2).run(strategy="resume", pin={"producer": 1})

    assert results["producer"].metrics.baseline.metrics == {"number": [1, 1]}
    assert results["consumer"].metrics.baseline.metrics == {"read": ["1", "1"]}


def test_a_run_with_fewer_replicates_serves_readers_that_need_no_more(tmp_path: Path) -> None:
    graph_of(tmp_path, 1, replicates=2).run(strategy="resume")

    results = graph_of(tmp_path, 2, replicates=3, gather=True).run(strategy="resume", pin={"producer": 1})

    assert results["consumer"].metrics.baseline.metrics == {"read": [["1", "1"]]}
    assert any("2 of 3 replicates" in notice for notice in results["producer"].notices)


def test_a_condition_that_nobody_needs_is_left_out_and_told(tmp_path: Path) -> None:
    graph_of(tmp_path, 1).run(strategy="resume")
    graph = graph_of(tmp_path, 1, more=5)
    del graph.experiments["consumer"]

    results = graph.run(strategy="resume", pin={"producer": 1})

    assert results["producer"].metrics.treatments == {}
    assert any("it has no plus/0" in notice for notice in results["producer"].notices)


# refused before anything runs


def refused(graph: ExperimentGraph, pin: dict[str, int], error: type[Exception] = PinnedRecordGone) -> str:
    Make.calls = Read.calls = 0
    with pytest.raises(error) as caught:
        graph.run(strategy="resume", pin=pin)
    assert (Make.calls, Read.calls) == (0, 0)
    return str(caught.value)


def test_a_run_that_never_was_is_refused_with_those_that_were(tmp_path: Path) -> None:
    graph_of(tmp_path).run(strategy="resume")

    said = refused(graph_of(tmp_path), {"producer": 9})

    assert said.startswith("pin producer=9: there is no run 9; runs that had it: 1")


def test_a_run_that_had_nothing_of_the_experiment_is_refused(tmp_path: Path) -> None:
    graph_of(tmp_path).run(strategy="resume")
    alone = graph_of(tmp_path)
    del alone.experiments["consumer"]
    alone.run(strategy="resume")

    assert "run 2 has no result of it; runs that had it: 1" in refused(graph_of(tmp_path), {"consumer": 2})


def test_a_condition_that_a_reader_needs_is_refused(tmp_path: Path) -> None:
    graph_of(tmp_path).run(strategy="resume")

    assert "has no plus/0, which 'consumer' needs" in refused(graph_of(tmp_path, more=5), {"producer": 1})


def test_a_replicate_that_a_reader_needs_is_refused(tmp_path: Path) -> None:
    graph_of(tmp_path, replicates=2).run(strategy="resume")
    graph = graph_of(tmp_path, replicates=3, read=3)

    said = refused(graph, {"producer": 1}, ReplicateMismatchError)

    assert "=2" in said and "producer pinned from run 1" in said


def test_an_output_that_a_reader_needs_is_refused(tmp_path: Path) -> None:
    graph_of(tmp_path).run(strategy="resume")

    said = refused(graph_of(tmp_path, output="other.txt"), {"producer": 1})

    assert "wrote no artifact 'other.txt' in baseline/0, which 'consumer' needs" in said


def test_a_record_that_is_gone_is_refused(tmp_path: Path) -> None:
    graph_of(tmp_path).run(strategy="resume")
    store = Store.open(tmp_path)
    with store.database.transaction() as connection:
        connection.execute("DELETE FROM records WHERE label LIKE 'producer/%'")
    store.close()

    assert "run 1 has no result of it" in refused(graph_of(tmp_path), {"producer": 1})


def test_lost_contents_are_refused(tmp_path: Path) -> None:
    graph_of(tmp_path).run(strategy="resume")
    store = Store.open(tmp_path)
    with store.database.transaction() as connection:
        connection.execute("DELETE FROM blobs")
    store.close()
    (tmp_path / "producer/v0/replicate_0/baseline/Make/number.txt").unlink()

    assert "has lost baseline/0: artifact 'number.txt'" in refused(graph_of(tmp_path), {"producer": 1})


def test_an_experiment_that_is_not_there_is_refused_with_the_nearest(tmp_path: Path) -> None:
    said = refused(graph_of(tmp_path), {"producr": 1}, UnknownNameError)

    assert said.endswith("nearest: producer")


def test_a_hole_in_the_baseline_is_refused(tmp_path: Path) -> None:
    graph_of(tmp_path, replicates=3).run(strategy="resume")
    store = Store.open(tmp_path)
    with store.database.transaction() as connection:
        connection.execute("DELETE FROM records WHERE label = 'producer/baseline/1'")
    store.close()

    assert "run 1 has no baseline/1" in refused(graph_of(tmp_path, replicates=3), {"producer": 1})
