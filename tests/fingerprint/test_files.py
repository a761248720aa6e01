from __future__ import annotations

import os
import time
from pathlib import Path, PurePosixPath

import pytest

from crystallize.errors import NotReusableError
from crystallize.fingerprint.digest import Digest, digest_bytes
from crystallize.fingerprint.files import StatKey, declared, file_digest, is_ignored, tree_digest


class Memory:
    """A `StatMemory` that is a dict, and counts what it is asked."""

    def __init__(self) -> None:
        self.known: dict[StatKey, Digest] = {}

    def recall(self, key: StatKey) -> Digest | None:
        return self.known.get(key)

    def remember(self, key: StatKey, digest: Digest) -> None:
        self.known[key] = digest


def write(path: Path, text: str, *, age_s: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if age_s:
        then = time.time() - age_s
        os.utime(path, (then, then))
    return path


@pytest.fixture
def later(monkeypatch):
    """Moves the clock ten seconds on: ctime cannot be set back."""
    now_ns = time.time_ns
    monkeypatch.setattr("crystallize.fingerprint.files.time.time_ns", lambda: now_ns() + 10_000_000_000)


@pytest.mark.parametrize("size", [0, 5, (1 << 20) + 3])
def test_the_digest_of_a_file_is_that_of_its_bytes(tmp_path, size):
    file = tmp_path / "data.bin"
    file.write_bytes(b"x" * size)

    assert file_digest(file) == digest_bytes(b"x" * size)


def test_a_settled_file_is_remembered_and_not_read_again(tmp_path, later):
    memory, file = Memory(), write(tmp_path / "data.csv", "1,2")
    file_digest(file, memory)
    (key,) = memory.known
    memory.known[key] = digest_bytes(b"as remembered")

    assert file_digest(file, memory) == digest_bytes(b"as remembered")


def test_a_file_changed_just_now_is_not_remembered(tmp_path):
    memory = Memory()
    file_digest(write(tmp_path / "data.csv", "1,2", age_s=100), memory)

    assert memory.known == {}, "its mtime is old, but its ctime is new"


def test_a_file_that_changed_is_read_again_though_remembered(tmp_path, later):
    memory, file = Memory(), write(tmp_path / "data.csv", "1,2")
    before = file_digest(file, memory)
    write(file, "3,4", age_s=50)

    assert file_digest(file, memory) == digest_bytes(b"3,4") != before


def test_a_file_that_changes_while_it_is_read_is_not_remembered(tmp_path, later, monkeypatch):
    memory, file = Memory(), write(tmp_path / "data.csv", "1,2")

    def hash_and_disturb(path: Path, size_bytes: int) -> Digest:
        write(path, "1,2,3")
        return digest_bytes(b"1,2")

    monkeypatch.setattr("crystallize.fingerprint.files._hash", hash_and_disturb)
    file_digest(file, memory)

    assert memory.known == {}


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "nothing")


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path / "tree" / "a.txt", "a")
    write(tmp_path / "tree" / "sub" / "b.txt", "b")
    return tmp_path / "tree"


def test_equal_folders_in_different_places_have_equal_digests(folder, tmp_path):
    write(tmp_path / "other" / "sub" / "b.txt", "b")
    write(tmp_path / "other" / "a.txt", "a")

    assert tree_digest(folder) == tree_digest(tmp_path / "other")


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: write(folder / "a.txt", "A"),
        lambda folder: (folder / "a.txt").rename(folder / "c.txt"),
        lambda folder: (folder / "a.txt").unlink(),
        lambda folder: (folder / "empty").mkdir(),
        lambda folder: write(folder / "sub" / "new.txt", ""),
        lambda folder: (folder / "sub" / "b.txt").rename(folder / "b.txt"),
    ],
)
def test_any_change_in_a_folder_changes_its_digest(folder, change):
    before = tree_digest(folder)
    change(folder)

    assert tree_digest(folder) != before


def test_an_empty_file_and_an_empty_folder_of_one_name_differ(tmp_path):
    write(tmp_path / "one" / "x", "")
    (tmp_path / "two" / "x").mkdir(parents=True)

    assert tree_digest(tmp_path / "one") != tree_digest(tmp_path / "two")


def test_a_link_inside_the_folder_counts_as_what_it_leads_to(folder, tmp_path):
    (folder / "link.txt").symlink_to(folder / "a.txt")
    (folder / "linked").symlink_to("sub")
    write(tmp_path / "plain" / "a.txt", "a")
    write(tmp_path / "plain" / "link.txt", "a")
    write(tmp_path / "plain" / "sub" / "b.txt", "b")
    write(tmp_path / "plain" / "linked" / "b.txt", "b")

    assert tree_digest(folder) == tree_digest(tmp_path / "plain")


@pytest.mark.parametrize(
    ("target", "what"),
    [("../outside.txt", "out of the folder"), ("..", "out of the folder"), (".", "back"), ("gone", "nowhere")],
)
def test_a_link_that_cannot_be_followed_is_not_reusable(folder, tmp_path, target, what):
    write(tmp_path / "outside.txt", "o")
    (folder / "link").symlink_to(target)

    with pytest.raises(NotReusableError, match=what):
        tree_digest(folder)


def test_a_folder_link_back_to_a_folder_above_it_does_not_loop(folder):
    (folder / "sub" / "up").symlink_to(folder / "sub")

    with pytest.raises(NotReusableError, match="back"):
        tree_digest(folder)


def test_a_pipe_in_a_folder_is_not_reusable_and_never_opened(folder):
    os.mkfifo(folder / "pipe")

    with pytest.raises(NotReusableError, match="neither a file nor a folder"):
        tree_digest(folder)


def test_a_declared_file_is_one_row_by_its_name_below_the_root(folder, tmp_path):
    (row,) = declared("tree/a.txt", tmp_path)

    assert (row.name, row.preview.split(",")[0]) == ("tree/a.txt", "1 bytes")


def test_a_declared_folder_is_one_row_and_changes_with_its_contents(folder, tmp_path):
    (before,) = declared("tree", tmp_path)
    write(folder / "sub" / "b.txt", "B")
    (after,) = declared("tree", tmp_path)

    assert before.name == after.name == "tree"
    assert before.digest != after.digest


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("tree/*.txt", ["tree/a.txt"]),
        ("tree/*", ["tree/a.txt", "tree/sub"]),
        ("**/*.txt", ["tree/a.txt", "tree/sub/b.txt"]),
        ("tree/**", ["tree/a.txt", "tree/sub/b.txt"]),
        ("./tree/[ab].txt", ["tree/a.txt"]),
    ],
)
def test_a_glob_gives_a_row_for_each_match(folder, tmp_path, pattern, names):
    assert [row.name for row in declared(pattern, tmp_path)] == names


@pytest.mark.parametrize("pattern", ["nothing.csv", "no/where/*.csv", "*.nothing"])
def test_what_is_absent_is_a_row_that_says_so(tmp_path, pattern):
    (row,) = declared(pattern, tmp_path)

    assert (row.name, row.preview) == (pattern, "absent")


def test_an_absence_an_empty_file_and_an_empty_folder_differ(tmp_path):
    (absent,) = declared("x", tmp_path)
    (tmp_path / "x").touch()
    (file,) = declared("x", tmp_path)
    (tmp_path / "x").unlink()
    (tmp_path / "x").mkdir()
    (folder,) = declared("x", tmp_path)

    assert len({absent.digest, file.digest, folder.digest}) == 3


def test_ignored_files_and_the_caches_of_tools_do_not_count(folder, tmp_path):
    before = declared("tree", tmp_path)
    write(folder / "run.log", "noise")
    write(folder / "sub" / "cache" / "x", "noise")
    write(folder / "__pycache__" / "a.pyc", "noise")
    write(folder / ".crystallize" / "db", "noise")

    assert declared("tree", tmp_path, ignore=["*.log", "tree/sub/cache"]) == before


def test_a_file_outside_the_root_is_named_by_its_whole_path(tmp_path):
    file = write(tmp_path / "shared" / "table.csv", "1")
    (tmp_path / "project").mkdir()

    (row,) = declared(str(file), tmp_path / "project")

    assert row.name == file.as_posix()


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    write(tmp_path / "data[1].csv", "1")

    assert [row.name for row in declared("data[1].csv", tmp_path)] == ["data[1].csv"]


def test_a_declared_file_that_cannot_be_read_is_not_reusable(tmp_path, monkeypatch):
    write(tmp_path / "locked.csv", "1")

    def refuse(path: Path, size_bytes: int) -> Digest:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("crystallize.fingerprint.files._hash", refuse)

    with pytest.raises(NotReusableError, match=r"reads 'locked.csv': .*cannot be read \(Permission denied\)"):
        declared("locked.csv", tmp_path)


@pytest.mark.parametrize(
    ("pattern", "ignored"), [("*.log", True), ("out", True), ("out/", True), ("a/*", False), ("b.log/x", False)]
)
def test_a_pattern_matches_the_path_a_folder_above_it_or_a_bare_name(pattern, ignored):
    assert is_ignored(PurePosixPath("out/deep/b.log"), [pattern]) is ignored
