"""One experiment with CONDITIONS × REPLICATES trials; each writes a small artifact and records one metric.

Only what crystallize-ml 0.27 has too is used here, so that the same file measures both.
usage: trials.py CONDITIONS REPLICATES
"""

import json
import logging
import sys
from typing import Any

from crystallize import (
    Artifact,
    ArtifactPlugin,
    Experiment,
    Pipeline,
    SeedPlugin,
    Treatment,
    data_source,
    pipeline_step,
)

logging.disable(logging.CRITICAL)


@data_source
def one(ctx: Any) -> dict[str, int]:
    return {"value": 1}


@pipeline_step()
def shift(data: Any, ctx: Any, *, out: Artifact, by: int = 0) -> Any:
    out.write(json.dumps({"value": data["value"] + by}).encode())
    return data, {"value": by + ctx.get("replicate")}


def build_experiment(conditions: int, replicates: int) -> Experiment:
    out = Artifact("out.json")
    return Experiment(
        name="trials",
        datasource=one(),
        pipeline=Pipeline([shift(out=out)]),
        plugins=[ArtifactPlugin(root_dir="data"), SeedPlugin(seed=1)],
        outputs=[out],
        treatments=[Treatment(f"shift_{by}", {"by": by}) for by in range(1, conditions)],
        replicates=replicates,
    )


if __name__ == "__main__":
    result = build_experiment(int(sys.argv[1]), int(sys.argv[2])).run(strategy="resume")
    values = result.metrics.baseline.metrics.get("value", [])
    print(json.dumps({"values": len(values), "failed": sorted(result.errors)}))
