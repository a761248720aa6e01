"""Runs a random project, and the truth about it: the same made from nothing, in a copy, by a new process.

The process that imports this never runs a project itself: each new process is forked from it, as clean as a command
line; a `Notebook` is one that goes on living. Knows nothing of edits.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import random
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from crystallize import ExperimentGraph
from crystallize.fingerprint.reads.observe import unobserved

from .random_files import STEP, write
from .random_project import Label, Project

_FORK = multiprocessing.get_context("fork")

PATIENCE_SECONDS = 120
Ran = dict[Label, str]
"""Trials that ran → why."""


@dataclass(frozen=True)
class Order:
    """One run of the project below `root`, as its files are."""

    root: Path
    variable: int
    strategy: str = "resume"
    saved: Project | None = None
    """What the files become while the run goes on; None: they stay."""
    at: int = 0
    """So many events of running trials come before that."""


# processes


class Notebook:
    """A process in which one run comes after the other."""

    def __init__(self) -> None:
        self._ours, theirs = _FORK.Pipe()
        self._process = _FORK.Process(target=_serve, args=(self._ours, theirs))
        self._process.start()
        theirs.close()

    def run(self, order: Order) -> Ran:
        """What ran there."""
        self._ours.send(order)
        return _received(self._ours)

    def close(self) -> None:
        """Ends the process."""
        self._ours.close()
        self._process.join(PATIENCE_SECONDS)
        self._process.kill()


def run_elsewhere(order: Order) -> Ran:
    """What ran in a new process."""
    notebook = Notebook()
    try:
        return notebook.run(order)
    finally:
        notebook.close()


def _serve(not_ours: Connection, pipe: Connection) -> None:
    not_ours.close()
    # hypothesis gives the global generator of the parent the same state again and again
    random.seed()
    while True:
        try:
            order = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(_run(order))
        except BaseException:
            pipe.send(traceback.format_exc())


def _received(pipe: Connection) -> Ran:
    assert pipe.poll(PATIENCE_SECONDS), "a run did not come to its end"
    said = pipe.recv()
    assert isinstance(said, dict), said
    return said


# a run


def _run(order: Order) -> Ran:
    os.chdir(order.root)
    os.environ["QA_VARIABLE"] = str(order.variable)
    for name in [name for name in sys.modules if name.partition(".")[0] == "lib"]:
        del sys.modules[name]  # as a new process would find them
    importlib.invalidate_caches()
    graph = ExperimentGraph.from_yaml("experiments")
    for name, experiment in graph.experiments.items():
        importlib.import_module(f"lib.plugs_{name}").equip(experiment)
    if order.saved is None:
        results = graph.run(strategy=order.strategy)
        failed = {name: list(map(str, result.errors.values())) for name, result in results.items() if result.errors}
        assert not failed, failed
    else:
        _at_event(order.at, lambda: write(order.saved, order.root))
        results = graph.run(strategy=order.strategy)
        _due.clear()
        write(order.saved, order.root)
    return {_label(name, key): reason for name, result in results.items() for key, reason in result.reasons.items()}


def _label(name: str, key: str) -> Label:
    condition, _, replicate = key.rpartition("_rep_")
    return name, condition, int(replicate)


_due: list[Callable[[], object]] = []
"""What happens at the next events, one at each."""
_listening: list[bool] = []


def _at_event(number: int, act: Callable[[], object]) -> None:
    """Lets `act` happen inside a running trial, as if an editor in another process did it."""
    _due[:] = [lambda: None] * number + [act]
    if not _listening:
        _listening.append(True)
        sys.addaudithook(_hear)


def _hear(event: str, _: tuple[Any, ...]) -> None:
    if event != STEP:
        return
    try:
        act = _due.pop(0)
    except IndexError:
        return
    with unobserved():
        act()


# results

Tree = dict[str, str]
"""Path below the folder of results → contents."""


def truth(project: Project, folder: Path) -> Path:
    """Where a copy of `project` was run from nothing, trial after trial."""
    write(project.serial(), folder)
    shutil.rmtree(folder / "data", ignore_errors=True)
    run_elsewhere(Order(folder, project.variable))
    return folder


def artifacts(project: Project, root: Path) -> dict[Label, list[bytes]]:
    """Each trial with the contents of what it wrote, as the folders of results show it."""
    return {
        (name, folder.name, int(folder.parent.name.rpartition("_")[2])): [
            path.read_bytes() for path in sorted((folder / "WorkStep").iterdir())
        ]
        for name in project.nodes
        for folder in sorted((root / "data" / name / "v0").glob("replicate_*/*"))
    }


def differences(project: Project, root: Path, right: Path, ran: Ran) -> list[str]:
    """Where the results below `root` are others than those below `right`.

    What a trial drew from a generator that it shared with other threads may be anything, but only in the run that
    drew it: it is never reused.
    """
    drawn = {label for label in ran if project.draws_in_company(label[0])}
    told, truth = _tree(project, root, drawn), _tree(project, right, drawn)
    wrong = sorted(path for path in told.keys() | truth.keys() if told.get(path) != truth.get(path))
    return [f"{path}: {_difference(told.get(path), truth.get(path))}" for path in wrong]


def _tree(project: Project, root: Path, drawn: set[Label]) -> Tree:
    data = root / "data"
    return {
        str(path.relative_to(data)): _contents(path, {label for label in drawn if label[0] == name})
        for name in project.nodes
        for path in sorted((data / name).rglob("*"))
        if path.is_file() and path.name != "metadata.json"
    }


def _contents(path: Path, drawn: set[Label]) -> str:
    text = path.read_bytes().decode("latin-1")
    replicates = [replicate for _, condition, replicate in drawn if condition == path.parent.name]
    if path.name != "results.json" or not replicates:
        return text
    results = json.loads(text)
    for name in ("drawn", "drawn_early"):
        for replicate in replicates:
            results["metrics"][name][replicate] = "anything"
    return json.dumps(results)


def _difference(told: str | None, truth: str | None) -> str:
    """What is wrong in a file; of metrics those that are."""
    try:
        shown, right = json.loads(told or "")["metrics"], json.loads(truth or "")["metrics"]
    except (ValueError, KeyError, TypeError):
        return f"{told!r} is not {truth!r}"
    return ", ".join(_wrong_metrics(shown, right))


def _wrong_metrics(shown: dict[str, Any], right: dict[str, Any]) -> Iterator[str]:
    for name in {**shown, **right}:
        if shown.get(name) != right.get(name):
            yield f"{name} {shown.get(name)} is not {right.get(name)}"
