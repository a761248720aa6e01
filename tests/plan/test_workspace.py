from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crystallize.fingerprint.digest import digest_bytes
from crystallize.plan.workspace import Workspace
from crystallize.store.record import Output
from crystallize.store.store import Store
from crystallize.store.views import View

ONE = Output("x", "Make", digest_bytes(b"one"), 3)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with_views = Store.open(tmp_path / "data")
    files = []
    for folder in ("a/v0", "b/v0"):
        path = with_views.root / folder / "x"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"one")
        files.append(with_views.views.describe(path, ONE.digest))
    with_views.views.put([View("a/v0", "baseline", "complete", files=tuple(files))])
    yield with_views
    with_views.close()


def test_an_input_is_read_where_a_view_shows_it(store: Store) -> None:
    workspace = Workspace(store, {"port": (store, ONE)})

    path = workspace.input("port")

    assert path == store.root / "a/v0/x"
    assert workspace.changed_input() is None


def test_an_input_that_is_changed_while_it_is_read_is_told_though_another_view_shows_it(store: Store) -> None:
    workspace = Workspace(store, {"port": (store, ONE)})
    path = workspace.input("port")
    assert isinstance(path, Path)
    path.write_bytes(b"other")

    assert workspace.changed_input() == f"{path} was changed while it was read"


def test_an_input_that_is_put_there_anew_with_the_same_contents_is_no_change(store: Store) -> None:
    workspace = Workspace(store, {"port": (store, ONE)})
    path = workspace.input("port")
    assert isinstance(path, Path)
    path.unlink()
    path.write_bytes(b"one")

    assert workspace.changed_input() is None
