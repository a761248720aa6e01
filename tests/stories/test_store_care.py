"""Care of the store with the real command: status, sweep, forget, verify, export, import, stats."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..mounts import SmallDisk, small_disk
from .story import Story
from .training import TRAINING


@pytest.fixture
def training(tmp_path: Path) -> Story:
    return Story(tmp_path / "project", TRAINING)


def said(story: Story, *arguments: str, code: int = 0) -> str:
    return story.command("store", *arguments, code=code).stdout


def set_rate(story: Story, old: str, new: str) -> None:
    story.edit("experiments/train/config.yaml", f"rate: {old}", f"rate: {new}")


def test_a_sweep_is_a_dry_run_until_it_is_meant_and_swept_jobs_say_so(training: Story) -> None:
    training.run()
    set_rate(training, "0.5", "0.25")
    training.run()

    asked = said(training, "sweep", "--keep-last", "1")
    set_rate(training, "0.25", "0.5")
    before = training.foresee("train")
    set_rate(training, "0.5", "0.25")
    training.run()
    done = said(training, "sweep", "--keep-last", "1", "--yes")
    shown = training.run()
    set_rate(training, "0.25", "0.5")
    reasons = training.run("train")

    assert "would remove the artifacts of 4 results" in asked and "do it with --yes" in asked
    assert set(before.values()) == {"reuse"}
    assert "removed the artifacts of 4 results" in done
    assert shown == {}
    assert len(reasons) == 4
    assert all("was swept on" in why and "(not among the last 1)" in why for why in reasons.values())
    assert training.metrics("train")["score"] == [3.0, 3.0]


def test_what_the_versions_show_survives_every_sweep(training: Story) -> None:
    training.run()
    everything = ("--keep-last", "0", "--older-than", "0s", "--max-size", "0", "--yes")

    swept = said(training, "sweep", *everything)

    assert "removed nothing" in swept
    assert "stay: what is shown, pinned or newest" in swept
    assert training.run() == {}


def test_an_experiment_whose_folder_is_gone_can_be_swept_away(training: Story) -> None:
    training.run()
    training.edit("experiments/train/config.yaml", "strong: {boost: 3}", "weak: {boost: 1}")
    training.run()

    kept = said(training, "sweep", "--older-than", "0s")
    gone = said(training, "sweep", "--older-than", "0s", "--keep-last", "0")

    assert "would remove nothing" in kept
    assert "train/strong/0" in gone and "train/strong/1" in gone and "train/baseline" not in gone


def test_forgetting_a_condition_runs_that_condition_again(training: Story) -> None:
    training.run()

    told = said(training, "forget", "train:strong")
    ran = training.run()

    assert told.startswith("forgot 2 results of 2 trials")
    assert ran == {"train/strong/0": "first run", "train/strong/1": "first run"}


def test_steps_of_what_is_forgotten_run_again_also_where_they_are_cacheable(training: Story) -> None:
    training.edit("experiments/clean/steps.py", "@pipeline_step()", "@pipeline_step(cacheable=True)")
    training.run()
    said(training, "forget", "train")
    training.run()

    told = said(training, "forget", "clean")
    printed = training.command("run", "clean").stdout

    assert told.startswith("forgot 1 result of 1 trial and 1 memo of their steps")
    assert "tidying" in printed


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("forget", "trian"), "there are no records of 'trian'; did you mean 'train'?"),
        (("forget", "train:stong"), "did you mean 'train:strong' or"),
        (("export", "trian", "-o", "x.crystals"), "did you mean 'train'?"),
        (("sweep", "--max-size", "much"), "'much' is not of the form 500MB, 2GB, 1.5GiB"),
        (("import", "config.txt"), "it is damaged, or no export of crystallize"),
        (("import", "absent"), "absent"),
    ],
)
def test_wrong_uses_are_one_line_with_the_remedy(training: Story, arguments: tuple[str, ...], remedy: str) -> None:
    training.run()
    training.write("config.txt", "nothing")

    done = training.command("store", *arguments, code=2)

    assert remedy in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_verify_finds_what_was_altered_and_mends_it_from_the_view(training: Story) -> None:
    training.edit("experiments/train/steps.py", "score.write(value)", 'score.write(f"{value}" * 9000)')
    training.run()
    blobs = sorted((training.folder / "data/.crystallize/blobs").glob("??/*"))
    for blob in blobs:
        blob.chmod(0o644)
        blob.write_bytes(b"!" + blob.read_bytes()[1:])

    found = said(training, "verify")
    again = said(training, "verify")

    assert blobs and found.count("mended: ") == len(blobs)
    assert "everything is as it was written" in again and "mended" not in again
    assert training.run() == {}


def test_verify_ends_with_1_for_what_is_lost_and_it_runs_again(training: Story) -> None:
    training.run()
    set_rate(training, "0.5", "0.25")
    training.run()
    set_rate(training, "0.25", "0.5")
    database = sqlite3.connect(training.folder / "data/.crystallize/store.sqlite")
    database.execute("DELETE FROM blobs WHERE CAST(data AS TEXT) IN ('3.0', '6.0')")
    database.commit()
    database.close()
    training.run("clean")

    lost = said(training, "verify", code=1)
    ran = training.run()

    assert "lost: artifact 'score'" in lost and "runs again when it is needed" in lost
    assert set(ran) == {f"train/{condition}/{r}" for condition in ("baseline", "strong") for r in (0, 1)}


def test_results_move_to_another_checkout_as_one_file(training: Story, tmp_path: Path) -> None:
    training.run()
    colleague = Story(tmp_path / "colleague", TRAINING)

    for name in ("clean", "train", "report"):
        said(training, "export", name, "-o", str(tmp_path / f"{name}.crystals"))
    told = [said(colleague, "import", str(tmp_path / f"{name}.crystals")) for name in ("clean", "train", "report")]
    ran = colleague.run()
    again = said(colleague, "import", str(tmp_path / "train.crystals"))

    assert told[1].startswith("added 4 results")
    assert ran == {}
    assert colleague.metrics("train", "strong") == training.metrics("train", "strong")
    assert "added 0 results and 0 blobs; 4 were there" in again
    assert "train.crystals" in colleague.command("history").stdout


def test_status_tells_what_each_experiment_takes(training: Story) -> None:
    training.run()

    told = json.loads(said(training, "status", "--format", "json"))
    text = said(training, "status")

    assert [(each["name"], each["trials"], each["results"]) for each in told["experiments"]] == [
        ("clean", 1, 1),
        ("report", 2, 2),
        ("train", 4, 4),
    ]
    assert told["records"] == 7
    assert told["experiments"][2]["bytes"] == told["experiments"][2]["needed_bytes"] > 0
    assert "7 records" in text


def test_status_and_sweep_of_a_fresh_project_create_nothing(tmp_path: Path) -> None:
    fresh = Story(tmp_path / "fresh", TRAINING)

    said(fresh, "status")
    said(fresh, "sweep", "--max-size", "1GB")

    assert not (fresh.folder / "data").exists()


def test_stats_tell_what_reuse_was_worth_and_which_edit_cost_most(training: Story) -> None:
    training.run()
    training.run()
    set_rate(training, "0.5", "0.25")
    training.run()

    told = json.loads(training.command("stats", "--format", "json").stdout)
    text = training.command("stats", "train").stdout
    by_name = {each["name"]: each for each in told["experiments"]}

    assert [(run["ran"], run["reused"]) for run in told["runs"]] == [(6, 1), (0, 7), (7, 0)]
    assert (by_name["train"]["ran"], by_name["train"]["reused"]) == (8, 4)
    assert by_name["train"]["share_reused"] == pytest.approx(1 / 3)
    assert {"param.fit.rate: 0.5 → 0.25", "input.scores: other contents"} == {c["why"] for c in told["causes"]}
    assert told["never_reused"] == []
    assert "param.fit.rate: 0.5 → 0.25" in text and "33 %" in text and "clean" not in text


def test_stats_name_what_is_never_reused_and_why(training: Story) -> None:
    training.write("state.txt", "0")
    training.edit(
        "experiments/train/steps.py",
        "score.write(value)",
        'score.write(value); n = open("state.txt").read(); open("state.txt", "w").write(n + "1")',
    )
    training.run()
    training.run()

    never = json.loads(training.command("stats", "--format", "json").stdout)["never_reused"]
    text = training.command("stats").stdout

    assert [(each["name"], each["runs"]) for each in never] == [("train", 2)]
    assert "state.txt" in never[0]["why"]
    assert "never reused" in text and "state.txt" in text


def test_each_condition_says_how_many_replicates_are_fresh(training: Story) -> None:
    training.run()
    training.edit("experiments/train/config.yaml", "boost: 3", "boost: 4")

    text = training.command("run", "train").stdout
    training.edit("experiments/train/config.yaml", "boost: 4", "boost: 5")
    told = json.loads(training.command("run", "train", "--format", "json").stdout)
    [train] = [each for each in told["experiments"] if each["name"] == "train"]

    assert "baseline: 2 reused · strong: 2 fresh" in text
    assert train["conditions"] == {"baseline": {"ran": 0, "reused": 2}, "strong": {"ran": 2, "reused": 0}}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "8m") as mounted:
        yield mounted


def test_a_full_disk_ends_the_run_in_one_line_and_the_next_one_goes_on(disk: SmallDisk, training: Story) -> None:
    training.environ["CRYSTALLIZE_DATA"] = str(disk.folder / "data")
    training.run("clean")
    disk.fill(spare_bytes=8_000)

    failed = training.command("run", code=None)
    disk.free()
    ran = training.run()

    assert failed.returncode in (1, 2)
    assert "space" in failed.stderr + failed.stdout
    assert 'File "' not in failed.stderr
    assert not any(label.startswith("clean") for label in ran)
    assert training.run() == {}
    assert said(training, "verify").endswith("everything is as it was written\n")


def test_a_damaged_database_is_set_aside_with_a_message_and_everything_runs_again(training: Story) -> None:
    training.run()
    metrics = training.metrics("train")
    path = training.folder / "data/.crystallize/store.sqlite"
    path.write_bytes(b"rubbish " * 100 + path.read_bytes()[800:])

    done = training.command("run")

    assert "is damaged; it was set aside as store.sqlite.damaged-1" in done.stderr
    assert "ran 7, reused 0, failed 0" in done.stdout
    assert training.metrics("train") == metrics
    assert training.run() == {}


def test_a_flipped_bit_in_a_small_artifact_is_one_line_at_most_and_then_mended(training: Story) -> None:
    training.run()
    metrics = training.metrics("train")
    database = sqlite3.connect(training.folder / "data/.crystallize/store.sqlite")
    database.execute("UPDATE blobs SET data = CAST('9.0' AS BLOB) WHERE CAST(data AS TEXT) = '3.0'")
    database.commit()
    database.close()
    for path in training.folder.glob("data/train/v0/replicate_*/baseline/*/score"):
        path.unlink()

    first = training.command("run", code=None)
    training.run()
    shown = [path.read_text(encoding="utf-8") for path in training.folder.glob("data/train/*/*/baseline/*/score")]

    assert "Traceback" not in first.stderr
    assert shown == ["3.0", "3.0"]
    assert training.metrics("train") == metrics
    assert training.run() == {}
