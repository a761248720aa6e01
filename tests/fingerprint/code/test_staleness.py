"""Files that were edited after they were imported."""

from __future__ import annotations

import importlib
import os
import py_compile
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from crystallize.fingerprint.code.codebase import Codebase
from crystallize.fingerprint.code.modules import Module, Modules
from crystallize.fingerprint.code.staleness import is_edited, process_start
from crystallize.fingerprint.left import LeftStates
from crystallize.fingerprint.reads import observe
from crystallize.fingerprint.reads.looks import LOADED


@pytest.fixture
def process_began_long_ago(monkeypatch: pytest.MonkeyPatch, modules_count_as_fresh: None) -> None:
    monkeypatch.setattr("crystallize.fingerprint.code.staleness.process_start", lambda: 0.0)
    monkeypatch.setattr("crystallize.fingerprint.code.modules.LOADED", LOADED)


def compiled(path: Path) -> str:
    """Where Python keeps what it compiled from `path`, as an import leaves it."""
    return py_compile.compile(str(path), doraise=True) or ""


def test_the_start_of_this_process_is_known_and_past() -> None:
    process_start.cache_clear()

    assert process_start() <= time.time()
    assert process_start() > time.time() - 86_400 or not Path("/proc/self/stat").exists()


def test_a_file_as_it_was_compiled_is_not_edited(tmp_path: Path, process_began_long_ago: None) -> None:
    path = tmp_path / "m.py"
    path.write_text("a = 1\n")

    assert not is_edited(path, compiled(path))


def test_a_file_written_after_it_was_compiled_is_edited(tmp_path: Path, process_began_long_ago: None) -> None:
    path = tmp_path / "m.py"
    path.write_text("a = 1\n")
    cached = compiled(path)

    path.write_text("a = 10\n")

    assert is_edited(path, cached)


def test_without_compiled_code_the_processes_start_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.py"
    path.write_text("a = 1\n")
    os.utime(path, (1000.0, 1000.0))

    monkeypatch.setattr("crystallize.fingerprint.code.staleness.process_start", lambda: time.time() + 60)
    before = is_edited(path, None)
    monkeypatch.setattr("crystallize.fingerprint.code.staleness.process_start", lambda: 0.0)

    assert not before
    assert is_edited(path, None)


def test_a_decorator_edited_since_import_serves_no_other_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_began_long_ago: None
) -> None:
    path = tmp_path / "edited_lib.py"
    path.write_text("def twice(n):\n    return lambda f: f\n\n@twice(1)\ndef step(x):\n    return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    module = importlib.import_module("edited_lib")
    fresh = Codebase(tmp_path, LeftStates()).of(module.step)

    path.write_text(path.read_text().replace("@twice(1)", "@twice(22)"))
    edited = Codebase(tmp_path, LeftStates()).of(module.step)
    monkeypatch.setattr("crystallize.fingerprint.code.codebase.TOKEN", b"another process")
    elsewhere = Codebase(tmp_path, LeftStates()).of(module.step)

    assert fresh.notes == ()
    assert any("edited since it was imported" in note for note in edited.notes)
    assert len({fresh.digest, edited.digest, elsewhere.digest}) == 3


def test_a_module_whose_loading_was_seen_is_edited_once_its_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, process_began_long_ago: None
) -> None:
    path = tmp_path / "seen_lib.py"
    path.write_text("def step(x):\n    return x\n\nRATE = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    observe.install()
    module = importlib.import_module("seen_lib")
    fresh = is_module_edited(module)

    path.write_text(path.read_text().replace("RATE = 1", "RATE = 2"))
    edited = is_module_edited(module)
    anew = is_module_edited(importlib.reload(module))

    assert (fresh, edited, anew) == (False, True, False)


def is_module_edited(loaded: ModuleType) -> bool:
    module = Modules().holding(vars(loaded))
    assert isinstance(module, Module)
    return module.is_edited
