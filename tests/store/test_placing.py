from __future__ import annotations

from pathlib import Path

import pytest

from crystallize.store import placing
from crystallize.store.placing import LINK_BYTES, discard, make_folder, make_folders, place_file, replacing, write_whole


@pytest.fixture
def without_reflinks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "_clone", lambda source, target: False)


def test_parents_are_created(tmp_path: Path) -> None:
    with replacing(tmp_path / "a" / "b" / "x") as new:
        new.write_bytes(b"x")

    assert (tmp_path / "a" / "b" / "x").read_bytes() == b"x"


def test_a_failure_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_bytes(b"old")

    with pytest.raises(KeyError), replacing(target) as new:
        new.write_bytes(b"half")
        raise KeyError

    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@pytest.mark.parametrize("old_is_folder", [True, False])
@pytest.mark.parametrize("new_is_folder", [True, False])
def test_files_and_folders_take_each_others_place(tmp_path: Path, old_is_folder: bool, new_is_folder: bool) -> None:
    target = tmp_path / "x"
    for place, is_folder in ((target, old_is_folder), (tmp_path / "wanted", new_is_folder)):
        if is_folder:
            place.mkdir()
            (place / "inner").write_bytes(place.name.encode())
        else:
            place.write_bytes(place.name.encode())

    with replacing(target) as new:
        (tmp_path / "wanted").rename(new)

    assert (target / "inner" if new_is_folder else target).read_bytes() == b"wanted"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_large_file_is_linked_and_a_small_one_copied(tmp_path: Path, without_reflinks: None) -> None:
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(b"x" * (LINK_BYTES + 1))
    small.write_bytes(b"x")

    place_file(large, tmp_path / "large2", link=True)
    place_file(small, tmp_path / "small2", link=True)
    place_file(large, tmp_path / "large3", link=False)

    assert (tmp_path / "large2").samefile(large)
    assert not (tmp_path / "small2").samefile(small)
    assert not (tmp_path / "large3").samefile(large)


def test_a_link_that_cannot_be_is_a_copy(
    tmp_path: Path, without_reflinks: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_device(*_: object) -> None:
        raise OSError("cross-device link")

    large = tmp_path / "large"
    large.write_bytes(b"x" * (LINK_BYTES + 1))
    monkeypatch.setattr(Path, "hardlink_to", other_device)

    place_file(large, tmp_path / "copy", link=True)

    assert (tmp_path / "copy").read_bytes() == large.read_bytes()


def test_discarding_nothing_is_harmless_and_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")

    discard(tmp_path / "absent")
    discard(tmp_path / "link")

    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("data", [b"", b"new"])
def test_a_file_is_written_whole_over_an_old_one_with_its_parents(tmp_path: Path, data: bytes) -> None:
    target = tmp_path / "a" / "b" / "x"

    stats = [write_whole(str(target.parent), target.name, contents) for contents in (b"older", data)]

    assert target.read_bytes() == data
    assert [5, len(data)] == [stat.st_size for stat in stats]
    assert stats[1].st_mtime_ns == target.stat().st_mtime_ns
    assert [path.name for path in target.parent.iterdir()] == ["x"]


def test_a_file_that_cannot_be_placed_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x").write_bytes(b"old")
    monkeypatch.setattr(placing.os, "write", lambda descriptor, data: (_ for _ in ()).throw(OSError("full")))

    with pytest.raises(OSError, match="full"):
        write_whole(str(tmp_path), "x", b"new")

    assert (tmp_path / "x").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")

    with pytest.raises(OSError):
        make_folder(str(tmp_path / "a" / "b"))
    with pytest.raises(FileExistsError):
        make_folder(str(tmp_path / "a"))


def test_only_a_folder_that_was_missing_is_new(tmp_path: Path) -> None:
    top = str(tmp_path / "a" / "b")

    told = [make_folders(top, *names) for names in (("c", "d"), ("c", "d"), ("c",), ("c", "e"))]

    assert told == [True, False, False, True]
    assert sorted(path.name for path in (tmp_path / "a" / "b" / "c").iterdir()) == ["d", "e"]
