"""Runs on a real cluster of two nodes: the same results as on one machine, whatever dies, from the very code that was
fingerprinted."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crystallize import ArtifactPlugin, Experiment, ExperimentGraph, Pipeline, Result, data_source, pipeline_step
from crystallize.experiment.luggage import Luggage
from crystallize.plan import events

from ..clusters import TwoNodes, needs_ray, relaxed
from ..experiment.test_executors import two_nodes as producer_and_consumer
from .story import Story

pytestmark = [needs_ray, relaxed]

CANCER = Path(__file__).parents[2] / "examples" / "cancer"


class Seen:
    """What a run told: which jobs ran, which were reused."""

    def __init__(self, also: Callable[[events.Event], None] = lambda event: None) -> None:
        self.ran: list[str] = []
        self.reused: list[str] = []
        self._also = also

    def __call__(self, event: events.Event) -> None:
        if isinstance(event, events.JobDone):
            self.ran.append(event.job.label)
        elif isinstance(event, events.JobReused):
            self.reused.append(event.job.label)
        self._also(event)


def run_project(seen: Seen | None = None, address: str | None = None) -> dict[str, Result]:
    """Runs the whole project below the working directory, and expects no failure."""
    graph = ExperimentGraph.from_yaml("experiments")
    running = graph.running(strategy="resume", address=address, watchers=[] if seen is None else [seen])
    results = running.run()
    assert {name: result.errors for name, result in results.items() if result.errors} == {}
    return results


def metrics(results: dict[str, Result]) -> dict[str, Any]:
    return {name: result.to_dict()["metrics"] for name, result in results.items()}


def view(folder: Path = Path("data")) -> dict[str, bytes]:
    """Every file that people see."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".crystallize" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def project(folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]) -> Story:
    story = Story(folder, files)
    monkeypatch.chdir(folder)
    return story


def test_a_node_dies_in_the_middle_and_the_results_are_those_of_one_machine(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes.ensure_second()
    shutil.copytree(CANCER, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("data", "__pycache__"))
    monkeypatch.chdir(tmp_path)
    dying: list[threading.Thread] = []

    def kill_in_the_middle(event: events.Event) -> None:
        if isinstance(event, events.JobDone) and event.job.label.startswith("train/") and not dying:
            dying.append(threading.Thread(target=nodes.kill_second))
            dying[0].start()

    first, second = Seen(kill_in_the_middle), Seen()

    on_ray = metrics(run_project(first, nodes.address))
    dying[0].join()
    shown = view()
    again = metrics(run_project(second, nodes.address))
    shutil.move("data", "data-of-ray")
    inline = metrics(run_project())

    assert len(first.ran) == 46
    assert (second.ran, len(second.reused)) == ([], 46)
    assert on_ray == again == inline
    assert shown == view()
    assert {path.rpartition("/")[2] for path in shown} >= {
        "samples.json",
        "features.json",
        "scores.json",
        "report.json",
    }


def test_the_modules_of_a_package_travel_and_ray_is_one_executor_of_many(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {}
    for executor in ("serial", "ray"):
        (tmp_path / executor).mkdir()
        monkeypatch.chdir(tmp_path / executor)
        results = producer_and_consumer().run(executor=executor, address=nodes.address if executor == "ray" else None)
        found[executor] = (view(), metrics(results))

    assert found["ray"] == found["serial"]
    assert len(found["ray"][0]) > 12


MODELS = {
    "helpers.py": """
        FACTOR = 2

        def scale(value):
            return value * FACTOR
        """,
    "experiments/fit/config.yaml": "steps: [fit]\noutputs: {model: {writer: dump, loader: load}}\n",
    "experiments/fit/datasources.py": """
        from crystallize import data_source
        from helpers import scale

        @data_source
        def numbers():
            return scale(21)
        """,
    "experiments/fit/kinds.py": """
        class Model:
            def __init__(self, weight):
                self.weight = weight

        class Refused(Exception):
            pass
        """,
    "experiments/fit/outputs.py": """
        import pickle

        def dump(model):
            return pickle.dumps(model)

        def load(path):
            return pickle.loads(path.read_bytes())
        """,
    "experiments/fit/steps.py": """
        from crystallize import Artifact, pipeline_step

        @pipeline_step()
        def fit(data, *, model: Artifact):
            import kinds  # only here

            if data < 0:
                raise kinds.Refused(f"{data} is negative")
            model.write(kinds.Model(data))
            return data, {"weight": data}
        """,
    "experiments/use/config.yaml": "datasource: {model: fit#model}\nsteps: [use]\n",
    "experiments/use/steps.py": """
        from crystallize import pipeline_step

        @pipeline_step()
        def use(data):
            model = data["model"]
            return data, {"weight": model.weight, "home": type(model).__module__}
        """,
}


def test_the_code_that_was_loaded_travels_and_classes_keep_their_names(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, monkeypatch, MODELS)
    here = metrics(run_project())
    shown = view()
    shutil.rmtree("data")
    graph = ExperimentGraph.from_yaml("experiments")
    pack = Luggage.pack

    def pack_and_hide(luggage: Luggage, *more: Any) -> Any:
        packed = pack(luggage, *more)
        # What is on the disk is of no use to the workers, and even wrong.
        for path in tmp_path.rglob("*.py"):
            path.write_text("raise RuntimeError('read from the disk')\n", encoding="utf-8")
        return packed

    monkeypatch.setattr(Luggage, "pack", pack_and_hide)

    there = metrics(graph.run(strategy="rerun", address=nodes.address))

    assert here == there
    assert shown == view()
    assert here["use"]["baseline"]["home"][0].endswith(".experiments.fit.kinds")


def test_an_exception_of_the_projects_arrives_as_what_it_is(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = project(tmp_path, monkeypatch, MODELS)
    story.edit("helpers.py", "FACTOR = 2", "FACTOR = -2")

    results = ExperimentGraph.from_yaml("experiments").run(address=nodes.address)

    [error] = results["fit"].errors.values()
    assert str(error) == "step FitStep failed: Refused: -42 is negative"
    assert type(error.original_exception) is sys.modules[type(error.original_exception).__module__].Refused


def test_another_value_under_a_name_than_the_run_was_planned_with_is_never_recorded(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, monkeypatch, MODELS)
    graph = ExperimentGraph.from_yaml("experiments")
    sys.modules["helpers"].FACTOR = 3  # type: ignore[attr-defined]
    seen = Seen()

    results = graph.running(address=nodes.address, watchers=[seen]).run()

    [error] = results["fit"].errors.values()
    assert str(error).startswith(
        "code changed during the run: helpers.FACTOR is not what it was when the run was planned"
    )
    assert seen.ran == []


KEEPING = {
    "helpers.py": """
        CALLS = []

        def note(value):
            CALLS.append(value)
            return len(CALLS) > 0
        """,
    "experiments/one/config.yaml": "replicates: 4\nsteps: [note_it]\n",
    "experiments/two/config.yaml": "replicates: 4\nsteps: [note_it]\n",
    **dict.fromkeys(
        ("experiments/one/datasources.py", "experiments/two/datasources.py"),
        """
        from crystallize import data_source

        @data_source
        def five():
            return 5
        """,
    ),
    "experiments/one/steps.py": """
        import helpers
        from crystallize import pipeline_step

        @pipeline_step()
        def note_it(data):
            return data, {"noted": helpers.note(data)}
        """,
    "experiments/two/steps.py": """
        import helpers
        from crystallize import pipeline_step

        @pipeline_step()
        def note_it(data):
            return data, {"noted_too": helpers.note(data)}
        """,
}


def test_what_jobs_leave_in_modules_of_a_worker_is_no_edit(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, monkeypatch, KEEPING)
    seen = Seen()

    run_project(seen, nodes.address)

    assert len(seen.ran) == 8


def test_a_module_that_is_loaded_anew_is_loaded_anew_on_the_nodes(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    story = project(tmp_path, monkeypatch, MODELS)
    ray.init(address=nodes.address, logging_level="ERROR")

    try:
        before = run_project(address="auto")["use"].metrics.baseline.metrics
        story.edit("helpers.py", "FACTOR = 2", "FACTOR = 30")
        story.edit("experiments/use/steps.py", '"home": type(model).__module__', '"doubled": 2 * model.weight')
        del sys.modules["helpers"]
        after = run_project(address="auto")["use"].metrics.baseline.metrics
    finally:
        ray.shutdown()

    assert before["weight"] == [42]
    assert after == {"weight": [630], "doubled": [1260]}


@pytest.fixture(autouse=True)
def no_helpers() -> Iterator[None]:
    """Projects of several tests have a module of this name."""
    path = list(sys.path)
    yield
    sys.modules.pop("helpers", None)
    sys.path[:] = path


READING = {
    "table.csv": "1\n2\n",
    "unit.txt": "m",
    "experiments/sum/config.yaml": "steps: [add]\n",
    "experiments/sum/datasources.py": """
        import os
        from pathlib import Path
        from crystallize import data_source

        SHIFT = int(os.environ["SHIFT_OF_THE_DAY"])

        @data_source
        def rows():
            return [int(row) + SHIFT for row in Path("table.csv").read_text().split()]
        """,
    "experiments/sum/steps.py": """
        from pathlib import Path
        from crystallize import PipelineStep

        class Add(PipelineStep):
            cacheable = True
            def setup(self, ctx):
                self.unit = Path("unit.txt").read_text()
            @property
            def params(self):
                return {}
            def __call__(self, data, ctx):
                ctx.record("total", sum(data))
                ctx.record("unit", self.unit)
                return data

        add = Add
        """,
}


def test_what_trials_read_on_the_nodes_counts(nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    story = project(tmp_path, monkeypatch, READING)
    monkeypatch.setenv("SHIFT_OF_THE_DAY", "10")
    first, same, table, unit = Seen(), Seen(), Seen(), Seen()

    fresh = run_project(first, nodes.address)["sum"]
    run_project(same, nodes.address)
    story.edit("table.csv", "2", "5")
    changed = run_project(table, nodes.address)["sum"]
    story.edit("unit.txt", "m", "km")
    run_project(unit, nodes.address)

    assert fresh.metrics.baseline.metrics == {"total": [23], "unit": ["m"]}
    assert changed.metrics.baseline.metrics == {"total": [26], "unit": ["m"]}
    assert [len(seen.ran) for seen in (first, same, table, unit)] == [1, 0, 1, 1]
    assert "Add: cacheable, and yet ran in every trial; on Ray there are no step memos" in fresh.notices


SCRIPT = """
    import pickle, sys
    from crystallize import Artifact, ArtifactPlugin, Experiment, Pipeline, data_source, pipeline_step

    seen = []

    class Model:
        def __init__(self, weight):
            self.weight = weight

    def double(value):
        seen.append(value)
        return value * 2

    @data_source
    def one():
        return 1

    @pipeline_step()
    def fit(data, *, model: Artifact):
        model.write(Model(double(data)))
        return data

    @pipeline_step()
    def count(data):
        return data, {"seen": len(seen)}

    model = Artifact("model.pkl", writer=pickle.dumps)
    experiment = Experiment(
        one(), Pipeline([fit(model=model), count()]), [ArtifactPlugin(sys.argv[1])], name="typed", outputs=[model]
    )
    result = experiment.run(address=sys.argv[2] if sys.argv[2:] else None)
    print(result.errors, result.metrics.baseline.metrics)
    """


def test_what_a_script_defines_travels_by_value(nodes: TwoNodes, tmp_path: Path) -> None:
    Story(tmp_path, {"script.py": SCRIPT})
    command = [sys.executable, "script.py"]

    here = subprocess.run([*command, "here"], cwd=tmp_path, capture_output=True, text=True, check=True)
    there = subprocess.run([*command, "there", nodes.address], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert here.stdout == "{} {'seen': [1]}\n"
    assert there.stdout.endswith(here.stdout)  # Ray may have said something first, of a busy machine
    assert view(tmp_path / "there") == view(tmp_path / "here")


def test_what_cannot_travel_is_named(nodes: TwoNodes, tmp_path: Path) -> None:
    experiment = Experiment(
        three(),
        Pipeline([keep()]),
        [ArtifactPlugin(root_dir=tmp_path / "data")],
        name="holding",
        initial_ctx={"lock": threading.Lock()},
    )

    result = experiment.run(address=nodes.address)

    [error] = result.errors.values()
    assert str(error).startswith(
        "experiment 'holding': initial_ctx['lock'] cannot travel to another machine (TypeError"
    )


def test_without_a_cluster_every_trial_says_so(tmp_path: Path) -> None:
    plugins = [ArtifactPlugin(root_dir=tmp_path / "data")]
    experiment = Experiment(three(), Pipeline([keep()]), plugins, name="lonely", replicates=5)

    result = experiment.run(address="127.0.0.1:9")

    assert len(result.errors) == 5
    assert {str(error).partition(" (")[0] for error in result.errors.values()} == {
        "address: cannot use the Ray cluster at '127.0.0.1:9'"
    }


@data_source
def three() -> int:
    return 3


@pipeline_step()
def keep(data: int) -> int:
    return data


def test_the_command_runs_on_a_cluster_and_reuses_without_one(nodes: TwoNodes, tmp_path: Path) -> None:
    story = Story(
        tmp_path,
        {
            "experiments/fetch/config.yaml": f"executor: ray\naddress: {nodes.address}\nsteps: [say]\n",
            "experiments/fetch/datasources.py": """
                from crystallize import data_source

                @data_source(volatile=True)
                def weather():
                    return "rain"
                """,
            "experiments/fetch/steps.py": """
                from crystallize import pipeline_step

                @pipeline_step()
                def say(data):
                    print("it will", data)
                    return data, {"weather": data}
                """,
        },
    )

    first = story.command("run")
    again = story.run()

    assert "it will rain" in first.stdout + first.stderr
    assert story.metrics("fetch") == {"weather": ["rain"]}
    assert again == {}
    assert (
        "leave it out, or run on 'ray'"
        in story.command("run", "--executor", "thread", "--address", "x:1", code=2).stderr
    )
