"""Outlines: which experiments a drawing shows, and what is known of them without running anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystallize.errors import BlockedError, DefinitionError
from crystallize.experiment.drawing.outline import Edge, Outcome, Outline, outline_of_path, with_outcomes
from crystallize.experiment.results.result import Result
from crystallize.experiment.results.structs import ExperimentMetrics, TreatmentMetrics

from ..projects import write_files

CLEAN = "outputs: {rows: {}}\nsteps: [tidy]\n"
TRAIN = """
    replicates: 10
    datasource: {rows: clean#rows}
    outputs: {scores: {}}
    steps: [fit]
    treatments: {baseline: {}, strong: {a: 1}, weak: {a: 2}}
    """


def outline(root: Path, target: str, **configs: str) -> Outline:
    write_files(root, {f"experiments/{name}/config.yaml": text for name, text in configs.items()})
    return outline_of_path(root / target)[0]


def replicates(drawn: Outline) -> dict[str, int | None]:
    return {node.name: node.replicates for node in drawn.nodes}


def test_a_target_is_shown_with_all_it_reads_in_order(tmp_path: Path) -> None:
    drawn = outline(tmp_path, "experiments/train/config.yaml", train=TRAIN, clean=CLEAN, other="steps: [x]\n")

    assert [node.name for node in drawn.nodes] == ["clean", "train"]
    assert drawn.edges == (Edge(upstream="clean", downstream="train", artifact="rows"),)


def test_a_folder_is_shown_whole(tmp_path: Path) -> None:
    drawn = outline(tmp_path, "experiments", train=TRAIN, clean=CLEAN, other="steps: [x]\n")

    assert {node.name for node in drawn.nodes} == {"clean", "train", "other"}


def test_own_treatments_are_named_without_the_baseline(tmp_path: Path) -> None:
    drawn = outline(tmp_path, "experiments", train=TRAIN, clean=CLEAN)

    assert [node.treatments for node in drawn.nodes] == [(), ("strong", "weak")]


def test_replicates_follow_what_is_read_unless_it_is_gathered(tmp_path: Path) -> None:
    drawn = outline(
        tmp_path,
        "experiments",
        clean=CLEAN,
        train=TRAIN,
        score="datasource: {s: train#scores}\nsteps: [x]\n",
        report="datasource: {s: 'train#scores[*]'}\nsteps: [x]\n",
    )

    assert replicates(drawn) == {"clean": 1, "train": 10, "score": 10, "report": 1}
    assert Edge(upstream="train", downstream="report", artifact="scores", gather=True) in drawn.edges


def test_counts_that_disagree_are_left_open(tmp_path: Path) -> None:
    drawn = outline(
        tmp_path,
        "experiments",
        clean=CLEAN,
        train=TRAIN,
        few="replicates: 2\noutputs: {scores: {}}\nsteps: [fit]\n",
        both="datasource: {a: train#scores, b: few#scores}\nsteps: [x]\n",
    )

    assert replicates(drawn)["both"] is None


def test_user_code_is_not_loaded(tmp_path: Path) -> None:
    write_files(tmp_path, {"experiments/clean/steps.py": "raise RuntimeError('loaded')\n"})

    drawn = outline(tmp_path, "experiments/clean", clean=CLEAN)

    assert [node.name for node in drawn.nodes] == ["clean"]


def test_a_broken_configuration_is_left_out_of_a_folder_and_told(tmp_path: Path) -> None:
    write_files(
        tmp_path,
        {"experiments/clean/config.yaml": CLEAN, "experiments/bad/config.yaml": "stepz: [x]\n"},
    )

    drawn, faults = outline_of_path(tmp_path / "experiments")

    assert [node.name for node in drawn.nodes] == ["clean"]
    assert ["bad/config.yaml:1" in str(fault) for fault in faults] == [True]


def test_a_broken_configuration_that_was_asked_for_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="stepz"):
        outline(tmp_path, "experiments/bad", bad="stepz: [x]\n")


def test_a_cycle_is_shown_as_it_is(tmp_path: Path) -> None:
    drawn = outline(
        tmp_path,
        "experiments",
        a="datasource: {x: b#out}\noutputs: {out: {}}\nsteps: [s]\n",
        b="datasource: {x: a#out}\noutputs: {out: {}}\nsteps: [s]\n",
    )

    assert len(drawn.nodes) == len(drawn.edges) == 2


@pytest.mark.contract("7.3.16")
def test_after_a_run_nodes_say_how_their_trials_ended(tmp_path: Path) -> None:
    result = Result(ExperimentMetrics(TreatmentMetrics({}), {}))
    result.ran, result.reused = {"baseline": 3, "strong": 0}, {"baseline": 1, "strong": 4}
    result.errors = {"baseline_rep_0": ValueError("x"), "strong_rep_2": BlockedError("y"), "hypothesis_h": KeyError()}

    drawn = with_outcomes(outline(tmp_path, "experiments", clean=CLEAN, train=TRAIN), {"train": result})

    assert [node.outcome for node in drawn.nodes] == [None, Outcome(ran=2, reused=5, failed=1, blocked=1)]
