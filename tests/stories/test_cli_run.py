"""`crystallize run` as a user types it: what it says on the first run, the second, a dry one, and after a failure."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .story import Story
from .training import TRAINING


@pytest.fixture
def training(tmp_path: Path) -> Story:
    return Story(tmp_path / "project", TRAINING)


def last_line(text: str) -> str:
    return text.splitlines()[-1].split(" in ")[0]


def rows(text: str) -> list[list[str]]:
    return [row.split() for row in text.splitlines()]


def test_the_first_run_shows_metrics_artifacts_and_hypotheses(training: Story) -> None:
    said = training.command("run").stdout

    assert "run 1  strategy resume" in said
    assert "train  2 replicates · ran 4 · reused 0" in said
    assert ["strong", "6", "±", "0", "(n", "=", "2)"] in rows(said)
    assert "data/train/v0/replicate_{0..1}/{baseline,strong}/FitStep/score" in said
    assert "hypothesis boost helps: best strong" in said
    assert last_line(said) == "ran 7, reused 0, failed 0, blocked 0"


def test_the_second_run_reuses_all_and_shows_the_same_results(training: Story) -> None:
    first = training.command("run", "report").stdout
    second = training.command("run", "report").stdout

    assert last_line(second) == "ran 0, reused 7, failed 0, blocked 0"
    assert [row for row in rows(first) if "±" in row] == [row for row in rows(second) if "±" in row]
    assert "tidying" in first
    assert "tidying" not in second


def test_a_target_is_a_name_a_folder_or_a_file(training: Story) -> None:
    training.command("run", "clean")

    assert training.run("experiments/clean") == training.run("experiments/clean/config.yaml") == {}
    assert list(training.run("train")) == [f"train/{c}/{r}" for r in (0, 1) for c in ("baseline", "strong")]


def test_a_dry_run_writes_nothing_and_comes_true(training: Story) -> None:
    before = training.command("run", "--dry-run").stdout
    untouched = not (training.folder / "data").exists()
    training.run()
    training.edit("experiments/train/steps.py", "* rate", "* rate * 1")

    said = training.command("run", "--dry-run").stdout

    assert untouched
    assert "would run 1, would be reused 0, undecided 6" in before
    assert "strategy resume · nothing is written" in said
    assert ["baseline", "2", "·", "·"] in rows(said)
    assert "4 trials would run: code of steps.fit changed" in said
    assert "2 trials undecided: waits for train" in said
    assert sorted(training.run()) == ["train/baseline/0", "train/baseline/1", "train/strong/0", "train/strong/1"]


def test_a_failure_shows_the_users_traceback_alone_and_ends_with_1(training: Story) -> None:
    training.edit("experiments/train/steps.py", 'FAILS = ""', 'FAILS = "strong"')

    done = training.command("run", code=1)

    assert "failed: strong, replicates 0-1" in done.stdout
    assert "raise ValueError" in done.stdout
    assert "ValueError: strong does not converge" in done.stdout
    assert "src/crystallize" not in done.stdout + done.stderr
    assert "blocked: report/strong/0 was not run" in done.stdout
    assert last_line(done.stdout) == "ran 4, reused 0, failed 2, blocked 1"


def test_after_a_failure_only_what_is_missing_runs(training: Story) -> None:
    training.edit("experiments/train/steps.py", 'FAILS = ""', 'FAILS = "strong"')
    training.run(code=1)

    again = training.run(code=1)

    assert sorted(again) == ["train/strong/0", "train/strong/1"]


def test_a_broken_experiment_is_left_out_and_the_rest_runs(training: Story) -> None:
    training.write("experiments/bad/config.yaml", "datasource: {a: clean#rows}\nstepz: [x]\n")
    training.write("experiments/reader/config.yaml", "datasource: {a: bad#x}\nsteps: [tell]\n")
    training.write("experiments/reader/steps.py", TRAINING["experiments/report/steps.py"])
    training.write("experiments/raising/config.yaml", "datasource: {a: clean#rows}\nsteps: [tell]\n")
    training.write("experiments/raising/steps.py", "import nothing_of_this_name\n")

    done = training.command("run", code=1)

    assert "bad/config.yaml:2: the key 'stepz' is not known; did you mean 'steps'?" in done.stderr
    assert "raising/steps.py:1: ModuleNotFoundError" in done.stderr
    assert "blocked: " in done.stderr and "'reader' reads bad#x" in done.stderr
    assert last_line(done.stdout) == "ran 7, reused 0, failed 0, blocked 0, left out 3 experiments"


def test_a_broken_target_is_one_line_and_2(training: Story) -> None:
    training.write("experiments/bad/config.yaml", "stepz: [x]\n")

    done = training.command("run", "bad", code=2)

    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert "bad/config.yaml:1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "there is no experiment 'trian'"),
        (["train", "--treatment", "stron"], "no treatment 'stron' is defined by"),
        (["train", "--set", "trian.seed=1"], "there is no experiment 'trian' here; did you mean 'train'?"),
        (["train", "--set", "train.steps.fit.rat=1"], "there is no parameter 'rat'; did you mean 'rate'?"),
        (["train", "--set", "rate=1"], "is not of the form experiment.path=value"),
        (["train", "--strategy", "again"], "'again' is not one of 'resume', 'rerun'"),
        (["train", "--replicates", "0"], "--replicates"),
        (["train", "--set", "train.replicates=0"], "--set replicates: 0 is below 1"),
        (["train", "--set", "train.treatments="], "'train' has hypotheses but no treatments"),
        (["--frobnicate"], "No such option"),
    ],
)
def test_wrong_uses_are_told_and_end_with_2_before_anything_is_written(
    training: Story, arguments: list[str], said: str
) -> None:
    done = training.command("run", *arguments, code=2)

    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (training.folder / "data").exists()


def test_set_replaces_values_for_one_run(training: Story) -> None:
    training.run()

    changed = training.run("train", "--set", "train.steps.fit.rate=2", "--set", "train.treatments.strong.boost=5")

    assert changed["train/baseline/0"] == "param.fit.rate: 0.5 → 2"
    assert training.metrics("train", "strong") == {"score": [17, 17]}
    assert training.run("train") == {}
    assert training.metrics("train", "strong") == {"score": [6.0, 6.0]}


def test_treatment_and_replicates_choose_what_runs(training: Story) -> None:
    training.write(
        "experiments/train/config.yaml",
        TRAINING["experiments/train/config.yaml"].replace(
            "strong: {boost: 3}", "strong: {boost: 3}\n          weak: {}"
        ),
    )

    ran = training.run("train", "--treatment", "strong", "--replicates", "1")

    assert sorted(ran) == ["clean/baseline/0", "train/baseline/0", "train/strong/0"]


def test_a_seed_is_part_of_what_counts(training: Story) -> None:
    training.run("clean")

    assert training.run("clean", "--seed", "5") == {"clean/baseline/0": "seed: 0 → 5"}
    assert training.run("clean", "--seed", "5") == {}


def test_a_rerun_says_in_one_line_what_resume_would_have_reused(training: Story) -> None:
    training.command("run")

    said = training.command("run", "--strategy", "rerun").stdout

    assert "strategy rerun" in said
    assert said.count("resume would have reused 7 of 7 trials") == 1
    assert last_line(said) == "ran 7, reused 0, failed 0, blocked 0"


def test_a_removed_marker_is_a_wish_unless_restore_is_asked(training: Story) -> None:
    training.run("clean")
    marker = training.folder / "data/clean/v0/baseline/.crystallize_complete"
    marker.unlink()

    restored = training.run("clean", "--restore")
    is_back = marker.exists()
    marker.unlink()
    wished = training.run("clean")

    assert restored == {}
    assert is_back
    assert wished == {"clean/baseline/0": "completion marker removed"}


def test_json_is_the_only_thing_on_stdout(training: Story) -> None:
    done = training.command("run", "--format", "json")
    document = json.loads(done.stdout)

    assert "tidying" in done.stderr
    assert {key: document[key] for key in ("schema", "run", "ran", "reused", "failed", "blocked", "undecided")} == {
        "schema": 1,
        "run": 1,
        "ran": 7,
        "reused": 0,
        "failed": 0,
        "blocked": 0,
        "undecided": 0,
    }
    assert [job["state"] for job in document["jobs"]] == ["ran"] * 7
    assert {len(job["fingerprint"]) for job in document["jobs"]} == {64}
    assert document["experiments"][1]["metrics"]["strong"] == {"score": [6.0, 6.0]}


def test_json_of_a_failure_has_the_traceback(training: Story) -> None:
    training.edit("experiments/train/steps.py", 'FAILS = ""', 'FAILS = "strong"')

    document = json.loads(training.command("run", "--format", "json", code=1).stdout)

    train = next(each for each in document["experiments"] if each["name"] == "train")
    assert (document["failed"], document["blocked"]) == (2, 1)
    assert "ValueError: strong does not converge" in train["errors"]["strong_rep_0"]
    assert {job["state"] for job in document["jobs"]} == {"ran", "failed", "blocked"}


def test_log_lines_of_the_users_code_are_shown_and_ours_are_not(training: Story) -> None:
    training.edit("experiments/train/steps.py", "value = sum", 'ctx.logger.info("fitting")\n    value = sum')

    said = training.command("run", "train").stderr

    assert said.splitlines() == ["fitting"] * 4


def test_ctrl_c_keeps_what_had_finished_and_says_so(training: Story) -> None:
    waiting = training.folder / "waiting"
    training.write(
        "experiments/train/steps.py",
        """
        import os, time
        from pathlib import Path
        from crystallize import Artifact, pipeline_step

        @pipeline_step()
        def fit(data, ctx, *, rate, score: Artifact, boost=0):
            place = Path(os.environ["WAITING"])
            while ctx["replicate"] == 1 and not place.with_name("go").exists():
                place.touch()
                time.sleep(0.01)
            score.write(1)
            return data, {"score": 1}
        """,
    )
    environ = {**os.environ, "WAITING": str(waiting)}
    command = [sys.executable, "-m", "crystallize", "run", "train"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=training.folder, env=environ, stdout=pipe, stderr=pipe, text=True) as process:
        while not waiting.exists():
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        (training.folder / "go").touch()
        said, complained = process.communicate(timeout=60)

    assert process.returncode == 130
    assert "what had finished is kept" in complained.splitlines()[-1]
    assert last_line(said) == "ran 4, reused 0, failed 0, blocked 0, stopped before 1"
    training.environ = {"WAITING": str(waiting)}
    assert list(training.run("train")) == ["train/strong/1"]
