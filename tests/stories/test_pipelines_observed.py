"""``x-source: observed``: which edits re-run a step, which do not, and when the whole tree counts after all."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.stories.pipelining import Pipelines

YAML = """
- step:
    name: train
    image: busybox
    x-source: observed
    command: python train.py {parameters}
    parameters:
      - {name: lr, type: float, default: 0.1}
"""
TRAIN = """
import colorsys
import os
from pathlib import Path

import helpers.model
from settings import RATE

def main():
    rows = open("data/rows.csv").read()
    flag = os.path.exists("flag.txt")
    names = sorted(os.listdir("tables"))
    other = Path("maybe.json").is_file()
    Path(os.environ["VH_OUTPUTS_DIR"], "model.txt").write_text(f"{rows} {flag} {names} {other} {RATE}")

main()
"""


class Observed(Pipelines):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.write("valohai.yaml", YAML)
        self.write("train.py", TRAIN)
        self.write("helpers/__init__.py", "")
        self.write("helpers/model.py", "X = 1\n")
        self.write("helpers/unused.py", "X = 1\n")
        self.write("settings.py", "RATE = 1\n")
        self.write("data/rows.csv", "1,2\n")
        self.write("data/others.csv", "1,2\n")
        self.write("tables/a.csv", "1\n")
        self.write("evaluate.py", "print('never mind')\n")

    def go(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """Runs the step; what became of it, and why."""
        done = self.document("step", "run", "train", "--reuse", *arguments, code=code)
        return done["jobs"][0]["state"], done["jobs"][0]["reason"]

    def body(self, text: str, command: str = "python train.py") -> None:
        """Another script, and the command that runs it."""
        self.write("train.py", textwrap.dedent(text))
        self.edit("valohai.yaml", "python train.py {parameters}", command)

    def rule(self) -> str:
        """Which rule held in the last execution."""
        notes = self.document("step", "run", "train", "--reuse", "--dry-run")["jobs"][0]["notes"]
        return next((note for note in notes if note.startswith("source, last time: ")), "")


@pytest.fixture
def story(tmp_path: Path) -> Observed:
    return Observed(tmp_path)


@pytest.mark.parametrize(
    ("path", "text", "why"),
    [
        ("train.py", TRAIN + "# a comment counts, as the file does\n", "train.py: read by the last execution, changed"),
        ("helpers/model.py", "X = 2\n", "helpers/model.py: read by the last execution, changed"),
        ("helpers/__init__.py", "Y = 1\n", "helpers/__init__.py: read by the last execution, changed"),
        ("settings.py", "RATE = 2\n", "settings.py: read by the last execution, changed"),
        ("data/rows.csv", "3,4\n", "data/rows.csv: read by the last execution, changed"),
        ("flag.txt", "", "flag.txt: looked for by the last execution, there since"),
        ("maybe.json", "{}", "maybe.json: looked for by the last execution, there since"),
        ("tables/b.csv", "1\n", "tables/: listed by the last execution, changed"),
        ("tables/a.csv", "1, but larger\n", "tables/: listed by the last execution, changed"),
        ("colorsys.py", "X = None\n", "colorsys.py: looked for by the last execution, there since"),
        ("settings/__init__.py", "RATE = 3\n", "settings/__init__.py: looked for by the last execution, there since"),
        ("helpers.py", "X = 1\n", "helpers.py: looked for by the last execution, there since"),
        ("settings.cpython-311-x86_64-linux-gnu.so", "", "settings: its native modules are others"),
    ],
)
def test_an_edit_of_what_was_looked_at_runs_the_step_again(story: Observed, path: str, text: str, why: str) -> None:
    story.go()
    story.write(path, text)

    foreseen = story.document("step", "run", "train", "--reuse", "--dry-run")["jobs"][0]

    assert foreseen["state"] == "run"
    assert why in foreseen["reason"]


@pytest.mark.parametrize(
    "path", ["evaluate.py", "helpers/unused.py", "data/others.csv", "new.py", "data/new.csv", "README.md"]
)
def test_an_edit_of_anything_else_does_not(story: Observed, path: str) -> None:
    story.go()
    story.write(path, "something else\n")

    assert story.go() == ("reused", "nothing changed since run 1")


def test_going_back_and_other_parameters_find_what_they_had(story: Observed) -> None:
    story.go()
    story.write("settings.py", "RATE = 2\n")
    story.go()
    story.write("settings.py", "RATE = 1\n")

    assert story.go()[0] == "reused"
    assert story.go("--lr", "0.5") == ("ran", "param.lr: 0.1 → 0.5")
    assert story.go("--lr", "0.5")[0] == "reused"


def test_explain_says_which_rule_held_and_what_it_saves(story: Observed) -> None:
    story.go()

    assert story.rule() == "source, last time: observed: 5 of 10 files count"

    story.write("evaluate.py", "print('other')\n")
    notes = story.document("step", "run", "train", "--reuse", "--dry-run")["jobs"][0]["notes"]

    assert any(note.startswith("observed saves ") for note in notes)

    story.edit("valohai.yaml", "    x-source: observed\n", "")
    story.go()
    story.write("evaluate.py", "print('another')\n")
    notes = story.document("step", "run", "train", "--reuse", "--dry-run")["jobs"][0]["notes"]

    assert any("'x-source: observed' saves these" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("import subprocess\nsubprocess.run(['cat', 'evaluate.py'])\n", "it starts child processes"),
        ("import os\nos.system('cat evaluate.py')\n", "it starts child processes"),
        ("import os\nif not os.fork(): os._exit(0)\n", "it starts child processes"),
        (
            "import multiprocessing as m\nif __name__ == '__main__':\n"
            "    p = m.get_context('spawn').Process(target=print)\n    p.start()\n    p.join()\n",
            "it starts child processes",
        ),
        ("import sqlite3\nsqlite3.connect(':memory:')\n", "it opens databases by sqlite3"),
        ("import ctypes\nctypes.CDLL('libc.so.6')\n", "it loads native libraries by ctypes"),
        (
            "import sys, types\nsys.modules['pyarrow.lib'] = types.ModuleType('x')\n"
            "sys.modules['pyarrow.lib'].__file__ = '/somewhere/pyarrow/lib.so'\n",
            "it imports pyarrow, which may read files itself",
        ),
        ("import os\nos._exit(0)\n", "its Python told nothing of what it read"),
    ],
)
def test_what_cannot_be_seen_through_rests_on_the_whole_tree(story: Observed, text: str, why: str) -> None:
    story.body(text)
    story.go()

    assert story.rule().endswith(f"the whole tree counts: {why}")
    assert story.go()[0] == "reused"

    story.write("evaluate.py", "print('other')\n")

    assert story.go() == ("ran", "source: another tree than that of the last execution, which rests on all of it")


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("python train.py && python evaluate.py", "its command uses operators or expansions of the shell"),
        ("python train.py > $VH_OUTPUTS_DIR/x", "its command uses operators or expansions of the shell"),
        ("python train.py *.csv", "its command uses operators or expansions of the shell"),
        ("sh -c 'python train.py'", "its command is not of the form 'python FILE …'"),
        ("LR=1 python train.py", "its command is not of the form 'python FILE …'"),
        ("python -m train", "'-m' is no file of its source tree"),
        ("python -S train.py", "'-S' is no file of its source tree"),
        ("[python train.py, python evaluate.py]", "its command has more than one line"),
    ],
)
def test_a_command_that_is_no_plain_line_is_not_observed(story: Observed, command: str, why: str) -> None:
    story.body("print('hello')\n", command if command.startswith("[") else f'"{command}"')
    story.go()
    explained = story.document("step", "run", "train", "--reuse", "--dry-run")["jobs"][0]

    assert explained["state"] == "reuse"
    assert f"source: the whole tree counts: {why}" in explained["notes"]

    story.write("README.md", "other\n")

    assert story.go()[0] == "ran"


def test_modules_of_the_user_stand_before_those_of_the_same_name(story: Observed) -> None:
    story.write("own/json.py", "NAME = 'mine'\n")
    story.write("own/shlex.py", "NAME = 'mine'\n")
    text = "import json, os, shlex\nopen(os.environ['VH_OUTPUTS_DIR'] + '/n', 'w').write(json.NAME + shlex.NAME)\n"
    story.write("own/train.py", text)
    story.edit("valohai.yaml", "python train.py {parameters}", "python own/train.py")
    story.go("--outputs", "out")

    assert (story.folder / "out/n").read_text() == "minemine"


def test_what_a_script_writes_itself_does_not_count(story: Observed) -> None:
    story.body("open('tmp.txt', 'w').write('x')\nprint(open('tmp.txt').read())\n")
    story.go()

    assert story.go()[0] == "reused"
    assert story.rule() == "source, last time: observed: 1 of 10 files count"


def test_links_count_and_so_does_what_they_lead_to(story: Observed) -> None:
    (story.folder / "link.csv").symlink_to("data/rows.csv")
    story.body("print(open('link.csv').read())\n")
    story.go()

    story.write("data/rows.csv", "9\n")
    assert story.go()[1].startswith("data/rows.csv: read by the last execution")

    (story.folder / "link.csv").unlink()
    (story.folder / "link.csv").symlink_to("data/others.csv")
    assert story.go()[1].startswith("link.csv: read by the last execution")
