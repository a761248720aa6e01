"""The smaller commands: `graph`, `history`, `show`, `new`, and what the command says of itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .story import TUTORIAL, Story
from .training import TRAINING

COMMANDS = (
    "new",
    "run",
    "explain",
    "graph",
    "show",
    "history",
    "diff",
    "import",
    "watch",
    "cancel",
    "audit",
    "stats",
    "lint",
    "tui",
    "step",
    "pipeline",
    "execution",
    "store",
)
OF_PIPELINES = ("step", "pipeline", "execution")
"""Groups of commands; each of these explains itself."""


@pytest.fixture
def empty(tmp_path: Path) -> Story:
    return Story(tmp_path)


@pytest.fixture
def training(tmp_path: Path) -> Story:
    return Story(tmp_path / "project", TRAINING)


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in OF_PIPELINES])
def test_every_command_explains_itself_with_an_example(empty: Story, command: str) -> None:
    said = empty.command(command, "--help").stdout

    assert "Examples:" in said
    assert f"  crystallize {command} " in said or f"  crystallize {command}\n" in said


@pytest.mark.contract("4.1.1")
def test_help_lists_the_commands_and_needs_no_heavy_module(empty: Story) -> None:
    code = (
        "import sys; from crystallize.cli.main import main; assert main(['--help']) == 0;"
        "heavy = {'rich', 'asyncio', 'yaml', 'sqlite3', 'blake3', 'numpy', 'crystallize.experiment.graph'};"
        "sys.exit(f'imported {heavy & set(sys.modules)}' if heavy & set(sys.modules) else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=empty.folder)

    assert done.returncode == 0, done.stderr
    assert [row.split()[0] for row in done.stdout.split("Commands:\n")[1].splitlines()] == list(COMMANDS)


def test_without_arguments_and_terminal_help_is_printed_and_ends_with_2(empty: Story) -> None:
    done = empty.command(code=2)

    assert done.stdout.startswith("Usage: crystallize")
    assert "\x1b[" not in done.stdout, "nothing was drawn"


def test_the_version_is_that_of_the_package(empty: Story) -> None:
    import crystallize

    assert empty.command("--version").stdout == f"crystallize {crystallize.__version__}\n"


def test_an_unknown_command_offers_the_nearest(empty: Story) -> None:
    assert "rum" in empty.command("rum", code=2).stderr


def test_a_reader_that_leaves_early_is_no_error(training: Story) -> None:
    training.run()
    command = f"{sys.executable} -m crystallize show 1 | true"

    done = subprocess.run(command, shell=True, cwd=training.folder, capture_output=True, text=True)

    assert "Traceback" not in done.stderr


# graph


@pytest.mark.contract("6.17")
def test_a_graph_is_printed_as_text_and_loads_no_code(training: Story) -> None:
    training.write("experiments/train/steps.py", "raise SystemExit('loaded')")

    said = training.command("graph", "report").stdout

    assert said.splitlines() == [
        "clean   1 replicate",
        "train   2 replicates · treatments: strong",
        "  └ rows of clean",
        "report  1 replicate",
        "  └ score[*] of train",
    ]


def test_a_graph_is_written_as_the_suffix_says(training: Story) -> None:
    training.command("graph", "-o", "graphs/all.mmd")
    training.command("graph", "-o", "all.dot")

    assert (training.folder / "graphs/all.mmd").read_text(encoding="utf-8").startswith("flowchart LR")
    assert (training.folder / "all.dot").read_text(encoding="utf-8").startswith("digraph")


def test_a_picture_needs_dot_and_without_it_mermaid_is_printed(training: Story) -> None:
    has_dot = shutil.which("dot") is not None
    with_path = training.command("graph", "-o", "all.svg", code=0 if has_dot else 1).stdout
    training.environ["PATH"] = "/nowhere"

    without = training.command("graph", "-o", "none.svg", code=1)

    assert (with_path == "all.svg\n" and (training.folder / "all.svg").exists()) == has_dot
    assert without.stdout.startswith("flowchart LR")
    assert "install Graphviz" in without.stderr
    assert not (training.folder / "none.svg").exists()


def test_a_graph_of_a_folder_with_a_broken_configuration_shows_the_rest(training: Story) -> None:
    training.write("experiments/bad/config.yaml", "stepz: [x]\n")

    done = training.command("graph", code=1)

    assert "clean " in done.stdout
    assert "bad/config.yaml:1" in done.stderr


# history and show


def test_the_history_of_a_fresh_project_says_how_to_begin(empty: Story) -> None:
    assert "crystallize run" in empty.command("history").stdout
    assert list(empty.folder.iterdir()) == []


def test_the_history_lists_runs_newest_first_with_their_counts(training: Story) -> None:
    training.run()
    training.run("train")

    rows = [row.split() for row in training.command("history").stdout.splitlines()]
    of_report = json.loads(training.command("history", "report", "--format", "json").stdout)["runs"]

    assert [row[0] for row in rows] == ["run", "2", "1"]
    assert rows[0][3:5] == ["ran", "reused"] and "failed" not in rows[0]
    assert rows[1][rows[1].index("ok") :][:3] == ["ok", "·", "5"]
    assert [(run["run"], run["ran"], run["targets"]) for run in of_report] == [(1, 2, ["clean", "train", "report"])]


def test_show_tells_what_a_run_did(training: Story) -> None:
    training.edit("experiments/train/steps.py", 'FAILS = ""', 'FAILS = "strong"')
    training.run(code=1)

    said = training.command("show", "1").stdout
    document = json.loads(training.command("show", "1", "--format", "json").stdout)

    assert "run 1  strategy resume · just now · failed" in said
    assert "train/strong/0" in said
    assert (document["ran"], document["failed"], document["blocked"]) == (4, 2, 1)
    assert {job["state"] for job in document["jobs"]} == {"ran", "failed", "blocked"}


def test_show_tells_the_present_results_of_an_experiment(training: Story) -> None:
    training.run()

    said = training.command("show", "train").stdout
    document = json.loads(training.command("show", "train", "--format", "json").stdout)

    assert "data/train/v0/replicate_{0..1}/{baseline,strong}/FitStep/score" in said
    assert document["metrics"]["strong"] == {"score": [6.0, 6.0]}
    assert [len(paths) for paths in document["artifacts"]["score"].values()] == [2, 2]
    assert [run["run"] for run in document["runs"]] == [1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "9"], "there is no run 9; the last one is 1"),
        (["show", "trian"], "there are no results of 'trian'; did you mean 'train'?"),
        (["history", "trian"], "there are no results of 'trian'; did you mean 'train'?"),
    ],
)
def test_what_was_never_there_is_an_error(training: Story, arguments: list[str], said: str) -> None:
    training.run("train")

    assert said in training.command(*arguments, code=2).stderr


# new


def test_a_new_experiment_runs_at_once(empty: Story) -> None:
    said = empty.command("new", "first", "--example").stdout

    assert "experiments/first/config.yaml" in said
    assert said.endswith("run it with: crystallize run first\n")
    assert empty.command("run", "first").stdout.splitlines()[-1].startswith("ran 3, reused 0, failed 0")


def test_a_new_experiment_with_a_space_in_its_name_says_how_to_type_it(empty: Story) -> None:
    said = empty.command("new", "my first").stdout

    assert said.endswith("run it with: crystallize run 'my first'\n")


def test_a_run_of_which_nothing_could_be_loaded_shows_no_empty_run(empty: Story) -> None:
    empty.write("experiments/broken/config.yaml", "steps: 5\n")

    told = empty.command("run", code=1)

    assert "config.yaml:1" in told.stderr
    assert "strategy" not in told.stdout


def test_a_new_experiment_may_read_another(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)

    story.command("new", "third", "--input", "producer#summary")

    config = (tmp_path / "experiments/third/config.yaml").read_text(encoding="utf-8")
    assert "producer_summary: producer#summary" in config
    assert "replicates" not in config
    assert list(story.run("third")) == ["producer/baseline/0", "third/baseline/0"]


@pytest.mark.parametrize("arguments", [["a/b"], ["first", "--input", "nothing#x"], ["first", "--input", "noreference"]])
def test_nothing_is_written_for_a_wrong_name_or_input(empty: Story, arguments: list[str]) -> None:
    done = empty.command("new", *arguments, code=2)

    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert not (empty.folder / "experiments").exists()


def test_a_taken_name_is_refused(empty: Story) -> None:
    empty.command("new", "first")

    assert "first" in empty.command("new", "first", code=2).stderr
