"""Files and step memos: a memo serves only while what its step read is unchanged, and never hides a read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crystallize import (
    Artifact,
    ArtifactPlugin,
    Experiment,
    ExperimentGraph,
    FrozenContext,
    Pipeline,
    data_source,
    pipeline_step,
)

from .. import memoising
from ..memoising import cached_table, hits, metrics, table

# Nothing here keeps state between calls: else what one trial reads would count for all later ones.


@data_source
def numbers(ctx: FrozenContext) -> list[int]:
    return [1, 2, 3]


@pipeline_step()
def fit(data: list[int], lr: int = 1) -> Any:
    return data, {"loss": sum(data) * lr}


def step(fn: Any, **settings: Any) -> Any:
    return pipeline_step(cacheable=True, **settings)(fn)()


def run(root: Path, steps: Any, treatments: Any = None, **more: Any) -> Any:
    return memoising.run(root, steps, treatments, datasource=numbers(), **more)


def add_table(data: Any) -> Any:
    return [value + int(Path("table.txt").read_text()) for value in data]


def test_a_file_that_the_step_read_must_be_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    file.write_text("1")
    first = run(tmp_path / "data", [step(add_table), fit()], {"high": {"lr": 10}})
    file.write_text("100")
    result = run(tmp_path / "data", [step(add_table), fit()], {"high": {"lr": 10}})

    assert [hits(each, name) for each in (first, result) for name in ("baseline", "high")] == [
        [False, False],
        [True, False],
    ] * 2
    assert metrics(result) == {"baseline": {"loss": [306]}, "high": {"loss": [3060]}}


def test_a_memo_does_not_hide_a_read_from_its_trial(tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    file.write_text("1")
    run(tmp_path / "data", [step(add_table)])
    replayed = run(tmp_path / "data", [step(add_table), fit()])
    assert replayed.memo_hits == 1
    file.write_text("100")
    result = run(tmp_path / "data", [step(add_table), fit()])

    assert (result.ran, metrics(result)) == ({"baseline": 1}, {"baseline": {"loss": [306]}})


def test_going_back_to_the_earlier_contents_takes_the_earlier_memo(tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    for number in ("1", "2"):
        file.write_text(number)
        run(tmp_path / "data", [step(add_table)])
    file.write_text("1")
    result = run(tmp_path / "data", [step(add_table), fit()])

    assert (result.memo_hits, metrics(result)) == (1, {"baseline": {"loss": [9]}})


def test_what_an_earlier_trial_read_into_a_cache_counts(tmp_path: Path) -> None:
    table.cache_clear()
    file = tmp_path / "table.txt"
    file.write_text("1")
    run(tmp_path / "data", [pipeline_step(cached_table)()])
    run(tmp_path / "data", [step(cached_table), fit()])
    file.write_text("100")
    table.cache_clear()
    result = run(tmp_path / "data", [step(cached_table), fit()])

    assert (result.memo_hits, metrics(result)) == (0, {"baseline": {"loss": [306]}})


def test_a_step_that_writes_a_file_for_others_is_not_kept(tmp_path: Path) -> None:
    def hand_over(data: Any) -> Any:
        Path("handed.txt").write_text(str(data))
        return data

    def take_over(data: Any, lr: int = 1) -> Any:
        return data, {"length": len(Path("handed.txt").read_text()) * lr}

    result = run(tmp_path / "data", [step(hand_over), pipeline_step(take_over)()], replicates=2)

    assert result.memo_hits == 0
    assert any("handed.txt" in notice and "written" in notice for notice in result.notices)


def test_declared_files_of_a_step_and_of_its_experiment_count(tmp_path: Path) -> None:
    file = tmp_path / "table.txt"
    file.write_text("1")

    def use(data: Any) -> Any:
        return data

    declared: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"reads": ["table.txt"]}, {}),
        ({}, {"reads": ["table.txt"]}),
    ]
    for settings, more in declared:
        for steps, expected in (([], 0), ([fit()], 1)):
            assert run(tmp_path / "data", [step(use, **settings), *steps], **more).memo_hits == expected
        file.write_text(file.read_text() + "1")
        assert run(tmp_path / "data", [step(use, **settings), fit()], **more).memo_hits == 0


# what the trial reads of other experiments


def make(data: Any, model: Artifact, text: str) -> Any:
    model.write(text)
    return data


def count(data: Any, lr: int = 1) -> Any:
    return 0, {"size": len(Path(data).read_text()) * lr}


def chained(root: Path, text: str, source: Any, then: Any) -> Any:
    artifact = Artifact("model.txt", loader=source)
    producer = Experiment(
        numbers(),
        Pipeline([pipeline_step(make)(model=artifact, text=text)]),
        [ArtifactPlugin(root_dir=root)],
        name="producer",
        outputs=[artifact],
    )
    reader = Experiment(artifact, Pipeline(then), [ArtifactPlugin(root_dir=root)], name="reader")
    return ExperimentGraph.from_experiments([producer, reader]).run(strategy="resume")["reader"]


def test_a_path_to_an_input_counts_by_its_contents(tmp_path: Path) -> None:
    def whole(path: Path) -> Any:
        return path

    def twice(data: Any, lr: int = 1) -> Any:
        return data

    steps = [step(count), pipeline_step(twice)()]
    results = [chained(tmp_path, text, whole, steps) for text in ("1", "333", "1", "22")]

    assert [metrics(result)["baseline"]["size"] for result in results] == [[1], [3], [1], [2]]
    assert [result.ran["baseline"] for result in results] == [1, 1, 0, 1]
    again = chained(tmp_path, "333", whole, [step(count), pipeline_step(twice)(), fit_number()])
    assert (again.memo_hits, metrics(again)["baseline"]["size"]) == (1, [3])


def test_a_path_to_an_input_in_the_result_is_not_kept(tmp_path: Path) -> None:
    def whole(path: Path) -> Any:
        return path

    def pass_on(data: Any) -> Any:
        return data

    result = chained(tmp_path, "1", whole, [step(pass_on), step(count)])

    assert any("the path" in notice for notice in result.notices)


def test_an_input_with_the_same_contents_has_the_same_memo_whoever_wrote_it(tmp_path: Path) -> None:
    def load(path: Path) -> Any:
        return path.read_text()

    def length(data: Any) -> Any:
        return len(data)

    chained(tmp_path, "same", load, [step(length)])
    again = chained(tmp_path, "same", load, [step(length), fit_number()])

    assert again.memo_hits == 1


@pipeline_step()
def fit_number(data: int, ctx: FrozenContext) -> Any:
    return data, {"loss": data}
