import random
from pathlib import Path
from typing import Any

import pytest

from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.legacy_cache import compute_hash, load_cache, store_cache
from crystallize.experiment.objects.quick import quick_experiment


@pytest.mark.contract("1.14.1")
def test_each_configuration_is_called_once_per_replicate() -> None:
    assert quick_experiment(lambda config: config * 2, {"a": 1, "b": 2}, 2) == {"a": [2, 2], "b": [4, 4]}


@pytest.mark.contract("1.14.1")
def test_without_configurations_there_is_the_baseline() -> None:
    assert quick_experiment(lambda: 1) == {"baseline": [1]}


@pytest.mark.contract("1.14.1")
def test_the_context_tells_replicate_condition_and_seed() -> None:
    def by_name(config: int, *, ctx: FrozenContext) -> Any:
        return dict(ctx.as_dict())

    def by_position(config: int, context: FrozenContext) -> Any:
        return context["replicate"]

    def only_context(ctx: FrozenContext) -> Any:
        return ctx["condition"]

    assert (quick_experiment(by_name, {"a": 1}, 2, seed=5)["a"]) == [
        {"replicate": 0, "condition": "a", "seed": 5},
        {"replicate": 1, "condition": "a", "seed": 31342},
    ]
    assert quick_experiment(by_position, {"a": 1}, 2)["a"] == [0, 1]
    assert quick_experiment(only_context)["baseline"] == ["baseline"]


@pytest.mark.contract("1.14.2")
def test_a_seed_makes_replicates_repeatable_and_different() -> None:
    first = quick_experiment(random.random, replicates=2, seed=1)["baseline"]

    assert first == quick_experiment(random.random, replicates=2, seed=1)["baseline"]
    assert first[0] != first[1]


def test_verbose_tells_each_call(capsys: pytest.CaptureFixture[str]) -> None:
    quick_experiment(lambda config: config, {"test": 1}, 2, verbose=True)

    assert (capsys.readouterr().out.splitlines()) == [
        "Running test replicate 1/2...",
        "Running test replicate 2/2...",
        "Done!",
    ]


@pytest.mark.contract("1.14.1")
def test_no_files_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    quick_experiment(lambda: 1, replicates=2, seed=1)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.contract("1.14.4")
def test_the_step_cache_of_old_keeps_the_first_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYSTALLIZE_CACHE_DIR", str(tmp_path))
    digest = compute_hash([1, 2])

    store_cache("step", digest, "first")
    store_cache("step", digest, "second")

    assert load_cache("step", digest) == "first"
    assert [f"{digest}.pkl"] == [path.name for path in (tmp_path / "step").iterdir()]
    assert len(digest) == 64


@pytest.mark.contract("1.14.4")
def test_the_step_cache_of_old_tells_absent_from_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYSTALLIZE_CACHE_DIR", str(tmp_path))
    (tmp_path / "step").mkdir()
    (tmp_path / "step" / "broken.pkl").write_bytes(b"junk")

    with pytest.raises(FileNotFoundError):
        load_cache("step", "absent")
    with pytest.raises(OSError, match="cannot be read"):
        load_cache("step", "broken")
    with pytest.raises(OSError, match="cannot be stored"):
        store_cache("step", "odd", lambda: 1)
