"""Whatever is edited, a resumed run shows what a run from nothing would. ``make soak`` does the same for longer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

EDITS = int(os.environ.get("SOAK_STEPS", "20"))
SEED = int(os.environ.get("SOAK_SEED", "7"))
MOST_NEEDLESS = 0.1
"""Trials that ran although the very same had been recorded, per trial that ran."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="each truth is made in a process of its own")
def test_random_edits_never_leave_a_stale_result(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.stories.random_edits", str(tmp_path), str(SEED), str(EDITS)]
    environ = {key: value for key, value in os.environ.items() if not key.startswith("CRYSTALLIZE_")}

    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environ, capture_output=True, text=True, encoding="utf-8"
    )

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    report = json.loads(done.stdout.splitlines()[-1])
    ran, needless = sum(report["ran"].values()), sum(report["needless"].values())
    print(f"{report['edits']} edits, {report['runs']} runs compared, {report['trials']} trials compared, 0 stale")
    print(f"{ran} trials ran, {needless} of them needlessly ({needless / ran:.1%}), by kind of edit:")
    for kind, counted in sorted(by_kind(report["ran"]).items()):
        print(f"  {kind}: {by_kind(report['needless'])[kind]} of {counted}")
    print(json.dumps(by_reason(report["reasons"]), indent=1, ensure_ascii=False))
    assert report["edits"] >= EDITS
    assert needless / ran <= MOST_NEEDLESS


def by_kind(counts: Mapping[str, int]) -> Counter[str]:
    """The counts of each kind of edit; runs after several edits are counted together."""
    found: Counter[str] = Counter()
    for edits, count in counts.items():
        found["several edits" if " + " in edits else edits] += count
    return found


def by_reason(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts of each reason, most frequent first, whatever the edit."""
    found: Counter[str] = Counter()
    for text, count in counts.items():
        found[text.partition(": ")[2]] += count
    return dict(found.most_common(20))
