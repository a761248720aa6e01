"""Killed at any instant, a run leaves nothing torn and loses little. ``make soak`` does the same for longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

INSTANTS = int(os.environ.get("SOAK_KILLS", "12"))
SEED = int(os.environ.get("SOAK_SEED", "7"))
SCENES = ("first run", "top-up from 2 to 4 replicates", "rerun", "removed markers", "threads", "processes")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="what is killed is a process of its own")
@pytest.mark.parametrize("scene", SCENES)
def test_killed_at_any_instant_a_run_goes_on_where_it_was(tmp_path: Path, scene: str) -> None:
    command = [sys.executable, "-m", "tests.stories.random_kills", str(tmp_path), str(SEED), str(INSTANTS), scene]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CRYSTALLIZE_")}

    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environ, capture_output=True, text=True, encoding="utf-8"
    )

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    lost = Counter({int(trials): kills for trials, kills in report["lost"].items()})
    kills = sum(lost.values())
    mean = sum(lost.elements()) / max(kills, 1)
    print(
        f"{scene}: {kills} kills, {mean:.2f} trials lost on average and {max(lost, default=0)} at most, "
        f"{len(report['wrong'])} wrong, {len(report['torn'])} torn, {report['left_behind']} temporary files left"
    )
    print(json.dumps(report["stages"]))
    assert report["wrong"] == []
    assert report["torn"] == []
    assert kills >= INSTANTS // 2
