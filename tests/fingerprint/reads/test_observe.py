# The many ways to open a file are what is tested.
# ruff: noqa: PTH123, PTH207, PTH208, SIM115

from __future__ import annotations

import asyncio
import contextvars
import glob
import importlib
import io
import os
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from crystallize.fingerprint.reads.looks import Key, look_at
from crystallize.fingerprint.reads.observe import READS, Observer, PartObserver, kept_by, observing, readers, unobserved

SINCE_3_12 = pytest.mark.skipif(sys.version_info < (3, 12), reason="Path.walk came with Python 3.12")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text("1\n2\n", encoding="utf-8")
    return path


def keys(read: Callable[[], Any]) -> set[Key]:
    """What `read` is seen to read."""
    observer = Observer()
    with observing(observer):
        read()
    return set(observer.seen)


def os_read(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY)
    try:
        return os.read(handle, 10)
    finally:
        os.close(handle)


READERS: dict[str, Callable[[Path], Any]] = {
    "open": lambda path: open(path).close(),
    "bytes": lambda path: open(os.fsencode(path), "rb").close(),
    "io": lambda path: open(path, "rb").close(),
    "FileIO": lambda path: io.FileIO(str(path)).close(),
    "os.open": os_read,
    "pathlib": Path.read_text,
    "relative": lambda path: Path(path.name).read_text(),
    "numpy": lambda path: importlib.import_module("numpy").loadtxt(path),
    "fromfile": lambda path: importlib.import_module("numpy").fromfile(path),
    "pandas": lambda path: importlib.import_module("pandas").read_csv(path),
    "update": lambda path: open(path, "r+").close(),
}


@pytest.mark.parametrize("how", READERS)
def test_every_way_to_open_a_file_is_seen_with_its_look(table: Path, how: str) -> None:
    observer = Observer()
    with observing(observer):
        READERS[how](table)

    assert observer.seen[("file", str(table))] == look_at(("file", str(table)))


def test_an_absent_file_is_seen_as_absent(table: Path) -> None:
    observer = Observer()
    with observing(observer), pytest.raises(FileNotFoundError):
        open(table.with_name("none"))

    assert observer.seen == {("file", str(table.with_name("none"))): None}


@pytest.mark.parametrize("mode", ["w", "a", "x"])
def test_opens_for_writing_are_no_reads(table: Path, mode: str) -> None:
    path = table.with_name("new") if mode == "x" else table

    assert keys(lambda: open(path, mode).close()) == set()


def test_what_was_written_anew_is_not_read_and_what_was_appended_to_is_both(table: Path) -> None:
    observer = Observer()
    own = table.with_name("own")
    with observing(observer):
        own.write_text("x")
        own.read_text()
        with table.open("a") as file:
            file.write("3\n")
        table.read_text()

    assert set(observer.seen) == {("file", str(table))}
    assert observer.mixed == {str(table)}


def test_a_file_written_aside_and_moved_is_the_trials_own(table: Path) -> None:
    aside = table.with_name("aside")

    def read() -> None:
        aside.write_text("x")
        aside.replace(table.with_name("own"))
        table.with_name("own").read_text()

    assert keys(read) == set()


@pytest.mark.parametrize("first", ["read", "write"])
def test_an_update_is_read_and_written(table: Path, first: str) -> None:
    observer = Observer()
    with observing(observer):
        if first == "read":
            table.read_text()
            table.write_text("x")
        else:
            open(table, "r+").close()

    assert observer.mixed == {str(table)}


@pytest.mark.parametrize(
    ("listing", "kind"),
    [
        (lambda folder: os.listdir(folder), "folder"),
        (lambda folder: os.scandir(folder).close(), "folder"),
        (lambda folder: list(folder.iterdir()), "folder"),
        (lambda folder: list(os.walk(folder)), "folder"),
        pytest.param(lambda folder: list(folder.walk()), "folder", marks=SINCE_3_12),
        (lambda folder: glob.glob(f"{folder}/*.csv"), "glob"),
        (lambda folder: glob.glob("*.csv", root_dir=folder), "glob"),
        (lambda folder: list(folder.glob("*.csv")), "glob"),
        (lambda folder: list(folder.rglob("*.csv")), "glob"),
    ],
)
def test_listings_count_by_their_names_and_globs_by_their_matches(table: Path, listing: Any, kind: str) -> None:
    observer = Observer()
    with observing(observer):
        listing(table.parent)
    [(key, look)] = observer.seen.items()
    table.write_text("other contents")
    same = look_at(key)
    table.with_name("more.csv").write_text("")
    more = look_at(key)

    assert key[0] == kind
    assert same == look
    assert more != look


def test_a_glob_of_one_file_notices_that_another_takes_its_place(table: Path) -> None:
    key: Key = ("glob", f"{table.parent}/*.csv")
    before = look_at(key)
    table.rename(table.with_name("other.csv"))

    assert look_at(key) != before


def test_a_database_counts_with_its_log(table: Path) -> None:
    base = table.with_name("base.sqlite")
    seen = keys(lambda: sqlite3.connect(f"file:{base}?mode=rwc", uri=True).close())

    assert {("file", str(base)), ("file", f"{base}-wal")} <= seen


def test_unpickling_names_what_it_loads(tmp_path: Path) -> None:
    data = pickle.dumps(Thread)

    assert keys(lambda: pickle.loads(data)) == {("code", "threading:Thread")}


def test_imports_are_no_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "observed_helper.py").write_text("VALUE = 1\n", encoding="utf-8")

    seen = keys(lambda: importlib.import_module("observed_helper"))

    assert seen == set()


def test_what_an_imported_module_reads_counts_for_it_as_well(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(table.parent)
    table.with_name("observed_reader.py").write_text(
        f"from pathlib import Path\nVALUE = Path({str(table)!r}).read_text()\n", encoding="utf-8"
    )
    key = ("file", str(table))

    seen = keys(lambda: importlib.import_module("observed_reader"))

    assert seen == {key}
    assert vars(sys.modules["observed_reader"])[READS] == {key: look_at(key)}


def test_child_processes_are_noticed() -> None:
    observer = Observer()
    with observing(observer):
        subprocess.run([sys.executable, "-c", ""], check=True)

    assert observer.starts_processes


def test_a_thread_of_nobody_counts_for_every_trial_that_runs(table: Path) -> None:
    one, other = Observer(), Observer()
    with observing(one):
        contextvars.Context().run(lambda: None)
        with observing(other):
            thread = Thread(target=table.read_text)
            thread.start()
            thread.join()

    assert set(one.seen) == set(other.seen) == {("file", str(table))}


def test_a_read_of_an_input_is_noted_only_where_it_may_outlive_the_trial(table: Path) -> None:
    kept: dict[Key, Any] = {}
    brief, sharing = Observer(inputs=[str(table)]), Observer(inputs=[str(table)])
    keeping = Observer(lambda: [kept], [str(table)])
    part_of_brief, part_of_keeping = PartObserver(brief), PartObserver(keeping)
    sharing.share({})
    for observer in (part_of_brief, part_of_keeping, brief, keeping, sharing):
        with observing(observer):
            table.read_text()

    assert [set(each.seen) for each in (brief, part_of_brief)] == [set(), set()]
    assert [set(each.seen) for each in (keeping, part_of_keeping, sharing)] == [{("file", str(table))}] * 3
    assert set(kept) == {("file", str(table))}


def test_an_input_that_a_module_reads_while_it_is_imported_counts_for_the_module(
    tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "input_reader.py").write_text(f"from pathlib import Path\nROWS = Path({str(table)!r}).read_text()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with observing(Observer(inputs=[str(table)])):
        importlib.import_module("input_reader")

    assert set(vars(sys.modules["input_reader"])[READS]) == {("file", str(table))}


def test_two_trials_at_once_are_told_apart_in_threads(tmp_path: Path) -> None:
    observers = [Observer(), Observer()]
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text("x")

    def trial(number: int) -> None:
        with observing(observers[number]):
            for _ in range(20):
                paths[number].read_text()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(trial, range(2)))

    assert [set(observer.seen) for observer in observers] == [{("file", str(path))} for path in paths]


async def test_two_trials_at_once_are_told_apart_in_one_event_loop(tmp_path: Path) -> None:
    observers = [Observer(), Observer()]
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text("x")

    async def trial(number: int) -> None:
        with observing(observers[number]):
            await asyncio.sleep(0)
            await asyncio.to_thread(paths[number].read_text)

    await asyncio.gather(trial(0), trial(1))

    assert [set(observer.seen) for observer in observers] == [{("file", str(path))} for path in paths]


def test_a_context_that_outlives_its_trial_belongs_to_nobody(table: Path) -> None:
    over, running = Observer(), Observer()
    with observing(over):
        context = contextvars.copy_context()
    with observing(running):
        context.run(table.read_text)

    assert over.seen == {}
    assert set(running.seen) == {("file", str(table))}


def test_nobody_is_charged_with_what_crystallize_reads_itself(table: Path) -> None:
    observer = Observer()
    with observing(observer), unobserved():
        table.read_text()
        charged = readers()

    assert observer.seen == {}
    assert charged == ()


def test_a_path_that_cannot_be_raises_what_the_call_raises() -> None:
    with observing(Observer()), pytest.raises(ValueError, match="null"):
        open("a\0b")


def test_what_is_kept_counts_for_later_trials_as_it_was_first(table: Path) -> None:
    class Holder:
        pass

    holder = Holder()
    first, second = Observer(lambda: [kept_by(holder)]), Observer()
    with observing(first):
        table.read_text()
    then = look_at(("file", str(table)))
    table.write_text("changed since")

    assert second.all_seen([kept_by(holder)]) == {("file", str(table)): then}
    assert kept_by(Holder()) == {}
