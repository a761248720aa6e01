"""`crystallize explain`: why, with the change itself, and never other than what a run then does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .story import Story
from .training import TRAINING


@pytest.fixture
def training(tmp_path: Path) -> Story:
    story = Story(tmp_path / "project", TRAINING)
    story.run()
    return story


def explained(story: Story, *arguments: str) -> str:
    return story.command("explain", *arguments).stdout


def test_what_nothing_changed_would_be_reused(training: Story) -> None:
    said = explained(training, "train")

    assert "1 trial would be reused: nothing changed since run 1 (just now)" in said
    assert "4 trials would be reused" in said
    assert "would run" not in said


def test_before_the_first_run_everything_is_a_first_run(tmp_path: Path) -> None:
    story = Story(tmp_path, TRAINING)

    said = explained(story, "train")

    assert "1 trial would run: first run" in said
    assert "4 trials undecided: waits for clean" in said
    assert not (tmp_path / "data").exists()


def test_changed_code_is_named_and_shown_as_a_diff(training: Story) -> None:
    training.edit("experiments/clean/steps.py", "return x * FACTOR", "return FACTOR * x")

    said = explained(training, "clean").splitlines()

    assert "  1 trial would run: code of steps.scale changed" in said
    assert "    baseline · replicate 0" in said
    assert "    -    return x * FACTOR" in said
    assert "    +    return FACTOR * x" in said
    assert not any("tidy" in row for row in said)


def test_a_changed_constant_is_named_as_well(training: Story) -> None:
    training.edit("experiments/clean/steps.py", "FACTOR = 2", "FACTOR = 3")

    said = explained(training, "clean").splitlines()

    assert "    -FACTOR = 2" in said
    assert "    +FACTOR = 3" in said


def test_parameters_are_shown_old_and_new(training: Story) -> None:
    training.edit("experiments/train/config.yaml", "rate: 0.5", "rate: 0.25")

    said = explained(training, "train")

    assert "param.fit.rate: 0.5 → 0.25" in said
    assert "baseline, strong · replicates 0-1" in said


def test_a_changed_treatment_concerns_its_condition_alone(training: Story) -> None:
    training.edit("experiments/train/config.yaml", "boost: 3", "boost: 4")

    said = explained(training, "train")

    assert "2 trials would be reused" in said
    assert "2 trials would run: context.boost: 3 → 4" in said
    assert "    strong · replicates 0-1" in said


def test_a_changed_input_names_the_upstream_file(training: Story) -> None:
    training.edit("experiments/clean/steps.py", "FACTOR = 2", "FACTOR = 3")
    training.run("clean")

    said = explained(training, "train")

    assert "4 trials would run: input.rows: other contents" in said
    assert "input.rows: rows.json of clean/baseline/0 (" in said


def test_condition_and_replicate_narrow_it_down(training: Story) -> None:
    document = json.loads(explained(training, "train", "--condition", "strong", "--replicate", "1", "--format", "json"))

    assert [job["label"] for job in document["jobs"]] == ["train/strong/1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "--condition", "stron"], "there is no condition 'stron'; did you mean 'strong'?"),
        (["train", "--replicate", "2"], "there is no replicate 2; the last one is 1"),
        (["trian"], "there is no experiment 'trian'"),
    ],
)
def test_what_is_not_there_is_an_error(training: Story, arguments: list[str], said: str) -> None:
    done = training.command("explain", *arguments, code=2)

    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_json_has_the_same_causes(training: Story) -> None:
    training.edit("experiments/clean/steps.py", "return x * FACTOR", "return FACTOR * x")

    document = json.loads(explained(training, "train", "--format", "json"))

    clean, train = document["explanations"]
    assert (clean["experiment"], clean["state"], clean["reason"]) == ("clean", "run", "code of steps.scale changed")
    assert clean["trials"] == {"baseline": [0]}
    assert [change["name"] for change in clean["changes"]] == ["steps.scale"]
    assert "+    return FACTOR * x" in clean["changes"][0]["diff"]
    assert (train["state"], train["trials"]) == ("undecided", {"baseline": [0, 1], "strong": [0, 1]})
    assert (document["dry_run"], document["run"], document["ran"], document["undecided"]) == (True, None, 1, 4)


def test_what_it_says_comes_true(training: Story) -> None:
    training.edit("experiments/train/steps.py", "+ boost", "+ boost + 0")
    foreseen = json.loads(explained(training, "train", "--format", "json"))["jobs"]

    ran = training.run("train")

    assert ran == {job["label"]: job["reason"] for job in foreseen if job["state"] == "run"}
    assert len(ran) == 4
