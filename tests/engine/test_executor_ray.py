import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import pytest

from crystallize.engine import cluster as cluster_module
from crystallize.engine import executor_ray, worker_ray
from crystallize.engine.cluster import Cluster, check_installed
from crystallize.engine.executor_ray import RayExecutor
from crystallize.engine.worker_ray import _check_shared
from crystallize.errors import DefinitionError, JobTimeoutError, MachineError, StoreError, WorkerLostError
from crystallize.plan.job import Group, Outcome
from crystallize.plan.needs import Needs
from crystallize.plan.workspace import Workspace
from crystallize.store.record import Output
from crystallize.store.store import Store

from ..clusters import TwoNodes, needs_ray, relaxed
from .scripted import ScriptedWork

pytestmark = relaxed

Script = Callable[[Workspace], dict[str, list[Any]]]
LARGE = 100_000


@pytest.fixture(scope="module")
def connected(nodes: TwoNodes) -> Iterator[Cluster]:
    from . import scripted

    # Workers cannot import the tests.
    modules = [sys.modules[__name__], scripted]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    nodes.ensure_second()
    cluster = Cluster(nodes.address)
    yield cluster
    cluster.close()
    for module in modules:
        cloudpickle.unregister_pickle_by_value(module)


class Runner:
    """Runs scripts as jobs of one group, each with a workspace in a store of its own."""

    def __init__(self, cluster: Cluster, root: Path, needs: Needs | None = None) -> None:
        self.store = Store.open(root)
        group = Group(
            name="g", kind="test/1", work=ScriptedWork(), root=root, executor="ray", workers=9, needs=needs or Needs()
        )
        self._work = group.work
        self.executor = RayExecutor(group, 9, cluster)

    def workspace(self, **inputs: Output) -> Workspace:
        return Workspace(self.store, {port: (self.store, output) for port, output in inputs.items()})

    async def run(self, script: Script, workspace: Workspace | None = None) -> Outcome:
        return await self.executor.run(self._work, ("job", script), workspace or self.workspace())

    def one(self, script: Script, workspace: Workspace | None = None) -> Outcome:
        return asyncio.run(self.run(script, workspace))


@needs_ray
def test_jobs_run_at_once_on_every_node_and_leave_word_where(connected: Cluster, tmp_path: Path) -> None:
    runner = Runner(connected, tmp_path / "data")
    here, there = runner.workspace(), runner.workspace()
    meeting = tmp_path / "meeting"
    meeting.mkdir()

    def meet(workspace: Workspace) -> dict[str, list[Any]]:
        import ray

        node = ray.get_runtime_context().get_node_id()
        (meeting / node).touch()
        until = time.monotonic() + 20
        while len(list(meeting.iterdir())) < 2 and time.monotonic() < until:
            time.sleep(0.01)
        return {"node": [node], "pid": [os.getpid()]}

    async def both() -> list[Outcome]:
        return await asyncio.gather(runner.run(meet, here), runner.run(meet, there))

    outcomes = asyncio.run(both())

    assert runner.executor.capacity == 2
    assert len({outcome.metrics["node"][0] for outcome in outcomes}) == 2
    assert {here.where().split()[-1], there.where().split()[-1]} == {str(each.metrics["pid"][0]) for each in outcomes}


@needs_ray
def test_large_artifacts_reach_the_store_without_the_driver(
    connected: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner(connected, tmp_path / "data")
    delivered: list[int] = []
    unpacked = executor_ray.unpacked
    monkeypatch.setattr(executor_ray, "unpacked", lambda data: (delivered.append(len(data)), unpacked(data))[1])
    workspace = runner.workspace()

    def write(workspace: Workspace) -> dict[str, list[Any]]:
        workspace.write("large", "S", b"x" * LARGE)
        workspace.write("small", "S", b"y")
        folder = workspace.scratch("made") / "tree"
        folder.mkdir()
        (folder / "large").write_bytes(b"z" * LARGE)
        workspace.take("tree", "S", folder)
        return {}

    runner.one(write, workspace)

    assert [output.name for output in workspace.outputs] == ["large", "small", "tree"]
    assert delivered[0] < LARGE / 10
    assert runner.store.read_bytes(workspace.outputs[0]) == b"x" * LARGE
    assert b"y" in workspace.small_blobs.values()


@needs_ray
def test_inputs_are_read_where_no_database_is(connected: Cluster, tmp_path: Path) -> None:
    runner = Runner(connected, tmp_path / "data")
    given = runner.workspace()
    given.write("small", "S", b"small")
    given.write("large", "S", b"l" * LARGE)
    folder = tmp_path / "tree"
    (folder / "empty").mkdir(parents=True)
    (folder / "a").write_bytes(b"a")
    (folder / "b").write_bytes(b"b" * LARGE)
    given.take("tree", "S", folder)
    with runner.store.database.transaction() as connection:
        runner.store.blobs.insert(connection, given.small_blobs.items())
    small, large, tree = given.outputs

    def read(workspace: Workspace) -> dict[str, list[Any]]:
        import sqlite3

        tables = workspace.store.database.read("SELECT count(*) FROM records")
        laid = {port: workspace.input(port) for port in ("small", "large", "tree")}
        assert sqlite3 is not None
        return {
            "records": [tables[0][0]],
            "writable": [workspace.store.database.writable],
            "names": [path.name for path in laid.values()],
            "small": [laid["small"].read_bytes(), workspace.read("small")],
            "large": [len(laid["large"].read_bytes())],
            "tree": sorted(path.name for path in laid["tree"].iterdir()),
            "b": [len((laid["tree"] / "b").read_bytes())],
        }

    metrics = runner.one(read, runner.workspace(small=small, large=large, tree=tree)).metrics

    assert metrics == {
        "records": [0],
        "writable": [False],
        "names": ["small", "large", "tree"],
        "small": [b"small", b"small"],
        "large": [LARGE],
        "tree": ["a", "b", "empty"],
        "b": [LARGE],
    }


@needs_ray
def test_what_a_job_raises_arrives_with_its_traceback(connected: Cluster, tmp_path: Path) -> None:
    def fail(workspace: Workspace) -> dict[str, list[Any]]:
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here") as caught:
        Runner(connected, tmp_path / "data").one(fail)

    assert "fail" in [entry.name for entry in caught.traceback]


@needs_ray
def test_a_job_that_takes_too_long_is_ended_and_begun_once(connected: Cluster, tmp_path: Path) -> None:
    begun = tmp_path / "begun"

    def hang(workspace: Workspace) -> dict[str, list[Any]]:
        with begun.open("a") as file:
            file.write("x")
        time.sleep(60)
        return {}

    with pytest.raises(JobTimeoutError, match=r"the job took longer than 0\.3 s") as caught:
        Runner(connected, tmp_path / "data", Needs(timeout=0.3)).one(hang)

    assert begun.read_text() == "x"
    assert any("hang" in note for note in caught.value.__notes__)


@needs_ray
def test_a_job_whose_worker_dies_is_begun_anew_in_a_clean_folder(connected: Cluster, tmp_path: Path) -> None:
    died = tmp_path / "died"
    runner = Runner(connected, tmp_path / "data")
    workspace = runner.workspace()

    def die_once(workspace: Workspace) -> dict[str, list[Any]]:
        folder = workspace.scratch("made")
        found = [path.name for path in folder.iterdir()]
        (folder / "left").touch()
        if not died.exists():
            died.touch()
            os.kill(os.getpid(), 9)
        workspace.write("out", "S", b"whole")
        return {"found": found}

    outcome = runner.one(die_once, workspace)

    assert outcome.metrics == {"found": []}
    assert [output.name for output in workspace.outputs] == ["out"]


@needs_ray
def test_a_job_that_always_kills_its_worker_is_lost(
    connected: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_ray, "MOST_ATTEMPTS", 2)
    begun = tmp_path / "begun"

    def leave(workspace: Workspace) -> dict[str, list[Any]]:
        with begun.open("a") as file:
            file.write("x")
        os._exit(0)

    with pytest.raises(WorkerLostError, match="2 times"):
        Runner(connected, tmp_path / "data").one(leave)

    assert begun.read_text() == "xx"


@needs_ray
def test_a_job_that_was_begun_too_often_is_not_begun_again(connected: Cluster, tmp_path: Path) -> None:
    runner = Runner(connected, tmp_path / "data")
    workspace = runner.workspace()
    for number in range(worker_ray.MOST_ATTEMPTS):
        workspace.scratch(f"attempt-{number}")

    with pytest.raises(WorkerLostError, match="for want of memory, 4 times; if memory ran out"):
        runner.one(lambda workspace: {}, workspace)


@needs_ray
def test_a_job_whose_node_dies_is_begun_anew_on_another(nodes: TwoNodes, connected: Cluster, tmp_path: Path) -> None:
    doomed = nodes.ensure_second()
    reached = tmp_path / "reached"
    runner = Runner(connected, tmp_path / "data")

    def work(workspace: Workspace) -> dict[str, list[Any]]:
        import ray

        node = ray.get_runtime_context().get_node_id()
        if node == doomed:
            reached.touch()
        until = time.monotonic() + 20
        # Both jobs wait: one of them is on the doomed node, and never gets beyond this.
        while (node == doomed or not reached.exists()) and time.monotonic() < until:
            time.sleep(0.01)
        return {"node": [node]}

    async def kill() -> None:
        while not reached.exists():
            await asyncio.sleep(0.01)
        await asyncio.to_thread(nodes.kill_second)

    async def all_of_it() -> list[Outcome]:
        *outcomes, _ = await asyncio.gather(runner.run(work), runner.run(work), kill())
        return outcomes

    outcomes = asyncio.run(all_of_it())

    assert reached.exists()
    assert doomed not in {outcome.metrics["node"][0] for outcome in outcomes}


@needs_ray
def test_a_cancelled_job_is_ended(connected: Cluster, tmp_path: Path) -> None:
    started = tmp_path / "pid"
    runner = Runner(connected, tmp_path / "data")

    def hang(workspace: Workspace) -> dict[str, list[Any]]:
        (started.with_suffix(".new")).write_text(str(os.getpid()))
        started.with_suffix(".new").rename(started)
        time.sleep(60)
        return {}

    async def cancel() -> None:
        task = asyncio.create_task(runner.run(hang))
        while not started.exists():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while Path(f"/proc/{started.read_text()}/status").exists():
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(cancel(), 20))


@needs_ray
def test_another_version_there_is_refused(connected: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor_ray, "own_version", lambda: "9.9")

    with pytest.raises(MachineError, match=r"there, 9\.9 here; install the same everywhere"):
        Runner(connected, tmp_path / "data").one(lambda workspace: {})


@needs_ray
def test_a_machine_without_crystallize_is_told(
    connected: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = ModuleType("absent_there")
    exec("def do(*job): pass", vars(absent))
    monkeypatch.setitem(sys.modules, "absent_there", absent)
    vars(absent).update(MOST_ATTEMPTS=1)
    monkeypatch.setattr(executor_ray, "worker_ray", absent)

    with pytest.raises(MachineError, match=r"No module named 'absent_there'\); install crystallize there"):
        Runner(connected, tmp_path / "data").one(lambda workspace: {})


@needs_ray
def test_a_need_that_no_node_can_meet_is_told_once(connected: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    assert connected.slots(Needs()) >= 1
    assert connected.slots(Needs(gpus=4)) == 1
    assert connected.slots(Needs(gpus=4)) == 1

    assert [record.getMessage().partition(";")[0].partition(": ")[2] for record in caplog.records] == [
        "no node has 1 CPU, 4 GPU"
    ]


@needs_ray
def test_an_address_where_nobody_listens_is_told_at_once_and_never_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    cluster = Cluster("127.0.0.1:9")
    with pytest.raises(DefinitionError, match=r"cannot use the Ray cluster at '127\.0\.0\.1:9'.*ray start --head"):
        cluster.ray  # noqa: B018
    monkeypatch.setattr(cluster_module, "_knock", pytest.fail)

    with pytest.raises(DefinitionError, match="cannot use"):
        cluster.ray  # noqa: B018


@needs_ray
def test_a_connection_that_is_there_is_used_and_stays(connected: Cluster) -> None:
    ray = connected.ray
    second = Cluster("auto")

    assert second.ray is ray
    second.close()
    assert ray.is_initialized()
    with pytest.raises(DefinitionError, match=r"already connected to the Ray cluster at '.*', not to 'other:1'"):
        Cluster("other:1").ray  # noqa: B018


def test_a_run_uses_one_cluster() -> None:
    cluster = Cluster("auto")

    assert cluster.at("auto") is cluster
    with pytest.raises(DefinitionError, match=r"two Ray clusters, 'auto' and 'other:1'"):
        cluster.at("other:1")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(DefinitionError, match=r"pip install 'crystallize-dag\[ray\]'"):
        Cluster("auto").ray  # noqa: B018
    monkeypatch.delitem(sys.modules, "ray")
    with pytest.raises(DefinitionError, match=r"pip install 'crystallize-dag\[ray\]'"):
        check_installed()


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    _check_shared(tmp_path)

    with pytest.raises(
        StoreError, match=r"let all machines of the cluster share the store's folder.*CRYSTALLIZE_STORE"
    ):
        _check_shared(tmp_path / "not here")
