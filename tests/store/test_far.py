import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from crystallize.errors import StoreError
from crystallize.plan.workspace import Workspace
from crystallize.store import store as store_module
from crystallize.store.store import Store, stay_away

LARGE = 100_000


@pytest.fixture
def far_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a worker on another machine, which has opened no store."""
    opened: list[Store] = []
    monkeypatch.setattr(store_module, "_away", [])
    monkeypatch.setattr(store_module, "_opened_here", opened)
    monkeypatch.setattr(store_module, "_open_stores", {})
    stay_away()
    yield
    for store in opened:
        store.close()


def test_a_store_that_arrives_has_the_bucket_and_no_database(store: Store, far_away: None) -> None:
    [large] = keep(store, large=b"l" * LARGE)
    arrived, again = pickle.loads(pickle.dumps(store)), pickle.loads(pickle.dumps(store))

    kept, small = arrived.keep_bytes("other", "S", b"o" * LARGE)

    assert arrived is again is not store
    assert not arrived.database.writable
    assert arrived.read_bytes(large) == b"l" * LARGE
    assert (store.read_bytes(kept), small) == (b"o" * LARGE, {})
    assert pickle.dumps(arrived) == pickle.dumps(store)


def test_small_contents_are_there_only_when_they_travel_along(store: Store, far_away: None, tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "a").write_bytes(b"a")
    (folder / "b").write_bytes(b"b" * LARGE)
    source = Workspace(store, {})
    source.write("small", "S", b"small")
    source.take("tree", "S", folder)
    with store.database.transaction() as connection:
        store.blobs.insert(connection, source.small_blobs.items())
    inputs = {output.name: (store, output) for output in source.outputs}
    without = pickle.loads(pickle.dumps(Workspace(store, inputs)))
    workspace = Workspace(store, inputs)
    workspace.take_along()
    arrived = pickle.loads(pickle.dumps(workspace))

    laid = arrived.input("tree")

    assert arrived.input("small").read_bytes() == arrived.read("small") == b"small"
    assert ((laid / "a").read_bytes(), (laid / "b").read_bytes()) == (b"a", b"b" * LARGE)
    with pytest.raises(StoreError, match="'small' of step 'S' is gone"):
        without.input("small")
    assert len(pickle.dumps(arrived.left())) < len(pickle.dumps(arrived))
    arrived.close()
    without.close()


def test_two_attempts_at_a_job_have_folders_of_their_own(store: Store) -> None:
    workspace = Workspace(store, {})
    whole = workspace.scratch()
    (workspace.scratch("made") / "left").touch()

    workspace.step_aside()

    assert list(workspace.scratch("made").iterdir()) == []
    assert workspace.scratch().parent == whole
    workspace._folder = whole
    workspace.close()


def keep(store: Store, **contents: bytes) -> list:
    return [store.keep_bytes(name, "S", data)[0] for name, data in contents.items()]
