"""`crystallize diff` and `crystallize import`: what differs, as text and as JSON; old trees adopted, never reused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_schema import documented

from .story import Story

CONFIG = "name: train\nreplicates: 2\nsteps:\n  - fit\ntreatments:\n  high: {{lr: {lr}}}\n{more}"
STEPS = """from crystallize import pipeline_step


@pipeline_step()
def fit(data, ctx, *, lr=0.1):
    return data, {{"loss": {formula}}}
"""


@pytest.fixture
def story(tmp_path: Path) -> Story:
    made = Story(
        tmp_path,
        {
            "experiments/train/datasources.py": """
                from crystallize import data_source


                @data_source
                def one():
                    return 1
                """
        },
    )
    write(made)
    return made


def write(story: Story, lr: float = 0.5, formula: str = "data + lr", more: str = "") -> None:
    story.write("experiments/train/config.yaml", CONFIG.format(lr=lr, more=more))
    story.write("experiments/train/steps.py", STEPS.format(formula=formula))


def said(story: Story, *arguments: str, code: int = 0) -> str:
    done = story.command(*arguments, code=code)
    return done.stderr if code else done.stdout


def document(story: Story, *sides: str) -> Any:
    return json.loads(said(story, "diff", *sides, "--format", "json"))


def test_two_conditions_differ_by_what_the_treatment_sets(story: Story) -> None:
    story.run()
    text = said(story, "diff", "train:baseline", "train:high")

    assert text.startswith("train:baseline → train:high\n    context.lr: (nothing) → 0.5\n")
    assert "loss    baseline → high  1.1 ± 0 (n = 2)  1.5 ± 0 (n = 2)        +0.4" in text


def test_two_runs_differ_by_code_and_values_and_each_change_is_told_once(story: Story) -> None:
    story.run()
    write(story, formula="data * lr")
    story.run()
    text = said(story, "diff", "run", "1", "2")

    assert text.count('-    return data, {"loss": data + lr}') == 1
    assert text.count('+    return data, {"loss": data * lr}') == 1
    assert "train:baseline, train:high" in text
    assert said(story, "diff", "1", "2") == text


def test_conditions_that_only_one_run_has_are_named(story: Story) -> None:
    story.run()
    write(story, more="  low: {lr: 0.01}\n")
    story.run()
    text = said(story, "diff", "1", "2")

    assert "the same results: train:baseline, train:high" in text
    assert "only in run 2: train:low" in text


def test_two_experiments_are_compared_condition_by_condition(story: Story) -> None:
    import shutil

    shutil.copytree(story.folder / "experiments/train", story.folder / "experiments/other")
    story.edit("experiments/other/config.yaml", "name: train", "name: other")
    story.edit("experiments/other/steps.py", "lr=0.1", "lr=0.2")
    story.run()

    found = document(story, "train", "other")

    assert [(pair["old"]["experiment"], pair["new"]["experiment"]) for pair in found["pairs"]] == [
        ("train", "other")
    ] * 2
    assert found["pairs"][0]["metrics"] == {"loss": {"old": [1.1, 1.1], "new": [1.2, 1.2]}}
    assert any("lr=0.2" in change["diff"] for change in found["pairs"][0]["differences"])


def test_every_field_of_the_document_is_in_the_reference(story: Story) -> None:
    story.run()
    found = document(story, "train:baseline", "train:high")

    assert list(found) == documented("## `diff`")
    assert list(found["pairs"][0]) == documented("### `pairs`")
    assert list(found["pairs"][0]["old"]) == ["experiment", "condition", "run", "records"]


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (["1", "train"], "'1' and 'train' are not of one kind"),
        (["1", "99"], "there is no run 99"),
        (["train:baseline", "train:hihg"], "there are no recorded trials of 'hihg' of 'train'; did you mean 'high'"),
        (["train", "nope"], "there are no results of 'nope'"),
        (["1"], "two sides are compared"),
    ],
)
def test_what_cannot_be_compared_is_told(story: Story, sides: list[str], message: str) -> None:
    story.run()

    assert message in said(story, "diff", *sides, code=2)


def old_tree(folder: Path) -> None:
    """As 0.27 left it."""
    for condition, losses in (("baseline", [1.0, 2.0]), ("high", [float("nan"), 3.0])):
        path = folder / "train/v3" / condition / "results.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"metrics": {"loss": losses}}), encoding="utf-8")
        (path.parent / ".crystallize_complete").touch()
    (folder / "train/v3/metadata.json").write_text('{"replicates": 2, "id": "x", "name": "train"}', encoding="utf-8")


def test_an_old_tree_is_adopted_once(story: Story) -> None:
    old_tree(story.folder / "old")

    assert said(story, "import", "old").splitlines()[:2] == [
        "adopted the metrics of 2 conditions; 0 were there",
        "  train@v3",
    ]
    assert said(story, "import", "old/train") == "adopted the metrics of 0 conditions; 2 were there\n"


def test_adopted_metrics_are_compared_with_new_ones(story: Story) -> None:
    old_tree(story.folder / "old")
    story.command("import", "old")
    story.run()

    [pair] = document(story, "train@v3:baseline", "train:baseline")["pairs"]

    assert pair["metrics"] == {"loss": {"old": [1.0, 2.0], "new": [1.1, 1.1]}}
    assert [change["name"] for change in pair["differences"]] == ["imported"]


def test_nothing_adopted_is_ever_reused(story: Story) -> None:
    old_tree(story.folder / "data")
    story.command("import", "data")

    told = json.loads(said(story, "run", "--format", "json"))

    assert told["ran"] == 4
    assert {job["reason"] for job in told["jobs"]} == {"first run"}


def test_results_of_our_own_are_passed_over(story: Story) -> None:
    story.run()

    assert said(story, "import", "data") == "adopted the metrics of 0 conditions; 2 were there\n"


def test_a_folder_without_results_and_one_with_damage_are_told(story: Story) -> None:
    (story.folder / "empty").mkdir()
    old_tree(story.folder / "old")
    (story.folder / "old/train/v3/high/results.json").write_text("{", encoding="utf-8")

    assert "there are no results of crystallize here" in said(story, "import", "empty", code=2)
    assert "results.json: these are no metrics" in said(story, "import", "old", code=2)
