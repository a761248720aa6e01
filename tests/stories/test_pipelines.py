"""The guide's pipeline, run again and again: what each change re-runs, in this machine's shell and in containers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stories.pipelining import GUIDE, OTHER_IMAGE, Pipelines, has_podman, make_images


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not has_podman():
        pytest.skip(
            "NO PODMAN HERE: pipelines are not tested in containers; apt-get install podman runc busybox-static"
        )
    make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(params=["local", "podman"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pipelines]:
    if request.param == "podman":
        request.getfixturevalue("images")
    made = Pipelines(tmp_path, GUIDE)
    made.runtime = request.param
    yield made


@pytest.fixture
def local(tmp_path: Path) -> Pipelines:
    return Pipelines(tmp_path, GUIDE)


def test_the_second_run_executes_nothing_and_each_change_re_runs_what_it_must(story: Pipelines) -> None:
    first = story.states()
    second = story.states()

    assert first == {"preprocess": "ran", "train": "ran", "evaluate": "ran"}
    assert second == {"preprocess": "reused", "train": "reused", "evaluate": "reused"}

    story.edit("train.sh", 'echo "model of', 'echo "new model of')
    code = story.pipeline()

    assert code == {"train": "code of train.sh changed", "evaluate": "input.model: other contents"}

    parameter = story.pipeline("--batch_size", "64")

    assert list(parameter) == ["preprocess", "train"], "as many rows as before: the model is the same"
    assert parameter["preprocess"] == "param.batch_size: 32 → 64"

    story.write("raw/c.csv", "5,6\n")
    added = story.pipeline()

    assert list(added) == ["preprocess", "train", "evaluate"]
    assert added["preprocess"].startswith("input.raw:") or "param.batch_size" in added["preprocess"]

    story.edit(
        "valohai.yaml",
        "image: localhost/crystallize-test:1\n    x-source: [evaluate",
        f"image: {OTHER_IMAGE}\n    x-source: [evaluate",
    )
    image = story.pipeline()

    assert list(image) == ["evaluate"]
    assert image["evaluate"].startswith("image: localhost/crystallize-test:1")

    story.edit("valohai.yaml", "aws-p3-2xlarge", "aws-p4")
    environment = story.pipeline()

    assert environment == {"preprocess": "environment: aws-p3-2xlarge → aws-p4"}
    assert story.pipeline() == {}


def test_going_back_finds_the_earlier_executions_again(local: Pipelines) -> None:
    local.pipeline()
    local.pipeline("--train.lr", "0.5")

    assert local.pipeline() == {}
    assert local.pipeline("--train.lr", "0.5") == {}


def test_a_value_typed_as_text_is_the_value_it_stands_for(local: Pipelines) -> None:
    local.pipeline()

    assert local.pipeline("--batch_size", "32", "--train.lr", "0.10") == {}


def test_a_touched_or_renamed_project_re_runs_nothing(local: Pipelines, tmp_path: Path) -> None:
    local.pipeline()
    for name in ("train.sh", "raw/a.csv", "valohai.yaml"):
        os.utime(tmp_path / name)

    assert local.pipeline() == {}


def test_without_x_source_any_file_of_the_tree_counts(local: Pipelines, tmp_path: Path) -> None:
    text = (tmp_path / "valohai.yaml").read_text(encoding="utf-8")
    plain = "\n".join(line for line in text.splitlines() if "x-source" not in line)
    local.write("valohai.yaml", plain)
    local.pipeline()
    local.write("notes.txt", "unrelated\n")

    assert set(local.pipeline()) == {"preprocess", "train", "evaluate"}

    local.write(".vhignore", "notes.txt\n")
    local.pipeline()
    local.write("notes.txt", "still unrelated\n")

    assert local.pipeline() == {}


def test_a_dry_run_tells_what_comes_true_and_writes_nothing(local: Pipelines, tmp_path: Path) -> None:
    fresh = local.document("pipeline", "run", "model-training", "--dry-run")

    assert [job["state"] for job in fresh["jobs"]] == ["run", "undecided", "undecided"]
    assert not (tmp_path / "data").exists()

    local.pipeline()
    local.edit("train.sh", "rows,", "lines,")
    foreseen = local.document("pipeline", "explain", "model-training")

    assert [job["state"] for job in foreseen["jobs"]] == ["reuse", "run", "undecided"]
    assert local.states() == {"preprocess": "reused", "train": "ran", "evaluate": "ran"}


def test_reuse_is_off_unless_it_is_asked_for(local: Pipelines) -> None:
    local.edit("valohai.yaml", "    reuse-executions: true\n", "")
    local.pipeline()

    assert set(local.pipeline()) == {"preprocess", "train", "evaluate"}
    assert local.pipeline("--reuse") == {}
    assert set(local.pipeline("--reuse", "--no-reuse")) == {"preprocess", "train", "evaluate"}


def test_a_failed_execution_is_never_reused_and_what_follows_never_starts(local: Pipelines) -> None:
    local.edit("train.sh", "metric 1 0.5", "echo broken >&2; exit 3")

    first = local.states(code=1)

    assert first == {"preprocess": "ran", "train": "failed", "evaluate": "blocked"}
    assert local.states(code=1)["train"] == "failed"
    assert [row["status"] for row in local.shown("execution", "list")["executions"]] == ["error", "error", "complete"]
    assert "broken" in local.command("execution", "logs", "latest").stderr

    local.edit("train.sh", "echo broken >&2; exit 3", "metric 1 0.5")

    assert local.states() == {"preprocess": "reused", "train": "ran", "evaluate": "ran"}


def test_an_earlier_execution_can_be_chosen_whatever_has_changed(local: Pipelines) -> None:
    local.pipeline()
    local.edit("preprocess.sh", "batch", "Batch")

    pinned = local.document("pipeline", "run", "model-training", "--pin", "preprocess=1", "--train.lr", "0.7")

    assert [job["state"] for job in pinned["jobs"]] == ["reused", "ran", "ran"]
    assert pinned["jobs"][0]["reason"] == "pinned to execution 1"

    of_run = local.document("pipeline", "run", "model-training", "--reuse-from", "latest:pre*,train")

    assert [job["execution"] for job in of_run["jobs"]] == [1, 4, 5], "a mimic of a mimic is the execution itself"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pin", "nodes=1"], "no node 'nodes'"),
        (["--pin", "train=99"], "no execution 99"),
        (["--pin", "train=1"], "no output is called 'model', which 'evaluate' needs"),
        (["--reuse-from", "99:pre*"], "no such run"),
        (["--reuse-from", "1:nothing*"], "no node fits"),
        (["--pin", "train"], "not of the form NODE=EXECUTION"),
    ],
)
def test_a_pin_that_cannot_stand_in_is_refused_before_anything_runs(
    local: Pipelines, arguments: list[str], said: str
) -> None:
    local.pipeline()

    refused = local.command("pipeline", "run", "model-training", *arguments, "--runtime", "local", code=2)

    assert said in refused.stderr
    assert len(local.shown("execution", "list")["executions"]) == 3


def test_what_was_executed_can_be_looked_at(local: Pipelines, tmp_path: Path) -> None:
    local.pipeline("--outputs", "results")

    outputs = local.shown("execution", "outputs", "2")["outputs"]
    metadata = local.shown("execution", "metadata", "2")

    assert [(each["name"], each["aliases"]) for each in outputs] == [("model", ["latest-model"])]
    assert metadata["latest"] == {"step": 1, "loss": 0.5}
    assert (tmp_path / "results" / "evaluate" / "report.txt").read_text() == "good: model of 3 rows, --lr=0.1\n"


def test_a_step_runs_alone_with_a_datum_of_another_execution(local: Pipelines, tmp_path: Path) -> None:
    local.pipeline()

    done = local.document("step", "run", "evaluate-model", "--model", "datum://latest-model", "--outputs", "alone")
    again = local.document("step", "run", "evaluate-model", "--model", "datum://latest-model", "--reuse")

    assert [job["state"] for job in done["jobs"]] == ["ran"], "a step by itself runs unless told otherwise"
    assert [job["state"] for job in again["jobs"]] == ["reused"]
    assert (tmp_path / "alone" / "report.txt").is_file()


def test_options_come_from_the_definitions(local: Pipelines) -> None:
    helped = local.command("step", "run", "train-model", "--help").stdout
    wrong = local.command("step", "run", "train-model", "--lr", "fast", "--runtime", "local", code=2).stderr
    unknown = local.command("step", "run", "train-modle", code=2).stderr

    assert "--lr FLOAT" in helped
    assert "--dataset URI" in helped
    assert "'fast' is no number" in wrong
    assert "did you mean 'train-model'?" in unknown
