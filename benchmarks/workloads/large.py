"""One trial whose artifact is a file of MEBIBYTES, given as a path. Prints how long the step wrote to it, if it ran.

usage: large.py MEBIBYTES
"""

import json
import logging
import os
import sys
import time
from typing import Any

from crystallize import Artifact, Experiment, Pipeline, data_source, pipeline_step

logging.disable(logging.CRITICAL)
MEBIBYTE = 2**20


@data_source
def nothing() -> None:
    return None


@pipeline_step()
def write(data: None, *, mebibytes: int, big: Artifact) -> Any:
    started = time.perf_counter()
    block = os.urandom(MEBIBYTE)
    with big.path().open("wb") as file:
        for _ in range(mebibytes):
            file.write(block)
    return data, {"writing": time.perf_counter() - started}


if __name__ == "__main__":
    big = Artifact("big.bin")
    steps = Pipeline([write(mebibytes=int(sys.argv[1]), big=big)])
    result = Experiment(nothing(), steps, name="large", outputs=[big]).run(strategy="resume")
    ran = result.ran["baseline"]
    print(json.dumps({"writing": result.metrics.baseline.metrics["writing"][0] if ran else 0.0, "ran": ran}))
