"""Trials in worker processes, told through the real command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .story import TUTORIAL, Story

WAITING = {
    "experiments/slow/config.yaml": """
        datasource: {one: one}
        steps: [work]
        ignore: ["*.log"]
        replicates: 8
        executor: process
        max_workers: 4
        """,
    "experiments/slow/datasources.py": """
        from crystallize import data_source

        @data_source
        def one():
            return 1
        """,
    "experiments/slow/steps.py": """
        import os
        import threading

        from crystallize import pipeline_step

        @pipeline_step()
        def work(data, ctx):
            log = os.open("trials.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(log, f"{ctx['replicate']}\\n".encode())
            if os.environ.get("SLOWLY"):
                print("begun", flush=True)
                threading.Event().wait(1)
            return data, {"n": ctx["replicate"]}
        """,
}


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path, WAITING)


def begun(story: Story) -> list[str]:
    log = story.folder / "trials.log"
    return log.read_text(encoding="utf-8").split() if log.exists() else []


def started(story: Story) -> subprocess.Popen[str]:
    """``crystallize run`` in a process group of its own, as in a terminal; returns when the first trials have begun."""
    story.environ["SLOWLY"] = "yes"  # it is read by the step, so it counts
    process = subprocess.Popen(
        [sys.executable, "-m", "crystallize", "run"],
        cwd=story.folder,
        env={**os.environ, "HOME": str(story.folder), **story.environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def test_ctrl_c_in_the_terminal_lets_the_workers_finish_what_they_do(story: Story) -> None:
    process = started(story)

    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    done = len(begun(story))
    rest = story.run()

    assert process.returncode == 130, err
    assert done <= 5
    assert "Traceback" not in out + err
    assert len(rest) == 8 - done
    assert sorted(begun(story)) == [str(n) for n in range(8)], "each trial ran once"


def test_ctrl_c_twice_ends_the_workers_at_once_and_loses_nothing_that_was_done(story: Story) -> None:
    process = started(story)

    os.killpg(process.pid, signal.SIGINT)
    assert process.stderr is not None
    while "press Ctrl-C again" not in process.stderr.readline():
        pass
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    rest = story.run()

    assert process.returncode == 130
    assert 4 <= len(rest) <= 8
    assert story.run() == {}


def test_j_runs_the_tutorial_in_processes_and_inline_reuses_all_of_it(tmp_path: Path) -> None:
    story = Story(tmp_path, TUTORIAL)

    first = story.run("-j", "2")
    second = story.run()

    assert len(first) == 2
    assert second == {}
    assert story.metrics("consumer")["total_from_producer"] == [6]


def test_the_executor_can_be_chosen_for_one_run_and_changes_no_key(story: Story) -> None:
    story.run("--executor", "serial")

    assert story.run("--executor", "thread") == {}
    assert story.run() == {}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("timeout: soon", "timeout: 'soon' cannot be understood; write 30, '30s', '5min' or '2h'"),
        ("retries: -1", "retries: -1 is no count; give a whole number from 0 on"),
        ("resources: {cpu: 2}", "there is no resource 'cpu'"),
        ("resources: {memory: lots}", "resources.memory: 'lots' cannot be understood"),
        ("executor: cluster", "executor"),
    ],
)
def test_a_limit_that_makes_no_sense_is_told_with_file_and_line(story: Story, line: str, told: str) -> None:
    path = "experiments/slow/config.yaml"
    text = "\n".join(each for each in WAITING[path].split("\n") if "executor" not in each)
    story.write(path, f"{text.rstrip()}\n        {line}\n")

    error = story.command("run", "experiments/slow", "--dry-run", code=None).stderr

    assert "config.yaml:6" in error
    assert told in error
    assert "Traceback" not in error


def test_limits_of_a_config_are_held_to(story: Story) -> None:
    story.environ["SLOWLY"] = "yes"
    story.edit("experiments/slow/config.yaml", "replicates: 8", "replicates: 1\ntimeout: 0.3")

    told = story.command("run", code=1)

    assert "the job took longer than 0.3 s" in told.stdout
    assert "in work" in told.stdout, "where it hung"
