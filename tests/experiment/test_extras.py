"""Stand-ins for `crystallize_extras`, written against public names of 0.27 alone: they run as they are."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from crystallize.pipelines.pipeline_step import PipelineStep
from crystallize.plugins.plugins import BasePlugin
from crystallize.utils.context import FrozenContext
from crystallize.utils.decorators import resource_factory

from crystallize import Experiment, ParallelExecution, Pipeline, data_source, pipeline_step

CLIENTS: list[Client] = []


@pytest.fixture(autouse=True)
def no_clients() -> None:
    CLIENTS.clear()


class Client:
    """As clients of language models are: open, and neither to be copied nor pickled."""

    def __init__(self, host: str) -> None:
        import threading

        self.host = host
        self.lock = threading.Lock()
        CLIENTS.append(self)

    def chat(self, prompt: str) -> str:
        with self.lock:
            return f"{self.host}: {prompt}"


def _client(ctx: FrozenContext, host: str) -> Client:
    return Client(host)


class InitializeOllamaClient(PipelineStep):
    """A step that passes its data on, and whose set-up puts the recipe of a client into the context."""

    def __init__(self, *, host: str, context_key: str = "ollama_client") -> None:
        self.host = host
        self.context_key = context_key

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        return data

    @property
    def params(self) -> dict[str, Any]:
        return {"host": self.host, "context_key": self.context_key}

    def setup(self, ctx: FrozenContext) -> None:
        factory = partial(_client, host=self.host)
        ctx.add(self.context_key, resource_factory(factory, key=self.step_hash))

    def teardown(self, ctx: FrozenContext) -> None: ...


def initialize_ollama_client(*, host: str, context_key: str = "ollama_client") -> InitializeOllamaClient:
    return InitializeOllamaClient(host=host, context_key=context_key)


@data_source
def prompts(ctx: FrozenContext) -> list[str]:
    return ["hello", "world"]


@pipeline_step()
def ask(data: list[str], ctx: FrozenContext, *, ollama_client: Any) -> Any:
    return data, {"answers": [ollama_client.chat(prompt) for prompt in data]}


@pytest.mark.parametrize(
    ("plugins", "most"),
    [
        ([], 1),
        ([ParallelExecution(max_workers=2)], 2),
        ([ParallelExecution(max_workers=2, executor_type="process")], 0),
    ],
    ids=["serial", "thread", "process"],
)
def test_a_client_is_made_once_per_thread_and_process_and_used_by_all_steps(
    plugins: list[BasePlugin], most: int
) -> None:
    steps = [initialize_ollama_client(host="http://here"), ask()]
    result = Experiment(prompts(), Pipeline(steps), plugins, name="chat", replicates=4).run()

    assert result.errors == {}
    assert result.metrics.baseline.metrics == {"answers": [["http://here: hello", "http://here: world"]] * 4}
    assert len(CLIENTS) <= most


def test_another_host_runs_again() -> None:
    def run(host: str) -> Any:
        steps = [initialize_ollama_client(host=host), ask()]
        return Experiment(prompts(), Pipeline(steps), name="chat").run(strategy="resume")

    run("http://here")

    assert run("http://here").ran == {"baseline": 0}
    assert run("http://there").ran == {"baseline": 1}


class FakeRay:
    """`ray` as far as a loop plugin needs it; its tasks run in threads."""

    def __init__(self) -> None:
        self.pool = ThreadPoolExecutor(3)
        self.initialized: list[str] = []

    def init(self, address: str, ignore_reinit_error: bool) -> None:
        self.initialized.append(address)

    def remote(self, **resources: float) -> Callable[[Callable[[int], Any]], Any]:
        pool = self.pool

        def decorate(fn: Callable[[int], Any]) -> Any:
            class Remote:
                @staticmethod
                def remote(*args: Any) -> Future[Any]:
                    return pool.submit(fn, *args)

            return Remote()

        return decorate

    def get(self, futures: list[Future[Any]]) -> list[Any]:
        return [future.result() for future in futures]

    def shutdown(self) -> None:
        self.pool.shutdown()
        self.initialized.append("shutdown")


ray = FakeRay()


@dataclass
class RayExecution(BasePlugin):
    """The loop plugin of the extras: one task per replicate."""

    address: str = "auto"
    num_cpus: int = 1
    num_gpus: int = 0

    def init_hook(self, experiment: Any) -> None:
        ray.init(address=self.address, ignore_reinit_error=True)

    def run_experiment_loop(self, experiment: Any, replicate_fn: Callable[[int], Any]) -> list[Any]:
        @ray.remote(num_cpus=self.num_cpus, num_gpus=self.num_gpus)
        def task(replicate: int) -> Any:
            return replicate_fn(replicate)

        return ray.get([task.remote(replicate) for replicate in range(experiment.replicates)])

    def after_run(self, experiment: Any, result: Any) -> None:
        ray.shutdown()


@pytest.mark.parametrize("where", [[], [ParallelExecution(max_workers=2)]], ids=["alone", "threads"])
def test_a_ray_loop_plugin_runs_as_it_is(where: list[BasePlugin], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ray", FakeRay())
    steps = [initialize_ollama_client(host="h"), ask()]
    result = Experiment(prompts(), Pipeline(steps), [*where, RayExecution()], name="chat", replicates=5).run()

    assert result.errors == {}
    assert len(result.metrics.baseline.metrics["answers"]) == 5
    assert ray.initialized == ["auto", "shutdown"]
