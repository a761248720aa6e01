"""Rows of the design's table that rest on single large runs: fans, memory, a plan of 100,000 nodes, a file of 1 GiB."""

from __future__ import annotations

import json
from statistics import median

from benchmarks.measure import PAIRS, observed, seconds
from benchmarks.places import Place, removed
from benchmarks.rows import GRAPH, PYTHON, TRIALS, WORKLOADS, Command, Row

MEBIBYTES = 1024
"""Of the large artifact."""
GIGABYTE = 1e9
KILOBYTE = 1e3


def fan(
    work: str, place: Place, kind: str, trials: int, each_s: float, executor: str, *, workers: int, must: float
) -> Row:
    """Seconds of a run of `trials` that take `each_s` seconds each, `workers` at a time; beside the least it can be."""
    command: Command = [PYTHON, WORKLOADS / "fan.py", kind, str(trials), str(each_s), executor, str(workers)]
    folder = place.new()
    taken = json.loads(observed(command, folder).printed)["seconds"]
    removed(folder)
    least = trials * each_s / workers
    return Row(work=work, place="", unit="s", reference=least, measured=taken, must=must)


def plan_reused(
    work: str, place: Place, nodes: int, *, must: tuple[float, float], next: tuple[float, float]
) -> list[Row]:
    """Seconds and gigabytes of a process that reuses a plan of `nodes`, beside those of the first run."""
    folder = place.new()
    first, again = (observed(GRAPH.command([str(nodes)]), folder) for _ in range(2))
    removed(folder)
    return [
        Row(
            work=work,
            place=place.name,
            unit="s",
            reference=first.seconds,
            measured=again.seconds,
            must=must[0],
            next=next[0],
        ),
        Row(
            work=f"{work}, memory",
            place="",
            unit="GB",
            reference=first.peak_bytes / GIGABYTE,
            measured=again.peak_bytes / GIGABYTE,
            must=must[1],
            next=next[1],
        ),
    ]


def memory_of_trials(work: str, place: Place, replicates: tuple[int, int], *, must: float) -> Row:
    """Kilobytes that each further trial of a first run adds to its process; beside those of the smaller run, in all."""
    peaks = []
    for count in replicates:
        folder = place.new()
        peaks.append(observed(TRIALS.command(["10", str(count)]), folder).peak_bytes / KILOBYTE)
        removed(folder)
    each = (peaks[1] - peaks[0]) / (10 * (replicates[1] - replicates[0]))
    return Row(work=work, place="", unit="KB", reference=peaks[0], measured=each, must=must)


def large_reused(work: str, place: Place, *, must: float, pairs: int = PAIRS) -> Row:
    """Milliseconds that reusing takes longer when the artifact is large; beside those of reusing a small one."""
    folders = {size: place.new() for size in (1, MEBIBYTES)}
    for size, folder in folders.items():
        seconds(_large(size), folder)
    runs = [[seconds(_large(size), folder) for size, folder in folders.items()] for _ in range(pairs)]
    for folder in folders.values():
        removed(folder)
    reference, measured = median(small for small, _ in runs), median(large - small for small, large in runs)
    return Row(work=work, place=place.name, unit="ms", reference=reference * 1e3, measured=measured * 1e3, must=must)


def large_stored(work: str, place: Place, *, must: float, next: float, pairs: int = PAIRS) -> Row:
    """How many times as long as `cp` it takes to store and show a large file that a step has written."""
    ratios = []
    for _ in range(pairs):
        small, folder = place.new(), place.new()
        start_up = observed(_large(1), small).seconds
        run = observed(_large(MEBIBYTES), folder)
        storing = run.seconds - json.loads(run.printed)["writing"] - start_up
        (shown,) = folder.glob("data/large/*/*/*/*/big.bin")
        ratios.append(storing / seconds(["cp", shown, folder / "copy"], folder))
        removed(small)
        removed(folder)
    return Row(work=work, place=place.name, unit="×", reference=1.0, measured=median(ratios), must=must, next=next)


def _large(mebibytes: int) -> Command:
    return [PYTHON, WORKLOADS / "large.py", str(mebibytes)]
