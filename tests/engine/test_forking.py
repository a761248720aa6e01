"""Forks of a process whose threads import."""

from __future__ import annotations

import importlib
import multiprocessing
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from crystallize.engine.forking import others_import, wait_before_forks

PATIENCE_SECONDS = 20
STARTED, GO = Event(), Event()
SLOW = f"""
from {__name__} import GO, STARTED
STARTED.set()
assert GO.wait({PATIENCE_SECONDS})
"""


@pytest.fixture
def importing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Thread]:
    """A thread that is in the middle of importing `slow_to_import`, until GO."""
    (tmp_path / "slow_to_import.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    STARTED.clear()
    GO.clear()
    thread = Thread(target=importlib.import_module, args=("slow_to_import",))
    thread.start()
    assert STARTED.wait(PATIENCE_SECONDS)
    yield thread
    GO.set()
    thread.join()
    sys.modules.pop("slow_to_import", None)


def test_imports_of_other_threads_are_seen(importing: Thread) -> None:
    during = others_import()
    GO.set()
    importing.join()

    assert (during, others_import()) == (True, False)


def test_a_fork_waits_for_them_so_that_the_child_can_import_the_same(importing: Thread) -> None:
    wait_before_forks()
    child = multiprocessing.get_context("fork").Process(target=importlib.import_module, args=("slow_to_import",))

    def fork() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads
            child.start()

    forking = Thread(target=fork)
    forking.start()
    GO.set()
    forking.join()
    child.join(PATIENCE_SECONDS)
    is_over = not child.is_alive()
    child.kill()

    assert is_over and child.exitcode == 0
