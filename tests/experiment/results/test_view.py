"""Views: versions, retention and what is never deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    ArtifactPlugin,
    Experiment,
    FrozenContext,
    Pipeline,
    Treatment,
    data_source,
    pipeline_step,
)
from crystallize.experiment.results import view_rows
from crystallize.store.views import Views


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def write(data: Any, ctx: FrozenContext, *, out: Artifact, value: int = 0) -> Any:
    out.write(str(value))
    return data, {"value": value}


def run(root: Path, value: int, **plugin: Any) -> Any:
    out = Artifact("o.txt")
    plugins = [ArtifactPlugin(root_dir=root, versioned=True, **plugin)]
    steps = Pipeline([write(out=out, value=value)])
    return Experiment(nothing(), steps, plugins, name="e", outputs=[out]).run(strategy="resume")


def files(root: Path, version: int) -> set[str]:
    folder = root / "e" / f"v{version}"
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


WHOLE = {
    "_manifest.json",
    "metadata.json",
    "baseline/.crystallize_complete",
    "baseline/results.json",
    "replicate_0/baseline/WriteStep/o.txt",
}


@pytest.mark.contract("2.2.2", "1.10.9")
def test_each_run_that_executes_something_writes_a_new_version(tmp_path: Path) -> None:
    run(tmp_path, 1)
    run(tmp_path, 2)
    resumed = run(tmp_path, 2)

    assert resumed.ran == {"baseline": 0}
    assert files(tmp_path, 0) == WHOLE
    assert files(tmp_path, 1) == WHOLE
    assert not (tmp_path / "e/v2").exists()
    assert resumed.artifacts["o.txt"]["baseline"] == tmp_path / "e/v1/replicate_0/baseline/WriteStep/o.txt"


@pytest.mark.contract("2.2.3")
def test_versions_beyond_the_retention_keep_their_results_alone(tmp_path: Path) -> None:
    for value in range(4):
        run(tmp_path, value, artifact_retention=2)

    assert files(tmp_path, 3) == WHOLE
    assert files(tmp_path, 2) == WHOLE
    assert files(tmp_path, 1) == {"baseline/results.json"}
    assert files(tmp_path, 0) == {"baseline/results.json"}


@pytest.mark.contract("2.2.3")
def test_large_files_stay_in_the_newest_version_only(tmp_path: Path) -> None:
    for value in (1, 2):
        run(tmp_path, value, big_file_threshold_mb=0)

    assert "replicate_0/baseline/WriteStep/o.txt" not in files(tmp_path, 0)
    assert "baseline/results.json" in files(tmp_path, 0)
    assert files(tmp_path, 1) == WHOLE


def test_going_back_to_a_pruned_version_reuses_it(tmp_path: Path) -> None:
    for value in range(4):
        run(tmp_path, value, artifact_retention=1)

    back = run(tmp_path, 0, artifact_retention=1)

    assert back.ran == {"baseline": 0}
    assert (tmp_path / "e/v3/replicate_0/baseline/WriteStep/o.txt").read_text() == "0"


def test_a_file_that_is_not_ours_is_never_removed(tmp_path: Path) -> None:
    run(tmp_path, 1, artifact_retention=1)
    (tmp_path / "e/v0/baseline/notes.txt").write_text("mine")

    run(tmp_path, 2, artifact_retention=1)

    assert files(tmp_path, 0) == {"baseline/results.json", "baseline/notes.txt"}


def test_a_tree_without_rows_is_neither_trusted_nor_removed(tmp_path: Path) -> None:
    folder = tmp_path / "e/v0/baseline"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text('{"metrics": {"value": [99]}}')
    (folder / ".crystallize_complete").touch()
    out = Artifact("o.txt")
    plugins = [ArtifactPlugin(root_dir=tmp_path)]

    result = Experiment(nothing(), Pipeline([write(out=out)]), plugins, name="e", outputs=[out]).run(strategy="resume")

    assert result.metrics.baseline.metrics == {"value": [0]}
    assert result.ran == {"baseline": 1}


@pipeline_step()
def write_folder(data: Any, *, out: Artifact) -> Any:
    folder = out.path()
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.bin").write_bytes(b"a" * 100_000)
    (folder / "b.txt").write_text("b")
    return data


@pipeline_step()
def read_folder(data: Any) -> Any:
    return data, {"size": (data / "sub" / "a.bin").stat().st_size, "text": (data / "b.txt").read_text()}


def test_an_artifact_may_be_a_folder(tmp_path: Path) -> None:
    def run_both() -> Any:
        out = Artifact("model")
        plugins = [ArtifactPlugin(root_dir=tmp_path)]
        from crystallize import ExperimentGraph

        one = Experiment(nothing(), Pipeline([write_folder(out=out)]), plugins, name="one", outputs=[out])
        two = Experiment(out, Pipeline([read_folder()]), plugins, name="two")
        return ExperimentGraph(one, two).run(strategy="resume")

    first, second = run_both(), run_both()

    assert first["two"].errors == {}
    assert second["two"].metrics.baseline.metrics == {"size": [100_000], "text": ["b"]}
    assert second["one"].ran == {"baseline": 0}
    assert (tmp_path / "one/v0/replicate_0/baseline/Write_FolderStep/model/b.txt").read_text() == "b"


FOLDER_FILES = ("metadata.json", "_manifest.json")


@pytest.mark.parametrize("name", FOLDER_FILES)
def test_files_of_a_version_that_somebody_removed_are_back_after_a_run_that_reused_all(
    tmp_path: Path, name: str
) -> None:
    run(tmp_path, 1)
    before = (tmp_path / "e/v0" / name).read_text(encoding="utf-8")
    (tmp_path / "e/v0" / name).unlink()

    resumed = run(tmp_path, 1)

    assert resumed.ran == {"baseline": 0}
    assert (tmp_path / "e/v0" / name).read_text(encoding="utf-8") == before


def grown(root: Path, replicates: int, names: tuple[str, ...]) -> Any:
    out = Artifact("o.txt")
    treatments = [Treatment(name, {"value": 1}) for name in ("one", "two")]
    experiment = Experiment(
        nothing(),
        Pipeline([write(out=out)]),
        [ArtifactPlugin(root_dir=root)],
        name="e",
        outputs=[out],
        treatments=treatments,
    )
    return experiment.run(strategy="resume", replicates=replicates, treatments=list(names))


def test_what_a_version_says_of_itself_follows_the_last_run_although_all_is_reused(tmp_path: Path) -> None:
    def said() -> int:
        return int(json.loads((tmp_path / "e/v0/metadata.json").read_text(encoding="utf-8"))["replicates"])

    grown(tmp_path, 3, ("one", "two"))
    assert said() == 3

    resumed = grown(tmp_path, 2, ("one",))

    assert sum(resumed.ran.values()) == 0
    assert said() == 2


def test_a_marker_that_goes_while_a_run_goes_on_is_a_wish_to_the_next(tmp_path: Path) -> None:
    marker = tmp_path / "e/v0/baseline/.crystallize_complete"

    @pipeline_step()
    def remove(data: Any, ctx: FrozenContext) -> Any:
        if ctx.get("condition") == "one":
            marker.unlink(missing_ok=True)
        return data

    def resumed(treatments: list[Treatment]) -> Any:
        plugins = [ArtifactPlugin(root_dir=tmp_path)]
        experiment = Experiment(nothing(), Pipeline([remove()]), plugins, name="e", treatments=treatments)
        return experiment.run(strategy="resume")

    resumed([])
    during = resumed([Treatment("one", {})])
    after = resumed([Treatment("one", {})])

    assert during.ran == {"baseline": 0, "one": 1}
    assert after.ran["baseline"] == 1
    assert marker.exists()


@pipeline_step()
def look_for_marker(data: Any, ctx: FrozenContext, *, place: str) -> Any:
    return data, {"found": Path(place).exists()}


@pytest.mark.parametrize("was_there", [False, True])
def test_no_trial_runs_beside_a_marker_though_a_new_folder_is_not_searched_for_one(
    tmp_path: Path, was_there: bool
) -> None:
    marker = tmp_path / "e/v0/baseline/.crystallize_complete"
    if was_there:
        marker.parent.mkdir(parents=True)
        marker.touch()
    steps = Pipeline([look_for_marker(place=str(marker))])
    plugins = [ArtifactPlugin(root_dir=tmp_path)]

    result = Experiment(nothing(), steps, plugins, name="e").run()

    assert result.metrics.baseline.metrics == {"found": [False]}
    assert marker.exists()


def test_a_version_has_no_folder_before_anything_lies_in_it(tmp_path: Path) -> None:
    places = [tmp_path / f"e/v{number}" for number in range(2)]
    found = []
    for place in places:
        steps = Pipeline([look_for_marker(place=str(place))])
        plugins = [ArtifactPlugin(root_dir=tmp_path, versioned=True)]
        found += Experiment(nothing(), steps, plugins, name="e").run().metrics.baseline.metrics["found"]

    assert found == [False, False]
    assert all(place.is_dir() for place in places)


@pipeline_step()
def fail_if(data: Any, ctx: FrozenContext, *, fails: bool = False) -> Any:
    if fails:
        raise ValueError("it fails")
    return data


def test_a_condition_that_failed_has_no_folder(tmp_path: Path) -> None:
    plugins = [ArtifactPlugin(root_dir=tmp_path)]
    treatments = [Treatment("failing", {"fails": True})]

    Experiment(nothing(), Pipeline([fail_if()]), plugins, name="e", treatments=treatments).run()

    assert {path.name for path in (tmp_path / "e/v0").iterdir()} == {"baseline", "metadata.json", "_manifest.json"}


def test_many_rows_are_written_in_batches_that_are_bounded_by_their_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_rows, "WAITING_FILES", 4)
    written: list[int] = []
    put = Views.put
    monkeypatch.setattr(Views, "put", lambda self, views: (written.append(len(views)), put(self, views))[1])

    grown(tmp_path, 3, ("one", "two"))

    assert written == [1, 1, 1, 1]  # three conditions of five files each, and the folder
    assert sum(grown(tmp_path, 3, ("one", "two")).ran.values()) == 0
