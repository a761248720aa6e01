"""The same experiments under every executor: the same results, and what only worker processes can go wrong with."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Artifact,
    Experiment,
    ExperimentGraph,
    FrozenContext,
    ParallelExecution,
    Pipeline,
    PipelineStep,
    Treatment,
    data_source,
    pipeline_step,
)
from crystallize.errors import (
    DefinitionError,
    JobTimeoutError,
    NotTransferableError,
    PipelineExecutionError,
    WorkerLostError,
)
from crystallize.experiment.results.result import Result

EXECUTORS = ("serial", "thread", "async", "process")
LARGE = 300_000


@data_source
def numbers(ctx: FrozenContext, *, count: int = 5) -> list[int]:
    return list(range(count))


@pipeline_step()
def blow_up(data: list[int], ctx: FrozenContext, *, small: Artifact, large: Artifact, factor: int = 1) -> list[int]:
    drawn = float(ctx.rng.random())
    ctx.metrics.add("drawn", drawn)
    small.write(repr((drawn, factor)).encode())
    large.write(bytes(factor for _ in range(LARGE)))
    return data


@pipeline_step()
def weigh(data: Any, ctx: FrozenContext) -> Any:
    ctx.metrics.add("weight", len(Path(data["large"]).read_bytes()))
    ctx.metrics.add("text", Path(data["small"]).read_text())
    return data


def two_nodes() -> ExperimentGraph:
    small, large = Artifact("small.txt", loader=_path), Artifact("large.bin", loader=_path)
    producer = Experiment(
        numbers(),
        Pipeline([blow_up(small=small, large=large)]),
        name="producer",
        outputs=[small, large],
        treatments=[Treatment("double", {"factor": 2})],
        replicates=3,
    )
    from crystallize import ExperimentInput

    consumer = Experiment(ExperimentInput(small=small, large=large), Pipeline([weigh()]), name="consumer", replicates=3)
    return ExperimentGraph(producer, consumer)


def _path(path: Path) -> str:
    return str(path)


def fresh(result: Result) -> int:
    """How many trials ran."""
    return sum(result.ran.values())


def shown(folder: Path) -> dict[str, bytes]:
    """Artifact path → bytes, of everything that the views show."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("replicate_*/**/*"))
        if path.is_file() and ".crystallize" not in path.parts
    }


def test_every_executor_gives_the_same_bytes_and_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for executor in EXECUTORS:
        folder = tmp_path / executor
        folder.mkdir()
        monkeypatch.chdir(folder)

        results = two_nodes().run(strategy="resume", executor=executor, jobs=2)

        assert not any(result.errors for result in results.values())
        found[executor] = (shown(folder), [result.metrics for result in results.values()])
    assert all(each == found["serial"] for each in found.values())
    assert len(found["serial"][0]) == 12


def test_what_ran_in_processes_is_reused_inline() -> None:
    two_nodes().run(strategy="resume", executor="process", jobs=2)

    again = two_nodes().run(strategy="resume")

    assert [fresh(result) for result in again.values()] == [0, 0]


def test_jobs_alone_means_worker_processes() -> None:
    seen = set()

    @pipeline_step()
    def where(data: Any, ctx: FrozenContext) -> Any:
        ctx.metrics.add("pid", os.getpid())
        return data

    result = Experiment(numbers(), Pipeline([where()]), name="e", replicates=4).run(jobs=2)

    seen.update(result.metrics.baseline.metrics["pid"])
    assert os.getpid() not in seen
    assert 1 <= len(seen) <= 2


@pytest.mark.contract("1.11.7")
def test_closures_lambdas_and_local_classes_work_in_processes() -> None:
    offset = 41

    class Local(PipelineStep):
        def __init__(self, shift: Any) -> None:
            self.shift = shift

        @property
        def params(self) -> dict[str, Any]:
            return {}

        def __call__(self, data: Any, ctx: FrozenContext) -> Any:
            ctx.metrics.add("answer", self.shift(offset))
            return data

    result = Experiment(numbers(), Pipeline([Local(lambda x: x + 1)]), name="e").run(executor="process")

    assert result.metrics.baseline.metrics["answer"] == [42]


class Particular(Exception):
    def __init__(self, part: str, number: int) -> None:
        super().__init__(f"{part} has {number}")
        self.part = part


@pipeline_step()
def fails(data: Any, ctx: FrozenContext) -> Any:
    raise Particular("wheel", 3)


def test_the_users_exception_arrives_whole_from_a_process() -> None:
    result = Experiment(numbers(), Pipeline([fails()]), name="e").run(executor="process")

    error = result.errors["baseline_rep_0"]
    assert isinstance(error, PipelineExecutionError)
    original = error.original_exception
    assert isinstance(original, Particular)
    assert (str(original), original.part) == ("wheel has 3", "wheel")
    names = []
    trace = original.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names[-1] == "fails"


def test_an_exception_of_a_local_class_still_tells_its_message() -> None:
    class Odd(Exception):
        def __init__(self, holder: Any) -> None:
            super().__init__("odd one")
            self.holder = holder

    @pipeline_step()
    def raises(data: Any, ctx: FrozenContext) -> Any:
        raise Odd(threading.Lock())

    result = Experiment(numbers(), Pipeline([raises()]), name="e").run(executor="process")

    assert "odd one" in str(result.errors["baseline_rep_0"])


def test_a_result_that_cannot_travel_names_step_and_metric() -> None:
    @pipeline_step()
    def records(data: Any, ctx: FrozenContext) -> Any:
        ctx.metrics.add("handle", threading.Lock())
        return data

    result = Experiment(numbers(), Pipeline([records()]), name="e").run(executor="process")

    error = result.errors["baseline_rep_0"]
    assert isinstance(error, NotTransferableError)
    assert "step RecordsStep: metric 'handle' holds a lock" in str(error)


def test_context_values_that_cannot_travel_stay_in_the_worker() -> None:
    @pipeline_step()
    def keeps(data: Any, ctx: FrozenContext) -> Any:
        ctx.add("lock", threading.Lock)
        ctx.metrics.add("fine", 1)
        return data

    result = Experiment(numbers(), Pipeline([keeps()]), name="e").run(executor="process")

    assert result.errors == {}


def test_a_worker_that_is_killed_is_replaced_once_and_then_the_signal_is_told(tmp_path: Path) -> None:
    log = tmp_path / "begun.log"

    @pipeline_step()
    def dies(data: Any, ctx: FrozenContext) -> Any:
        with log.open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)

    result = Experiment(numbers(), Pipeline([dies()]), name="e", ignore=["*.log"]).run(executor="process")

    error = result.errors["baseline_rep_0"]
    assert isinstance(error, WorkerLostError)
    assert "SIGKILL" in str(error)
    assert "memory" in str(error)
    assert log.read_text() == "xx"


def test_a_worker_that_dies_once_costs_nothing_but_time(tmp_path: Path) -> None:
    mark = tmp_path / "been.here"

    @pipeline_step()
    def dies_once(data: Any, ctx: FrozenContext) -> Any:
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        ctx.metrics.add("done", 1)
        return data

    result = Experiment(numbers(), Pipeline([dies_once()]), name="e", ignore=["*.here"]).run(executor="process")

    assert result.errors == {}
    assert result.metrics.baseline.metrics["done"] == [1]


@pytest.mark.parametrize("code", [0, 3])
def test_leaving_the_process_fails_the_job_and_no_other(code: int) -> None:
    @pipeline_step()
    def leaves(data: Any, ctx: FrozenContext) -> Any:
        if ctx["replicate"] == 1:
            os._exit(code)
        ctx.metrics.add("done", 1)
        return data

    result = Experiment(numbers(), Pipeline([leaves()]), name="e", replicates=3).run(executor="process", jobs=2)

    assert set(result.errors) == {"baseline_rep_1"}
    assert f"left with exit code {code}" in str(result.errors["baseline_rep_1"])


def test_a_large_artifact_does_not_pass_through_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    from crystallize.engine import executor_pool

    sizes = []
    unpacked = executor_pool.unpacked
    monkeypatch.setattr(executor_pool, "unpacked", lambda data: sizes.append(len(data)) or unpacked(data))

    two_nodes().run(strategy="resume", executor="process", jobs=2)

    assert sizes
    assert max(sizes) < LARGE / 10


def test_what_a_worker_reads_counts(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("1")

    @pipeline_step()
    def reads(data: Any, ctx: FrozenContext) -> Any:
        ctx.metrics.add("sum", int(table.read_text()))
        return data

    def run() -> Any:
        return Experiment(numbers(), Pipeline([reads()]), name="e", replicates=3).run(
            strategy="resume", executor="process", jobs=2
        )

    first, same = run(), run()
    table.write_text("22")
    changed = run()

    assert [fresh(each) for each in (first, same, changed)] == [3, 0, 3]
    assert changed.metrics.baseline.metrics["sum"] == [22, 22, 22]


def test_global_generators_are_reproducible_in_processes() -> None:
    @pipeline_step()
    def draws(data: Any, ctx: FrozenContext) -> Any:
        ctx.metrics.add("drawn", random.random())
        return data

    def run(**how: Any) -> list[float]:
        result = Experiment(numbers(), Pipeline([draws()]), name="e", replicates=4).run(strategy="rerun", **how)
        assert result.errors == {}
        drawn: list[float] = result.metrics.baseline.metrics["drawn"]
        return drawn

    assert run() == run(executor="process", jobs=2)


def test_what_workers_print_arrives_in_whole_lines(capsys: pytest.CaptureFixture[str]) -> None:
    @pipeline_step()
    def talks(data: Any, ctx: FrozenContext) -> Any:
        for piece in ("one ", "line ", f"of {ctx['replicate']}\n"):
            print(piece, end="")
        print("x" * 9000)
        print("no end", end="")
        return data

    Experiment(numbers(), Pipeline([talks()]), name="e", replicates=4).run(jobs=2)

    lines = capsys.readouterr().out.splitlines()
    assert {f"one line of {r}" for r in range(4)} <= {line.removeprefix("no end") for line in lines}
    assert sum(line == "x" * 9000 for line in lines) == 4
    assert lines[-1] == "no end"


# limits


@pipeline_step(timeout=0.2)
def sleeps(data: Any, ctx: FrozenContext) -> Any:
    threading.Event().wait(60)


def test_a_step_that_takes_too_long_is_ended_and_named_with_where_it_hung() -> None:
    result = Experiment(numbers(), Pipeline([sleeps()]), name="e").run(strategy="rerun")

    error = result.errors["baseline_rep_0"]
    assert isinstance(error, JobTimeoutError)
    assert str(error).startswith("step SleepsStep took longer than 0.2 s")
    assert any("in sleeps" in note for note in error.__notes__)


def test_a_trial_that_takes_too_long_is_ended_though_python_never_gets_a_turn() -> None:
    @pipeline_step()
    def spins(data: Any, ctx: FrozenContext) -> Any:
        pattern = "(a+)+$"
        import re

        re.match(pattern, "a" * 40 + "b")  # holds the interpreter lock for hours

    result = Experiment(numbers(), Pipeline([spins()]), name="e", timeout=0.5).run()

    error = result.errors["baseline_rep_0"]
    assert isinstance(error, JobTimeoutError)
    assert "the job took longer than 0.5 s" in str(error)


def test_a_step_may_fail_as_often_as_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from crystallize.engine import attempts

    monkeypatch.setattr(attempts, "PAUSE_SECONDS", 0.001)
    log = tmp_path / "attempts.log"

    @pipeline_step(retries=2)
    def flaky(data: Any, ctx: FrozenContext) -> Any:
        ctx.metrics.add("tried", 1)
        with log.open("a") as file:
            file.write("x")
        if len(log.read_text()) < 3:
            raise ConnectionError("not yet")
        return data

    result = Experiment(numbers(), Pipeline([flaky()]), name="e", ignore=["*.log"]).run()

    assert result.errors == {}
    assert log.read_text() == "xxx"
    assert result.metrics.baseline.metrics["tried"] == [1], "what failed attempts recorded is gone"


def test_retries_of_one_step_are_not_spent_on_another(tmp_path: Path) -> None:
    log = tmp_path / "attempts.log"

    @pipeline_step(retries=5)
    def patient(data: Any, ctx: FrozenContext) -> Any:
        return data

    @pipeline_step()
    def broken(data: Any, ctx: FrozenContext) -> Any:
        with log.open("a") as file:
            file.write("x")
        raise ValueError("always")

    Experiment(numbers(), Pipeline([patient(), broken()]), name="e", ignore=["*.log"]).run()

    assert log.read_text() == "x"


def test_memory_beyond_what_is_allowed_fails_the_step_and_says_how_much_it_was() -> None:
    @pipeline_step(resources={"memory": "100MiB"})
    def hungry(data: Any, ctx: FrozenContext) -> Any:
        return bytearray(2**30)

    result = Experiment(numbers(), Pipeline([hungry()]), name="e").run()

    error = result.errors["baseline_rep_0"]
    assert isinstance(error, PipelineExecutionError)
    assert isinstance(error.original_exception, MemoryError)
    assert any("100 MiB" in note for note in error.original_exception.__notes__)


def test_each_gpu_is_given_to_one_trial_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")

    @pipeline_step(resources={"gpus": 1})
    def trains(data: Any, ctx: FrozenContext) -> Any:
        ctx.metrics.add("device", os.environ["CUDA_VISIBLE_DEVICES"])
        ctx.metrics.add("from", time.monotonic())
        threading.Event().wait(0.05)
        ctx.metrics.add("until", time.monotonic())
        return data

    metrics = Experiment(numbers(), Pipeline([trains()]), name="e", replicates=6).run(jobs=4).metrics.baseline.metrics

    assert set(metrics["device"]) == {"4", "7"}
    spans = sorted(zip(metrics["from"], metrics["until"], metrics["device"], strict=True))
    for device in ("4", "7"):
        own = [(begin, end) for begin, end, which in spans if which == device]
        assert all(end <= begin for (_, end), (begin, _) in pairwise(own))


def test_more_gpus_than_there_are_is_an_error_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    experiment = Experiment(numbers(), Pipeline([fails()]), name="e", resources={"gpus": 2})

    with pytest.raises(DefinitionError, match="needs 2 GPUs, and this machine shows 1"):
        experiment.run()


def test_jobs_that_need_all_processors_run_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from crystallize.engine import machine

    monkeypatch.setattr(machine, "processors", lambda: 2)

    @pipeline_step(resources={"cpus": 2})
    def wide(data: Any, ctx: FrozenContext) -> Any:
        ctx.metrics.add("from", time.monotonic())
        threading.Event().wait(0.02)
        ctx.metrics.add("until", time.monotonic())
        return data

    metrics = Experiment(numbers(), Pipeline([wide()]), name="e", replicates=3).run(jobs=3).metrics.baseline.metrics

    spans = sorted(zip(metrics["from"], metrics["until"], strict=True))
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_limits_decide_no_result_and_are_part_of_no_key() -> None:
    def run(**limits: Any) -> Any:
        plugins = [ParallelExecution(max_workers=2, executor_type="process")] if limits else []
        return Experiment(numbers(), Pipeline([weigh_nothing()]), plugins, name="e", **limits).run(strategy="resume")

    assert [fresh(run()), fresh(run(timeout=30, retries=1, resources={"cpus": 1}))] == [1, 0]


@pipeline_step()
def weigh_nothing(data: Any, ctx: FrozenContext) -> Any:
    ctx.metrics.add("weight", 0)
    return data
