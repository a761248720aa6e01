"""Caches of compiled code that Python would believe although their source has changed."""

from __future__ import annotations

import importlib
import os
import py_compile
import sys
from pathlib import Path

import pytest

from crystallize.fingerprint.reads.caches import RACY_SECONDS, RacyCacheError, refuse_racy
from crystallize.fingerprint.reads.observe import Observer, observing


def cached(folder: Path, text: str = "RATE = 1\n") -> tuple[Path, str]:
    """A source and its cache, as an import leaves them."""
    source = folder / "racy_lib.py"
    source.write_text(text, encoding="utf-8")
    return source, py_compile.compile(str(source), doraise=True) or ""


def test_a_cache_written_right_after_its_source_is_not_believed(tmp_path: Path) -> None:
    _, cache = cached(tmp_path)

    with pytest.raises(RacyCacheError, match="compiled anew"):
        refuse_racy(cache)


def test_a_cache_written_long_after_its_source_is_believed(tmp_path: Path) -> None:
    source, cache = cached(tmp_path)
    later = source.stat().st_ctime + RACY_SECONDS + 1
    os.utime(cache, (later, later))

    refuse_racy(cache)


def test_a_source_that_was_given_back_its_old_time_gives_itself_away(tmp_path: Path) -> None:
    source, cache = cached(tmp_path)
    os.utime(source, (1000.0, 1000.0))

    with pytest.raises(RacyCacheError):
        refuse_racy(cache)


def test_an_edit_within_the_second_is_imported_while_a_trial_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(tmp_path)
    source, _ = cached(tmp_path)
    stat = source.stat()
    source.write_text("RATE = 2\n", encoding="utf-8")
    os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    try:
        with observing(Observer()):
            rate = importlib.import_module("racy_lib").RATE
    finally:
        sys.modules.pop("racy_lib", None)

    assert rate == 2
