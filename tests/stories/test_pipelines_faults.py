"""Executions that go wrong: told in one line, nothing half-written reused, nothing left running."""

from __future__ import annotations

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

from crystallize.valohai.process import marked
from tests.mounts import SmallDisk, small_disk
from tests.stories.faulty import ENDLESS, HALF, Faulty, ends_well, faulty_project
from tests.stories.pipelining import has_podman, make_images


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not has_podman():
        pytest.skip("NO PODMAN HERE: faults are not tested in containers; apt-get install podman runc busybox-static")
    make_images(tmp_path_factory.mktemp("images"))


@pytest.fixture(params=["local", "podman"])
def story(request: pytest.FixtureRequest, tmp_path: Path) -> Faulty:
    if request.param == "podman":
        request.getfixturevalue("images")
    return faulty_project(tmp_path, request.param)


@pytest.fixture
def local(tmp_path: Path) -> Faulty:
    return faulty_project(tmp_path, "local")


# how a command ends


@pytest.mark.parametrize(
    ("script", "more", "status", "detail"),
    [
        (HALF + "kill -9 $$; sh -c 'kill -9 $$'\n", "", "error", "exit code 137"),  # the first of a container is spared
        (HALF + "kill -SEGV $$; sh -c 'kill -SEGV $$'\n", "", "error", "exit code 139"),
        (ENDLESS, "time-limit: 1", "error", "it took longer than its time limit of 1 s"),
        (ENDLESS, "no-output-timeout: 1", "error", "no output for 1 s"),
    ],
    ids=["killed", "segfault", "time limit", "no output"],
)
def test_a_command_that_is_ended_leaves_nothing_to_reuse(
    story: Faulty, script: str, more: str, status: str, detail: str
) -> None:
    story.does(script, more)

    assert story.go(code=1) == {"make": "failed", "read": "blocked"}
    said = story.said()
    assert (said[0], said[1].startswith(detail)) == (status, True), said
    assert story.go(code=1) == {"make": "failed", "read": "blocked"}, "it runs again"
    assert ends_well(story)


def test_what_a_command_leaves_in_the_background_ends_with_it(story: Faulty) -> None:
    away = "import os, time; os.setsid(); print(flush=True); time.sleep(600)"
    leave = f"{sys.executable} -c '{away}' > started & while [ ! -s started ]; do sleep 0.02; done"
    story.does(f"{leave if story.runtime == 'local' else 'sleep 600 &'}\necho whole > $VH_OUTPUTS_DIR/whole\n")

    assert story.go() == {"make": "ran", "read": "ran"}
    assert story.outputs() == {"whole": "whole\n"}


# where there is no room


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "32m") as mounted:
        yield mounted


@pytest.mark.parametrize("spare_bytes", [0, 50_000, 300_000, 1_200_000])
def test_a_full_disk_is_told_and_costs_nothing_that_was_there(local: Faulty, disk: SmallDisk, spare_bytes: int) -> None:
    local.environ["CRYSTALLIZE_DATA"] = str(disk.folder / "data")
    local.does("echo whole > $VH_OUTPUTS_DIR/whole\n")
    local.go()
    writes = (
        "for i in 1 2 3 4; do head -c 250000 /dev/urandom > $VH_OUTPUTS_DIR/$i || exit 1; done; echo '{\"n\": 1}'\n"
    )
    disk.fill(spare_bytes)

    local.does(writes)
    failed = local.command("pipeline", "run", "p", "--runtime", "local", code=None)

    assert failed.returncode in (1, 2)
    assert "Traceback" not in failed.stderr + failed.stdout
    assert "space" in failed.stderr + failed.stdout or "full" in failed.stderr + failed.stdout
    assert local.left_running() == []

    disk.free()
    local.does("echo whole > $VH_OUTPUTS_DIR/whole\n")
    assert local.go() == {"make": "reused", "read": "reused"}
    local.does(writes)
    assert local.go() == {"make": "ran", "read": "ran"}
    assert sorted(local.outputs()) == ["1", "2", "3", "4"]
    assert "everything is as it was written" in local.command("store", "verify").stdout


def test_a_log_that_cannot_be_kept_whole_fails_its_execution(local: Faulty, disk: SmallDisk) -> None:
    (local.folder / "data" / ".crystallize").mkdir(parents=True)
    (local.folder / "data" / ".crystallize" / "logs").symlink_to(disk.folder)
    local.does("""echo 1 > $VH_OUTPUTS_DIR/1; for i in $(seq 10000); do echo '{"n": 1}'; done\n""")
    disk.fill(spare_bytes=100_000)

    assert local.go(code=1) == {"make": "failed", "read": "blocked"}
    assert local.said() == ("crashed", "p/make: its log cannot be written: No space left on device")

    disk.free()
    assert local.go() == {"make": "ran", "read": "ran"}
    assert len(local.shown("execution", "metadata", str(local.last()["execution"]))["points"]) == 10_000


def test_a_file_that_may_not_grow_further_ends_its_command(local: Faulty) -> None:
    local.does("ulimit -f 16; head -c 1000000 /dev/zero > $VH_OUTPUTS_DIR/big\n")

    assert local.go(code=1) == {"make": "failed", "read": "blocked"}
    assert local.said()[0] == "error"
    assert ends_well(local)


# who runs it goes away


STAND_IN = """
#!/bin/sh
case "$1" in
    image) echo sha256:0123 ;;
    run) {run} ;;
esac
"""
"""A container engine that knows every image and no container."""


def with_engine(story: Faulty, run: str) -> None:
    """Puts a podman on the PATH whose ``run`` does so."""
    story.write("bin/podman", STAND_IN.format(run=run))
    (story.folder / "bin" / "podman").chmod(0o755)
    story.environ["PATH"] = f"{story.folder / 'bin'}:{os.environ['PATH']}"


@pytest.mark.parametrize(
    ("run", "status", "said"),
    [
        (
            "echo 'Error: no engine' >&2; exit 125",
            "crashed",
            "podman could not run it: Error: no engine",
        ),
        (HALF + "kill -9 $$", "error", "exit code 137"),
        ('rm "$0"; exit 125', "error", "exit code 125"),
    ],
    ids=["refuses", "is killed", "is removed"],
)
def test_an_engine_that_fails_or_goes_away_leaves_nothing_to_reuse(
    local: Faulty, run: str, status: str, said: str
) -> None:
    local.runtime = "podman"
    local.does(HALF)
    with_engine(local, run)

    failed = local.command("pipeline", "run", "p", "--runtime", "podman", code=1)

    assert "Traceback" not in failed.stderr
    found = local.said()
    assert (found[0], found[1].startswith(said)) == (status, True), found
    with_engine(local, "exit 0")
    assert local.document("pipeline", "run", "p")["jobs"][0]["state"] == "ran"


def test_an_engine_that_is_not_there_is_said_before_anything_runs(local: Faulty) -> None:
    local.does(HALF)
    local.environ["PATH"] = str(local.folder)

    said = local.command("pipeline", "run", "p", "--runtime", "podman", code=2).stderr

    assert "podman is not installed" in said


def test_a_container_whose_client_was_killed_does_not_run_on(tmp_path: Path, images: None) -> None:
    story = faulty_project(tmp_path, "podman")
    story.does(ENDLESS)
    with started(story) as run:
        wait_for(story.containers)
        client = wait_for(lambda: [p for p in marked(f"HELPER={tmp_path}") if comm(p) == "podman"])
        os.kill(client[0], signal.SIGKILL)
        assert run.wait(timeout=60) == 1

    assert story.said()[0] == "error"
    assert story.left_running() == []
    assert ends_well(story)


def test_a_killed_run_leaves_nothing_to_reuse_and_the_next_one_ends_what_it_started(story: Faulty) -> None:
    story.does(ENDLESS)
    with started(story) as run:
        wait_for(lambda: [row for row in story.log_of(1) if row == '{"loss": 1}'])
        run.kill()
        run.wait(timeout=60)
    assert story.left_running(), "who is killed cannot clean up"

    assert ends_well(story)
    assert story.shown("execution", "show", "1")["status"] == "crashed"


@contextmanager
def started(story: Faulty) -> Iterator[subprocess.Popen[bytes]]:
    """The pipeline, running beside the test."""
    command = [sys.executable, "-m", "crystallize", "pipeline", "run", "p", "--runtime", story.runtime]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(
        command, cwd=story.folder, env={**os.environ, **story.environ}, stdout=quiet, stderr=quiet
    ) as run:
        try:
            yield run
        finally:
            run.kill()


def wait_for(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.05)
    return found


def comm(process: int) -> str:
    """The name of the program of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def test_two_runs_at_once_share_the_work(local: Faulty) -> None:
    local.does("sleep 1; echo whole > $VH_OUTPUTS_DIR/whole\n")
    with started(local) as one, started(local) as other:
        assert (one.wait(timeout=60), other.wait(timeout=60)) == (0, 0)

    assert len(local.shown("execution", "list")["executions"]) == 2
    assert local.go() == {"make": "reused", "read": "reused"}
    assert local.outputs() == {"whole": "whole\n"}
