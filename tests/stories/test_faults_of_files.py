"""Files that are damaged, gone or not to be written, and clocks that go back: told or mended, never a wrong result."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..mounts import SmallDisk, small_disk
from .killable import expected, make_project, roll, take_log, view
from .story import Story

REPLICATES = 2
TRIALS = 20


@pytest.fixture
def story(tmp_path: Path) -> Story:
    """The project of two chained experiments, with small and large artifacts, run once."""
    story = make_project(tmp_path / "project", replicates=REPLICATES)
    story.run()
    assert len(take_log(story.folder)) == TRIALS
    return story


def is_right(story: Story) -> bool:
    """Whether the view shows what it must."""
    dice = {label[5:]: 1 for label in story.foresee() if label.startswith("make")}
    return view(story.folder) == expected(REPLICATES, dice)


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    _write(path, bytes(data))


def truncate(path: Path) -> None:
    _write(path, path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    _write(path, b"")


def remove(path: Path) -> None:
    path.unlink()


def _write(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


DAMAGES: list[Callable[[Path], None]] = [flip, truncate, empty, remove]


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("shown", [True, False])
def test_damaged_blobs_are_mended_from_the_view_or_made_again(
    story: Story, damage: Callable[[Path], None], shown: bool
) -> None:
    for blob in (story.folder / "data/.crystallize/blobs").glob("??/*"):
        damage(blob)
    if not shown:
        for path in story.folder.glob("data/make/v0/replicate_*/*/*/large"):
            path.unlink()

    story.run()
    executed = take_log(story.folder)

    assert sorted(executed) == ([] if shown else sorted(label for label in story.foresee() if label[:4] == "make"))
    assert is_right(story)
    assert story.run() == {}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["locks", ".gitignore"])
def test_the_small_files_of_the_store_may_be_damaged_or_gone(
    story: Story, name: str, damage: Callable[[Path], None]
) -> None:
    path = story.folder / "data/.crystallize" / name
    path.write_bytes(b"something")
    damage(path)

    assert story.run() == {}
    roll(story.folder, 1)
    assert len(story.run("--strategy", "rerun")) == TRIALS
    assert is_right(story)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_a_damaged_log_of_a_killed_run_costs_what_was_in_it_at_most(
    story: Story, suffix: str, damage: Callable[[Path], None]
) -> None:
    story.edit("experiments/make/steps.py", "return data, {", "return data, {'more': 1, ")
    process = subprocess.Popen(
        [sys.executable, "-m", "crystallize", "run"],
        cwd=story.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    log = story.folder / "trials.log"
    while not (log.exists() and len(log.read_bytes().splitlines()) >= 5):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    take_log(story.folder)
    damage(story.folder / f"data/.crystallize/store.sqlite{suffix}")

    done = story.command("run")

    assert "Traceback" not in done.stderr
    assert len(set(take_log(story.folder))) <= TRIALS
    assert story.metrics("make", "b") == {"more": [1, 1], "dice": [1, 1], "shift": [2, 2]}
    assert story.run() == {}
    assert "everything is as it was written" in story.command("store", "verify").stdout


@pytest.mark.parametrize("seed", range(3))
def test_a_database_with_lost_pages_keeps_most_of_what_it_held(story: Story, seed: int) -> None:
    path = story.folder / "data/.crystallize/store.sqlite"
    data = bytearray(path.read_bytes())
    page = random.Random(seed).randrange(1, len(data) // 4096)
    data[page * 4096 : (page + 1) * 4096] = bytes(4096)
    path.write_bytes(data)

    codes = [story.command("run", code=None).returncode for _ in range(2)]
    take_log(story.folder)

    assert codes[1] == 0  # damage that is found late ends the run in which it is found
    assert is_right(story)
    assert story.run() == {}


def test_a_damaged_database_is_salvaged_and_the_run_says_how_much(story: Story) -> None:
    path = story.folder / "data/.crystallize/store.sqlite"
    path.rename(path.with_name("store.sqlite.damaged-1"))

    done = story.command("run")

    assert f"{TRIALS} results were taken over from store.sqlite.damaged-1" in done.stderr
    assert f"ran 0, reused {TRIALS}, failed 0" in done.stdout
    assert take_log(story.folder) == []
    assert is_right(story)


CLOCK = """
    import time

    ahead = time.time
    time.time = lambda: ahead() - {seconds}
    """


@pytest.mark.parametrize("years", [30, -30])
def test_a_clock_that_was_set_decides_nothing(story: Story, years: int) -> None:
    story.write("clock/sitecustomize.py", CLOCK.format(seconds=years * 31_557_600))
    story.environ["PYTHONPATH"] = str(story.folder / "clock")

    unchanged = story.run()
    story.edit("experiments/make/config.yaml", "shift: 4", "shift: 5")
    edited = story.run()
    story.edit("experiments/make/config.yaml", "shift: 5", "shift: 4")
    (story.folder / "data/make/v0/a/.crystallize_complete").unlink()
    forced = story.run()
    del story.environ["PYTHONPATH"]
    story.edit("experiments/make/config.yaml", "shift: 4", "shift: 6")
    later = story.run()

    assert unchanged == {}
    assert sorted(edited) == sorted(later) == ["make/d/0", "make/d/1", "read/d/0", "read/d/1"]
    assert sorted(forced) == ["make/a/0", "make/a/1"]
    assert story.run() == {}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk", "16m") as mounted:
        yield mounted


def test_a_disk_that_fills_up_in_the_midst_of_a_run_loses_nothing_that_was_there(
    tmp_path: Path, disk: SmallDisk
) -> None:
    story = make_project(tmp_path / "project", replicates=REPLICATES)
    story.environ["CRYSTALLIZE_DATA"] = str(disk.folder / "data")
    story.run("make", "--replicates", "1")
    spares = [2_000, 60_000, 150_000, 300_000, 500_000]
    for spare in spares:
        disk.fill(spare_bytes=spare)
        failed = story.command("run", code=None)
        assert failed.returncode in (0, 1, 2)
        assert 'File "' not in failed.stderr and "Traceback" not in failed.stderr
        disk.free()
    take_log(story.folder)

    story.run()

    assert len(take_log(story.folder)) <= TRIALS
    results = disk.folder / "data/read/v0/b/results.json"
    assert results.read_text(encoding="utf-8") == '{"metrics": {"dice": [1, 1]}}'
    assert story.run() == {}
    assert "everything is as it was written" in story.command("store", "verify").stdout
