"""What other processes see of a run that is going on, and ask of it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from crystallize.history import live as live_module
from crystallize.history.live import KEPT_RUNS, Feed, Live
from crystallize.plan.standing import Busy, Standing

STANDING = Standing(at=1.0, driver=7, total=4, ran=1, busy_count=1, busy=(Busy("a/b/0", "worker 9", 0.5),))


def live_of(folder: Path, run: int = 3, running: tuple[int, ...] = ()) -> Live:
    made = Live(folder, run, running.__contains__)
    made.folder.mkdir(exist_ok=True)
    return made


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "runs").iterdir())


def test_how_a_run_stands_is_read_as_it_was_written(tmp_path: Path) -> None:
    live = live_of(tmp_path)
    before = live.read()

    live.write(STANDING)

    assert before is None
    assert live.read() == STANDING
    assert files(tmp_path) == ["3.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"unknown": 1}', '{"busy": [[1]]}', '{"busy": 1}'])
def test_what_cannot_be_read_is_not_there(tmp_path: Path, text: str) -> None:
    live = live_of(tmp_path)
    (live.folder / "3.json").write_text(text, encoding="utf-8")

    assert live.read() is None


def test_a_request_is_taken_once(tmp_path: Path) -> None:
    live = live_of(tmp_path)
    none_yet = live.take_request()
    live.ask_to_stop(now=False)
    first, again = live.take_request(), live.take_request()
    live.ask_to_stop(now=True)

    assert (none_yet, first, again, live.take_request()) == (None, False, None, True)


def test_nothing_but_the_log_stays_when_the_run_is_over(tmp_path: Path) -> None:
    live = live_of(tmp_path)
    live.log.touch()
    live.write(STANDING)
    live.ask_to_stop(now=True)

    live.clear()
    live.clear()

    assert files(tmp_path) == ["3.log"]


def test_files_of_runs_long_ago_go_unless_those_live(tmp_path: Path) -> None:
    live = live_of(tmp_path, run=KEPT_RUNS + 3, running=(1,))
    for name in ("1.log", "2.log", "3.log", "3.json", "4.log", "process-2.log"):
        (live.folder / name).touch()

    live.clear_old()

    assert files(tmp_path) == ["1.log", "4.log", "process-2.log"]


def test_a_feed_shows_the_run_passes_requests_on_and_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "LOOK_SECONDS", 0.001)
    live, asked, shown = live_of(tmp_path), threading.Event(), threading.Event()
    requests: list[bool] = []

    def stop(now: bool) -> None:
        requests.append(now)
        asked.set()

    def standing() -> Standing:
        if live.read() is not None:
            shown.set()
        return STANDING

    with Feed([live], standing, stop):
        assert shown.wait(60)
        live.ask_to_stop(now=True)
        assert asked.wait(60)

    assert requests == [True]
    assert files(tmp_path) == []


def test_a_feed_that_cannot_write_costs_the_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_module, "LOOK_SECONDS", 0.001)
    looked = threading.Semaphore(0)
    absent = Live(tmp_path / "absent", 1, lambda run: False)

    def standing() -> Standing:
        looked.release()
        return STANDING

    with Feed([absent], standing, lambda now: None):
        assert all(looked.acquire(timeout=60) for _ in range(3))

    assert not (tmp_path / "absent").exists()


def test_a_short_run_leaves_no_trace(tmp_path: Path) -> None:
    with Feed([Live(tmp_path, 1, lambda run: False)], Standing, lambda now: None):
        pass

    assert list(tmp_path.iterdir()) == []
