"""Runs that are killed, stopped or not alone: nothing is lost, nothing runs twice."""

from __future__ import annotations

import os
import re
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


def said_until(process: subprocess.Popen[str], words: str) -> list[str]:
    """The lines that a process prints up to the one with these words."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            break
    return said


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


@pytest.mark.parametrize("count", [2, 8])
@pytest.mark.parametrize("executor", ["serial", "thread", "process"])
def test_processes_at_once_execute_every_trial_once(slow: Story, count: int, executor: str) -> None:
    slow.edit("experiments/slow/config.yaml", "steps:", f"executor: {executor}\nmax_workers: 2\nsteps:")
    processes = [started(slow) for _ in range(count)]
    printed = [process.communicate(timeout=300)[0] for process in processes]
    totals = [re.search(r"^ran (\d+), reused (\d+), failed 0, blocked 0", text, re.MULTILINE) for text in printed]

    assert [process.returncode for process in processes] == [0] * count, printed
    assert sorted(executed(slow)) == sorted(f"{c}/{r}" for c in ("baseline", "t") for r in range(20))
    assert [int(total[1]) + int(total[2]) for total in totals if total] == [TRIALS] * count, printed
    assert sum(int(total[1]) for total in totals if total) == TRIALS
    assert all(re.search(r"baseline +0 ± 0 \(n = 20\)\n +t +1 ± 0 \(n = 20\)", text) for text in printed), printed
    assert (slow.metrics("slow"), slow.metrics("slow", "t")) == ({"k": [0] * 20}, {"k": [1] * 20})
    assert "everything is as it was written" in slow.command("store", "verify").stdout
    assert slow.run() == {}


def test_when_some_of_eight_processes_are_killed_the_others_do_their_work(slow: Story) -> None:
    processes = [started(slow) for _ in range(8)]
    killed = processes[::2]
    for number, process in enumerate(killed):
        wait_for(lambda wanted=4 + 5 * number: len(executed(slow)) >= wanted)
        process.kill()
    printed = [process.communicate(timeout=300)[0] for process in processes]

    assert [process.returncode for process in processes[1::2]] == [0] * 4, printed
    assert len(set(executed(slow))) == TRIALS
    assert len(executed(slow)) <= TRIALS + len(killed)
    assert slow.metrics("slow", "t") == {"k": [1] * 20}
    assert "everything is as it was written" in slow.command("store", "verify").stdout
    assert slow.run() == {}


@pytest.mark.parametrize("executor", ["serial", "thread", "async", "process"])
def test_a_second_ctrl_c_stops_now_whatever_the_trials_do(tmp_path: Path, executor: str) -> None:
    story = Story(tmp_path, SLOW)
    story.edit(
        "experiments/slow/config.yaml", "steps:", f"executor: {executor}\nmax_workers: 2\nignore: [trials.log]\nsteps:"
    )
    story.edit("experiments/slow/steps.py", "time.sleep(0.02)", "time.sleep(0.02 if ctx['replicate'] < 2 else 600)")
    process = started(story)
    wait_for(lambda: any(int(trial.split("/")[1]) >= 2 for trial in executed(story)))
    process.send_signal(signal.SIGINT)
    said = said_until(process, "Ctrl-C again")
    process.send_signal(signal.SIGINT)
    said.append(process.communicate(timeout=60)[0])

    assert process.returncode == 130
    assert "kept" in said[-1] and "Traceback" not in "".join(said)
    assert not list(story.folder.glob("data/slow/v0/*/.crystallize_complete"))
    assert len(story.foresee()) == TRIALS and "reuse" in story.foresee().values()


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
