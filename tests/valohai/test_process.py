"""Commands as processes: their lines, their limits, and that nothing of them is left."""

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crystallize.valohai import process
from crystallize.valohai.process import Ended, Limits, kill_marked, marked, run_process

NO_LIMITS = Limits()


def run(
    script: str,
    folder: Path,
    limits: Limits = NO_LIMITS,
    on_line: Callable[[str, str, asyncio.Event], None] | None = None,
) -> tuple[Ended, list[tuple[str, str]]]:
    lines: list[tuple[str, str]] = []

    async def main() -> Ended:
        stop = asyncio.Event()

        def heard(stream: str, text: str) -> None:
            lines.append((stream, text))
            if on_line is not None:
                on_line(stream, text, stop)

        return await run_process(
            ["/bin/sh", "-c", script],
            cwd=folder,
            environ={"PATH": os.environ["PATH"], "MARK": str(folder)},
            on_line=heard,
            limits=limits,
            stop=stop,
        )

    return asyncio.run(main()), lines


def is_running(folder: Path) -> bool:
    """Whether anything of a command is there still, a moment after its end."""
    deadline = time.monotonic() + 2
    while marked(f"MARK={folder}"):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.02)
    return False


def test_lines_of_both_streams_come_as_they_are_written(tmp_path: Path) -> None:
    ended, lines = run("echo one; echo two >&2; printf 'three\\r\\nfour'; exit 3", tmp_path)

    assert ended == Ended(3, "exit")
    assert [text for stream, text in lines if stream == "stdout"] == ["one", "three", "four"]
    assert [text for stream, text in lines if stream == "stderr"] == ["two"]


def test_bytes_that_are_no_text_and_endless_lines_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LONGEST_LINE", 1000)

    ended, lines = run("printf '\\377\\n'; head -c 2500 /dev/zero | tr '\\0' a", tmp_path)

    assert ended.code == 0
    assert [len(text) for _, text in lines] == [1, 1000, 1000, 500]


def test_a_signal_is_told_as_a_shell_does(tmp_path: Path) -> None:
    assert run("kill -9 $$", tmp_path)[0] == Ended(137, "exit")


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    ended, _ = run("sleep 60 & sleep 60", tmp_path, Limits(time_s=0.1))

    assert ended.why == "time"
    assert not is_running(tmp_path)


def test_a_command_that_says_nothing_is_ended_one_that_speaks_is_not(tmp_path: Path) -> None:
    quiet, _ = run("echo a; sleep 60", tmp_path, Limits(quiet_s=0.3))
    speaks, _ = run("for i in 1 2 3 4 5 6; do echo $i; sleep 0.1; done", tmp_path, Limits(quiet_s=0.4))

    assert quiet.why == "quiet"
    assert speaks == Ended(0, "exit")


def test_a_command_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.1)

    ended, _ = run("trap '' TERM; while true; do sleep 0.05; done", tmp_path, Limits(time_s=0.2))

    assert ended == Ended(137, "time")
    assert not is_running(tmp_path)


def test_whoever_listens_may_end_it(tmp_path: Path) -> None:
    ended, lines = run(
        "while true; do echo x; sleep 0.02; done", tmp_path, on_line=lambda stream, text, stop: stop.set()
    )

    assert ended.why == "stop"
    assert lines


def test_what_it_left_in_the_background_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "DRAIN_SECONDS", 0.1)

    ended, _ = run("sleep 60 & echo done", tmp_path)

    assert ended == Ended(0, "exit")
    assert not is_running(tmp_path)


def test_what_left_its_process_group_is_found_by_its_environment(tmp_path: Path) -> None:
    (tmp_path / "away.py").write_text("import os, time; os.setsid(); print(1, flush=True); time.sleep(60)")
    run(f"{sys.executable} away.py > started & while [ ! -s started ]; do sleep 0.02; done", tmp_path)

    found = kill_marked(f"MARK={tmp_path}")

    assert found == 1


def test_a_cancelled_command_is_killed_first(tmp_path: Path) -> None:
    async def main() -> None:
        task = asyncio.create_task(
            run_process(
                ["/bin/sh", "-c", "sleep 60"],
                cwd=tmp_path,
                environ={"PATH": os.environ["PATH"], "MARK": str(tmp_path)},
                on_line=lambda stream, text: None,
                limits=Limits(),
                stop=asyncio.Event(),
            )
        )
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())

    assert not is_running(tmp_path)
