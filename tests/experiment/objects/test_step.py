import asyncio
import copy
import functools
import pickle
from typing import TYPE_CHECKING, Annotated, Any, Optional

import pytest

import crystallize.experiment.objects.artifact as renamed_module
from crystallize.errors import DefinitionTypeError
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.artifact import Artifact as Output
from crystallize.experiment.objects.context import FrozenContext, standalone_context
from crystallize.experiment.objects.injection import artifact_parameters, inject_from_ctx
from crystallize.experiment.objects.step import PipelineStep, pipeline_step

if TYPE_CHECKING:
    from nowhere import Artifact as Hidden  # type: ignore[import-not-found]


@pipeline_step(cacheable=True, version="1")
def scale(data: float, ctx: FrozenContext, *, factor: float = 2.0) -> float:
    """Scales."""
    return data * factor


@pipeline_step
def add(data: int, amount: int) -> int:
    return data + amount


class Doubling(PipelineStep):
    def __init__(self, times: int = 1) -> None:
        self.times = times

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        return data * 2**self.times

    @property
    def params(self) -> dict[str, Any]:
        return {"times": self.times}


@pytest.mark.contract("1.4.8")
def test_values_come_from_override_then_context_then_default() -> None:
    ctx = standalone_context({"factor": 3.0})

    assert scale(factor=4.0)(1.0, ctx) == 4.0
    assert scale()(1.0, ctx) == 3.0
    assert scale()(1.0, standalone_context()) == 2.0


def test_reads_of_parameters_go_through_the_context() -> None:
    ctx = standalone_context()

    scale()(1.0, ctx)
    add(amount=1)(1, ctx)

    assert {"factor"} == ctx._asked


@pytest.mark.contract("1.4.4")
def test_parentheses_are_optional() -> None:
    assert add(amount=2)(1, standalone_context()) == 3


@pytest.mark.contract("1.4.6")
def test_an_unknown_parameter_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(TypeError, match="scale: there is no parameter 'facter'; did you mean 'factor'"):
        scale(facter=1)


def test_a_parameter_that_is_not_named_is_refused_with_the_remedy() -> None:
    factory: Any = scale

    with pytest.raises(DefinitionTypeError, match=r"scale: parameters are given by name.*scale\.definition"):
        factory(2)


@pytest.mark.contract("1.4.7")
def test_a_parameter_without_default_may_come_from_the_context() -> None:
    assert add()(1, standalone_context({"amount": 5})) == 6


@pytest.mark.contract("1.4.7")
def test_a_parameter_that_nothing_supplies_is_named_when_the_step_runs() -> None:
    with pytest.raises(TypeError, match="add: parameter 'amount' is neither given nor in the context"):
        add()(1, standalone_context())


@pytest.mark.contract("1.4.11")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("produce_summary", "Produce_SummaryStep"), ("loadCSV", "LoadcsvStep"), ("load2x", "Load2XStep")],
)
def test_the_class_is_called_after_the_function(name: str, expected: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def {name}(data): return data", scope)

    assert expected == type(pipeline_step(scope[name])()).__name__


@pytest.mark.contract("1.4.10")
def test_params_are_the_explicit_ones_only() -> None:
    assert scale(factor=1.5).params == {"factor": 1.5}
    assert scale().params == {}


def test_settings_of_the_decorator_reach_the_step() -> None:
    assert (scale().cacheable, scale().version) == (True, "1")
    assert (add().cacheable, add().version) == (False, None)


@pytest.mark.contract("1.4.13")
def test_cacheable_is_settable_per_step() -> None:
    first, second = scale(), scale()
    first.cacheable = False

    assert second.cacheable is True


def test_a_step_needs_a_place_for_the_data() -> None:
    def nothing() -> None: ...

    def context_first(ctx: FrozenContext, data: int) -> None: ...

    with pytest.raises(TypeError, match=r"write def nothing\(data"):
        pipeline_step(nothing)
    with pytest.raises(TypeError, match=r"write def context_first\(data, ctx"):
        pipeline_step(context_first)


@pytest.mark.contract("1.4.5")
def test_the_context_is_recognised_by_its_annotation() -> None:
    @pipeline_step()
    def named(data: int, c: "FrozenContext") -> Any:
        return c

    ctx = standalone_context()

    assert named()(1, ctx) is ctx


@pytest.mark.contract("1.4.9")
def test_callables_of_the_context_that_need_nothing_else_are_called() -> None:
    @pipeline_step()
    def show(data: Any, value: Any = None) -> Any:
        return value

    def make(given: Any) -> Any:
        return show()(None, standalone_context({"value": given, "k": 2}))

    assert make(lambda: 1) == 1
    assert make(lambda ctx: ctx["k"]) == 2
    assert make(functools.partial(lambda n: n, 3)) == 3


@pytest.mark.contract("1.4.9")
def test_callables_that_ask_for_more_and_callable_defaults_and_overrides_are_values() -> None:
    @pipeline_step()
    def show(data: Any, key: Any = len, other: Any = None) -> Any:
        return key, other

    def square(x: int) -> int:
        return x * x

    def nothing() -> int:
        return 1

    assert (len, square) == show()(None, standalone_context({"other": square}))
    assert (len, nothing) == show(other=nothing)(None, standalone_context())
    assert (max, None) == show()(None, standalone_context({"key": max}))


@pytest.mark.contract("1.3.18")
def test_an_artifact_parameter_writes_to_the_steps_context() -> None:
    @pipeline_step()
    def save(data: Any, *, out: Artifact) -> Any:
        out.write(data)
        return data

    ctx = standalone_context()
    save(out=Artifact("x.txt"))(b"1", ctx)

    assert [record.name for record in ctx.artifacts] == ["x.txt"]


@pytest.mark.contract("1.4.14")
def test_async_functions_give_coroutines_and_have_an_awaited_variant() -> None:
    @pipeline_step()
    async def later(data: int) -> int:
        return data + 1

    assert asyncio.run(later()(1, standalone_context())) == 2
    assert asyncio.run(later().__acall__(1, standalone_context())) == 2
    assert asyncio.run(scale().__acall__(1.0, standalone_context())) == 2.0


@pytest.mark.contract("1.4.3", "1.4.12")
def test_step_hash_tells_names_parameters_and_source_apart() -> None:
    @pipeline_step()
    def other(data: int, amount: int) -> int:
        return data - amount

    hashes = {
        step.step_hash for step in (add(amount=1), add(amount=2), add(), other(amount=1), Doubling(), Doubling(2))
    }

    assert len(hashes) == 6
    assert add(amount=1).step_hash == add(amount=1).step_hash
    assert Doubling().step_hash == Doubling().step_hash


def test_step_hash_works_without_source() -> None:
    one: dict[str, Any] = {}
    two: dict[str, Any] = {}
    exec("def f(data): return data + 1", one)
    exec("def f(data): return data + 2", two)

    assert pipeline_step(one["f"])().step_hash != pipeline_step(two["f"])().step_hash


@pytest.mark.contract("1.4.14")
def test_editors_find_the_source() -> None:
    assert "return data + amount" in add.__orig_source__
    assert add().__orig_lineno__ == add.__orig_lineno__ > 0


@pytest.mark.contract("1.4.14")
def test_a_step_is_pickled_as_factory_and_parameters() -> None:
    step = scale(factor=3.0)
    step.cacheable = False

    for again in (pickle.loads(pickle.dumps(step)), copy.deepcopy(step)):
        assert type(again) is type(step)
        assert (again(1.0, standalone_context()), again.cacheable) == (3.0, False)


def test_a_local_step_is_pickled_with_its_function() -> None:
    @pipeline_step(cacheable=True)
    def local(data: int) -> int:
        return data + 1

    again = pickle.loads(pickle.dumps(local()))

    assert (again(1, standalone_context()), again.cacheable, type(again).__name__) == (2, True, "LocalStep")


def test_setup_and_teardown_do_nothing_unless_overridden() -> None:
    ctx = standalone_context()

    scale().setup(ctx)
    scale().teardown(ctx)

    assert len(ctx) == 0


class SpecialArtifact(Artifact):
    pass


Alias = Artifact | None


def plain(data: Any, a: Artifact, b: int, c: "Artifact", d: Any = None) -> None: ...
def wrapped(data: Any, a: Optional[Artifact], b: "Artifact | None", c: Annotated[Artifact, 1]) -> None: ...  # noqa: UP045
def texts(data: Any, a: "Optional[Artifact]", b: "Annotated[Artifact, 'x']", c: Optional["Artifact"]) -> None: ...  # noqa: UP045
def other_names(data: Any, a: Output, b: "Output", c: "renamed_module.Artifact", d: "Alias") -> None: ...
def subclass(data: Any, a: SpecialArtifact, b: "list[Artifact]", c: "Missing[Artifact]", d: "1 +") -> None: ...  # type: ignore  # noqa: F722, F821
def hidden(data: "Hidden", a: "unknown.Artifact", b: "unknown.Other") -> None: ...  # type: ignore  # noqa: F821


@pytest.mark.parametrize(
    ("fn", "expected"),
    [
        (plain, ["a", "c"]),
        (wrapped, ["a", "b", "c"]),
        (texts, ["a", "b", "c"]),
        (other_names, ["a", "b", "c", "d"]),
        (subclass, ["a"]),
        (hidden, ["a"]),
    ],
)
def test_artifact_parameters_are_recognised_however_they_are_written(fn: Any, expected: list[str]) -> None:
    assert expected == artifact_parameters(fn)


def test_artifact_parameters_are_found_in_closures_and_behind_our_decorator() -> None:
    from crystallize.experiment.objects.artifact import Artifact as Local

    @pipeline_step()
    def save(data: Any, *, out: "Local") -> Any:
        return Local

    assert artifact_parameters(save) == ["out"]


@pytest.mark.contract("1.4.16")
def test_injection_fills_what_a_call_leaves_out() -> None:
    @inject_from_ctx
    def train(data: int, *, ctx: FrozenContext, rate: float, steps: int = 3) -> tuple[int, float, int]:
        return data, rate, steps

    ctx = standalone_context({"rate": 0.1})

    assert train(1, ctx=ctx) == (1, 0.1, 3)
    assert train(1, ctx=ctx, rate=0.5, steps=4) == (1, 0.5, 4)


@pytest.mark.contract("1.4.16")
def test_injection_takes_the_context_by_position() -> None:
    @inject_from_ctx
    def with_ctx(data: int, ctx: FrozenContext, rate: float) -> float:
        return data * rate

    @inject_from_ctx
    def without(data: int, rate: float) -> float:
        return data * rate

    ctx: Any = standalone_context({"rate": 3.0})

    assert [with_ctx(2, ctx), without(2, ctx), without(2, ctx=ctx)] == [6.0, 6.0, 6.0]
    assert without(2, ctx, 4.0) == 8.0


@pytest.mark.contract("1.4.16")
@pytest.mark.parametrize("ctx", [None, {"rate": 1}])
def test_injection_without_a_context_is_refused(ctx: Any) -> None:
    @inject_from_ctx
    def train(data: int, ctx: FrozenContext, rate: float) -> float:
        return rate

    with pytest.raises(TypeError, match=r"train: .*pass a FrozenContext"):
        train(1, ctx)


def test_injection_names_the_parameter_that_nothing_supplies() -> None:
    @inject_from_ctx
    def train(data: int, ctx: FrozenContext, rate: float) -> float:
        return rate

    with pytest.raises(TypeError, match="train: parameter 'rate'"):
        train(1, standalone_context())


@pytest.mark.contract("1.4.16")
def test_injection_binds_artifacts_wherever_they_stand() -> None:
    @inject_from_ctx
    def save(out: Artifact, ctx: FrozenContext, *, other: Artifact) -> None:
        out.write(b"1")
        other.write(b"2")

    ctx = standalone_context({"other": Artifact("b")})
    save(Artifact("a"), ctx)

    assert [record.name for record in ctx.artifacts] == ["a", "b"]
