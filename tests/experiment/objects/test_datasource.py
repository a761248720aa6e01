import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crystallize.errors import ReplicateMismatchError
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.context import FrozenContext, standalone_context
from crystallize.experiment.objects.datasource import (
    DataSource,
    clear_registry,
    data_source,
    get_datasource,
    list_datasources,
    register_datasource,
    unregister_datasource,
)
from crystallize.experiment.objects.inputs import ArtifactPath, ExperimentInput


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    clear_registry()
    yield
    clear_registry()


@data_source
def numbers(ctx: FrozenContext, count: int = 3, *, start: int = 0) -> list[int]:
    """Some numbers."""
    return list(range(start, start + count))


def test_parameters_come_from_defaults_and_overrides() -> None:
    source = numbers(start=5)

    assert source.fetch(standalone_context({"count": 100})) == [5, 6, 7]
    assert source.params == {"count": 3, "start": 5}
    assert source.explicit_params == {"start": 5}


@pytest.mark.contract("1.3.6")
def test_an_unknown_override_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match="numbers: there is no parameter 'strat'; did you mean 'start'"):
        numbers(strat=1)


@pytest.mark.contract("1.3.5")
def test_missing_parameters_are_listed() -> None:
    @data_source()
    def table(ctx: FrozenContext, path: str, sheet: str) -> str:
        return path + sheet

    with pytest.raises(TypeError, match="table: missing parameter 'path', 'sheet'"):
        table()


@pytest.mark.contract("1.3.3")
def test_a_function_without_a_context_works() -> None:
    @data_source
    def constant(value: int = 4) -> int:
        return value

    assert constant().fetch(standalone_context()) == 4
    assert constant(value=5).fetch(standalone_context()) == 5


@pytest.mark.parametrize("name", ["ctx", "_", "_ctx", "context"])
def test_the_first_parameter_may_be_the_context_under_these_names(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def source({name}): return {name}", scope)
    ctx = standalone_context()

    assert data_source(scope["source"])().fetch(ctx) is ctx


def test_the_context_is_recognised_by_annotation_and_by_keyword() -> None:
    @data_source
    def annotated(c: "FrozenContext") -> Any:
        return c

    @data_source
    def keyword(*, n: int = 1, ctx: FrozenContext) -> Any:
        return ctx

    ctx = standalone_context()

    assert annotated().fetch(ctx) is ctx
    assert keyword().fetch(ctx) is ctx


@pytest.mark.contract("1.3.4", "1.3.7")
def test_the_factory_keeps_the_functions_metadata_and_the_class_its_name() -> None:
    assert (numbers.__name__, numbers.__doc__) == ("numbers", "Some numbers.")
    assert type(numbers()).__name__ == "NumbersSource"
    assert isinstance(numbers(), DataSource)


def test_what_the_decorator_declares_is_on_factory_and_source() -> None:
    @data_source(reads="table.csv", version="2", depends_on=[numbers], volatile=True)
    def table() -> None: ...

    for holder in (table, table()):
        assert (("table.csv",), "2", (numbers,), True) == (
            holder.reads,
            holder.version,
            holder.depends_on,
            holder.volatile,
        )
    assert numbers().volatile is False


@pytest.mark.contract("1.3.7")
def test_a_source_is_pickled_as_factory_and_parameters() -> None:
    source = numbers(count=2)

    copy = pickle.loads(pickle.dumps(source))

    assert type(copy) is type(source)
    assert copy.fetch(standalone_context()) == [0, 1]


def test_a_local_source_is_pickled_with_its_function() -> None:
    offset = 10

    @data_source(version="3")
    def local(n: int = 1) -> int:
        return n + offset

    copy = pickle.loads(pickle.dumps(local(n=2)))

    assert copy.fetch(standalone_context()) == 12
    assert copy.version == "3"


def test_names_are_registered_once() -> None:
    source = numbers()
    register_datasource("n", source)

    with pytest.raises(ValueError, match="already registered"):
        register_datasource("n", source)
    assert get_datasource("n") is source
    assert list_datasources() == ["n"]
    assert unregister_datasource("n") is source
    assert unregister_datasource("n") is None
    with pytest.raises(KeyError, match="No datasource registered"):
        get_datasource("n")


@pytest.mark.contract("1.3.9")
def test_a_decorated_source_registers_itself_when_it_needs_nothing() -> None:
    @data_source("given", register=True)
    def first() -> int:
        return 1

    @data_source(register=True)
    def second() -> int:
        return 2

    @data_source(register=True)
    def needs(path: str) -> str:
        return path

    assert list_datasources() == ["given", "second"]


def test_loading_a_module_again_registers_its_source_again() -> None:
    text = "@data_source(register=True)\ndef again():\n    return {}\n"
    for number in (1, 2):
        exec(text.format(number), {"data_source": data_source, "__name__": "reloaded"})

    assert get_datasource("again").fetch(standalone_context()) == 2


@pytest.mark.contract("1.3.12")
def test_an_input_bundles_sources_by_alias_in_order() -> None:
    bundle = ExperimentInput(b=numbers(count=1), a=numbers(count=2))

    data = bundle.fetch(standalone_context())

    assert list(data.items()) == [("b", [0]), ("a", [0, 1])]


@pytest.mark.contract("1.3.11")
def test_an_input_without_sources_is_refused() -> None:
    with pytest.raises(ValueError, match="no inputs"):
        ExperimentInput()


def test_an_uncalled_factory_as_input_is_refused_with_the_remedy() -> None:
    wrong: Any = numbers

    with pytest.raises(TypeError, match=r"call it: data=numbers\(\)"):
        ExperimentInput(data=wrong)


@pytest.mark.contract("1.3.13")
def test_required_outputs_are_the_artifacts() -> None:
    artifact = Artifact("x.txt")

    assert [artifact] == ExperimentInput(a=artifact, b=numbers()).required_outputs


@pytest.mark.contract("1.3.14")
@pytest.mark.parametrize(
    ("counts", "expected"), [((None, None), None), ((None, 2), 2), ((2, 2), 2), ((1, 5), 5), ((1, 1), 1)]
)
def test_an_input_has_the_count_its_artifacts_share(
    counts: tuple[int | None, int | None], expected: int | None
) -> None:
    first, second = Artifact("a"), Artifact("b")
    first.replicates, second.replicates = counts

    assert expected == ExperimentInput(first=first, second=second).replicates


def test_counts_that_cannot_be_paired_are_refused_with_each_alias() -> None:
    first, second = Artifact("a"), ArtifactPath(None, "Step", "b")
    first.replicates, second.replicates = 2, 3

    with pytest.raises(ReplicateMismatchError, match="Conflicting replicates among inputs: x=2, y=3"):
        ExperimentInput(x=first, y=second)


def test_an_artifact_path_is_where_the_runner_laid_it() -> None:
    source, ctx = ArtifactPath(None, "Step", "b"), standalone_context()
    ctx._inputs = {id(source): Path("somewhere/b")}

    assert Path("somewhere/b") == source.fetch(ctx)


def test_an_artifact_path_outside_of_its_graph_says_so() -> None:
    with pytest.raises(RuntimeError, match="file 'b' of step Step"):
        ArtifactPath(None, "Step", "b").fetch(standalone_context())
