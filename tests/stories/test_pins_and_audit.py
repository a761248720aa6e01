"""Going back on purpose: pinned runs, audits, and what a run says of results that are not what they seem."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from .story import Story
from .training import TRAINING

RANDOM = "import os; ctx.metrics.add('luck', os.urandom(8).hex()); "


@pytest.fixture
def training(tmp_path: Path) -> Story:
    return Story(tmp_path / "project", TRAINING)


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Each file below `folder` with its size and time."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def document(story: Story, *arguments: str, code: int = 0) -> Any:
    return json.loads(story.command(*arguments, "--format", "json", code=code).stdout)


# pins


def test_a_result_of_an_earlier_run_serves_though_its_code_changed(training: Story) -> None:
    training.run()
    training.edit("experiments/clean/steps.py", "FACTOR = 2", "FACTOR = 5")
    training.run()

    foreseen = training.foresee("--pin", "clean=1")
    ran = training.run("--pin", "clean=1")
    said = training.command("run", "--pin", "clean=1").stdout
    shown = training.command("show", "3").stdout

    assert set(foreseen.values()) == {"reuse"}
    assert ran == {}
    assert training.metrics("train") == {"score": [3.0, 3.0]}
    assert "clean  1 replicate · ran 0 · reused 1 · pinned from run 1" in said
    assert "clean/baseline/0  reused" in shown and "pinned from run 1" in shown


def test_explain_and_the_dry_run_say_from_where(training: Story) -> None:
    training.run()
    training.edit("experiments/train/config.yaml", "rate: 0.5", "rate: 0.7")

    explained = training.command("explain", "train", "--pin", "train=1").stdout
    jobs = document(training, "run", "--reuse-from", "1:t*", "--dry-run")["jobs"]

    assert "4 trials would be reused: pinned from run 1" in explained
    assert {job["reason"] for job in jobs if job["label"].startswith("train/")} == {"pinned from run 1"}
    assert all(job["fingerprint"] for job in jobs)


def test_a_dry_run_pins_nothing(training: Story) -> None:
    training.run()
    before = tree(training.folder / "data")

    training.foresee("--pin", "train=1")

    assert tree(training.folder / "data") == before


def test_a_rerun_runs_all_but_what_is_pinned(training: Story) -> None:
    training.run()

    ran = training.run("--strategy", "rerun", "--pin", "train=1")

    assert set(ran) == {"clean/baseline/0", "report/baseline/0", "report/strong/0"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--pin", "clean=9"], "pin clean=9: there is no run 9; runs that had it: 1"),
        (["--pin", "claen=1"], "there is no experiment 'claen' in this run"),
        (["--pin", "clean"], "'clean' is not of the form experiment=run"),
        (["--reuse-from", "1:x*"], "no experiment fits 'x*'"),
    ],
)
def test_what_cannot_be_pinned_ends_the_command_before_anything_runs(
    training: Story, arguments: list[str], said: str
) -> None:
    training.run()
    training.edit("experiments/clean/steps.py", "FACTOR = 2", "FACTOR = 5")

    done = training.command("run", *arguments, code=2)

    assert said in done.stderr
    assert len(document(training, "history")["runs"]) == 1


def test_a_treatment_that_the_run_lacks_is_refused_where_somebody_reads_it(training: Story) -> None:
    training.run("--treatment", "baseline")

    done = training.command("run", "--pin", "train=1", code=2)

    assert "run 1 has no strong/0, which 'report' needs" in done.stderr


def test_the_history_of_an_experiment_lists_what_may_be_pinned(training: Story) -> None:
    training.run()
    training.edit("experiments/train/config.yaml", "rate: 0.5", "rate: 0.7")
    training.run()
    training.run("--pin", "train=1")

    said = training.command("history", "train").stdout
    pinned, second, first = document(training, "history", "train")["candidates"]

    assert "param.fit.rate: 0.5 → 0.7 (4 trials)" in said
    assert second["reasons"] == {"param.fit.rate: 0.5 → 0.7": 4}
    assert first["metrics"]["strong"] == {"score": [6.0, 6.0]}
    assert (first["pinned"], second["pinned"], pinned["reasons"]) == (True, False, {"pinned from run 1": 4})
    assert pinned["records"] == first["records"] != second["records"]


# audit


def test_an_audit_of_sound_steps_finds_nothing_and_touches_nothing(training: Story) -> None:
    training.run()
    before = tree(training.folder / "data")

    done = document(training, "audit", "--all")

    assert (done["sound"], done["reusable"], done["would_run"]) == (True, 7, 0)
    assert len(done["trials"]) == 7
    assert tree(training.folder / "data") == before
    assert len(document(training, "history")["runs"]) == 1


def test_an_audit_names_the_step_and_the_first_metric_that_differs(training: Story) -> None:
    training.edit("experiments/train/steps.py", "    value = ", f"    {RANDOM}value = ")
    training.run()

    said = training.command("audit", code=1).stdout
    trials = document(training, "audit", "--sample", "1", code=1)["trials"]

    assert "not deterministic: FitStep (3 of 3)" in said
    assert "clean  1 of 1 the same" in said and "report  2 of 2 the same" in said
    assert [trial["label"] for trial in trials if trial["difference"]] == ["train/baseline/0"]
    assert trials[1]["difference"].startswith("metric 'luck'")


def test_an_audit_names_an_artifact_and_the_step_that_wrote_it(training: Story) -> None:
    training.edit("experiments/clean/steps.py", "    rows.write(", "    import os; rows.write([*os.urandom(4)] or ")
    training.run()

    [trial] = document(training, "audit", "clean", code=1)["trials"]

    assert (trial["difference"], trial["step"]) == ("artifact 'rows.json' of step TidyStep", "TidyStep")


def test_an_audit_runs_only_what_would_be_reused(training: Story) -> None:
    training.run()
    training.edit("experiments/train/config.yaml", "rate: 0.5", "rate: 0.7")

    done = document(training, "audit", "--all")

    assert [trial["label"] for trial in done["trials"]] == ["clean/baseline/0"]
    assert done["would_run"] == 6


def test_an_audit_with_nothing_to_reuse_says_so(training: Story) -> None:
    assert "nothing to audit" in training.command("audit").stdout
    assert not (training.folder / "data").exists()


def test_a_trial_that_fails_when_it_runs_again_is_not_sound(training: Story) -> None:
    training.write("switch.txt", "on\n")
    fails = "    import os\n    if os.stat('switch' + '.txt').st_size != 3:\n        raise ValueError('switched off')\n"
    training.edit("experiments/clean/steps.py", "    print(", f"{fails}    print(")
    training.run("clean")
    training.write("switch.txt", "off\n")

    [trial] = document(training, "audit", "clean", code=1)["trials"]

    assert "switched off" in trial["error"]


def test_an_audit_calls_cacheable_steps_again(training: Story) -> None:
    training.edit("experiments/train/steps.py", "@pipeline_step()", "@pipeline_step(cacheable=True)")
    training.edit("experiments/train/steps.py", "    value = ", f"    {RANDOM}value = ")
    training.run()

    said = training.command("audit", "train", code=1).stdout

    assert "not deterministic: FitStep" in said


# what a run says of results that are not what they seem


def test_a_run_says_that_the_same_fingerprint_gave_two_outcomes(training: Story) -> None:
    training.edit("experiments/train/steps.py", "    value = ", f"    {RANDOM}value = ")
    training.run()

    first = training.command("run").stdout
    forced = training.command("run", "train", "--strategy", "rerun").stdout
    later = training.command("run").stdout

    assert "came out differently" not in first
    for said in (forced, later):
        assert "train/baseline/0: metric 'luck' (" in said
        assert "came out differently in runs 1 and 3" in said
        assert "(3 other trials likewise); crystallize audit names the step" in said


def test_a_rerun_that_gives_the_same_says_nothing(training: Story) -> None:
    training.run()

    assert "came out differently" not in training.command("run", "--strategy", "rerun").stdout


def test_a_record_of_another_experiment_is_said_to_serve(training: Story) -> None:
    training.run("clean")
    (training.folder / "experiments/clean").rename(training.folder / "experiments/tidy")

    said = training.command("run", "tidy").stdout
    foreseen = training.command("explain", "tidy").stdout

    assert "reuses the record of clean/baseline/0: nothing that counts differs" in said
    assert "nothing changed since run 1 of 'clean'" in foreseen


def test_a_file_edited_by_hand_is_restored_with_one_line(training: Story) -> None:
    training.run("clean")
    rows = training.folder / "data/clean/v0/replicate_0/baseline/TidyStep/rows.json"
    rows.write_text("[0, 0, 0]", encoding="utf-8")

    said = training.command("run", "clean").stdout

    assert rows.read_text(encoding="utf-8") == "[0, 2, 4]"
    assert said.count("was changed or removed by hand and is restored") == 1


def test_secrets_are_neither_shown_nor_kept_and_count_all_the_same(training: Story) -> None:
    training.edit("experiments/train/config.yaml", "- fit: {rate: 0.5}", "- fit: {rate: 0.5, api_key: hunter2}")
    training.edit("experiments/train/steps.py", "*, rate,", "*, rate, api_key,")
    training.run()
    training.edit("experiments/train/config.yaml", "hunter2", "hunter3")

    explained = training.command("explain", "train").stdout
    ran = training.run()
    database = sqlite3.connect(training.folder / "data/.crystallize/store.sqlite")
    kept = "\n".join(database.iterdump())
    database.close()

    assert "hunter" not in explained
    assert ran["train/baseline/0"] == "param.fit.api_key: other value"
    assert "hunter" not in kept


# what --set sets and nothing reads


def test_a_value_set_for_a_treatment_that_nothing_reads_is_told(training: Story) -> None:
    training.edit("experiments/train/config.yaml", "{boost: 3}", "{boost: 3, bost: 1}")

    said = training.command("run", "--set", "train.treatments.strong.bost=7").stdout

    assert "note: strong sets bost, which nothing reads; nearest: boost" in said


def test_a_value_set_for_a_treatment_that_the_run_leaves_out_is_told(training: Story) -> None:
    training.edit("experiments/train/config.yaml", "  strong: {boost: 3}", "  strong: {boost: 3}\n  weak: {boost: 1}")

    said = training.command("run", "--treatment", "weak", "--set", "train.treatments.strong.boost=7").stdout
    other = training.command("run", "--treatment", "weak", "--set", "train.treatments.weak.boost=7").stdout

    assert "--set train.treatments.strong.boost: nothing reads it, as the run leaves this treatment out" in said
    assert "leaves this treatment out" not in other
