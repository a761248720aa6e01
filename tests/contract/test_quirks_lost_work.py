"""Section 7.2 of the contract: where 0.27 crashed and lost work, ours goes on."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    Experiment,
    FrozenContext,
    Hypothesis,
    PipelineExecutionError,
    PipelineStep,
    Treatment,
    pipeline_step,
    verifier,
)
from crystallize.experiment.objects import values

from ..stories.story import TUTORIAL, Story
from .making import calls, experiment, note, write


@pytest.mark.contract("7.2.1")
def test_what_a_step_raised_travels_between_processes_whole() -> None:
    raised = PipelineExecutionError("FitStep", ValueError("no luck"))

    arrived = pickle.loads(pickle.dumps(raised))

    assert (arrived.step_name, str(arrived)) == ("FitStep", str(raised))
    assert isinstance(arrived.original_exception, ValueError)


@pytest.mark.contract("7.2.2")
def test_a_step_with_an_injected_artifact_travels_between_processes() -> None:
    step = write(out=Artifact("o.txt", loader=lambda path: path.read_text()), value=3)

    arrived = pickle.loads(pickle.dumps(step))

    assert arrived.params["value"] == 3
    assert arrived.params["out"].name == "o.txt"


@verifier
def larger(baseline: Any, treatment: Any) -> dict[str, Any]:
    return {"p_value": 0.01}


def with_hypothesis(root: Path, metric: str) -> Experiment:
    claim = Hypothesis(larger(), metrics=metric, name="claim")
    return experiment(root, note(), treatments=[Treatment("t", {"k": 1})], hypotheses=[claim])


@pytest.mark.contract("7.2.5", "5.19")
def test_a_hypothesis_about_a_metric_that_nobody_recorded_costs_nothing(tmp_path: Path) -> None:
    result = with_hypothesis(tmp_path, "typo").run(strategy="resume")
    calls()

    mended = with_hypothesis(tmp_path, "value").run(strategy="resume")

    assert "typo" in str(result.errors["hypothesis_claim_t"])
    assert result.metrics.treatments["t"].metrics == {"value": [1]}
    assert calls() == []
    assert mended.errors == {}
    assert mended.get_hypothesis("claim").results == {"t": {"p_value": 0.01}}  # type: ignore[union-attr]


class Opaque:
    """What JSON cannot hold."""


@pytest.mark.contract("7.2.6", "1.7.16")
@pytest.mark.parametrize("value", [{1, 2}, b"\xff", Path("a"), 1j, Opaque()], ids=lambda value: type(value).__name__)
def test_a_metric_that_json_cannot_hold_is_saved_in_words(tmp_path: Path, value: Any) -> None:
    @pipeline_step()
    def measure(data: Any) -> Any:
        return data, {"odd": value, "plain": 1}

    result = experiment(tmp_path, measure()).run()

    saved = json.loads((tmp_path / "e/v0/baseline/results.json").read_text(encoding="utf-8"))
    assert result.errors == {}
    assert [type(each) for each in result.metrics.baseline.metrics["odd"]] == [type(value)]
    assert saved["metrics"]["plain"] == [1]
    assert len(saved["metrics"]["odd"]) == 1
    assert (tmp_path / "e/v0/baseline/.crystallize_complete").exists()


class Prepares(PipelineStep):
    """Adds a key for all trials when it is set up."""

    params: dict[str, Any] = {}  # noqa: RUF012

    def setup(self, ctx: FrozenContext) -> None:
        ctx.add("model", "loaded")

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        return data, {"model": ctx["model"]}


@pytest.mark.contract("7.2.7", "1.4.2")
def test_a_step_that_adds_a_key_when_set_up_runs_as_often_as_one_likes(tmp_path: Path) -> None:
    made = experiment(tmp_path, Prepares())

    results = [made.run() for _ in range(3)]

    assert [result.errors for result in results] == [{}, {}, {}]
    assert [result.metrics.baseline.metrics for result in results] == [{"model": ["loaded"]}] * 3


@pytest.mark.contract("7.2.8")
@pytest.mark.parametrize("cacheable", [False, True])
def test_anything_may_pass_from_step_to_step(tmp_path: Path, cacheable: bool) -> None:
    @pipeline_step(cacheable=cacheable)
    def make(data: Any) -> Any:
        return threading.Lock(), (line for line in ["a", "b"])

    @pipeline_step(cacheable=cacheable)
    def use(data: Any) -> Any:
        lock, lines = data
        with lock:
            return None, {"lines": list(lines)}

    result = experiment(tmp_path, make(), use()).run()

    assert result.errors == {}
    assert result.metrics.baseline.metrics == {"lines": [["a", "b"]]}


@pytest.mark.contract("7.2.9")
def test_locks_and_handles_live_in_the_context(tmp_path: Path) -> None:
    lock = threading.Lock()

    @pipeline_step()
    def use(data: Any, ctx: FrozenContext) -> Any:
        return data, {"same": ctx["lock"] is lock}

    result = experiment(tmp_path, use(), initial_ctx={"lock": lock}).run()

    assert result.metrics.baseline.metrics == {"same": [True]}


@pytest.mark.contract("7.2.9")
def test_a_long_list_of_numbers_is_copied_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(value: Any) -> Any:
        raise AssertionError("walked through item by item")

    ctx = FrozenContext({"rows": list(range(1000))})
    monkeypatch.setattr(values, "deepcopy", refuse)

    rows = ctx["rows"]
    rows.append("mine")

    assert ctx["rows"] == list(range(1000))


@pytest.mark.contract("7.2.10")
def test_steps_typed_into_a_prompt_run_and_are_reused(tmp_path: Path) -> None:
    typed: dict[str, Any] = {"__name__": "__main__"}
    exec("def double(data):\n    return data, {'doubled': 2}", typed)

    def run() -> Any:
        return experiment(tmp_path, pipeline_step()(typed["double"])()).run(strategy="resume")

    first, second = run(), run()

    assert first.metrics.baseline.metrics == {"doubled": [2]}
    assert (first.ran, second.ran) == ({"baseline": 1}, {"baseline": 0})


WITHOUT = "import sys; sys.modules.update(dict.fromkeys(['matplotlib', 'resource', 'fcntl']));"


@pytest.mark.contract("7.2.11", "4.1.2")
def test_the_command_needs_neither_matplotlib_nor_what_only_posix_has(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    code = f"{WITHOUT} from crystallize.cli.main import run; sys.argv = ['crystallize', 'run']; run()"

    done = subprocess.run([sys.executable, "-c", code], cwd=story.folder, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stderr
    assert story.metrics("consumer") == {"total_from_producer": [6]}


@pytest.mark.contract("7.2.13")
@pytest.mark.parametrize("order", ["treatment", "replicate > step", "step > replicate", "replicate > step > action"])
def test_a_tree_of_results_may_leave_out_any_level(
    tmp_path: Path, order: str, capsys: pytest.CaptureFixture[str]
) -> None:
    result = experiment(tmp_path, note(), treatments=[Treatment("high", {"k": 1})]).run()

    result.print_tree(order)

    assert "Experiment Summary" in capsys.readouterr().out


@pytest.mark.contract("7.2.14")
def test_a_result_with_any_metric_becomes_plain_data(tmp_path: Path) -> None:
    @pipeline_step()
    def measure(data: Any) -> Any:
        return data, {"odd": Path("a"), "text": "word"}

    result = experiment(tmp_path, measure()).run()
    result.to_parquet(tmp_path / "result.parquet")

    shown = json.loads(json.dumps(result.to_dict()))
    assert shown["metrics"]["baseline"]["text"] == ["word"]
    assert len(shown["metrics"]["baseline"]["odd"]) == 1
