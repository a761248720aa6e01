import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from crystallize.experiment.objects.context import standalone_context
from crystallize.experiment.objects.execution import (
    AsyncExecution,
    Execution,
    ParallelExecution,
    RayExecution,
    SerialExecution,
)
from crystallize.experiment.objects.plugins import (
    ArtifactPlugin,
    BasePlugin,
    LoggingPlugin,
    SeedPlugin,
    default_seed_function,
    overrides,
)
from crystallize.experiment.results.saved_metrics import load_all_metrics, load_metrics


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    logger = logging.getLogger("crystallize")
    before = (logger.handlers[:], logger.level)
    logger.handlers.clear()
    yield logger
    logger.handlers[:] = before[0]
    logger.setLevel(before[1])


@pytest.mark.contract("1.10.1")
def test_the_hooks_of_the_base_do_nothing() -> None:
    plugin: Any = BasePlugin()

    plugin.init_hook(None)
    plugin.before_run(None)
    plugin.before_replicate(None, None)
    plugin.before_step(None, None)
    plugin.after_step(None, None, None, None)
    plugin.after_run(None, None)

    assert plugin.run_experiment_loop(None, None) is NotImplemented
    assert plugin.affects_results is True


def test_an_overridden_hook_is_told_from_an_inherited_one() -> None:
    class Mine(BasePlugin):
        def before_run(self, experiment: Any) -> None: ...

    class Child(Mine): ...

    assert [overrides(Child(), hook) for hook in ("before_run", "after_run")] == [True, False]


@pytest.mark.contract("1.10.4")
def test_seeds_are_the_same_in_every_run_unless_told_otherwise() -> None:
    assert [SeedPlugin().seed_for(replicate) for replicate in range(3)] == [0, 31337, 62674]
    assert [SeedPlugin(seed=5).seed_for(replicate) for replicate in range(2)] == [5, 31342]
    assert SeedPlugin(seed=2**32 - 1).seed_for(1) == (2**32 - 1 + 31337) % 2**32
    assert [SeedPlugin(seed=5, auto_seed=False).seed_for(replicate) for replicate in range(2)] == [5, 5]


def test_numpy_integers_are_seeds_and_fractions_are_not() -> None:
    wrong: Any = 1.5

    assert SeedPlugin(seed=np.int64(3)).seed == 3  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"seed 1\.5"):
        SeedPlugin(seed=wrong)


@pytest.mark.contract("1.10.6")
def test_planting_seeds_the_global_generators() -> None:
    drawn = []
    for _ in range(2):
        SeedPlugin().plant(3)
        drawn.append((random.random(), np.random.random()))

    assert drawn[0] == drawn[1]


def test_the_largest_seed_fits_numpy() -> None:
    default_seed_function(2**32 - 1)


@pytest.mark.contract("1.10.6")
def test_a_seed_function_of_the_users_own_is_called_instead() -> None:
    seen: list[int] = []

    SeedPlugin(seed_fn=seen.append).plant(3)

    assert seen == [3]


def experiment_of(*plugins: BasePlugin) -> Any:
    treatments = [SimpleNamespace(name="high")]
    return SimpleNamespace(name="e", replicates=2, treatments=treatments, hypotheses=[], plugins=plugins)


@pytest.mark.contract("1.10.7")
def test_logging_tells_begin_and_end(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    plugin = LoggingPlugin()
    experiment = experiment_of(SeedPlugin(seed=4), plugin)
    hypotheses = [SimpleNamespace(name="h", ranking={"best": "high"})]
    result = SimpleNamespace(metrics=SimpleNamespace(hypotheses=hypotheses), errors={"baseline_rep_0": KeyError()})

    with caplog.at_level(logging.INFO, logger="crystallize"):
        plugin.before_run(experiment)
        plugin.after_step(experiment, "step", None, standalone_context())
        plugin.after_run(experiment, result)

    begin, end = [record.getMessage() for record in caplog.records]
    assert begin == "Experiment: e | replicates: 2 | treatments: high | hypotheses: none | seed: 4"
    assert end.startswith("Completed in ")
    assert end.endswith("h: best high | errors: 1")


@pytest.mark.contract("1.10.7")
def test_verbose_logging_tells_each_step(logger: logging.Logger, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="crystallize"):
        LoggingPlugin(verbose=True).after_step(None, SeedPlugin(), None, standalone_context())

    assert [record.getMessage() for record in caplog.records] == ["finished step SeedPlugin"]


def test_the_logger_gets_one_handler_and_a_known_level(logger: logging.Logger) -> None:
    LoggingPlugin(log_level="debug").logger()
    assert logger.level == logging.DEBUG

    LoggingPlugin(log_level="nonsense").logger()
    assert logger.level == logging.INFO
    assert len(logger.handlers) == 1


def test_plugins_are_compared_by_their_settings() -> None:
    first, second = ArtifactPlugin("arts", versioned=True), ArtifactPlugin("arts", versioned=True)
    first.version = 3

    assert first == second
    assert tuple(vars(ArtifactPlugin()).values()) == ("data", False, 3, 10, None)


@pytest.mark.parametrize("root", [3, None, ""])
def test_a_root_that_is_no_path_is_refused(root: Any) -> None:
    with pytest.raises(ValueError, match="root_dir"):
        ArtifactPlugin(root)


@pytest.mark.contract("1.11.2")
def test_an_unknown_executor_type_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="executor_type is 'threads'; did you mean 'thread'"):
        ParallelExecution(executor_type="threads")
    with pytest.raises(ValueError, match="max_workers is 0"):
        ParallelExecution(max_workers=0)


@pytest.mark.contract("1.11.5")
@pytest.mark.parametrize(
    ("plugin", "mode", "workers"),
    [
        (SerialExecution(), "serial", 1),
        (AsyncExecution(), "async", 5),
        (ParallelExecution(max_workers=2), "thread", 2),
        (ParallelExecution(max_workers=9, executor_type="process"), "process", 5),
        (RayExecution(), "ray", 5),
    ],
)
def test_execution_plugins_declare_how_five_trials_run(plugin: Execution, mode: str, workers: int) -> None:
    assert (mode, workers) == (plugin.mode, plugin.workers(5))
    assert not plugin.affects_results
    assert plugin.workers(0) == 1


def save(folder: Path, version: int, condition: str, metrics: dict[str, Any]) -> None:
    target = folder / f"v{version}" / condition / "results.json"
    target.parent.mkdir(parents=True)
    target.write_text(json.dumps({"metrics": metrics}), encoding="utf-8")


@pytest.mark.contract("1.14.5", "1.14.6")
def test_saved_metrics_are_read_from_the_newest_version(tmp_path: Path) -> None:
    save(tmp_path, 2, "baseline", {"m": [1]})
    save(tmp_path, 10, "baseline", {"m": [2]})
    save(tmp_path, 10, "b", {"m": [4]})
    save(tmp_path, 10, "a", {"m": [3]})
    save(tmp_path, 2, "old", {"m": [5]})
    (tmp_path / "vx").mkdir()

    assert load_metrics(tmp_path) == (10, {"m": [2]}, {"a": {"m": [3]}, "b": {"m": [4]}})
    assert load_metrics(tmp_path, 2) == (2, {"m": [1]}, {"old": {"m": [5]}})
    assert load_all_metrics(tmp_path) == (
        10,
        {"m": [2]},
        {"a": (10, {"m": [3]}), "b": (10, {"m": [4]}), "old": (2, {"m": [5]})},
    )
    assert load_all_metrics(tmp_path, 2) == (2, {"m": [1]}, {"old": (2, {"m": [5]})})


@pytest.mark.contract("1.14.5")
def test_without_versions_there_are_no_saved_metrics(tmp_path: Path) -> None:
    assert load_metrics(tmp_path / "absent") == (-1, {}, {})
    assert load_all_metrics(tmp_path) == (-1, {}, {})
