"""Runs that are cancelled, watched or killed from another process, and runs that go on in the background.

Trials of the project wait for a file, so each story says itself when what happens.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .story import Story

TRIALS = 24
GATED = {
    "experiments/gated/config.yaml": f"""
        steps: [work]
        replicates: {TRIALS}
        executor: process
        max_workers: 4
        ignore: [trials.log]
        """,
    "experiments/gated/datasources.py": """
        from crystallize import data_source

        @data_source
        def one():
            return 1
        """,
    "experiments/gated/steps.py": """
        import os
        import time
        from pathlib import Path

        from crystallize import pipeline_step

        FREE = 8

        @pipeline_step()
        def work(data, ctx):
            number = ctx["replicate"]
            log = os.open("trials.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.write(log, f"{number}\\n".encode())
            os.close(log)
            print(f"at work on {number}")
            while number >= FREE and not Path("go").exists():
                time.sleep(0.01)
            return data, {"number": number}
        """,
}
FREE = 8
"""Trials that do not wait."""


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[Story]:
    story = Story(tmp_path / "project", GATED)
    yield story
    open_gate(story)


def begun(story: Story) -> list[int]:
    """The trials that began, in order."""
    log = story.folder / "trials.log"
    return [int(line) for line in log.read_text(encoding="utf-8").split()] if log.exists() else []


def open_gate(story: Story) -> None:
    (story.folder / "go").touch()


@contextmanager
def started(story: Story, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``crystallize``, at work in another process until the block is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "crystallize", *arguments],
        cwd=story.folder,
        env={**os.environ, "HOME": str(story.folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            open_gate(story)


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    """Returns when `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited for {seconds:g} s in vain"
        time.sleep(0.01)


def history(story: Story) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = json.loads(story.command("history", "--format", "json").stdout)["runs"]
    return runs


def standing(story: Story, run: int = 1) -> dict[str, Any]:
    """How the run stands, as other processes see it; empty before it has said so."""
    path = story.folder / f"data/.crystallize/runs/{run}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def all_workers_wait(story: Story, workers: int = 4) -> bool:
    now = standing(story)
    return bool(now) and now["ran"] == FREE and now["busy_count"] == workers == len(_workers(now))


def _workers(now: dict[str, Any]) -> set[int]:
    return {int(where.split()[1]) for _, where, *_ in now["busy"] if where.startswith("worker ")}


def is_alive(pid: int) -> bool:
    """Whether a process goes on; one that has ended and is waited for by nobody does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def test_a_run_with_four_workers_is_cancelled_from_another_process_and_keeps_what_runs(gated: Story) -> None:
    with started(gated, "run") as run:
        wait_for(lambda: all_workers_wait(gated))

        said = gated.command("cancel", "1").stdout
        wait_for(lambda: not (gated.folder / "data/.crystallize/runs/1.stop").exists())
        [while_stopping] = history(gated)
        open_gate(gated)
        printed, complained = run.communicate(timeout=60)

    first = sorted(begun(gated))
    ran = gated.run()
    assert said.startswith("asked run 1 to stop")
    assert (while_stopping["state"], while_stopping["ran"]) == ("running", FREE)
    assert run.returncode == 130
    assert "cancelled: what runs now is finished first" in complained
    assert printed.splitlines()[-1].startswith(f"ran {FREE + 4}, reused 0, failed 0, blocked 0, stopped before 12 in")
    assert [each["state"] for each in history(gated)] == ["ok", "cancelled"]
    assert first == list(range(FREE + 4))
    assert len(ran) == TRIALS - FREE - 4
    assert not list((gated.folder / "data/.crystallize/runs").iterdir())


def test_cancelling_at_once_ends_the_workers_and_keeps_what_was_finished(gated: Story) -> None:
    with started(gated, "run") as run:
        wait_for(lambda: all_workers_wait(gated))
        workers = _workers(standing(gated))

        gated.command("cancel", "latest", "--now")
        run.communicate(timeout=60)
        wait_for(lambda: not any(map(is_alive, workers)))

    ran = gated.run()
    assert run.returncode == 130
    assert history(gated)[1]["state"] == "cancelled"
    assert len(ran) == TRIALS - FREE


def test_cancelling_at_once_ends_a_trial_in_the_driver_too(gated: Story) -> None:
    with started(gated, "run", "--executor", "serial") as run:
        wait_for(lambda: standing(gated).get("busy_count") == 1 and len(begun(gated)) == FREE + 1)

        gated.command("cancel", "1", "--now")
        _, complained = run.communicate(timeout=60)

    assert run.returncode == 130
    assert "Traceback" not in complained
    assert len(gated.run()) == TRIALS - FREE


def test_a_run_that_waits_for_another_one_is_cancelled_while_that_one_goes_on(gated: Story) -> None:
    with started(gated, "run") as first:
        wait_for(lambda: all_workers_wait(gated))
        with started(gated, "run", "--executor", "serial", "--replicates", str(FREE + 4)) as second:
            wait_for(lambda: len(history(gated)) == 2)

            gated.command("cancel", "2")
            second.wait(timeout=60)
            is_going_on = first.poll() is None and history(gated)[1]["state"] == "running"
            open_gate(gated)
            first.communicate(timeout=60)

    assert (first.returncode, second.returncode) == (0, 130)
    assert is_going_on
    assert [each["state"] for each in history(gated)] == ["cancelled", "ok"]
    assert sorted(begun(gated)) == list(range(TRIALS))


def test_sigterm_finishes_what_runs_and_counts_as_cancelled(gated: Story) -> None:
    with started(gated, "run") as run:
        wait_for(lambda: all_workers_wait(gated))

        run.terminate()
        wait_for(lambda: "SIGTERM" in run.stderr.readline() if run.stderr else False)
        open_gate(gated)
        run.communicate(timeout=60)

    assert run.returncode == 130
    assert history(gated)[0]["state"] == "cancelled"
    assert history(gated)[0]["ran"] == FREE + 4


def test_a_driver_that_is_killed_leaves_none_of_eight_workers_and_everything_finished_is_reused(gated: Story) -> None:
    with started(gated, "run", "-j", "8") as run:
        wait_for(lambda: all_workers_wait(gated, workers=8))
        workers = _workers(standing(gated))

        run.kill()
        run.wait(timeout=60)
        [killed] = history(gated)
        wait_for(lambda: not any(map(is_alive, workers)), seconds=5)

        seen = gated.command("watch", "1", code=1)
        open_gate(gated)
        ran = gated.run()

    assert len(workers) == 8
    assert (killed["state"], killed["ran"]) == ("killed", FREE)
    assert "run 1 is dead: its process was killed" in seen.stderr
    assert f"{FREE} of {TRIALS} trials: ran {FREE}" in seen.stdout
    assert len(ran) == TRIALS - FREE
    assert [each["state"] for each in history(gated)] == ["ok", "killed"]
    assert (
        gated.command("cancel", "1", code=2).stderr.strip().endswith("run 1 is over (killed); there is nothing to do")
    )


def test_a_detached_run_goes_on_and_is_watched_to_its_end_and_result(gated: Story) -> None:
    said = gated.command("run", "--detach").stdout.splitlines()
    driver = int(said[0].split()[-1])
    wait_for(lambda: all_workers_wait(gated))
    is_apart = os.getsid(driver) == driver
    shown = gated.command("show", "latest").stdout

    with started(gated, "watch") as watch, started(gated, "watch", "1", "--log") as log:
        still_watches = watch.poll() is None
        open_gate(gated)
        watched, _ = watch.communicate(timeout=60)
        logged, _ = log.communicate(timeout=60)

    assert said[0] == f"run 1 goes on in the background, as process {driver}"
    assert [line.strip() for line in said[1:]] == [
        "crystallize watch 1",
        "crystallize cancel 1",
        "data/.crystallize/runs/1.log",
    ]
    assert is_apart and still_watches
    assert f"{FREE} of {TRIALS} trials: ran {FREE} · reused 0 · failed 0" in shown
    assert shown.count("  worker ") == 4
    assert (watch.returncode, log.returncode) == (0, 0)
    assert watched.splitlines()[2].split()[:2] == ["gated", str(TRIALS)]
    assert sorted(line for line in logged.splitlines() if line.startswith("at work")) == sorted(
        f"at work on {number}" for number in range(TRIALS)
    )
    assert f"ran {TRIALS}, reused 0, failed 0, blocked 0" in logged
    assert gated.metrics("gated") == {"number": list(range(TRIALS))}
    assert gated.run() == {}


def test_a_detached_run_is_cancelled_and_watching_ends_with_its_code(gated: Story) -> None:
    document = json.loads(gated.command("run", "--detach", "--format", "json").stdout)
    wait_for(lambda: all_workers_wait(gated))

    gated.command("cancel", "latest", "--now")
    gated.command("watch", str(document["run"]), code=130)

    assert (document["command"], document["run"]) == ("run --detach", 1)
    assert "stopped; what had finished is kept" in Path(document["log"]).read_text(encoding="utf-8")
    wait_for(lambda: not is_alive(document["process"]))


def test_a_failed_run_is_watched_to_the_same_exit_code(gated: Story) -> None:
    open_gate(gated)
    gated.edit("experiments/gated/steps.py", "return data,", "assert number != 5\n    return data,")

    gated.command("run", code=1)
    seen = gated.command("watch", code=1).stdout

    assert "gated/baseline/5" in seen and "gated/baseline/4" not in seen


def test_a_run_that_leaves_experiments_out_has_failed_for_who_watches_too(gated: Story) -> None:
    open_gate(gated)
    gated.write("experiments/broken/config.yaml", "stepz: []\n")

    gated.command("run", code=1)

    gated.command("watch", code=1)
    assert history(gated)[0]["state"] == "failed"


def test_a_detached_run_that_cannot_begin_says_why_at_once(gated: Story) -> None:
    done = gated.command("run", "nothing", "--detach", code=2)

    assert done.stdout == ""
    assert "there is no experiment 'nothing'" in done.stderr
    assert not list((gated.folder / "data/.crystallize/runs").iterdir())


def test_ctrl_c_ends_the_watching_and_not_the_run(gated: Story) -> None:
    gated.command("run", "--detach")
    wait_for(lambda: all_workers_wait(gated))

    with started(gated, "watch") as watch:
        wait_for(lambda: _displays(watch.pid))
        watch.send_signal(signal.SIGINT)
        _, said = watch.communicate(timeout=60)
        [run] = history(gated)
    gated.command("watch")

    assert watch.returncode == 130
    assert said.splitlines()[-1] == "run 1 goes on; stop it with: crystallize cancel 1"
    assert run["state"] == "running"


def _displays(pid: int) -> bool:
    """Whether the process has come so far: its display has a thread."""
    return len(list(Path(f"/proc/{pid}/task").iterdir())) > 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cancel", "latest"], "no run is going on; see: crystallize history"),
        (["cancel", "7"], "there were no runs yet; start one with: crystallize run"),
        (["watch"], "there were no runs yet; start one with: crystallize run"),
        (["run", "--detach", "--dry-run"], "a dry run is not detached"),
    ],
)
def test_what_cannot_be_watched_or_cancelled_is_told(gated: Story, arguments: list[str], said: str) -> None:
    done = gated.command(*arguments, code=2)

    assert said in done.stderr
    assert not (gated.folder / "data").exists()
