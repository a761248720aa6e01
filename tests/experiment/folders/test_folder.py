import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crystallize.errors import DefinitionError, DefinitionTypeError, MissingFileError, UnknownNameError
from crystallize.experiment.folders.definition import Definition
from crystallize.experiment.folders.entries import Reference
from crystallize.experiment.folders.folder import load_all, load_folder, load_many, root_of
from crystallize.experiment.folders.user_code import UserCodeError
from crystallize.experiment.folders.world_packages import TOP_PACKAGE
from crystallize.experiment.objects.artifact import default_loader
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.datasource import DataSource

from ..projects import OUTPUTS, STEPS, write_experiment, write_files


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    for name in [name for name in sys.modules if name.startswith(TOP_PACKAGE)]:
        del sys.modules[name]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "experiments").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def loaded(root: Path, config: str, overrides: dict[str, Any] | None = None, **modules: str) -> Definition:
    return load_folder(write_experiment(root / "experiments/demo", config, **modules), overrides)


def fetched(source: DataSource | Reference) -> Any:
    assert isinstance(source, DataSource)
    return source.fetch(FrozenContext({}))


@pytest.mark.contract("1.7.22", "3.1.5", "3.1.6", "3.2.3")
def test_a_folder_becomes_the_objects_it_names(root: Path) -> None:
    definition = loaded(
        root,
        """
        replicates: 2
        datasource: {n: numbers}
        steps:
          - scale: {factor: 2}
          - save
        outputs:
          model: {file_name: model.txt, loader: load, writer: dump}
        treatments:
          high: {factor: 5}
        hypotheses:
          - {verifier: greater, metrics: m}
        """,
    )

    assert (definition.name, definition.root, definition.config.replicates) == ("demo", root, 2)
    assert fetched(definition.datasource["n"]) == 3
    assert [step.params for step in definition.steps] == [{"factor": 2}, {"model": definition.outputs["model"]}]
    assert definition.outputs["model"].name == "model.txt"
    assert definition.outputs["model"].writer(3) == "3"
    assert definition.treatments[0].apply_map == {"factor": 5}
    assert definition.hypotheses[0].verify({"m": [1]}, {"m": [2]}) == {"p_value": 0.5}
    assert definition.notices == ()


@pytest.mark.contract("3.2.1")
def test_one_source_of_its_own_reaches_the_first_step_bare(root: Path) -> None:
    assert loaded(root, "datasource: {n: numbers}\nsteps: [scale]\n").bare
    assert not loaded(root, "datasource: {n: numbers, m: numbers}\nsteps: [scale]\n").bare


@pytest.mark.contract("3.1.4")
def test_without_datasource_the_only_one_of_the_module_is_meant(root: Path) -> None:
    definition = loaded(root, "steps: [scale]\n", {"datasource.numbers.n": 8})

    assert list(definition.datasource) == ["numbers"]
    assert fetched(definition.datasource["numbers"]) == 8
    assert definition.bare


def test_an_imported_source_does_not_compete_with_the_modules_own(root: Path) -> None:
    sources = "from crystallize import data_source\nfrom shared import other\n@data_source\ndef own():\n    return 1\n"
    shared = "from crystallize import data_source\n@data_source\ndef other():\n    return 2\n"

    definition = loaded(root, "steps: [scale]\n", datasources=sources, shared=shared)

    assert list(definition.datasource) == ["own"]


def test_an_alias_in_the_configuration_binds_an_output_to_a_parameter(root: Path) -> None:
    definition = loaded(root, "steps:\n  - save: {model: best}\noutputs:\n  best: {file_name: b.txt}\n")

    assert definition.steps[0].params == {"model": definition.outputs["best"]}
    assert definition.outputs["best"].loader is default_loader


def test_artifact_parameters_with_defaults_need_no_output(root: Path) -> None:
    steps = """
    from __future__ import annotations
    import crystallize
    from crystallize import pipeline_step

    @pipeline_step
    def save(data, *, model: crystallize.Artifact | None = None):
        return data
    """

    assert loaded(root, "steps: [save]\n", steps=steps).steps[0].params == {}


def test_class_steps_take_artifacts_as_well(root: Path) -> None:
    steps = """
    from crystallize import Artifact, PipelineStep

    class Save(PipelineStep):
        def __init__(self, model: Artifact, factor=1):
            self.held = (model, factor)
        params = {}
        def __call__(self, data, ctx):
            return data
    """

    definition = loaded(root, "steps:\n  - Save: {factor: 2}\noutputs: {model: }\n", steps=steps)

    assert definition.steps[0].held == (definition.outputs["model"], 2)  # type: ignore[attr-defined]


def test_an_output_that_only_the_artifact_log_can_write_is_a_notice(root: Path) -> None:
    definition = loaded(root, "steps: [log]\noutputs: {text: {file_name: log.txt}}\n")

    assert len(definition.notices) == 1
    assert "'text'" in definition.notices[0]


MALFORMED: list[tuple[str, int, str, type[DefinitionError]]] = [
    ("steps:\n  - scael\n", 2, "steps.py defines no 'scael'; did you mean 'scale'", UnknownNameError),
    ("steps:\n  - scale: {facter: 2}\n", 2, "did you mean 'factor'?", DefinitionTypeError),
    ("steps:\n  - scale\n  - scale: {facter: 2}\n", 3, "'facter'", DefinitionTypeError),
    ("steps:\n  - plain\n", 2, "put @pipeline_step() above", DefinitionTypeError),
    ("steps:\n  - Shift\n", 2, "put @pipeline_step() above", DefinitionTypeError),
    ("steps:\n  - save\n", 2, "no output has this alias", UnknownNameError),
    ("steps:\n  - save: {model: best}\noutputs:\n  bets:\n", 2, "did you mean 'bets'?", UnknownNameError),
    ("steps: [scale]\noutputs:\n  model:\n", 3, "output 'model' is used by no step; add a param", DefinitionError),
    ("steps: [scale]\noutputs:\n  a:\n  b:\n", 3, "outputs 'a', 'b' are used by no step", DefinitionError),
    ("steps: [save]\noutputs:\n  model:\n    loader: laod\n", 4, "did you mean 'load'?", UnknownNameError),
    ("steps: [save]\noutputs:\n  model:\n    writer: FACTOR\n", 4, "is no function", DefinitionError),
    ("steps: [scale]\ndatasource:\n  n: nombers\n", 3, "did you mean 'numbers'?", UnknownNameError),
    ("steps: [scale]\nhypotheses:\n  - verifier: graeter\n", 3, "did you mean 'greater'?", UnknownNameError),
    ("steps: [scale]\nhypotheses:\n  - verifier: within\n", 3, "missing parameter 'margin'", DefinitionTypeError),
    ("steps: [scale]\ndatasource:\n  m: nowhere#model\n", 3, "there is no experiment 'nowhere'", MissingFileError),
]


@pytest.mark.parametrize(("text", "line", "fact", "kind"), MALFORMED, ids=[case[0] for case in MALFORMED])
def test_a_name_that_fits_nothing_is_one_line_with_file_and_line(
    root: Path, text: str, line: int, fact: str, kind: type[DefinitionError]
) -> None:
    with pytest.raises(kind) as caught:
        loaded(root, text)

    message = str(caught.value)
    assert message.startswith(f"{root}/experiments/demo/config.yaml:{line}: ")
    assert fact in message
    assert "\n" not in message


@pytest.mark.contract("3.1.6")
@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("steps: [scale]\n", "steps"),
        ("steps: [save]\noutputs: {model: {loader: load}}\n", "outputs"),
        ("steps: [scale]\nhypotheses: [{verifier: greater}]\n", "verifiers"),
        ("steps: [scale]\ndatasource: {n: numbers}\n", "datasources"),
    ],
)
def test_a_missing_module_is_an_error_that_names_it(root: Path, text: str, module: str) -> None:
    path = write_experiment(root / "experiments/demo", text)
    (path.parent / f"{module}.py").unlink()

    with pytest.raises(MissingFileError, match=rf"config\.yaml:\d: .*{module}\.py is missing"):
        load_folder(path)


@pytest.mark.parametrize(
    ("sources", "fact"),
    [
        (None, "there is neither 'datasource:' nor a datasources.py"),
        ("def numbers(): ...\n", "datasources.py has no @data_source"),
        (
            "from crystallize import data_source\n@data_source\ndef b(): ...\n@data_source\ndef a(): ...\n",
            "datasources.py has 2 datasources: 'a', 'b'; write 'datasource: {a: a}'",
        ),
    ],
)
def test_a_datasource_that_is_not_clear_is_an_error(root: Path, sources: str | None, fact: str) -> None:
    path = write_experiment(root / "experiments/demo", "steps: [scale]\n", datasources=sources or "")
    if sources is None:
        (path.parent / "datasources.py").unlink()

    with pytest.raises(ValueError, match=r"config\.yaml:1: datasource: ") as caught:
        load_folder(path)
    assert fact in str(caught.value)


def test_errors_in_user_code_point_at_the_code(root: Path) -> None:
    with pytest.raises(UserCodeError, match=r"demo/steps\.py:2: SyntaxError") as caught:
        loaded(root, "steps: [scale]\n", steps="x = 1\ndef f(:\n")

    assert "def f(:" in caught.value.traceback_text


def test_what_a_factory_raises_points_at_the_users_line(root: Path) -> None:
    steps = "def scale():\n    raise ValueError('no')\n"

    with pytest.raises(UserCodeError, match=r"demo/steps\.py:2: steps\.scale: ValueError: no"):
        loaded(root, "steps: [scale]\n", steps=steps)


def test_an_override_for_an_implied_source_is_checked(root: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'numbers'"):
        loaded(root, "steps: [scale]\n", {"datasource.numbesr.n": 1})


PRODUCER = "name: maker\nsteps: [save]\noutputs: {model: {file_name: m.txt}}\n"


def test_a_target_comes_with_all_that_it_reads_and_nothing_else(root: Path) -> None:
    write_experiment(root / "experiments/producer", PRODUCER)
    write_experiment(root / "deep/er/middle", "datasource: {m: maker#model}\nsteps: [save]\noutputs: {model: }\n")
    write_experiment(root / "experiments/broken", "steps: [\n")
    target = write_experiment(
        root / "experiments/target", "datasource:\n  a: middle#model[*]\n  b: producer#model\nsteps: [scale]\n"
    )

    definitions = load_many([target])

    assert [definition.name for definition in definitions] == ["target", "middle", "maker"]
    assert definitions[0].references == {
        "a": Reference(
            experiment="middle", output="model", gather=True, line=2, config=root / "deep/er/middle/config.yaml"
        ),
        "b": Reference(experiment="maker", output="model", gather=False, line=3, config=definitions[2].path),
    }
    assert not definitions[0].bare


@pytest.mark.contract("6.19")
def test_siblings_are_found_without_any_mark_of_a_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    write_experiment(tmp_path / "free/producer", PRODUCER)
    target = write_experiment(tmp_path / "free/target", "datasource: {a: producer#model}\nsteps: [scale]\n")

    definitions = load_many([target])

    assert [definition.name for definition in definitions] == ["target", "maker"]
    assert root_of(target) == elsewhere


@pytest.mark.contract("3.3.4")
def test_a_reference_to_an_unknown_output_offers_the_nearest(root: Path) -> None:
    write_experiment(root / "experiments/producer", PRODUCER)

    with pytest.raises(UnknownNameError, match=r"config\.yaml:2: .*no output 'modle'; did you mean 'model'"):
        loaded(root, "steps: [scale]\ndatasource: {a: producer#modle}\n")


def test_references_in_a_circle_are_loaded_once_each(root: Path) -> None:
    for name, other in (("a", "b"), ("b", "a")):
        write_experiment(
            root / f"experiments/{name}", f"datasource: {{x: {other}#model}}\nsteps: [save]\noutputs: {{model: }}\n"
        )

    assert [each.name for each in load_many([root / "experiments/a"])] == ["a", "b"]


def test_a_folder_means_all_experiments_below_it(root: Path) -> None:
    for name in ("one", "two"):
        write_experiment(root / f"experiments/{name}", "steps: [scale]\n")

    assert [each.name for each in load_many([root / "experiments"])] == ["one", "two"]
    with pytest.raises(DefinitionError, match=r"no config\.yaml lies in this folder"):
        load_many([write_files(root / "empty", {"x.txt": ""})])


def test_a_broken_upstream_is_the_targets_error(root: Path) -> None:
    write_experiment(root / "experiments/producer", "steps: [\n")

    with pytest.raises(DefinitionError, match=r"producer/config\.yaml:2"):
        load_many([write_experiment(root / "experiments/t", "datasource: {a: producer#model}\nsteps: [scale]\n")])


def test_a_folder_with_broken_experiments_loads_the_rest(root: Path) -> None:
    write_experiment(root / "experiments/good", "steps: [scale]\n")
    broken = write_experiment(root / "experiments/broken", "steps: [\n")
    write_experiment(root / "experiments/consumer", "datasource: {a: broken#model}\nsteps: [scale]\n")
    write_experiment(root / "experiments/wrong", "steps: [scale]\n", steps="1 / 0\n")

    definitions, errors = load_all(root / "experiments")

    assert [each.name for each in definitions] == ["consumer", "good"]
    assert definitions[0].references["a"].config == broken
    assert sorted(str(error.path) for error in errors) == [str(broken), str(root / "experiments/wrong/steps.py")]


@pytest.mark.parametrize("name", ["same", "SAME"])
def test_two_experiments_never_share_a_name(root: Path, name: str) -> None:
    write_experiment(root / "experiments/a", "name: same\nsteps: [scale]\n")
    second = write_experiment(root / "experiments/b", f"steps: [scale]\nname: {name}\n")

    definitions, [error] = load_all(root)

    assert [each.name for each in definitions] == ["same"]
    assert (error.path, error.line) == (second, 2)
    with pytest.raises(DefinitionError):
        load_many([root])


def test_overrides_reach_the_experiment_they_name(root: Path) -> None:
    write_experiment(root / "experiments/producer", PRODUCER)
    target = write_experiment(root / "experiments/t", "datasource: {a: producer#model}\nsteps: [scale]\n")

    definitions = load_many([target], {"maker": {"seed": 4}, "t": {"steps.scale.factor": 7}})

    assert [each.config.seed for each in definitions] == [None, 4]
    assert definitions[0].steps[0].params == {"factor": 7}
    with pytest.raises(UnknownNameError, match="did you mean 'maker'"):
        load_many([target], {"makre": {"seed": 4}})


def test_loading_twice_reads_the_code_as_it_is_now(root: Path) -> None:
    first = loaded(root, "steps: [scale]\n")
    second = loaded(root, "steps: [scale]\n", steps=STEPS.replace("data * factor", "data + factor"))

    context = FrozenContext({"factor": 10})
    assert [each.steps[0](3, context) for each in (first, second)] == [30, 13]


def test_only_modules_that_are_needed_are_loaded(root: Path) -> None:
    definition = loaded(root, "steps: [scale]\n", outputs="raise RuntimeError\n", verifiers=OUTPUTS)

    assert definition.world.find("steps") is not None
    assert definition.world.find("outputs") is None
