"""Stopping: asked once, what runs is finished; asked twice, everything ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from crystallize.engine.interrupt import Interrupt


@pytest.fixture(autouse=True)
def handlers_of_a_plain_process() -> Iterator[None]:
    """Those that libraries have left behind (Ray's for SIGTERM) count as the program's own."""
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGTERM, before)


def happens(condition: Callable[[], bool]) -> bool:
    """Whether `condition` comes true within a minute: signals arrive when they arrive."""
    end = time.monotonic() + 60
    while not condition() and time.monotonic() < end:
        pass
    return condition()


@pytest.mark.parametrize(("number", "cancelled"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_the_first_signal_asks_and_the_second_raises(
    number: int, cancelled: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(number)
    with Interrupt() as interrupt:
        signal.raise_signal(number)
        first = interrupt.asked, interrupt.cancelled
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)

    assert first == (True, cancelled)
    assert signal.getsignal(number) is before
    assert "what runs now is finished first" in capsys.readouterr().err


def test_another_thread_asks_and_ends_at_once_what_the_main_thread_does(capsys: pytest.CaptureFixture[str]) -> None:
    with Interrupt() as interrupt:
        asking = threading.Thread(target=interrupt.ask, args=(False,))
        asking.start()
        asking.join()
        asked = interrupt.asked, interrupt.cancelled
        ending = threading.Thread(target=interrupt.ask, args=(True,))
        with pytest.raises(KeyboardInterrupt):
            ending.start()
            happens(lambda: False)
        ending.join()

    assert asked == (True, True)
    assert capsys.readouterr().err.count("cancelled: what runs now is finished first") == 1


def test_outside_of_the_main_thread_nothing_is_installed_and_asking_still_works() -> None:
    found: list[object] = []

    def run() -> None:
        before = signal.getsignal(signal.SIGTERM)
        with Interrupt() as interrupt:
            interrupt.ask(False)
            found.extend([interrupt.asked, signal.getsignal(signal.SIGTERM) is before])
            try:
                interrupt.ask(True)
                happens(lambda: False)
            except KeyboardInterrupt:
                found.append("ended")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()

    assert found == [True, True, "ended"]


def test_a_handler_of_the_program_for_sigterm_stays() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        with Interrupt() as interrupt:
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert heard == [signal.SIGTERM]
    assert not interrupt.asked


def test_a_process_that_user_code_forked_is_ended_by_sigterm_as_ever() -> None:
    code = """
import os, signal, sys, time
from crystallize.engine.interrupt import Interrupt
with Interrupt() as interrupt:
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, b"here")  # before that, Python forgets signals that the fork was sent
        for _ in range(1200):
            time.sleep(0.05)  # a signal that comes just before the system call is heard after it
        os._exit(0)
    os.read(reader, 4)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), interrupt.asked)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)

    assert done.stdout.split() == [str(-signal.SIGTERM), "False"]
