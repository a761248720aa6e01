from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from crystallize.errors import NotReusableError
from crystallize.fingerprint.digest import Digest, digest_bytes
from crystallize.fingerprint.files import StatKey
from crystallize.fingerprint.reads.observations import ABSENT, Concluded, Observation, Surveyor, describe, told
from crystallize.fingerprint.reads.observe import Observer, observing


class Memory(dict[StatKey, Digest]):
    """Remembers in a dict."""

    recall = dict.get

    def remember(self, key: StatKey, digest: Digest) -> None:
        self[key] = digest


class Names:
    """The code behind names, as a test says."""

    def __init__(self) -> None:
        self.digests: dict[str, Digest] = {}

    def named_digest(self, module: str, qualname: str) -> Digest:
        return self.digests.get(f"{module}:{qualname}", ABSENT)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.csv").write_text("a", encoding="utf-8")
    return root


def surveyor(root: Path, **options: Any) -> Surveyor:
    return Surveyor(root, Memory(), Names(), **options)


def concluded(root: Path, read: Callable[[], Any], **options: Any) -> Concluded:
    observer = Observer()
    with observing(observer):
        read()
    return surveyor(root).conclude(observer, **options)


def names(found: Concluded) -> Sequence[str]:
    return [observation.name for observation in found.observations]


def test_a_file_counts_by_its_bytes_and_by_its_name_below_the_root(root: Path) -> None:
    found = concluded(root, (root / "a.csv").read_text)

    assert found == Concluded((Observation("file", "a.csv", digest_bytes(b"a")),), None)


def test_files_outside_the_project_count_by_their_full_name(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = root.parent / "outside.csv"
    outside.write_text("x")
    monkeypatch.setattr("tempfile.tempdir", str(root))

    assert names(concluded(root, outside.read_text)) == [str(outside)]


def test_temporary_files_outside_the_project_do_not_count(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outside = root.parent / "outside.csv"
    outside.write_text("x")
    monkeypatch.setattr("tempfile.tempdir", str(root.parent))

    assert names(concluded(root, outside.read_text)) == []
    assert names(concluded(root, (root / "a.csv").read_text)) == ["a.csv"]


@pytest.mark.parametrize("place", [".crystallize", ".git", "__pycache__", "sub/.mypy_cache", ".venv/lib/site-packages"])
def test_the_store_and_caches_of_tools_do_not_count(root: Path, place: str) -> None:
    file = root / place / "file"
    file.parent.mkdir(parents=True)
    file.write_text("x")

    assert names(concluded(root, file.read_text)) == []


def test_the_system_and_what_is_left_out_do_not_count(root: Path) -> None:
    observer = Observer()
    (root / "store").mkdir()
    (root / "store" / "x").write_text("x")
    with observing(observer):
        (root / "store" / "x").read_text()
        Path("/etc/passwd").read_text()

    assert surveyor(root, left_out=[root / "store"]).conclude(observer).observations == ()


def test_inputs_and_ignored_files_do_not_count(root: Path) -> None:
    (root / "in").mkdir()
    (root / "in" / "x").write_text("x")

    def read() -> None:
        (root / "in" / "x").read_text()
        (root / "a.csv").read_text()

    assert names(concluded(root, read, inputs=[str(root / "in")])) == ["a.csv"]
    assert names(concluded(root, read, inputs=[str(root / "in")], ignore=["*.csv"])) == []


def test_a_change_since_the_read_makes_doubt(root: Path) -> None:
    def read() -> None:
        (root / "a.csv").read_text()
        os.utime(root / "a.csv", ns=(1, 1))

    assert concluded(root, read).doubt == "a.csv: changed while it was read; run again when nothing writes it"


def test_a_file_that_was_looked_for_and_appeared_makes_doubt(root: Path) -> None:
    def read() -> None:
        with pytest.raises(FileNotFoundError):
            (root / "b.csv").read_text()
        # a rename is how others put it there
        (root / "a.csv").rename(root / "b.csv")

    assert "b.csv: changed while it was read" in str(concluded(root, read).doubt)


def test_read_and_written_is_told_with_the_remedy(root: Path) -> None:
    def read() -> None:
        (root / "a.csv").read_text()
        (root / "a.csv").write_text("b")

    found = concluded(root, read)

    assert found.doubt == "a.csv: read and written by the same trial; leave it out with ignore: ['a.csv']"
    assert concluded(root, read, ignore=["a.csv"]).doubt is None


def test_named_files_count_unless_the_trial_wrote_them(root: Path) -> None:
    named = [Observation("file", "a.csv", digest_bytes(b"a")), Observation("file", "b.csv", digest_bytes(b"b"))]

    assert concluded(root, lambda: (root / "b.csv").write_text("x"), named=named).observations == (named[0],)


def test_texts_name_files_of_the_project_only(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "sub").mkdir()
    (root / "sub" / "b.csv").write_text("b")
    monkeypatch.chdir(root / "sub")
    texts = ["a.csv", str(root / "a.csv"), "b.csv", "sub", "/etc/passwd", "../../x", "a\0b", "nothing"]

    assert list(surveyor(root).files_named(texts)) == ["a.csv", "sub/b.csv"]
    assert list(surveyor(root).files_named(texts, ["sub"])) == ["a.csv"]


def test_unpickled_names_of_the_project_count_by_their_code(root: Path) -> None:
    code = Names()
    code.digests["model:Model"] = digest_bytes(b"1")
    observer = Observer()
    observer.read(("code", "model:Model"), None)
    observer.read(("code", "threading:Thread"), None)
    looking = Surveyor(root, Memory(), code)
    found = looking.conclude(observer)
    code.digests["model:Model"] = digest_bytes(b"2")

    assert names(found) == ["model:Model"]
    assert looking.changes(found.observations) == ["code of model.Model, unpickled by the last run, changed since"]


def test_code_that_cannot_be_told_apart_makes_doubt_and_a_change(root: Path) -> None:
    class Unclear(Names):
        def named_digest(self, module: str, qualname: str) -> Digest:
            raise NotReusableError("model.Model.x", "an open file", "close it")

    observer = Observer()
    observer.read(("code", "model:Model"), None)
    looking = Surveyor(root, Memory(), Unclear())

    assert looking.conclude(observer).doubt == "model.Model.x: an open file; close it"
    assert len(looking.changes([Observation("code", "model:Model", digest_bytes(b"1"))])) == 1


def test_nothing_changed_means_no_changes_and_a_moved_project_is_the_same(root: Path) -> None:
    def read() -> None:
        (root / "a.csv").read_text()
        os.listdir(root)  # noqa: PTH208
        list(root.glob("*.csv"))
        with pytest.raises(FileNotFoundError):
            (root / "none").read_text()

    found = concluded(root, read)
    moved = root.rename(root.with_name("moved"))

    assert len(found.observations) == 4
    assert surveyor(moved).changes(found.observations) == []


def test_each_change_is_told_in_its_own_words(root: Path) -> None:
    def read() -> None:
        (root / "a.csv").read_text()
        os.listdir(root)  # noqa: PTH208
        list(root.glob("*.csv"))
        with pytest.raises(FileNotFoundError):
            (root / "b.csv").read_text()

    found = concluded(root, read)
    (root / "a.csv").rename(root / "b.csv")

    assert surveyor(root).changes(found.observations) == [
        "a.csv: read by the last run, gone since",
        "b.csv: looked for by the last run, there since",
        ".: listed by the last run, changed since",
        "*.csv: matches other files than in the last run",
    ]


def test_signs_of_globs_in_the_name_of_the_project_are_no_signs(tmp_path: Path) -> None:
    root = tmp_path / "pro[j]ect*"
    root.mkdir()
    (root / "a.csv").touch()
    found = concluded(root, lambda: list(root.glob("*.csv")))
    same = surveyor(root).changes(found.observations)
    (root / "b.csv").touch()

    assert names(found) == ["*.csv"]
    assert same == []
    assert surveyor(root).changes(found.observations) == ["*.csv: matches other files than in the last run"]


def test_what_was_read_before_and_changed_since_is_told_apart(root: Path) -> None:
    observer = Observer()
    with observing(observer):
        (root / "a.csv").read_text()
    (root / "a.csv").write_text("changed")

    found = surveyor(root).conclude(Observer(), before=[observer.seen])

    assert "a.csv: changed since this process read it" in str(found.doubt)


def test_many_changes_are_counted() -> None:
    assert told(["a", "b", "c", "d"]) == "a; b; and 2 more"


def test_observations_are_described_for_people() -> None:
    some = digest_bytes(b"")

    assert [
        describe(Observation("file", "a.csv", some)),
        describe(Observation("file", "b.csv", ABSENT)),
        describe(Observation("folder", "pictures", some)),
        describe(Observation("code", "_worlds.train.steps:Model", some)),
    ] == ["a.csv", "b.csv (absent)", "pictures/ (its listing)", "steps.Model (unpickled)"]
