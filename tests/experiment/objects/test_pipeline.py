import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest

from crystallize.errors import ContextMutationError, DefinitionTypeError, PipelineExecutionError
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.context import FrozenContext, current_context, standalone_context
from crystallize.experiment.objects.pipeline import Pipeline, pipeline
from crystallize.experiment.objects.plugins import BasePlugin
from crystallize.experiment.objects.step import PipelineStep, pipeline_step


@pipeline_step()
def add(data: int, amount: int = 1) -> int:
    return data + amount


@pipeline_step()
def measure(data: int) -> tuple[int, dict[str, int]]:
    return data, {"value": data}


@pipeline_step()
async def add_later(data: int) -> int:
    await asyncio.sleep(0)
    return data + 10


@pipeline_step()
def fail(data: int) -> int:
    raise KeyError("gone")


@pytest.fixture
def ctx() -> FrozenContext:
    return standalone_context()


def test_each_step_works_on_what_the_one_before_gave(ctx: FrozenContext) -> None:
    assert pipeline(add(), add(amount=2), add_later()).run(0, ctx) == 13


def test_a_pipeline_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="no steps"):
        Pipeline([])


def test_what_is_no_step_is_refused_with_the_remedy() -> None:
    uncalled: Any = add
    function: Any = print

    with pytest.raises(TypeError, match=r"write add\(\)"):
        Pipeline([uncalled])
    with pytest.raises(TypeError, match="use @pipeline_step"):
        Pipeline([function])


@pytest.mark.parametrize("steps", [None, 3, add()])
def test_what_is_no_list_of_steps_is_refused_with_the_remedy(steps: Any) -> None:
    with pytest.raises(DefinitionTypeError, match=r"is no list of steps; write Pipeline\(\[step, \.\.\.\]\)"):
        Pipeline(steps)


@pytest.mark.contract("1.4.15")
def test_metrics_beside_the_data_are_recorded(ctx: FrozenContext) -> None:
    assert pipeline(measure(), add(), measure()).run(2, ctx) == 3
    assert ctx.metrics["value"] == (2, 3)


@pytest.mark.contract("1.4.15")
@pytest.mark.parametrize("result", [(1, 2), (1, {"a": 1}, 3), [1, {"a": 1}], {"a": 1}, None])
def test_any_other_result_is_data(result: Any, ctx: FrozenContext) -> None:
    @pipeline_step()
    def give(data: Any) -> Any:
        return result

    assert result == pipeline(give()).run(None, ctx)
    assert dict(ctx.metrics.as_dict()) == {}


def test_two_dicts_are_data_and_metrics(ctx: FrozenContext) -> None:
    @pipeline_step()
    def give(data: Any) -> Any:
        return {"x": 1}, {"m": 2}

    assert pipeline(give()).run(None, ctx) == {"x": 1}
    assert ctx.metrics["m"] == (2,)


def test_the_context_names_the_running_step(ctx: FrozenContext) -> None:
    @pipeline_step()
    def who(data: list[str], ctx: FrozenContext) -> list[str]:
        return [*data, ctx["step_name"]]

    @pipeline_step()
    def again(data: list[str], step_name: str) -> list[str]:
        return [*data, step_name]

    assert pipeline(who(), again()).run([], ctx) == ["WhoStep", "AgainStep"]


@pytest.mark.contract("1.4.23")
def test_what_a_step_raises_comes_with_its_name_and_cause(ctx: FrozenContext) -> None:
    with pytest.raises(PipelineExecutionError, match=r"FailStep.*KeyError.*gone") as caught:
        pipeline(add(), fail()).run(0, ctx)

    assert isinstance(caught.value.original_exception, KeyError)
    assert caught.value.__cause__ is caught.value.original_exception


def test_setting_a_key_twice_inside_a_step_is_a_failure_of_the_step(ctx: FrozenContext) -> None:
    @pipeline_step()
    def set_key(data: int, ctx: FrozenContext) -> int:
        ctx["k"] = data
        return data

    with pytest.raises(PipelineExecutionError) as caught:
        pipeline(set_key(), set_key()).run(0, ctx)

    assert isinstance(caught.value.original_exception, ContextMutationError)


@pytest.mark.contract("1.3.18")
def test_a_class_step_writes_through_an_artifact_attribute(ctx: FrozenContext) -> None:
    class Save(PipelineStep):
        out = Artifact("x.txt")

        @property
        def params(self) -> dict[str, Any]:
            return {}

        def __call__(self, data: bytes, ctx: FrozenContext) -> bytes:
            self.out.write(data)
            return data

    Pipeline([Save()]).run(b"1", ctx)

    assert list(ctx.artifacts) == [("x.txt", b"1", "Save")]
    assert current_context.get() is None


@pytest.mark.contract("1.4.19")
def test_run_inside_a_running_loop_names_arun(ctx: FrozenContext) -> None:
    async def inside() -> Any:
        with pytest.raises(RuntimeError, match=r"already running; .*arun"):
            pipeline(add()).run(0, ctx)
        return await pipeline(add()).arun(0, ctx)

    assert asyncio.run(inside()) == 1


def test_synchronous_steps_need_no_event_loop(ctx: FrozenContext) -> None:
    running = pipeline(add(), measure()).arun(0, ctx)

    with pytest.raises(StopIteration) as ended:
        running.send(None)

    assert ended.value.value == 1


def test_trials_that_await_at_the_same_time_write_to_their_own_context() -> None:
    artifact = Artifact("x")

    @pipeline_step()
    async def save(data: bytes) -> bytes:
        await asyncio.sleep(0)
        artifact.write(data)
        return data

    contexts = [standalone_context(), standalone_context()]

    async def both() -> None:
        line = pipeline(save())
        await asyncio.gather(*(line.arun(bytes([n]), ctx) for n, ctx in enumerate(contexts)))

    asyncio.run(both())

    assert [[record.data for record in ctx.artifacts] for ctx in contexts] == [[b"\0"], [b"\1"]]


def test_provenance_says_what_each_step_changed() -> None:
    @pipeline_step()
    def work(data: int, ctx: FrozenContext, gain: int = 1) -> int:
        ctx["key"] = data
        ctx.record("m", gain)
        return data

    ctx = standalone_context({"gain": 5})
    ctx.record("m", 0)
    line = pipeline(work(), add(amount=2))

    _, records = line.run(1, ctx, return_provenance=True, verbose=True)

    assert records == line.get_provenance()
    assert records[0]["ctx_changes"] == {
        "reads": {"gain": 5},
        "wrote": {"key": {"before": None, "after": 1}},
        "metrics": {"m": {"before": (0,), "after": (0, 5)}},
    }
    assert tuple(records[1][key] for key in ("step", "params", "cache_hit")) == ("AddStep", {"amount": 2}, False)
    assert records[1]["ctx_changes"] == {"reads": {}, "wrote": {}, "metrics": {}}


@pytest.mark.contract("1.4.22")
def test_data_that_cannot_be_pickled_passes_through(ctx: FrozenContext) -> None:
    @pipeline_step(cacheable=True)
    def make(data: int) -> Any:
        return lambda: data

    value, records = pipeline(make()).run(1, ctx, return_provenance=True)

    assert value() == 1
    assert records[0]["output_hash"] is None
    assert records[0]["input_hash"] is not None


@pytest.mark.contract("1.4.20")
def test_the_signature_has_classes_and_parameters() -> None:
    assert pipeline(add(amount=2), measure()).signature() == "AddStep{'amount': 2}|MeasureStep{}"


@pytest.mark.contract("1.4.24")
def test_plugins_and_observer_are_called_around_each_step(ctx: FrozenContext) -> None:
    seen: list[tuple[Any, ...]] = []

    class Watch(BasePlugin):
        def before_step(self, experiment: Any, step: Any) -> None:
            seen.append(("plugin before", experiment.name, type(step).__name__))

    class Observer:
        def before_step(self, step: Any) -> None:
            seen.append(("before", ctx["step_name"]))

        def after_step(self, step: Any, data: Any, ctx: FrozenContext) -> None:
            seen.append(("after", data, ctx.metrics["value"]))

    experiment = SimpleNamespace(name="e", plugins=[Watch()])
    pipeline(measure()).run(3, ctx, experiment=experiment, observer=Observer())

    assert seen == [("plugin before", "e", "MeasureStep"), ("before", "MeasureStep"), ("after", 3, (3,))]


def test_what_an_observer_raises_is_no_failure_of_the_step(ctx: FrozenContext) -> None:
    class Observer:
        def before_step(self, step: Any) -> None:
            raise LookupError("mine")

        def after_step(self, step: Any, data: Any, ctx: FrozenContext) -> None: ...

    with pytest.raises(LookupError, match="mine"):
        pipeline(add()).run(0, ctx, observer=Observer())


def test_progress_names_each_step(ctx: FrozenContext, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="crystallize"):
        pipeline(add(), measure()).run(0, ctx, progress=True, rep=2, condition="high")

    assert [record.getMessage() for record in caplog.records] == [
        "replicate 2, high: step 1 of 2, AddStep",
        "replicate 2, high: step 2 of 2, MeasureStep",
    ]
