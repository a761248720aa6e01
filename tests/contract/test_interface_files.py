"""Sections 2 and 3 of the contract: what lies on disk, and what `config.yaml` says."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    DefinitionError,
    Experiment,
    ExperimentGraph,
    FrozenContext,
    Pipeline,
    StoreError,
    Treatment,
    pipeline_step,
)

from ..experiment.projects import write_experiment
from .making import experiment, note, nothing, producer, write

PRODUCER = """
    replicates: 2
    datasource: {n: numbers}
    outputs: {model: {file_name: model.txt}}
    steps: [save]
    """
CONSUMER = """
    datasource: {model: producer#model}
    steps: [{scale: {factor: 2}}]
    """


@pipeline_step()
def fail_unless(data: Any, ctx: FrozenContext, *, fine: bool = False) -> Any:
    """Succeeds only where a treatment says so."""
    if not fine:
        raise ValueError("not fine")
    return data, {"nan": math.nan, "value": 1}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "experiments").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", __import__("sys").path[:])
    yield tmp_path


def folder(project: Path, name: str, config: str, **modules: str) -> Path:
    return write_experiment(project / "experiments" / name, config, **modules)


def metadata(root: Path) -> Any:
    return json.loads((root / "metadata.json").read_text(encoding="utf-8"))


@pytest.mark.contract("2.1.1")
def test_results_lie_below_the_working_directory_in_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    Experiment(nothing(), Pipeline([note()]), name="e").run()
    unnamed = Experiment(nothing(), Pipeline([note()]))
    unnamed.run()

    assert (tmp_path / "data/e/v0/baseline/results.json").exists()
    assert (tmp_path / f"data/{unnamed.id}/v0/baseline/results.json").exists()


@pytest.mark.contract("2.1.5", "1.7.4")
def test_metadata_name_replicates_id_and_name(tmp_path: Path) -> None:
    made = experiment(tmp_path, note(), replicates=3)
    made.run()

    assert metadata(tmp_path / "e/v0") == {"replicates": 3, "id": made.id, "name": "e"}
    assert made.id is not None and len(made.id) == 64


@pytest.mark.contract("2.1.3", "2.1.7")
def test_the_baseline_is_always_there_and_a_treatment_where_it_succeeded(tmp_path: Path) -> None:
    treatments = [Treatment("good", {"fine": True}), Treatment("bad", {"fine": False})]
    experiment(tmp_path, fail_unless(), treatments=treatments).run()

    folders = {path.name for path in (tmp_path / "e/v0").iterdir() if path.is_dir()}
    assert {"baseline", "good"} <= folders
    assert "bad" not in folders
    assert json.loads((tmp_path / "e/v0/baseline/results.json").read_text()) == {"metrics": {}}
    assert '"nan": [NaN]' in (tmp_path / "e/v0/good/results.json").read_text()
    assert not (tmp_path / "e/v0/baseline/.crystallize_complete").exists()


@pytest.mark.contract("2.1.8", "2.1.2", "2.1.6")
def test_the_tree_of_a_producer_is_the_observed_one(tmp_path: Path) -> None:
    producer(tmp_path).run()

    tree = sorted(path.relative_to(tmp_path / "p").as_posix() for path in (tmp_path / "p").rglob("*") if path.is_file())
    assert tree == [
        "v0/_manifest.json",
        "v0/baseline/.crystallize_complete",
        "v0/baseline/results.json",
        "v0/metadata.json",
        "v0/replicate_0/baseline/WriteStep/o.txt",
    ]
    assert json.loads((tmp_path / "p/v0/_manifest.json").read_text()) == {"o.txt": "WriteStep"}


@pytest.mark.contract("2.2.4")
def test_variables_say_how_much_is_kept_where_the_plugin_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crystallize import ArtifactPlugin

    monkeypatch.setenv("CRYSTALLIZE_ARTIFACT_RETENTION", "1")

    def kept(retention: int, name: str) -> int:
        out = Artifact("o.txt")
        plugin = ArtifactPlugin(tmp_path, versioned=True, artifact_retention=retention)
        made = Experiment(nothing(), Pipeline([write(out=out)]), [plugin], name=name, outputs=[out])
        for _ in range(3):
            made.run()
        return len(list((tmp_path / name).rglob("o.txt")))

    assert (kept(3, "default"), kept(2, "explicit")) == (1, 2)


@pytest.mark.contract("2.3.1", "1.14.4")
def test_runs_leave_the_step_cache_of_old_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    @pipeline_step(cacheable=True)
    def slow(data: Any) -> Any:
        return data, {"m": 1}

    experiment(tmp_path / "data", slow()).run()

    assert not (tmp_path / ".cache").exists()


@pytest.mark.contract("3.2.2")
def test_artifacts_are_recognised_in_annotations_that_are_texts(project: Path) -> None:
    steps = """
        from __future__ import annotations
        from crystallize import Artifact, pipeline_step

        @pipeline_step()
        def save(data, *, model: Artifact, other: "Artifact | None" = None):
            model.write(str(data))
            return data
        """
    config = folder(project, "producer", PRODUCER, steps=steps, datasources=SOURCES)

    assert Experiment.from_yaml(config).run().artifacts.keys() == {"model.txt"}


SOURCES = """
    from crystallize import data_source

    @data_source
    def numbers():
        return 3
    """


@pytest.mark.contract("3.3.2", "5.17")
def test_an_unknown_experiment_is_told_with_its_reference_and_the_nearest(project: Path) -> None:
    folder(project, "producer", PRODUCER)
    config = folder(project, "consumer", CONSUMER.replace("producer#", "producr#"))

    with pytest.raises(FileNotFoundError, match=r"config\.yaml:1: .*'producr'.*producer"):
        ExperimentGraph.from_yaml(config)


@pytest.mark.contract("3.3.5", "5.29")
def test_references_in_a_circle_are_a_value_error_that_names_them(project: Path) -> None:
    circle = """
        datasource: {model: OTHER#model}
        outputs: {model: {file_name: model.txt}}
        steps: [save]
        """
    folder(project, "a", circle.replace("OTHER", "b"))
    config = folder(project, "b", circle.replace("OTHER", "a"))

    with pytest.raises(ValueError, match=r"contains cycles: .*a.*b|contains cycles: .*b.*a"):
        ExperimentGraph.from_yaml(config)


@pytest.mark.contract("3.1.4", "3.1.6", "3.1.8", "5.24")
@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("datasource: {n: numbrs}\nsteps: [scale]\n", r"config\.yaml:1: .*'numbrs'.*'numbers'"),
        ("datasource: {n: 3}\nsteps: [scale]\n", r"config\.yaml:1: .*text"),
        ("steps: [scal]\n", r"config\.yaml:1: .*'scal'.*'scale'"),
        ("steps: [{scale: {factr: 2}}]\n", r"config\.yaml:1: .*'factr'.*'factor'"),
        ("steps: [scale]\noutputs: {unused: {}}\n", r"config\.yaml:2: .*'unused'"),
        ("steps: [scale]\ntreatments: [high]\n", r"config\.yaml:2: "),
        ("steps: [scale]\nhypotheses: [{metrics: m}]\n", r"config\.yaml:2: .*verifier"),
        ("steps: [scale\n", r"config\.yaml:\d: "),
    ],
)
def test_wrong_yaml_is_told_in_one_line_with_file_and_line(project: Path, config: str, said: str) -> None:
    path = folder(project, "wrong", config)

    with pytest.raises(DefinitionError, match=said) as raised:
        Experiment.from_yaml(path)
    assert "\n" not in str(raised.value)


@pytest.mark.contract("5.23")
def test_a_root_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("in the way", encoding="utf-8")
    ran: list[int] = []

    @pipeline_step()
    def step(data: Any) -> Any:
        ran.append(1)
        return data

    with pytest.raises(OSError, match=str(tmp_path / "results")) as raised:
        experiment(tmp_path / "results", step()).run()
    assert isinstance(raised.value, StoreError)
    assert ran == []
