from pathlib import Path

import pytest

from .projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


@pytest.fixture(autouse=True)
def modules_count_as_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests write and import modules while their process runs; `test_staleness.py` looks at what that would mean."""
    monkeypatch.setattr("crystallize.fingerprint.code.staleness.process_start", lambda: float("inf"))
    # an observer that an earlier test of this process installed notes how modules looked when they were loaded
    monkeypatch.setattr("crystallize.fingerprint.code.modules.LOADED", "__seen_by_nobody__")
