"""Which files a source tree consists of: with git, without it, and as a commit has them; git itself is the judge."""

import os
import subprocess
from pathlib import Path

import pytest

from crystallize.errors import DefinitionError
from crystallize.valohai.tree import commit_of, committed_tree, text_of, working_tree

NAMES = [
    *("a.py", "a.pyc", "b.log", "keep.log", "abc", "build", "#x", "name ", "docs/a.txt", "docs/deep/b.txt"),
    *("src/build/x", "src/tmp/y", "src/a/b", "src/a/c/b", "data/keep", "data/x/y", "doc/frotz/z", "frotz/z", "m.c"),
    *("src/m.c", "foo/a.py", "src/foo/a.py", "ünï/日本.txt", "with space/a b.txt"),
]
RULES = [
    *("*.log", "*.log\n!keep.log", "/build", "build", "build/", "docs/*.txt", "docs/**/*.txt", "**/tmp", "src/**/b"),
    *("foo/", "/foo/", "[ab].py", "*.py[co]", "# comment", "\\#x", "name\\ ", "data/**", "data/**\n!data/keep"),
    *("data\n!data/keep", "doc/frotz/", "frotz", "/*.c", "a?c", "*", "*\n!a.py", "src/*\n!src/a", "[!a]*.c", "ünï/*"),
]


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=T", "-c", "user.email=t@example.com", *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def write(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    return folder


def names_in(folder: Path) -> list[str]:
    return [file.path for file in working_tree(folder)]


@pytest.mark.parametrize("rules", RULES)
def test_without_git_the_same_files_count_as_git_would_track(tmp_path: Path, rules: str) -> None:
    trees = [write(tmp_path / kind, NAMES) for kind in ("git", "none")]
    for tree in trees:
        (tree / ".gitignore").write_text(f"{rules}\n", encoding="utf-8")
        (tree / "src" / ".gitignore").write_text("c/\n", encoding="utf-8")
    git(trees[0], "init", "-q")

    with_git, without = map(names_in, trees)

    assert [name for name in with_git if ".gitignore" not in name] == without


@pytest.mark.parametrize("rules", RULES)
def test_vhignore_has_the_rules_of_gitignore(tmp_path: Path, rules: str) -> None:
    trees = [write(tmp_path / kind, NAMES) for kind in (".gitignore", ".vhignore")]
    for tree in trees:
        (tree / tree.name).write_text(f"{rules}\n", encoding="utf-8")
        git(tree, "init", "-q")

    by_git, by_us = ([name for name in names_in(tree) if name not in (".gitignore", ".vhignore")] for tree in trees)

    assert by_us == by_git


def test_only_names_contents_and_the_executable_bit_count(tmp_path: Path) -> None:
    before = working_tree(write(tmp_path, ["a", "b"]))
    os.utime(tmp_path / "a")
    (tmp_path / "b").chmod(0o600)
    touched = working_tree(tmp_path)
    (tmp_path / "b").chmod(0o755)
    executable = working_tree(tmp_path)

    assert touched == before
    assert [file.mode for file in executable] == ["file", "program"]


def test_links_count_as_links_wherever_they_lead(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/etc")
    (tmp_path / "loop").symlink_to("loop")

    assert [(file.path, file.mode) for file in working_tree(tmp_path)] == [("loop", "link"), ("out", "link")]


def test_what_crystallize_and_others_write_is_no_source(tmp_path: Path) -> None:
    write(tmp_path, ["a.py", "__pycache__/a.pyc", ".crystallize/x", "data/results", ".env", ".git-like"])

    assert [file.path for file in working_tree(tmp_path, left_out=[tmp_path / "data"])] == ["a.py"]


def test_a_commit_is_what_it_was_whatever_the_working_tree_is(tmp_path: Path) -> None:
    project = write(tmp_path / "repo" / "project", ["a.py", "run.sh"])
    (project / "run.sh").chmod(0o755)
    (project / "link").symlink_to("a.py")
    write(tmp_path / "repo", ["beside.py"])
    git(tmp_path / "repo", "init", "-q")
    git(tmp_path / "repo", "add", ".")
    git(tmp_path / "repo", "commit", "-qm", "first")
    first = working_tree(project)
    (project / "a.py").write_text("edited", encoding="utf-8")

    files, read = committed_tree(project, commit_of(project, "HEAD"))

    assert files == first
    assert read("a.py") == b"a.py"
    assert text_of(project, "HEAD", "a.py") == "a.py"


def test_a_commit_that_git_does_not_know_is_refused(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")

    for name in ("nothing", "--help", "HEAD~99"):
        with pytest.raises(DefinitionError, match="git knows no commit"):
            commit_of(tmp_path, name)
