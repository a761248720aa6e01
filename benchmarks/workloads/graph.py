"""A graph of SIZE one-trial experiments; number i reads the artifacts of i-1 and i//2 and writes one of its own.

Only what crystallize-ml 0.27 has too is used here, so that the same file measures both.
usage: graph.py SIZE
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

from crystallize import (
    Artifact,
    ArtifactPlugin,
    Experiment,
    ExperimentGraph,
    ExperimentInput,
    Pipeline,
    data_source,
    pipeline_step,
)

logging.disable(logging.CRITICAL)
PRIME = 1_000_003


def load_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


@data_source
def nothing(ctx: Any) -> dict[str, dict[str, int]]:
    return {}


@pipeline_step()
def add_up(data: dict[str, dict[str, int]], ctx: Any, *, total: Artifact, number: int = 0) -> Any:
    value = (number + sum(upstream["value"] for upstream in data.values())) % PRIME
    total.write(json.dumps({"value": value}).encode())
    return data, {"value": value}


def build_graph(size: int) -> ExperimentGraph:
    experiments: list[Experiment] = []
    totals: list[Artifact] = []
    for number in range(size):
        total = Artifact(f"total_{number}.json", loader=load_json)
        parents = sorted({parent for parent in (number - 1, number // 2) if 0 <= parent < number})
        source = ExperimentInput(**{f"from_{p}": totals[p] for p in parents}) if parents else nothing()
        steps = Pipeline([add_up(number=number, total=total)])
        experiments.append(
            Experiment(
                name=f"node_{number}",
                datasource=source,
                pipeline=steps,
                plugins=[ArtifactPlugin(root_dir="data")],
                outputs=[total],
            )
        )
        totals.append(total)
    return ExperimentGraph.from_experiments(experiments)


if __name__ == "__main__":
    results = build_graph(int(sys.argv[1])).run(strategy="resume")
    failed = [name for name, result in results.items() if result.errors]
    print(json.dumps({"nodes": len(results), "failed": failed}))
