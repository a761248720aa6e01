"""What trials are seen to read, in one process: threads, event loops, set-up, resources, state between calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from crystallize import (
    ArtifactPlugin,
    AsyncExecution,
    BasePlugin,
    Experiment,
    FrozenContext,
    ParallelExecution,
    Pipeline,
    PipelineStep,
    Treatment,
    data_source,
    pipeline_step,
    resource_factory,
)
from crystallize.experiment.reads import native_readers, texts_in
from crystallize.fingerprint.code.codebase import Code
from crystallize.fingerprint.digest import digest_bytes

from ..store.making import piece


@data_source
def nothing(ctx: FrozenContext) -> None:
    return None


@pipeline_step()
def read_own(data: Any, ctx: FrozenContext) -> Any:
    return data, {"length": len(Path(f"{ctx['condition']}.csv").read_text())}


@pipeline_step()
async def read_later(data: Any, ctx: FrozenContext) -> Any:
    await asyncio.sleep(0)
    return data, {"length": len(await asyncio.to_thread(Path(f"{ctx['condition']}.csv").read_text))}


@pipeline_step()
def nap(data: Any, ctx: FrozenContext, *, client: Any = None) -> Any:
    return data, {"length": client or 0}


@pytest.fixture(autouse=True)
def tables(tmp_path: Path) -> None:
    (tmp_path / "crystallize.toml").touch()
    for name in ("baseline", "other", "shared"):
        (tmp_path / f"{name}.csv").write_text(name, encoding="utf-8")


def experiment(*steps: Any, plugins: tuple[Any, ...] = (), **settings: Any) -> Experiment:
    return Experiment(
        nothing(),
        Pipeline(list(steps)),
        [ArtifactPlugin(root_dir="data"), *plugins],
        name="e",
        treatments=[Treatment("other", {"unused": 1})],
        **settings,
    )


def ran(made: Experiment) -> dict[str, int]:
    return made.run(strategy="resume").ran


@pytest.mark.parametrize(
    ("step", "execution"),
    [(read_own, ()), (read_own, (ParallelExecution(max_workers=2),)), (read_later, (AsyncExecution(),))],
    ids=["serial", "thread", "async"],
)
def test_each_trial_is_charged_with_its_own_reads(step: Callable[..., Any], execution: tuple[Any, ...]) -> None:
    made = experiment(step(), plugins=execution, replicates=2)
    made.run(strategy="resume")
    Path("other.csv").write_text("longer than before")

    assert ran(made) == {"baseline": 0, "other": 2}
    assert ran(made) == {"baseline": 0, "other": 0}


def test_the_summary_names_what_changed() -> None:
    made = experiment(read_own())
    made.run(strategy="resume")
    Path("other.csv").write_text("longer than before")

    reasons = made.run(strategy="resume").reasons

    assert reasons == {"other_rep_0": "other.csv: read by the last run, changed since"}


class SetsUp(PipelineStep):
    params: ClassVar[dict[str, Any]] = {}

    def setup(self, ctx: FrozenContext) -> None:
        Path("shared.csv").read_text()

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        return data


class BeforeRun(BasePlugin):
    affects_results = False

    def before_run(self, experiment: Any) -> None:
        Path("shared.csv").read_text()


@pytest.mark.parametrize(
    "made", [lambda: experiment(SetsUp()), lambda: experiment(nap(), plugins=(BeforeRun(),))], ids=["setup", "hook"]
)
def test_what_is_read_before_the_first_trial_counts_for_all(made: Callable[[], Experiment]) -> None:
    made().run(strategy="resume")
    Path("shared.csv").write_text("changed")

    assert ran(made()) == {"baseline": 1, "other": 1}


def test_what_a_resource_was_made_of_counts_for_every_trial_that_uses_it() -> None:
    def client(ctx: FrozenContext) -> int:
        return len(Path("shared.csv").read_text())

    def made() -> Experiment:
        return experiment(nap(), initial_ctx={"client": resource_factory(client)})

    made().run(strategy="resume")
    Path("shared.csv").write_text("another length")
    changed = made().run(strategy="resume")

    assert changed.ran == {"baseline": 1, "other": 1}
    # The resource of this process still holds what it was made of.
    assert "shared.csv: changed since this process read it" in " ".join(changed.notices)


class KeepsTable(PipelineStep):
    params: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.table: dict[str, str] = {}

    def __call__(self, data: Any, ctx: FrozenContext) -> Any:
        if not self.table:
            self.table["all"] = Path("shared.csv").read_text()
        return data, {"length": len(self.table["all"])}


def test_what_an_instance_keeps_counts_for_the_trials_after() -> None:
    experiment(KeepsTable(), replicates=3).run(strategy="resume")
    Path("shared.csv").write_text("changed")

    assert ran(experiment(KeepsTable(), replicates=3)) == {"baseline": 3, "other": 3}
    assert ran(experiment(KeepsTable(), replicates=3)) == {"baseline": 0, "other": 0}


def test_a_treatment_that_names_a_file_counts_whoever_opens_it() -> None:
    def made() -> Experiment:
        given = experiment(nap())
        given.treatments = [Treatment("other", {"client": {"tables": [Path("other.csv")]}})]
        return given

    made().run(strategy="resume")
    Path("other.csv").write_text("changed")
    Path("shared.csv").write_text("changed")

    assert ran(made()) == {"baseline": 0, "other": 1}


def test_a_file_that_is_named_and_written_does_not_count() -> None:
    @pipeline_step()
    def log(data: Any, ctx: FrozenContext, *, target: str) -> Any:
        Path(target).write_text(str(ctx["replicate"]))
        return data

    experiment(log(target="shared.csv")).run(strategy="resume")
    Path("shared.csv").write_text("by hand")

    assert ran(experiment(log(target="shared.csv"))) == {"baseline": 0, "other": 0}


def test_texts_are_found_in_containers_and_long_ones_are_no_names() -> None:
    value = {"a": ["x.csv", ("y.csv", 3)], "b": {Path("z.csv")}, "c": "two\nlines", "d": "x" * 1000, "e": ""}

    assert list(texts_in(value)) == ["x.csv", "y.csv", "z.csv"]


@pytest.mark.parametrize(
    ("package", "text", "named"),
    [
        ("polars", "", "polars"),
        ("h5py", "", "h5py"),
        ("pandas", "pandas.read_parquet('a')", "pandas"),
        ("pandas", "pandas.read_csv('a')", ""),
        ("numpy", "", ""),
    ],
)
def test_readers_that_python_does_not_see_are_noted(package: str, text: str, named: str) -> None:
    code = Code(
        digest=digest_bytes(b""),
        preview="",
        pieces=(piece("f", text),),
        packages=frozenset({package}),
        environ=frozenset(),
        notes=(),
        homes=frozenset(),
    )

    notes = list(native_readers(code))

    assert [f"what {named} reads" in note for note in notes] == [True] * bool(named)
