import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crystallize.errors import DefinitionError
from crystallize.experiment.folders.config import read_config
from crystallize.experiment.folders.folder import load_folder, load_many
from crystallize.experiment.folders.scaffold import NameTakenError, create_experiment
from crystallize.experiment.folders.world_packages import TOP_PACKAGE
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.pipeline import Pipeline

from ..projects import write_files


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.startswith(TOP_PACKAGE)]:
        del sys.modules[name]


def run(folder: Path, data: object) -> FrozenContext:
    ctx = FrozenContext({})
    Pipeline(load_folder(folder).steps).run(data, ctx)
    return ctx


@pytest.mark.contract("4.5.1")
def test_a_new_experiment_loads_and_runs_at_once(tmp_path: Path) -> None:
    folder = create_experiment("demo", tmp_path)

    definition = load_folder(folder)

    assert folder == tmp_path / "experiments/demo"
    assert (definition.name, definition.config.replicates, definition.bare) == ("demo", 1, True)
    assert run(folder, [1, 2, 3]).metrics["total"] == (6,)
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "datasources.py", "steps.py"]


@pytest.mark.contract("4.5.2")
def test_the_example_shows_treatments_an_output_and_a_hypothesis(tmp_path: Path) -> None:
    folder = create_experiment("demo", tmp_path, example=True)

    definition = load_folder(folder)

    assert [each.name for each in definition.treatments] == ["baseline", "add_one", "add_two"]
    assert [each.name for each in definition.hypotheses] == ["always_sig"]
    assert definition.outputs["out"].name == "out.txt"
    ctx = run(folder, 1)
    assert ctx.metrics["val"] == (2,)
    assert [(each.name, each.data) for each in ctx.artifacts] == [("out.txt", b"2")]


@pytest.mark.contract("6.21", "4.5.4")
@pytest.mark.parametrize("example", [False, True])
def test_a_chosen_output_becomes_an_alias_of_both_names(tmp_path: Path, example: bool) -> None:
    create_experiment("producer", tmp_path, example=True)

    folder = create_experiment("consumer", tmp_path, example=example, inputs=["producer#out", "producer#out[*]"])

    definition = load_many([folder])[0]
    assert {alias: str(each) for alias, each in definition.references.items()} == {
        "producer_out": "producer#out",
        "producer_out_all": "producer#out[*]",
    }
    assert ("numbers" in definition.datasource) == example
    assert definition.config.replicates is None
    assert "replicates" not in (folder / "config.yaml").read_text()


def test_a_consumer_of_one_output_inspects_it(tmp_path: Path) -> None:
    create_experiment("producer", tmp_path, example=True)

    folder = create_experiment("consumer", tmp_path, inputs=["producer#out"])

    text = (folder / "config.yaml").read_text()
    assert "datasource:\n  producer_out: producer#out\nsteps:\n  - inspect_out\n" in text
    assert run(folder, {"producer_out": 1}).metrics["inputs"] == (1,)


@pytest.mark.contract("4.5.3")
@pytest.mark.parametrize("name", ["", "a#b", "a/b", "a\\b", ".a", "a.", " a", "a ", "..", "replica\x00"])
def test_a_bad_name_is_refused_with_a_reason_and_nothing_is_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="experiment name"):
        create_experiment(name, tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.contract("4.5.3")
@pytest.mark.parametrize("name", ["demo", "DEMO", "declared", "folder"])
def test_a_taken_name_is_refused(tmp_path: Path, name: str) -> None:
    create_experiment("demo", tmp_path)
    write_files(tmp_path, {"other/folder/config.yaml": "name: declared\n"})

    with pytest.raises(FileExistsError) as caught:
        create_experiment(name, tmp_path)
    assert isinstance(caught.value, NameTakenError)


@pytest.mark.parametrize(
    ("inputs", "fact"),
    [
        (["producer"], "'producer' is no output of an experiment"),
        (["producer#uot"], "did you mean 'out'?"),
        (["prodcer#out"], "did you mean 'producer'?"),
        (["producer#out", "producer#out"], "have the same alias 'producer_out'"),
    ],
)
def test_a_bad_input_is_refused_before_anything_is_written(tmp_path: Path, inputs: list[str], fact: str) -> None:
    create_experiment("producer", tmp_path, example=True)

    with pytest.raises(DefinitionError) as caught:
        create_experiment("consumer", tmp_path, inputs=inputs)

    assert fact in str(caught.value)
    assert [path.name for path in (tmp_path / "experiments").iterdir()] == ["producer"]


def test_further_files_are_begun_on_demand(tmp_path: Path) -> None:
    folder = create_experiment("demo", tmp_path, files=["outputs.py"])

    assert (folder / "outputs.py").exists()
    with pytest.raises(DefinitionError, match=r"did you mean 'outputs\.py'"):
        create_experiment("other", tmp_path, files=["output.py"])


@pytest.mark.parametrize("name", ["yes", "12", "null", "üb er"])
def test_names_that_yaml_would_misread_are_quoted(tmp_path: Path, name: str) -> None:
    assert read_config(create_experiment(name, tmp_path)).name == name


@pytest.mark.contract("6.20")
def test_the_tutorial_typed_in_verbatim_loads(tmp_path: Path) -> None:
    producer = create_experiment("producer", tmp_path, example=True)
    append(
        producer / "outputs.py",
        """\
import json
from pathlib import Path

def dump_json(payload: dict) -> bytes:
    return json.dumps(payload).encode("utf-8")

def load_json(path: Path) -> dict:
    return json.loads(path.read_text())
""",
    )
    (producer / "config.yaml").write_text(
        """\
name: producer
outputs:
  summary:
    file_name: summary.json
    writer: dump_json
    loader: load_json
steps:
  - produce_summary
treatments:
  baseline: {}
"""
    )
    append(
        producer / "steps.py",
        """\
from crystallize import pipeline_step, Artifact

@pipeline_step()
def produce_summary(data: dict, *, summary: Artifact):
    summary.write({"total": sum(data["numbers"])})
    return data
""",
    )
    append(
        producer / "datasources.py",
        """\
from crystallize import data_source, FrozenContext

@data_source
def numbers(ctx: FrozenContext) -> dict[str, list[int]]:
    return {"numbers": [1, 2, 3]}
""",
    )
    consumer = create_experiment("consumer", tmp_path, inputs=["producer#summary"])
    (consumer / "config.yaml").write_text(
        """\
datasource:
  producer_summary: producer#summary
steps:
  - inspect_summary
"""
    )

    read, made = load_many([consumer])

    assert (read.name, made.name) == ("consumer", "producer")
    assert read.references["producer_summary"].config == made.path
    assert made.bare
    assert run(producer, {"numbers": [1, 2, 3]}).artifacts


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)
