"""Runs that are killed, stopped or not alone: nothing is lost, nothing runs twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .story import TUTORIAL, Story

SLOW = {
    "experiments/slow/config.yaml": "steps: [work]\nreplicates: 20\ntreatments:\n  t: {k: 1}\n",
    "experiments/slow/datasources.py": """
        from crystallize import data_source

        @data_source
        def one():
            return 1
        """,
    "experiments/slow/steps.py": """
        import os
        import time

        from crystallize import pipeline_step

        @pipeline_step()
        def work(data, ctx, *, k=0):
            log = os.open("trials.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(log, f"{ctx['condition']}/{ctx['replicate']}\\n".encode())
            os.close(log)
            time.sleep(0.02)
            return data, {"k": k}
        """,
}
TRIALS = 40


@pytest.fixture
def slow(tmp_path: Path) -> Story:
    story = Story(tmp_path, SLOW)
    # The log is written by the steps and is no input of theirs.
    story.edit("experiments/slow/config.yaml", "steps:", "ignore: [trials.log]\nsteps:")
    return story


def executed(story: Story) -> list[str]:
    """The trials that began, in order."""
    log = story.folder / "trials.log"
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def started(story: Story) -> subprocess.Popen[str]:
    """``crystallize run``, in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "crystallize", "run"],
        cwd=story.folder,
        env={**os.environ, "HOME": str(story.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition: Callable[[], bool]) -> None:
    """Returns when `condition` holds; fails after a minute."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for a minute in vain"
        time.sleep(0.01)


@pytest.mark.contract("6.7")
@pytest.mark.parametrize("after", [1, 7, 30])
def test_a_killed_run_loses_at_most_the_trial_in_flight(slow: Story, after: int) -> None:
    process = started(slow)
    wait_for(lambda: len(executed(slow)) >= after)
    process.kill()
    process.communicate()
    begun = executed(slow)

    ran = slow.run()

    assert len(ran) >= TRIALS - len(begun)
    assert len(ran) <= TRIALS - len(begun) + 1
    assert len(set(executed(slow))) == TRIALS
    assert slow.run() == {}
    assert slow.metrics("slow", "t") == {"k": [1] * 20}


def test_ctrl_c_finishes_what_runs_keeps_it_and_says_so(slow: Story) -> None:
    process = started(slow)
    wait_for(lambda: len(executed(slow)) >= 3)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    begun = executed(slow)

    ran = slow.run()

    assert process.returncode == 130
    assert "kept" in printed and "Traceback" not in printed
    assert len(ran) == TRIALS - len(begun)
    assert not (slow.folder / "data/slow/v0/t/.crystallize_complete.tmp").exists()


@pytest.mark.contract("6.5")
def test_a_stopped_run_leaves_no_marker_over_what_is_missing(slow: Story) -> None:
    process = started(slow)
    wait_for(lambda: len(executed(slow)) >= 3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    assert not list(slow.folder.glob("data/slow/v0/*/.crystallize_complete"))


def test_two_processes_at_once_execute_every_trial_once(slow: Story) -> None:
    both = [started(slow), started(slow)]
    printed = [process.communicate(timeout=120)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], printed
    assert sorted(executed(slow)) == sorted(set(executed(slow)))
    assert len(executed(slow)) == TRIALS
    assert slow.metrics("slow") == {"k": [0] * 20}
    assert slow.run() == {}


def test_a_consumer_reads_undisturbed_while_another_run_shows_what_it_reads(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)
    story.edit("experiments/consumer/steps.py", "from crystallize", "import time\n\nfrom crystallize")
    story.edit("experiments/consumer/steps.py", "    total =", "    time.sleep(0.5)\n    total =")
    story.edit("experiments/producer/steps.py", "from crystallize", "import time\n\nfrom crystallize")
    story.edit("experiments/producer/steps.py", "    summary.write", "    time.sleep(0.5)\n    summary.write")

    both = [started(story), started(story)]
    printed = [process.communicate(timeout=120)[0] for process in both]

    assert [process.returncode for process in both] == [0, 0], printed
    assert sum(text.count("consumer  1 replicate · ran 1") for text in printed) == 1, printed
    assert story.run() == {}
