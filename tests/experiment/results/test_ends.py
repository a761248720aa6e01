"""Tables show where curves end; the results themselves keep every value."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crystallize import Experiment, FrozenContext, Pipeline, data_source, pipeline_step
from crystallize.experiment.results.ends import ends, ends_of
from crystallize.experiment.results.saved_metrics import load_parts
from crystallize.experiment.results.structs import TreatmentMetrics
from crystallize.store.store import Store

from ...store.making import job, new


@data_source
def nothing() -> None:
    return None


@pipeline_step()
def train(data: Any, ctx: FrozenContext) -> Any:
    for epoch in range(3 - ctx["replicate"]):
        for split in ("train", "val"):
            ctx.metrics.add(
                "loss", 10 * ctx["replicate"] + epoch + 0.5 * (split == "val"), {"split": split}, step=epoch
            )
        ctx.metrics.add("rate", 1 / (epoch + 1), step=epoch)
    ctx.record("size", 5)
    ctx.record("size", 6)
    return data


SHOWN = {"loss split=train, last": [2, 11], "loss split=val, last": [2.5, 11.5], "rate, last": [1 / 3, 0.5]}


@pytest.fixture
def trained() -> Any:
    return Experiment(nothing(), Pipeline([train()]), name="e", replicates=2).run()


def test_a_curve_is_shown_by_the_last_value_of_each_replicate(trained: Any) -> None:
    assert ends(trained.metrics.baseline) == {**SHOWN, "size": [5, 6, 5, 6]}
    assert len(trained.metrics.baseline.metrics["loss"]) == 10


@pytest.mark.usefixtures("trained")
def test_saved_results_are_shown_alike() -> None:
    version, parts = load_parts(Path("data/e"))

    assert version == 0
    assert {condition: ends(part) for condition, part in parts.items()} == {"baseline": {**SHOWN, "size": [5, 6, 5, 6]}}


def test_a_notebook_shows_the_ends(trained: Any) -> None:
    html = trained._repr_html_()

    assert "rate, last" in html and "0.4167 ± 0.12 (n = 2)" in html


def test_records_are_shown_alike(tmp_path: Path) -> None:
    facts = {"tags": {"loss": [{"step": 0}, {"step": 1}]}}
    with closing(Store.open(tmp_path)) as store:
        records = store.put_many(
            [new(job(seed=n), metrics={"loss": [1.0, n / 4], "size": [5]}, facts=facts) for n in (2, 1)]
        )

    assert ends_of(records) == {"loss, last": [0.5, 0.25], "size": [5, 5]}


def test_values_of_which_one_has_no_step_are_no_curve() -> None:
    part = TreatmentMetrics({"loss": [1, 2]}, {"loss": [{"step": 0}, {}]})

    assert ends(part) == {"loss": [1, 2]}


def test_what_has_no_version_has_no_parts(tmp_path: Path) -> None:
    assert load_parts(tmp_path / "absent") == (-1, {})
