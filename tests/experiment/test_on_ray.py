"""What a run on Ray is before it reaches a cluster: where trials are placed, what their work takes along."""

from __future__ import annotations

import os
import pickle
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from crystallize import (
    Experiment,
    ExperimentGraph,
    ParallelExecution,
    Pipeline,
    RayExecution,
    data_source,
    pipeline_step,
)
from crystallize.engine import cluster
from crystallize.errors import CodeChangedError, DefinitionError, MachineError
from crystallize.experiment import luggage as luggage_module
from crystallize.experiment.compile import compile_graph
from crystallize.experiment.luggage import _Packed, _settle
from crystallize.experiment.parts import Surroundings
from crystallize.fingerprint.digest import digest_of
from crystallize.fingerprint.environment import environment_part
from crystallize.fingerprint.left import LEFT
from crystallize.fingerprint.manifest import Part
from crystallize.plan.job import Group
from crystallize.session import Session
from crystallize.settings import Settings


@pytest.fixture(autouse=True)
def ray_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crystallize.experiment.compiling.placing.check_installed", lambda: None)


@data_source
def one() -> int:
    return 1


@data_source(volatile=True)
def weather() -> str:
    return "rain"


@pipeline_step(cacheable=True)
def keep(data: Any) -> Any:
    return data


@pipeline_step(resources={"gpus": 2})
def train(data: Any) -> Any:
    return data


def groups(experiment: Experiment, **asked: Any) -> list[Group]:
    """The groups of a plan that is never run."""
    settings = Settings.load()
    running = ExperimentGraph(experiment).running(settings=settings, **asked)
    LEFT.begin()
    with Session(settings, write=False) as session:
        plan, _ = compile_graph(running.nodes, running.asked, session, Surroundings(settings.root, settings.environ))
    return plan.groups


def made(*plugins: Any, step: Any = keep, source: Any = one, **more: Any) -> Experiment:
    return Experiment(source(), Pipeline([step()]), list(plugins), name="e", **more)


def test_the_plugin_says_where_and_what_a_trial_needs() -> None:
    [group] = groups(made(RayExecution("head:6379", num_cpus=2, num_gpus=0.5), replicates=7))

    assert (group.executor, group.address, group.workers) == ("ray", "head:6379", 7)
    assert (group.needs.cpus, group.needs.gpus) == (2, 0.5)


def test_what_steps_declare_wins_over_the_plugin_and_needs_no_gpu_here(monkeypatch: pytest.MonkeyPatch) -> None:
    [group] = groups(made(RayExecution(num_cpus=3, num_gpus=1), step=train, timeout="5min"))

    assert (group.executor, group.needs.cpus, group.needs.gpus, group.needs.timeout) == ("ray", 3, 2, 300)


@pytest.mark.parametrize("asked", [{"executor": "ray"}, {"address": "auto"}, {"executor": "ray", "address": "auto"}])
def test_a_run_can_be_sent_to_ray_as_a_whole(asked: dict[str, str]) -> None:
    [group] = groups(made(ParallelExecution(), replicates=3), **asked)

    assert (group.executor, group.address, group.workers, group.needs.cpus) == ("ray", "auto", 3, 1)


def test_jobs_bound_how_many_run_at_a_time() -> None:
    [group] = groups(made(replicates=9), executor="ray", jobs=4)
    [own] = groups(made(RayExecution(max_workers=2), replicates=9))

    assert (group.executor, group.workers) == ("ray", 4)
    assert own.workers == 2


def test_an_address_is_for_ray_only() -> None:
    with pytest.raises(DefinitionError, match="executor 'thread' has no address; leave it out, or run on 'ray'"):
        groups(made(), executor="thread", address="head:6379")


def test_asking_for_ray_without_it_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise cluster.not_installed()

    monkeypatch.setattr("crystallize.experiment.compiling.placing.check_installed", absent)
    with pytest.raises(
        DefinitionError, match=r"Ray is not installed; install the extra: pip install 'crystallize-dag\[ray\]'"
    ):
        groups(made(), executor="ray")

    assert groups(made(RayExecution()))[0].executor == "ray"


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"address": ""}, "'' is no address"),
        ({"num_cpus": -1}, "resources.cpus: -1 is no count"),
        ({"num_gpus": 1.5}, "1.5 is no number of GPUs"),
        ({"max_workers": 0}, "max_workers is 0"),
    ],
)
def test_a_plugin_that_cannot_be_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(DefinitionError, match=told):
        RayExecution(**wrong)


def test_fetches_stay_with_the_driver() -> None:
    assert [group.executor for group in groups(made(RayExecution(), source=weather))] == ["ray", "serial"]


def test_on_ray_there_are_no_memos() -> None:
    [here] = groups(made())
    [far] = groups(made(RayExecution()))

    assert here.work.memo_keys is not None  # type: ignore[attr-defined]
    assert far.work.memo_keys is None  # type: ignore[attr-defined]


def test_code_that_was_edited_since_import_does_not_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    [group] = groups(made(RayExecution()))
    monkeypatch.setattr(luggage_module, "is_edited", lambda place: place.name == "keep")

    with pytest.raises(
        CodeChangedError, match=r"test_on_ray\.py was edited since this process imported it; nothing was"
    ):
        pickle.dumps(group.work)


@pytest.mark.parametrize("part", ["datasource", "step", "plugin", "context"])
def test_what_cannot_travel_is_told_by_its_name(part: str) -> None:
    lock = threading.Lock()
    experiment = made(RayExecution(), initial_ctx={"client": lock} if part == "context" else None)
    holder = {
        "datasource": experiment.datasource,
        "step": experiment.pipeline.steps[0],
        "plugin": experiment.plugins[0],
    }
    if part in holder:
        holder[part].held = lock
    [group] = groups(experiment)
    expected = {
        "datasource": "the datasource",
        "step": "step KeepStep",
        "plugin": "plugin RayExecution",
        "context": r"initial_ctx\['client'\]",
    }

    with pytest.raises(
        DefinitionError, match=rf"experiment 'e': {expected[part]} cannot travel.*_thread\.lock.*; make it in"
    ):
        pickle.dumps(group.work)


def settled(*parts: Part, **environ: str | None) -> None:
    _settle(_Packed(Path("/not on this machine"), [], environ, list(parts), {}, [], b""))


def test_another_package_than_the_run_was_planned_with_is_refused() -> None:
    python = environment_part("env.python")
    settled(python, environment_part("env.pytest"))

    other = Part("env.pytest", digest_of("env/1", b"pytest 0.1"), "pytest 0.1")
    with pytest.raises(
        MachineError, match=r"pytest \d.* there, pytest 0\.1 here, and results depend on it; install the same"
    ):
        settled(python, other)
    with pytest.raises(MachineError, match=r"no_such_package \(not found\) there, no_such_package 1 here"):
        settled(Part("env.no_such_package", digest_of("env/1"), "no_such_package 1"))


def test_variables_that_the_code_reads_are_those_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET_THERE_ALONE", "x")
    monkeypatch.setenv("SET_OTHERWISE", "x")
    before = os.getcwd(), list(sys.path)  # noqa: PTH109

    settled(SET_THERE_ALONE=None, SET_OTHERWISE="driver's")

    assert "SET_THERE_ALONE" not in os.environ
    assert os.environ["SET_OTHERWISE"] == "driver's"
    assert (os.getcwd(), sys.path) == before  # noqa: PTH109
