"""Section 1.3 of the contract: datasources and artifacts."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crystallize.datasources.registry import clear_registry  # type: ignore[import-not-found]

from crystallize import (
    Artifact,
    DataSource,
    ExperimentGraph,
    ExperimentInput,
    FrozenContext,
    ReplicateMismatchError,
    Treatment,
    data_source,
    get_datasource,
    list_datasources,
    pipeline_step,
    register_datasource,
    standalone_context,
    unregister_datasource,
)

from .making import experiment, note, nothing, producer, write


class Counted(DataSource):
    """Says how many replicates there are."""

    replicates = 3

    def fetch(self, ctx: FrozenContext) -> Any:
        return ctx["replicate"]


@pipeline_step()
def keep(data: Any) -> Any:
    """Records what it was given."""
    return data, {"given": data.decode() if isinstance(data, bytes) else data}


@pytest.fixture(autouse=True)
def empty_registry() -> Iterator[None]:
    clear_registry()
    yield
    clear_registry()


@pytest.mark.contract("1.3.1", "1.7.9")
def test_replicates_are_those_asked_for_then_the_experiments_then_the_sources(tmp_path: Path) -> None:
    of_source = experiment(tmp_path, keep(), source=Counted(), name="a")
    of_itself = experiment(tmp_path, keep(), source=Counted(), name="b", replicates=2)

    assert of_source.run().metrics.baseline.metrics == {"given": [0, 1, 2]}
    assert of_itself.run().metrics.baseline.metrics == {"given": [0, 1]}
    assert of_itself.run(replicates=4).metrics.baseline.metrics == {"given": [0, 1, 2, 3]}
    assert experiment(tmp_path, keep(), source=nothing(), name="c", replicates=-2).replicates == 1


@pytest.mark.contract("1.3.2")
def test_a_source_is_decorated_in_three_ways() -> None:
    def numbers(ctx: FrozenContext, upto: int = 2) -> list[int]:
        return list(range(upto))

    made = [data_source(numbers), data_source()(numbers), data_source("named")(numbers)]

    assert [factory(upto=3).fetch(standalone_context()) for factory in made] == [[0, 1, 2]] * 3


@pytest.mark.contract("1.3.8")
def test_parameters_of_a_source_never_come_from_the_context() -> None:
    @data_source
    def number(ctx: FrozenContext, start: int = 1) -> int:
        return start

    assert number().fetch(standalone_context({"start": 9})) == 1


@pytest.mark.contract("1.3.10", "5.26", "5.27")
def test_the_registry_registers_once_finds_lists_and_forgets() -> None:
    source = nothing()
    register_datasource("b", source)
    register_datasource("a", nothing())

    assert get_datasource("b") is source
    assert list_datasources() == ["a", "b"]
    with pytest.raises(ValueError, match="'b' is already registered"):
        register_datasource("b", source)
    with pytest.raises(KeyError, match="No datasource registered under 'c'; available: a, b"):
        get_datasource("c")
    assert unregister_datasource("b") is source
    assert unregister_datasource("b") is None
    clear_registry()
    assert list_datasources() == []


@pytest.mark.contract("1.3.20", "1.3.14", "5.15", "5.28")
def test_counts_are_known_once_producers_ran_and_must_fit_from_then_on(tmp_path: Path) -> None:
    two, three = producer(tmp_path, name="two", replicates=2), producer(tmp_path, name="three", replicates=3)
    a, b = two.outputs["o.txt"], three.outputs["o.txt"]
    ExperimentInput(a=a, b=b)
    before = a.replicates

    two.run()
    three.run()

    assert (before, a.replicates, b.replicates) == (None, 2, 3)
    assert ExperimentInput(a=a).replicates == 2
    with pytest.raises(ReplicateMismatchError, match="Conflicting replicates among inputs: a=2, b=3"):
        ExperimentInput(a=a, b=b)
    two.run(replicates=3)
    assert ExperimentInput(a=a, b=b).replicates == 3


@pytest.mark.contract("1.3.20")
def test_one_replicate_aside_is_not_what_a_producer_has(tmp_path: Path) -> None:
    made = producer(tmp_path, replicates=2)
    made.run()

    made.debug(verbose=False)

    assert made.outputs["o.txt"].replicates == 2


@pytest.mark.contract("1.3.23", "5.9")
def test_an_artifact_that_was_never_written_is_told_with_name_step_and_path(tmp_path: Path) -> None:
    out = Artifact("o.txt")
    silent = experiment(tmp_path, note(), name="silent", outputs=[out])
    reader = experiment(tmp_path, keep(), name="reader", source=out)

    error = ExperimentGraph(silent, reader).run()["reader"].errors["baseline_rep_0"]

    assert isinstance(error, FileNotFoundError)
    assert "'o.txt'" in str(error)
    assert str(tmp_path / "silent/v0/replicate_0/baseline/NoteStep/o.txt") in str(error)


@pytest.mark.contract("1.3.25", "5.11", "5.34")
def test_a_condition_that_the_producer_lacks_reads_its_baseline_with_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = producer(tmp_path, value=5)
    treatments = [Treatment("hot", {"heat": 9}), Treatment("cold", {"heat": 0})]
    reader = experiment(
        tmp_path, keep(), name="reader", source=made.outputs["o.txt"], treatments=treatments, replicates=2
    )

    with caplog.at_level(logging.WARNING, "crystallize"):
        result = ExperimentGraph(made, reader).run()["reader"]

    said = [record.getMessage() for record in caplog.records if "falling back" in record.getMessage()]
    assert len(said) == 1
    assert "'hot', 'cold'" in said[0]
    assert f"{tmp_path / 'p/v0/replicate_0/hot/WriteStep/o.txt'}: " in said[0]
    assert result.metrics.treatments["hot"].metrics == {"given": ["baseline:5"] * 2}
    caplog.clear()
    assert "falling back" not in (ExperimentGraph(made, reader).run(strategy="resume") and caplog.text)


@pytest.mark.contract("1.3.25")
def test_a_condition_that_both_have_needs_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = producer(tmp_path, treatments=[Treatment("hot", {"value": 9})])
    reader = experiment(tmp_path, keep(), name="reader", source=made.outputs["o.txt"])

    with caplog.at_level(logging.WARNING, "crystallize"):
        result = ExperimentGraph(made, reader).run()["reader"]

    assert result.metrics.treatments["hot"].metrics == {"given": ["hot:9"]}
    assert caplog.text == ""


@pytest.mark.contract("1.3.22", "5.12")
def test_what_is_used_unattached_or_unbound_is_told_by_name(tmp_path: Path) -> None:
    loose = Artifact("loose.txt")
    plain = experiment(tmp_path, keep(), name="plain", source=loose)
    written = producer(tmp_path).outputs["o.txt"]

    with pytest.raises(RuntimeError, match=r"'loose\.txt'"):
        loose.fetch(standalone_context())
    with pytest.raises(RuntimeError, match=r"'loose\.txt'"):
        loose.write(b"1")
    with pytest.raises(RuntimeError, match=r"'o\.txt' is written by experiment 'p'"):
        written.fetch(standalone_context())
    error = plain.run().errors["baseline_rep_0"]
    assert isinstance(error, RuntimeError) and "'loose.txt'" in str(error)


@pytest.mark.contract("5.3", "5.4")
def test_missing_and_unknown_parameters_are_type_errors_with_their_names() -> None:
    @data_source
    def source(ctx: FrozenContext, start: int) -> int:
        return start

    with pytest.raises(TypeError, match="'start'"):
        source()
    with pytest.raises(TypeError, match="'strat'"):
        source(strat=1)
    with pytest.raises(TypeError, match="'valeu'"):
        write(valeu=1)
