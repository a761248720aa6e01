import logging
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from crystallize.errors import ContextMutationError, DefinitionError
from crystallize.experiment.objects.context import FrozenContext, LoggingContext, standalone_context


def test_a_key_is_set_once() -> None:
    ctx = FrozenContext({"a": 1})

    with pytest.raises(ContextMutationError, match="Cannot mutate existing key: 'a'"):
        ctx["a"] = 2
    with pytest.raises(ContextMutationError, match="'a'"):
        ctx.add("a", 1)
    assert ctx["a"] == 1


@pytest.mark.contract("1.2.2")
def test_a_missing_key_is_a_key_error_and_get_has_a_default() -> None:
    ctx = standalone_context()

    with pytest.raises(KeyError):
        ctx["nothing"]
    assert ctx.get("nothing") is None
    assert ctx.get("nothing", [1]) == [1]


@pytest.mark.contract("1.2.1", "1.2.2")
@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, {1, 2}, [[1], [2]], {"a": [1]}, bytearray(b"x")])
def test_neither_the_original_nor_a_copy_changes_what_is_frozen(value: Any) -> None:
    expected = repr(value)
    initial, added = FrozenContext({"key": value}), standalone_context()
    added.add("key", value)

    value.clear()
    initial["key"].clear()
    added.as_dict()["key"].clear()

    assert [expected, expected] == [repr(initial["key"]), repr(added.get("key"))]


@pytest.mark.contract("1.2.1")
def test_what_cannot_be_copied_is_handed_out_as_it_is() -> None:
    lock = threading.Lock()

    ctx = FrozenContext({"lock": lock, "holder": {"lock": lock}})

    assert ctx["lock"] is lock
    assert ctx["holder"]["lock"] is lock


@pytest.mark.contract("1.2.9")
def test_containment_iteration_and_length_work() -> None:
    ctx = FrozenContext({"a": 1, "b": 2})

    assert "a" in ctx
    assert "c" not in ctx
    assert list(ctx) == ["a", "b"]
    assert len(ctx) == 2


@pytest.mark.contract("1.2.4")
def test_as_dict_is_read_only() -> None:
    shown: Any = FrozenContext({"a": 1}).as_dict()

    with pytest.raises(TypeError):
        shown["a"] = 2


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda ctx: ctx["a"], {"a"}),
        (lambda ctx: ctx.get("absent"), {"absent"}),
        (lambda ctx: "absent" in ctx, {"absent"}),
        (lambda ctx: list(ctx), {"a", "b"}),
        (lambda ctx: ctx.as_dict(), {"a", "b"}),
        (lambda ctx: ctx.rng, {"seed_used"}),
        (lambda ctx: ctx.add("c", 1), set()),
        (lambda ctx: ctx._changes_since(ctx._mark()), set()),
    ],
)
def test_every_key_that_was_asked_for_is_known(ask: Callable[[FrozenContext], object], expected: set[str]) -> None:
    ctx = FrozenContext({"a": 1, "b": 2})

    ask(ctx)

    assert expected == ctx._asked


@pytest.mark.contract("1.2.6")
def test_metrics_keep_their_values_in_order_with_their_tags() -> None:
    ctx = standalone_context()

    ctx.record("loss", 2.0, {"epoch": 1})
    ctx.metrics.add("loss", 1.0)

    assert ctx.metrics["loss"] == (2.0, 1.0)
    assert ctx.metrics.get_tags("loss") == ({"epoch": 1}, {})
    assert dict(ctx.metrics.as_dict()) == {"loss": (2.0, 1.0)}


@pytest.mark.contract("1.2.6")
def test_an_unknown_metric_is_empty_and_is_not_created() -> None:
    ctx = standalone_context()

    assert ctx.metrics["typo"] == ()
    assert dict(ctx.metrics.as_dict()) == {}


def test_a_metric_without_a_textual_name_is_refused() -> None:
    name: Any = 3

    with pytest.raises(TypeError, match="metric name 3"):
        standalone_context().record(name, 1)


@pytest.mark.contract("1.2.6")
def test_appends_from_several_threads_are_not_lost() -> None:
    ctx = standalone_context()

    def record() -> None:
        for _ in range(500):
            ctx.record("n", 1)

    threads = [threading.Thread(target=record) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(ctx.metrics["n"]) == 2000


def test_an_artifact_is_added_once_per_step() -> None:
    ctx = standalone_context()
    ctx._enter_step("First")
    ctx.artifacts.add("x.txt", b"1")

    with pytest.raises(ContextMutationError, match=r"First: artifact 'x\.txt'"):
        ctx.artifacts.add("x.txt", b"2")
    ctx._enter_step("Second")
    ctx.artifacts.add("x.txt", "ü")

    assert [("x.txt", b"1", "First"), ("x.txt", "ü".encode(), "Second")] == list(ctx.artifacts)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/x", "a\\b", "a\0", ".x", "x ", " x"])
def test_an_artifact_with_an_unsafe_name_is_refused(name: str) -> None:
    ctx = standalone_context()

    with pytest.raises(DefinitionError, match="artifact name"):
        ctx.artifacts.add(name, b"")
    with pytest.raises(DefinitionError, match="artifact name"):
        ctx.artifacts.path_for(name)
    assert len(ctx.artifacts) == 0


def test_artifact_data_of_another_type_is_refused_with_the_remedy() -> None:
    data: Any = {"a": 1}

    with pytest.raises(TypeError, match=r"'x\.txt': a dict is neither bytes nor text; .* writer"):
        standalone_context().artifacts.add("x.txt", data)


@pytest.mark.contract("1.2.7")
def test_the_log_can_be_cleared() -> None:
    ctx = standalone_context()
    ctx.artifacts.add("x.txt", b"")

    ctx.artifacts.clear()

    assert list(ctx.artifacts) == []


def test_rng_is_one_generator_of_the_trials_own_seed() -> None:
    ctx, again = FrozenContext({"seed_used": 7}), FrozenContext({"seed_used": 7})

    drawn = [ctx.rng.random(), ctx.rng.random()]

    assert np.random.default_rng(7).random(2).tolist() == drawn
    assert drawn[0] == again.rng.random()


def test_rng_leaves_the_global_generators_alone() -> None:
    import random

    random.seed(1)
    np.random.seed(1)
    expected = (random.random(), np.random.random())
    random.seed(1)
    np.random.seed(1)

    FrozenContext({"seed_used": 7}).rng.random()

    assert expected == (random.random(), np.random.random())


def test_a_fork_shares_values_and_nothing_that_was_recorded() -> None:
    parent = FrozenContext({"a": [1], "b": 1})
    parent.record("m", 1)

    child = parent._fork({"b": 2})
    child.add("c", 3)
    child["a"].append(2)

    assert dict(child.as_dict()) == {"a": [1], "b": 2, "c": 3}
    assert dict(parent.as_dict()) == {"a": [1], "b": 1}
    assert child.metrics["m"] == ()


def test_a_logging_context_remembers_reads_and_shares_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    ctx = FrozenContext({"a": 1, "seed_used": 3})
    seen = LoggingContext(ctx)

    with caplog.at_level(logging.DEBUG, logger="crystallize"):
        seen["a"]
        seen.get("b", 5)
    seen.add("c", 3)
    seen.record("m", 1)

    assert seen.reads == {"a": 1}
    assert [record.message for record in caplog.records] == ["Read a -> 1"]
    assert ctx["c"] == 3
    assert ctx.metrics is seen.metrics
    assert ctx.artifacts is seen.artifacts
    assert ctx.rng is seen.rng


@pytest.mark.contract("1.2.8")
def test_the_logger_is_the_one_that_was_given() -> None:
    mine = logging.getLogger("mine")

    assert standalone_context(logger=mine).logger is mine
    assert standalone_context().logger.name == "crystallize"
