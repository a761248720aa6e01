"""The tutorial's producer and consumer in one Python file. Run it twice: the second run executes nothing."""

import json
from pathlib import Path
from typing import Any

from crystallize import (
    Artifact,
    Experiment,
    ExperimentGraph,
    ExperimentInput,
    FrozenContext,
    Pipeline,
    data_source,
    pipeline_step,
)


def dump_json(payload: dict[str, Any]) -> bytes:
    return json.dumps(payload).encode("utf-8")


def load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@data_source
def numbers(ctx: FrozenContext) -> dict[str, list[int]]:
    return {"numbers": [1, 2, 3]}


@pipeline_step()
def produce_summary(data: dict[str, list[int]], *, summary: Artifact) -> dict[str, list[int]]:
    summary.write({"total": sum(data["numbers"])})
    return data


@pipeline_step()
def inspect_summary(data: dict[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
    return data, {"total_from_producer": data["producer_summary"]["total"]}


def build_graph() -> ExperimentGraph:
    """The producer and the consumer, joined by the artifact that one writes and the other reads."""
    summary = Artifact("summary.json", writer=dump_json, loader=load_json)
    producer = Experiment(
        name="producer",
        datasource=numbers(),
        pipeline=Pipeline([produce_summary(summary=summary)]),
        outputs=[summary],
    )
    consumer = Experiment(
        name="consumer",
        datasource=ExperimentInput(producer_summary=summary),
        pipeline=Pipeline([inspect_summary()]),
    )
    return ExperimentGraph(producer, consumer)


if __name__ == "__main__":
    for name, result in build_graph().run(strategy="resume").items():
        executed, reused = sum(result.ran.values()), sum(result.reused.values())
        print(f"{name}: {result.metrics.baseline.metrics}, {executed} executed, {reused} reused")
