import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import crystallize
from crystallize.compat import FORMER_MODULES
from crystallize.homes import HOMES

CONTRACT = """
    standalone_context quick_experiment get_datasource list_datasources register_datasource pipeline_step
    inject_from_ctx treatment hypothesis data_source verifier pipeline resource_factory PipelineStep Pipeline
    Hypothesis Experiment DataSource FrozenContext Treatment BasePlugin SerialExecution ParallelExecution
    AsyncExecution SeedPlugin LoggingPlugin ArtifactPlugin ExperimentGraph Artifact ExperimentInput
    ExperimentBuilder"""

CONTRACT_MODULES = {
    "experiments": """Experiment ExperimentGraph Hypothesis BaseOptimizer Objective Result ExperimentMetrics
        TreatmentMetrics HypothesisResult AggregateData ReplicateResult Treatment""",
    "experiments.experiment": "Experiment",
    "experiments.experiment_builder": "ExperimentBuilder",
    "experiments.experiment_graph": "ExperimentGraph find_experiments_root",
    "experiments.hypothesis": "Hypothesis",
    "experiments.treatment": "Treatment",
    "experiments.optimizers": "BaseOptimizer Objective",
    "experiments.result": "Result",
    "experiments.result_structs": "TreatmentMetrics HypothesisResult ExperimentMetrics AggregateData",
    "experiments.run_results": "ReplicateResult",
    "datasources": "Artifact ArtifactLog",
    "datasources.datasource": "DataSource ExperimentInput MultiArtifactDataSource",
    "datasources.artifacts": "Artifact ArtifactLog default_writer default_loader",
    "datasources.registry": """register_datasource get_datasource unregister_datasource list_datasources
        clear_registry""",
    "pipelines": "Pipeline PipelineStep",
    "pipelines.pipeline": "Pipeline",
    "pipelines.pipeline_step": "PipelineStep",
    "plugins": """ArtifactPlugin BasePlugin LoggingPlugin SeedPlugin SerialExecution ParallelExecution AsyncExecution
        load_metrics load_all_metrics""",
    "plugins.plugins": "BasePlugin SeedPlugin LoggingPlugin ArtifactPlugin default_seed_function",
    "plugins.execution": "SerialExecution ParallelExecution AsyncExecution VALID_EXECUTOR_TYPES",
    "plugins.artifacts": "load_metrics load_all_metrics",
    "utils": """FrozenContext LoggingContext ContextMutationError MissingMetricError PipelineExecutionError
        ValidationError compute_hash load_cache store_cache inject_from_ctx""",
    "utils.context": "FrozenContext LoggingContext ContextMutationError",
    "utils.exceptions": """CrystallizeError ContextMutationError PipelineExecutionError MissingMetricError
        ValidationError""",
    "utils.cache": "compute_hash load_cache store_cache",
    "utils.injection": "inject_from_ctx",
    "utils.decorators": """pipeline_step data_source hypothesis inject_from_ctx pipeline resource_factory treatment
        verifier Experiment ExperimentGraph FrozenContext Pipeline PipelineStep Treatment Hypothesis""",
    "utils.constants": "METADATA_FILENAME BASELINE_CONDITION REPLICATE_KEY CONDITION_KEY SEED_USED_KEY",
}
"""Section 1.0 of the contract: former module → its names."""

API = Path(__file__).parents[1] / "docs" / "reference" / "api"


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.contract("1.1.1")
def test_every_name_of_the_contract_is_public() -> None:
    assert set(CONTRACT.split()) <= set(crystallize.__all__)


@pytest.mark.contract("1.0.1", "1.0.2", "1.0.3", "1.0.4", "1.0.5")
@pytest.mark.parametrize("module", CONTRACT_MODULES)
def test_every_module_of_the_contract_gives_its_names(module: str) -> None:
    found = importlib.import_module(f"crystallize.{module}")

    for name in CONTRACT_MODULES[module].split():
        assert getattr(found, name) is getattr(importlib.import_module(HOMES[name]), name)


def test_the_table_of_former_modules_is_that_of_the_contract() -> None:
    assert FORMER_MODULES.keys() == {f"crystallize.{module}" for module in CONTRACT_MODULES}


def test_the_documented_imports_are_those_that_work_and_no_public_name_lacks_one() -> None:
    lines = [line for path in API.glob("*.md") for line in path.read_text(encoding="utf-8").splitlines()]
    found = filter(None, (re.fullmatch(r"from (\S+) import (\w+)", line) for line in lines))
    imports = {match[2]: match[1] for match in found}
    former = {(m.strip("| `"), n) for line in lines if "| `crystallize." in line for m, n in named_in(line)}

    assert imports.keys() == HOMES.keys() >= set(crystallize.__all__)
    assert {name for name, module in imports.items() if module == "crystallize"} == set(crystallize.__all__)
    for name, module in imports.items():
        assert getattr(importlib.import_module(module), name) is getattr(importlib.import_module(HOMES[name]), name)
    assert former == {(module, name) for module, names in FORMER_MODULES.items() for name in names}


def named_in(line: str) -> list[tuple[str, str]]:
    """Module and name, for each name in a line of the table of former paths."""
    _, module, names, _ = line.split("|")
    return [(module, name) for name in re.findall(r"\[`(\w+)`\]", names)]


def test_public_names_are_sorted_and_listed_by_dir() -> None:
    assert sorted(crystallize.__all__) == crystallize.__all__
    assert {*crystallize.__all__, "__version__"} == set(dir(crystallize))


def test_there_is_a_version() -> None:
    assert crystallize.__version__


def test_type_checkers_see_the_names_that_are_loaded_at_run_time() -> None:
    tree = ast.parse(Path(crystallize.__file__).read_text(encoding="utf-8"))
    seen = {
        alias.name: node.module
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert {name: HOMES[name] for name in crystallize.__all__} == seen


@pytest.mark.parametrize("name", sorted(HOMES))
def test_every_name_is_where_it_is_said_to_live(name: str) -> None:
    value = getattr(importlib.import_module(HOMES[name]), name)

    assert value is not None
    assert getattr(value, "__module__", HOMES[name]) == HOMES[name]


@pytest.mark.contract("1.1.2")
def test_what_0_27_kept_in_its_modules_is_public() -> None:
    more = "Result BaseOptimizer Objective unregister_datasource CrystallizeError ContextMutationError"

    assert {*more.split(), "PipelineExecutionError", "MissingMetricError", "ValidationError"} <= set(
        crystallize.__all__
    )


@pytest.mark.parametrize("name", crystallize.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(crystallize, name) is not None


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        crystallize.nothing  # noqa: B018


@pytest.mark.parametrize("module", FORMER_MODULES)
def test_former_modules_can_be_imported_with_their_names(module: str) -> None:
    found = importlib.import_module(module)

    for name in FORMER_MODULES[module]:
        assert getattr(found, name) is getattr(importlib.import_module(HOMES[name]), name)
    assert sorted(FORMER_MODULES[module]) == dir(found)
    with pytest.raises(AttributeError, match=module):
        found.nothing  # noqa: B018


def test_former_packages_have_their_modules() -> None:
    execution = importlib.import_module("crystallize.plugins.execution")
    scope: dict[str, Any] = {}
    exec("from crystallize.plugins import execution, SerialExecution", scope)

    assert scope["execution"] is execution
    assert execution.SerialExecution is scope["SerialExecution"] is crystallize.SerialExecution


def test_other_modules_are_still_not_found() -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("crystallize.plugins.nothing")
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("crystallize.nothing")


def test_importing_crystallize_imports_next_to_nothing() -> None:
    code = "import sys; before = set(sys.modules); import crystallize; print(*sorted(set(sys.modules) - before))"

    assert run_python(code).split() == ["__future__", "crystallize", "crystallize.compat", "crystallize.homes"]


def test_a_star_import_gives_all_names_without_the_heavy_modules() -> None:
    heavy = "asyncio numpy pandas rich typer textual matplotlib importlib.metadata cloudpickle"
    code = (
        "import sys, crystallize\nfrom crystallize import *\n"
        "assert set(crystallize.__all__) <= set(globals())\n"
        f"print(*(name for name in {heavy.split()!r} if name in sys.modules))"
    )

    assert run_python(code) == ""
