from __future__ import annotations

import os
from pathlib import Path

from crystallize.fingerprint.digest import digest_bytes
from crystallize.store.store import Store
from crystallize.store.views import View, ViewFile

from .making import wrote

ONE = digest_bytes(b"one")


def shown(store: Store, path: str, data: bytes = b"one") -> ViewFile:
    target = store.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return store.views.describe(target, digest_bytes(data))


def test_a_view_comes_back_as_it_was_put(store: Store) -> None:
    files = (shown(store, "a/v0/x"), shown(store, "a/v0/b/y"))
    view = View("a/v0", "baseline", "complete", ONE, 7, files)

    store.views.put([view])

    assert store.views.of("a/v0") == {"baseline": view}


def test_a_view_takes_the_place_of_the_former_one(store: Store) -> None:
    store.views.put([View("a/v0", "baseline", "open", None, None, (shown(store, "a/v0/x"),))])
    newer = View("a/v0", "baseline", "complete", ONE)

    store.views.put([newer])

    assert store.views.of("a/v0") == {"baseline": newer}
    assert store.views.showing(ONE) == []


def test_many_folders_are_told_apart(store: Store) -> None:
    views = [View(f"e{n}/v0", c, "open", files=(shown(store, f"e{n}/{c}"),)) for n in range(600) for c in ("b", "t")]
    store.views.put(views)

    found = store.views.of_many([f"e{n}/v0" for n in range(600)] + ["absent/v0"])

    assert found == {f"e{n}/v0": {"b": views[2 * n], "t": views[2 * n + 1]} for n in range(600)}


def test_a_removed_view_is_forgotten_and_its_files_stay(store: Store) -> None:
    store.views.put([View("a/v0", c, "open", files=(shown(store, f"a/v0/{c}"),)) for c in ("b", "t")])

    store.views.remove("a/v0", ["b", "never there"])

    assert list(store.views.of("a/v0")) == ["t"]
    assert (store.root / "a/v0/b").exists()


def test_a_file_is_intact_until_it_is_touched(store: Store) -> None:
    file = shown(store, "a/x")
    before = store.views.intact(file)
    os.utime(store.root / file.path, ns=(1, 1))

    assert before
    assert not store.views.intact(file)


def test_an_absent_file_is_not_intact(store: Store) -> None:
    file = shown(store, "a/x")
    (store.root / file.path).unlink()

    assert not store.views.intact(file)


def test_a_folder_is_intact_until_anything_in_it_is_touched(store: Store, tmp_path: Path) -> None:
    (tmp_path / "made" / "deep").mkdir(parents=True)
    (tmp_path / "made" / "deep" / "x").write_bytes(b"x")
    output, small = store.keep_path("model", "S", tmp_path / "made")
    store.put_many([])
    with store.database.transaction() as connection:
        connection.executemany("INSERT INTO blobs VALUES (?, ?)", small.items())
    stat = store.lay(output, store.root / "model")
    file = ViewFile("model", output.digest, output.size_bytes, stat.st_mtime_ns, True)
    before = store.views.intact(file)

    inner = store.root / "model" / "deep" / "x"
    os.utime(inner, ns=(stat.st_mtime_ns + 1, stat.st_mtime_ns + 1))

    assert before
    assert file == ViewFile("model", output.digest, 1, stat.st_mtime_ns, True)
    assert not store.views.intact(file)


def test_only_intact_files_show_a_digest(store: Store) -> None:
    files = (shown(store, "a/x"), shown(store, "a/y"))
    store.views.put([View("a/v0", "baseline", "complete", files=files)])
    (store.root / "a/y").unlink()

    assert [files[0]] == store.views.showing(ONE)


def test_an_output_is_placed_only_under_its_own_name(store: Store) -> None:
    output = wrote(store, "x", b"one")["outputs"][0]
    store.views.put([View("a/v0", "baseline", "complete", files=(shown(store, "a/other"),))])
    before = store.placed(output)

    file = shown(store, "b/x")
    store.views.put([View("a/v0", "t", "complete", files=(file,))])

    assert before is None
    assert store.placed(output) == file
