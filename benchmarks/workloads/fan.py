"""A fan of trials that keep a processor busy, or that wait. Prints how long the run took, start-up left out.

usage: fan.py cpu|io TRIALS SECONDS EXECUTOR WORKERS
"""

import asyncio
import json
import logging
import sys
import time
from typing import Any

from crystallize import Experiment, Pipeline, data_source, pipeline_step

logging.disable(logging.CRITICAL)


@data_source
def nothing() -> None:
    return None


@pipeline_step()
def burn(data: None, *, seconds: float) -> Any:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass
    return data, {"done": 1}


@pipeline_step()
async def wait(data: None, *, seconds: float) -> Any:
    await asyncio.sleep(seconds)
    return data, {"done": 1}


@pipeline_step()
def sleep(data: None, *, seconds: float) -> Any:
    time.sleep(seconds)
    return data, {"done": 1}


if __name__ == "__main__":
    kind, trials, seconds, executor, workers = sys.argv[1:]
    step = burn if kind == "cpu" else wait if executor == "async" else sleep
    fan = Experiment(nothing(), Pipeline([step(seconds=float(seconds))]), name="fan", replicates=int(trials))
    started = time.perf_counter()
    result = fan.run(strategy="rerun", executor=executor, jobs=int(workers))
    taken = time.perf_counter() - started
    assert len(result.metrics.baseline.metrics["done"]) == int(trials), result.errors
    print(json.dumps({"seconds": taken}))
