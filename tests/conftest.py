"""Shared by all tests: coroutine tests run in an event loop of their own, and each test starts in its own folder."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from .clusters import TwoNodes, two_nodes


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Runs ``async def`` tests with `asyncio.run`."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asyncio.run(pyfuncitem.obj(**arguments))
    return True


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test writes into the project or reads its settings."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def nodes() -> Iterator[TwoNodes]:
    """A Ray cluster that the tests of a module share: starting one takes seconds."""
    with two_nodes() as started:
        yield started
