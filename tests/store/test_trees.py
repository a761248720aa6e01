from __future__ import annotations

import os
from pathlib import Path

import pytest

from crystallize.errors import StoreError
from crystallize.fingerprint.digest import digest_bytes
from crystallize.store.trees import Member, decode_tree, encode_tree, walk_tree


def test_a_listing_does_not_depend_on_order() -> None:
    members = [Member("b/x", digest_bytes(b"1"), 1), Member("a", digest_bytes(b"2"), 1), Member("empty", None, 0)]

    assert encode_tree(members) == encode_tree(members[::-1])
    assert decode_tree(encode_tree(members)) == sorted(members)


def test_a_file_of_the_users_is_no_listing() -> None:
    with pytest.raises(ValueError, match="no listing"):
        decode_tree(b"[]")


def test_files_come_sorted_and_empty_folders_count(tmp_path: Path) -> None:
    (tmp_path / "sub" / "empty").mkdir(parents=True)
    (tmp_path / "sub" / "b.txt").write_bytes(b"b")
    (tmp_path / "a.txt").write_bytes(b"a")

    found = [(name, path is None) for name, path in walk_tree(tmp_path)]

    assert found == [("a.txt", False), ("sub/b.txt", False), ("sub/empty", True)]


def test_a_link_inside_counts_as_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_bytes(b"a")
    (tmp_path / "again").symlink_to("data")

    assert [name for name, _ in walk_tree(tmp_path)] == ["again/a.txt", "data/a.txt"]


@pytest.mark.parametrize(("target", "says"), [("..", "leads out of"), ("nowhere", "leads nowhere"), (".", "holds it")])
def test_a_link_elsewhere_is_an_error(tmp_path: Path, target: str, says: str) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "link").symlink_to(target)

    with pytest.raises(StoreError, match=f"tree/link.*{says}"):
        list(walk_tree(tmp_path / "tree"))


def test_a_pipe_is_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(StoreError, match="neither file nor folder"):
        list(walk_tree(tmp_path))
