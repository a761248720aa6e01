"""What of a run can be chosen and looked at: the commit whose source runs, where outputs go, and each execution."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stories.pipelining import GUIDE, Pipelines

STEP = """
- step:
    name: greet
    image: busybox
    environment: small-machine
    command: sh greet.sh {parameters}
    parameters: [{name: word, default: hello}]
    inputs: [{name: files, default: "*.txt"}]
    environment-variables: [{name: PASSWORD, default: very-hidden}, {name: MODE, default: loud}]
"""
GREET = """
echo "to stdout $1 $MODE"
echo "to stderr" >&2
echo '{"n": 1}'; echo '{"n": 2, "m": "x"}'
echo "$1" > $VH_OUTPUTS_DIR/said.txt
mkdir $VH_OUTPUTS_DIR/deep; echo deep > $VH_OUTPUTS_DIR/deep/said.txt
echo '{"valohai.alias": "last-word"}' > $VH_OUTPUTS_DIR/said.txt.metadata.json
"""


@pytest.fixture
def guide(tmp_path: Path) -> Pipelines:
    return Pipelines(tmp_path, GUIDE)


@pytest.fixture
def greeted(tmp_path: Path) -> Pipelines:
    """A project whose step has run once."""
    story = Pipelines(tmp_path, {"valohai.yaml": STEP, "greet.sh": GREET, "a.txt": "a\n"})
    story.command("step", "run", "greet", "--runtime", "local", "--word", "well met")
    return story


def git(story: Pipelines, *arguments: str) -> str:
    command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
    return subprocess.run(command, cwd=story.folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(story: Pipelines, message: str) -> str:
    git(story, "add", ".")
    git(story, "commit", "-qm", message)
    return git(story, "rev-parse", "HEAD")


# --commit


def test_a_commit_runs_as_it_was_and_shares_results_with_equal_trees(guide: Pipelines) -> None:
    guide.write(".gitignore", "data/\nout/\n")
    git(guide, "init", "-q")
    first = commit(guide, "first")
    guide.pipeline()
    guide.edit("train.sh", 'echo "model of', 'echo "better model of')

    assert guide.pipeline("--commit", first) == {}, "contents count, not whether they are committed"
    assert set(guide.pipeline()) == {"train", "evaluate"}

    second = commit(guide, "second")
    guide.edit("train.sh", "better", "worse")

    assert guide.pipeline("--commit", second) == {}
    assert guide.pipeline("--commit", second[:8]) == {}, "a short name"
    assert guide.pipeline("--commit", "HEAD~1") == {}
    guide.command("pipeline", "run", "model-training", "--commit", first, "--runtime", "local", "--outputs", "out")
    assert "good: model of" in (guide.folder / "out" / "evaluate" / "report.txt").read_text()


def test_the_yaml_of_a_commit_is_the_one_that_counts(guide: Pipelines) -> None:
    git(guide, "init", "-q")
    first = commit(guide, "first")
    guide.edit("valohai.yaml", "default: 0.1", "default: 0.9")
    guide.edit("valohai.yaml", "name: model-training", "name: renamed")

    done = guide.document("pipeline", "run", "model-training", "--commit", first)

    assert [job["state"] for job in done["jobs"]] == ["ran", "ran", "ran"]
    assert guide.shown("execution", "show", "2")["parameters"] == {"lr": 0.1}


@pytest.mark.parametrize("name", ["nothing", "0" * 40, "--help"])
def test_a_commit_that_is_not_there_is_refused(guide: Pipelines, name: str) -> None:
    git(guide, "init", "-q")
    commit(guide, "first")

    said = guide.command("pipeline", "run", "model-training", f"--commit={name}", "--runtime", "local", code=2).stderr

    assert "git knows no commit" in said
    assert guide.shown("execution", "list")["executions"] == []


# --outputs


def test_outputs_are_written_where_they_are_asked_for_and_nowhere_else(guide: Pipelines) -> None:
    def files() -> set[str]:
        return {
            path.relative_to(guide.folder).as_posix()
            for path in guide.folder.rglob("*")
            if path.is_file() and ".crystallize" not in path.parts
        }

    before = files()
    guide.pipeline()
    assert files() == before

    guide.pipeline("--outputs", "out")
    assert files() - before == {
        *("out/.gitignore", "out/preprocess/data.csv", "out/train/model", "out/evaluate/report.txt"),
    }, "of reused executions as well"

    assert guide.pipeline() == {}, "what was copied there is no source"


def test_outputs_replace_earlier_ones_and_leave_other_files_alone(guide: Pipelines, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "train"
    folder.mkdir(parents=True)
    (folder / "mine").write_text("mine")
    (folder / "model").write_text("old")

    guide.pipeline("--outputs", "out")

    assert (folder / "mine").read_text() == "mine"
    assert (folder / "model").read_text() != "old"


# execution …


def test_executions_are_listed_newest_first_and_by_step(greeted: Pipelines) -> None:
    greeted.command("step", "run", "greet", "--runtime", "local")

    rows = greeted.shown("execution", "list")["executions"]
    table = greeted.command("execution", "list", "--step", "greet", "-n", "1").stdout

    assert [(row["execution"], row["step"], row["status"]) for row in rows] == [
        (2, "greet", "complete"),
        (1, "greet", "complete"),
    ]
    assert "#2" in table and "#1" not in table
    assert greeted.shown("execution", "list", "--step", "other")["executions"] == []


def test_an_execution_is_shown_whole_but_for_its_secrets(greeted: Pipelines) -> None:
    text = greeted.command("execution", "show", "1").stdout
    shown = greeted.shown("execution", "show", "#1")

    for wanted in ("#1", "complete", "exit code 0", "word = well met", "small-machine", "local", "files: ", "said.txt"):
        assert wanted in text, wanted
    assert shown["exit_code"] == 0
    assert shown["parameters"] == {"word": "well met"}
    assert "very-hidden" not in text + str(shown)


def test_the_log_of_an_execution_keeps_its_streams_apart(greeted: Pipelines) -> None:
    said = greeted.command("execution", "logs", "latest")

    assert said.stdout.splitlines() == ["to stdout --word=well met loud", '{"n": 1}', '{"n": 2, "m": "x"}']
    assert "to stderr" in said.stderr
    assert greeted.command("execution", "logs", "latest", "--stream").stdout == said.stdout, "it has ended"


def test_a_log_is_followed_until_its_execution_ends(greeted: Pipelines) -> None:
    greeted.write("greet.sh", "echo early; while [ ! -e $MODE ]; do sleep 0.05; done; echo late\n")
    greeted.edit("valohai.yaml", "default: loud", f"default: {greeted.folder}/go")
    environ = {**os.environ, "HOME": str(greeted.folder)}
    command = [sys.executable, "-m", "crystallize"]
    pipe = subprocess.PIPE
    run = subprocess.Popen(
        [*command, "step", "run", "greet", "--runtime", "local"], cwd=greeted.folder, env=environ, stdout=pipe
    )
    assert run.stdout is not None
    with run, run.stdout:
        while greeted.command("execution", "logs", "2", code=None).stdout != "early\n":
            assert run.poll() is None
        follow = subprocess.Popen(
            [*command, "execution", "logs", "2", "--stream"], cwd=greeted.folder, env=environ, stdout=pipe, text=True
        )
        assert follow.stdout is not None
        first = follow.stdout.readline()
        (greeted.folder / "go").touch()
        rest, _ = follow.communicate(timeout=60)
        run.stdout.read()

    assert (first, rest) == ("early\n", "late\n")


def test_outputs_are_listed_with_datums_and_aliases_and_copied(greeted: Pipelines, tmp_path: Path) -> None:
    table = greeted.command("execution", "outputs", "1").stdout
    outputs = greeted.shown("execution", "outputs", "1", "--download", "copied")["outputs"]

    assert [(each["name"], each["size"], each["aliases"]) for each in outputs] == [
        ("deep/said.txt", 5, []),
        ("said.txt", 16, ["last-word"]),
    ]
    assert "last-word" in table and f"datum://{outputs[0]['datum']}" in table
    assert (tmp_path / "copied" / "said.txt").read_text() == "--word=well met\n"
    assert (tmp_path / "copied" / "deep" / "said.txt").read_text() == "deep\n"


def test_metadata_is_the_points_in_order_and_the_last_of_each(greeted: Pipelines) -> None:
    document = greeted.shown("execution", "metadata", "1")
    lines = greeted.command("execution", "metadata", "1").stdout.splitlines()

    assert document["latest"] == {"n": 2, "m": "x"}
    assert [{key: point[key] for key in point if key != "_time"} for point in document["points"]] == [
        {"n": 1},
        {"n": 2, "m": "x"},
    ]
    assert len(lines) == 2


@pytest.mark.parametrize("command", ["show", "logs", "outputs", "metadata"])
def test_an_execution_that_is_not_there_is_named_with_the_last_that_is(greeted: Pipelines, command: str) -> None:
    for number in ("99", "first", "-1"):
        said = greeted.command("execution", command, "--", number, code=2).stderr

        assert f"there is no execution {number}" in said
        assert "the last one is 1" in said
