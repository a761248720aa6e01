"""Runs every sample of the README and the documentation, so that none of them says what is not so.

A page is walked from top to bottom in a folder of its own, which is empty or, where the page says
``<!-- starts in a copy of FOLDER -->``, a copy of that folder of the repository:

- a block with ``file=PATH`` is written to that file;
- a ``python`` block without one runs as a script, a ``yaml`` block without one is an error;
- in a ``console`` block each line after ``$`` is run and must succeed, or end with the code of ``exits=N``. The lines
  below it are lines of what it prints, in that order; ``…`` stands for anything.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from crystallize.cli.main import app
from crystallize.experiment.folders.config import KEYS

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<language>\w+)(?P<info>[^\n]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_START = re.compile(r"<!-- starts in a copy of (\S+) -->")
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")


class Sample(NamedTuple):
    """One fenced block of a page."""

    language: str
    info: dict[str, str]
    text: str
    line: int


class Command(NamedTuple):
    """One command of a console block, and the lines that it is said to print."""

    text: str
    printed: list[str]


def samples(page: str) -> Iterator[Sample]:
    """The fenced blocks of a page that name a language, in order."""
    for match in _FENCE.finditer(page):
        info = dict(word.partition("=")[::2] for word in match["info"].split())
        yield Sample(match["language"], info, match["text"], page.count("\n", 0, match.start()) + 1)


def commands(text: str) -> list[Command]:
    """The commands of a console block."""
    found: list[Command] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], []))
        elif line.strip():
            found[-1].printed.append(line)
    return found


def missing_line(told: list[str], printed: str) -> str | None:
    """The first line of `told` that does not follow, in order, in `printed`; spaces count as one."""
    lines = iter(" ".join(line.split()) for line in printed.splitlines())
    for line in told:
        pattern = ".*".join(re.escape(part) for part in " ".join(line.split()).split("…"))
        if not any(re.fullmatch(pattern, each) for each in lines):
            return line
    return None


class Reader:
    """Does what a page says, in `folder`."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder = folder
        self._environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "HOME": str(home),
            "COLUMNS": "160",
            "LANG": "C.UTF-8",
        }

    def follow(self, sample: Sample) -> None:
        """Writes or runs one sample; fails the test when it is not as the page says."""
        if "file" in sample.info:
            path = self._folder / sample.info["file"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(sample.text, encoding="utf-8")
        elif sample.language == "python":
            self._run([sys.executable, "-c", sample.text], sample.line)
        elif sample.language == "console":
            for command in commands(sample.text):
                printed = self._run(["bash", "-c", command.text], sample.line, int(sample.info.get("exits", 0)))
                missing = missing_line(command.printed, printed)
                assert missing is None, f"line {sample.line}: {command.text} does not print {missing!r} but\n{printed}"
        elif sample.language == "yaml":
            pytest.fail(f"line {sample.line}: say which file the YAML is: ```yaml file=PATH")

    def _run(self, command: list[str], line: int, exits: int = 0) -> str:
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == exits, f"line {line}: {command[-1]}\nended with {done.returncode}\n{done.stdout}"
        return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_sample_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    folder, home = tmp_path / "project", tmp_path / "home"
    home.mkdir()
    if start := _START.search(text):
        shutil.copytree(REPOSITORY / start[1], folder, ignore=shutil.ignore_patterns("data", "__pycache__"))
    else:
        folder.mkdir()
    reader = Reader(folder, home)

    for sample in samples(text):
        reader.follow(sample)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_into_the_repository_leads_somewhere(page: Path) -> None:
    targets = _LINK.findall(page.read_text(encoding="utf-8"))

    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_commands_of_the_readme_are_targets_of_make() -> None:
    named = set(re.findall(r"^make (\w+)", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.MULTILINE))
    targets = set(re.findall(r"^(\w+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    assert {"demo", "test"} <= named <= targets


def test_every_key_of_a_configuration_is_in_the_reference() -> None:
    reference = (REPOSITORY / "docs/reference/config.md").read_text(encoding="utf-8")

    assert [key for key in KEYS if f"| `{key}` |" not in reference] == []


def test_every_command_and_option_is_in_the_reference() -> None:
    reference = (REPOSITORY / "docs/reference/command-line.md").read_text(encoding="utf-8")
    commands = dict(_commands("", typer.main.get_command(app)))
    options = {
        name
        for command in commands.values()
        for option in command.params
        if not getattr(option, "hidden", False)
        for name in option.opts
    }

    assert [name for name in commands if f"crystallize {name}" not in reference] == []
    assert [name for name in options if name.startswith("-") and f"`{name}" not in reference] == []


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Commands by their whole names, those of groups instead of the groups."""
    for inner, found in getattr(command, "commands", {}).items():
        yield from _commands(f"{name} {inner}".strip(), found)
    if name and not hasattr(command, "commands"):
        yield name, command


def test_the_architecture_names_what_is_there() -> None:
    page = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:\w+/)+\w+\.py): (\w+)`", " ".join(page.split()))
    source = REPOSITORY / "src/crystallize"

    assert len(named) > 10
    for path, name in named:
        text = (source / path).read_text(encoding="utf-8")
        assert re.search(rf"^\s*(async )?(def|class) {name}\b", text, re.MULTILINE), f"{path}: {name}"


def test_a_line_that_is_not_printed_is_noticed() -> None:
    printed = "ran 3   in 0.2 s\ndone\n"

    assert missing_line(["ran 3 in … s", "done"], printed) is None
    assert missing_line(["done", "ran 3 in … s"], printed) == "ran 3 in … s"
    assert missing_line(["ran 4 in … s"], printed) == "ran 4 in … s"


def test_blocks_are_read_with_language_file_and_line() -> None:
    page = "# Title\n\n```yaml file=a/b.yaml\nkey: 1\n```\n\n```console exits=1\n$ false\nno\n```\n"

    first, second = samples(page)

    assert first == Sample("yaml", {"file": "a/b.yaml"}, "key: 1\n", 3)
    assert commands(second.text) == [Command("false", ["no"])]
