import ast
import importlib
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


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_every_name_of_the_contract_is_public() -> None:
    assert set(CONTRACT.split()) <= set(crystallize.__all__)


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
