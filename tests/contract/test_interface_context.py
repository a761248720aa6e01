"""Sections 1.0, 1.2 and 1.5 of the contract: constants, exceptions, contexts, treatments."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from crystallize.utils import LoggingContext  # type: ignore[import-not-found]
from crystallize.utils import constants as shared

from crystallize import (
    ContextMutationError,
    CrystallizeError,
    FrozenContext,
    MissingMetricError,
    PipelineExecutionError,
    Treatment,
    ValidationError,
    pipeline_step,
    standalone_context,
)

from .making import experiment, note


@pipeline_step()
def tell_keys(data: Any, ctx: FrozenContext) -> Any:
    """Records every key that the context has, and what stands there for a trial."""
    ctx.record("keys", sorted(ctx.as_dict()))
    ctx.record("trial", [ctx["replicate"], ctx["condition"], ctx["step_name"]])
    return data


@pipeline_step()
def curve(data: Any, ctx: FrozenContext) -> Any:
    """A loss over two epochs, with tags."""
    for epoch, loss in enumerate((0.9, 0.4)):
        ctx.metrics.add("loss", loss, {"split": "test"}, step=epoch)
    return data


@pytest.mark.contract("1.0.6")
def test_constants_have_the_values_that_files_and_contexts_hold() -> None:
    assert (shared.METADATA_FILENAME, shared.BASELINE_CONDITION) == ("metadata.json", "baseline")
    assert (shared.REPLICATE_KEY, shared.CONDITION_KEY, shared.SEED_USED_KEY) == (
        "replicate",
        "condition",
        "seed_used",
    )


@pytest.mark.contract("1.0.7")
def test_exceptions_are_made_as_before_and_stand_in_one_tree() -> None:
    original = ValueError("too hot")
    failed = PipelineExecutionError("HeatStep", original)

    assert failed.original_exception is original
    assert "HeatStep" in str(failed) and "too hot" in str(failed)
    assert "loss" in str(MissingMetricError("loss"))
    assert str(ContextMutationError("said")) == str(ValidationError("said")) == "said"
    assert all(
        issubclass(error, CrystallizeError)
        for error in (ContextMutationError, PipelineExecutionError, MissingMetricError, ValidationError)
    )


@pytest.mark.contract("1.2.3", "5.1", "5.25")
def test_a_key_is_set_once_and_keeps_a_copy_of_its_value() -> None:
    values = [1]
    ctx = FrozenContext({})
    ctx["a"] = values
    values.append(2)

    assert ctx["a"] == [1]
    with pytest.raises(ContextMutationError, match="Cannot mutate existing key: 'a'"):
        ctx["a"] = 3
    with pytest.raises(ContextMutationError, match="Cannot mutate existing key: 'a'"):
        ctx.add("a", 3)


@pytest.mark.contract("5.2")
def test_an_artifact_name_twice_in_one_step_is_told_by_its_name() -> None:
    ctx = FrozenContext({})
    ctx.artifacts.add("table.csv", b"1")

    with pytest.raises(ContextMutationError, match=r"'table\.csv'"):
        ctx.artifacts.add("table.csv", b"2")


@pytest.mark.contract("1.2.5")
def test_record_is_short_for_adding_a_metric() -> None:
    ctx = FrozenContext({})
    ctx.record("loss", 0.5, {"split": "test"})
    ctx.metrics.add("loss", 0.4)

    assert ctx.metrics["loss"] == (0.5, 0.4)
    assert ctx.metrics.get_tags("loss") == ({"split": "test"}, {})


@pytest.mark.contract("1.2.9")
def test_there_is_no_way_to_override_or_delete() -> None:
    ctx: Any = FrozenContext({"a": 1})

    assert not hasattr(ctx, "override")
    with pytest.raises((TypeError, AttributeError)):
        del ctx["a"]


@pytest.mark.contract("1.2.10")
def test_a_step_finds_its_trial_the_initial_context_and_the_treatment(tmp_path: Path) -> None:
    made = experiment(tmp_path, tell_keys(), initial_ctx={"host": "h"}, treatments=[Treatment("hot", {"heat": 9})])

    metrics = made.run().metrics

    keys = ["condition", "host", "replicate", "seed_used", "step_name"]
    assert metrics.baseline.metrics["keys"] == [keys]
    assert metrics.treatments["hot"].metrics["keys"] == [sorted([*keys, "heat"])]
    assert metrics.treatments["hot"].metrics["trial"] == [[0, "hot", "Tell_KeysStep"]]


@pytest.mark.contract("1.2.11", "5.7")
@pytest.mark.parametrize("key", ["replicate", "condition", "seed_used", "host"])
def test_a_treatment_cannot_set_what_is_set(key: str, tmp_path: Path) -> None:
    made = experiment(tmp_path, note(), initial_ctx={"host": "h"}, treatments=[Treatment("wrong", {key: 1})])

    errors = made.run().errors

    assert list(errors) == ["wrong_rep_0"]
    assert isinstance(errors["wrong_rep_0"], ContextMutationError)
    assert f"'{key}'" in str(errors["wrong_rep_0"])


@pytest.mark.contract("1.2.12")
def test_tags_and_steps_are_in_every_form_of_the_result(tmp_path: Path) -> None:
    result = experiment(tmp_path, curve()).run()

    tags = [{"split": "test", "step": 0}, {"split": "test", "step": 1}]
    assert result.metrics.baseline.tags == {"loss": tags}
    assert json.loads(str(result.to_json()))["tags"] == {"baseline": {"loss": tags}}
    assert list(result.to_df()["step"]) == [0, 1]


@pytest.mark.contract("1.2.13")
def test_a_logging_context_shares_what_is_recorded_and_logs_what_is_read(caplog: pytest.LogCaptureFixture) -> None:
    ctx = FrozenContext({"a": 1})
    watched = LoggingContext(ctx, logging.getLogger("watched"))
    with caplog.at_level(logging.DEBUG, "watched"):
        watched["a"], watched.get("b", 2)
    watched.add("c", 3)

    assert watched.metrics is ctx.metrics and watched.artifacts is ctx.artifacts
    assert watched.reads == {"a": 1}
    assert ctx["c"] == 3
    assert [record.getMessage()[:6] for record in caplog.records] == ["Read a"]


@pytest.mark.contract("1.2.14")
def test_a_context_of_ones_own_is_empty_or_holds_what_it_was_given() -> None:
    logger = logging.getLogger("mine")

    assert len(standalone_context()) == 0
    assert standalone_context({"a": 1}, logger=logger)["a"] == 1
    assert standalone_context(logger=logger).logger is logger


@pytest.mark.contract("1.5.2")
def test_a_treatment_is_not_callable_and_shows_its_name() -> None:
    hot = Treatment("hot", {"heat": 9})

    assert not callable(hot)
    assert "hot" in repr(hot)


@pytest.mark.contract("1.5.4")
def test_a_treatment_called_baseline_is_applied_to_the_baseline_and_is_none(tmp_path: Path) -> None:
    result = experiment(tmp_path, note(), treatments=[Treatment("baseline", {"value": 7})]).run()

    assert result.metrics.baseline.metrics == {"value": [7]}
    assert result.metrics.treatments == {}
