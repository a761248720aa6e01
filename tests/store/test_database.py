"""The file of a store, as several make it at once."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from crystallize.errors import StoreError
from crystallize.store import database
from crystallize.store.database import Database


def test_all_who_create_a_store_at_once_have_the_same_one(tmp_path: Path) -> None:
    at_once = 4
    with ThreadPoolExecutor(at_once) as pool:
        for number in range(25):
            barrier = Barrier(at_once)

            def secret(path: Path, barrier: Barrier) -> bytes:
                barrier.wait(60)
                opened = Database.open(path, write=True)
                [(key,)] = opened.read("SELECT value FROM meta WHERE name = 'secret_key'")
                opened.close()
                return bytes(key)

            keys = set(pool.map(secret, [tmp_path / f"{number}.sqlite"] * at_once, [barrier] * at_once))

            assert len(keys) == 1


def test_a_file_that_somebody_holds_for_good_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.1)
    path = tmp_path / "store.sqlite"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")

    with pytest.raises(StoreError, match="database is locked; another process holds it; wait for that one to end"):
        Database.open(path, write=True)
    holder.close()
