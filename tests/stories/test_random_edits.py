"""Whatever is edited, a resumed run shows what a run from nothing would. ``make soak`` does the same for longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

STEPS = int(os.environ.get("SOAK_STEPS", "16"))
SEED = int(os.environ.get("SOAK_SEED", "7"))
MOST_NEEDLESS = 0.1
"""Trials that ran although the very same had been recorded, per trial that ran."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each truth is made in a process of its own")
def test_random_edits_never_leave_a_stale_result(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.stories.random_edits", str(tmp_path), str(SEED), str(STEPS)]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CRYSTALLIZE_")}

    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environ, capture_output=True, text=True, encoding="utf-8"
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    rate = report["needless"] / max(report["ran"], 1)
    print(f"{report['steps']} edits, {report['trials']} trials, {report['ran']} ran, {rate:.1%} of them needlessly")
    print(json.dumps(report["needless_after"], indent=1, ensure_ascii=False))
    assert report["stale"] == []
    assert rate <= MOST_NEEDLESS
