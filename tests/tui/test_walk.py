"""The whole of the guide *Building a Graph Experiment*, walked by keys in a real terminal."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import pytest

from ..stories.story import TUTORIAL, Story

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux on this machine")

PATIENCE_S = 60.0


class Terminal:
    """A window of tmux in which the real command runs."""

    def __init__(self, folder: Path) -> None:
        self._socket = f"crystallize-{os.getpid()}"
        environ = "env -u COLUMNS -u LINES TERM=screen-256color EDITOR=true"
        command = f"{environ} {sys.executable} -m crystallize; echo left with $?; cat"
        self._tmux("new-session", "-d", "-x", "120", "-y", "40", "-c", str(folder), command)

    def press(self, *keys: str) -> None:
        """Sends keys, by their names in tmux, each when what the one before did is seen: a focus, a tick, a row."""
        for key in keys:
            before = self._styled()
            self._tmux("send-keys", key)
            self._once(self._styled, lambda seen, before=before: seen != before, f"what {key} does")

    def type(self, text: str) -> None:
        """Sends a text."""
        self._tmux("send-keys", "-l", text)

    def screen(self) -> str:
        """What is seen now."""
        return self._tmux("capture-pane", "-p")

    def wait_for(self, pattern: str) -> str:
        """The screen, once the pattern is on it."""
        return self._once(self.screen, re.compile(pattern).search, repr(pattern))

    def _once(self, look: Callable[[], str], holds: Callable[[str], object], awaited: str) -> str:
        end = monotonic() + PATIENCE_S
        while not holds(seen := look()):
            if monotonic() > end:
                raise AssertionError(f"{awaited} did not appear:\n{self.screen()}")
            sleep(0.02)
        return seen

    def _styled(self) -> str:
        return self._tmux("capture-pane", "-p", "-e")

    def close(self) -> None:
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        done = subprocess.run(
            ["tmux", "-L", self._socket, "-f", "/dev/null", *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        return done.stdout


@pytest.fixture
def project(tmp_path: Path) -> Story:
    (tmp_path / "project/.git").mkdir(parents=True)
    return Story(tmp_path / "project")


@pytest.fixture
def terminal(project: Story) -> Iterator[Terminal]:
    opened = Terminal(project.folder)
    yield opened
    opened.close()


def write_from_guide(project: Story, experiment: str) -> None:
    for path, text in TUTORIAL.items():
        if path.startswith(f"experiments/{experiment}/"):
            project.write(path, text)


def test_the_guide_from_two_new_experiments_to_a_switched_off_treatment(project: Story, terminal: Terminal) -> None:
    # 1. Create the Producer
    terminal.wait_for("no experiments yet, press n")
    terminal.press("n")
    terminal.wait_for("Create New Experiment")
    terminal.type("producer")
    terminal.wait_for("✔ .*experiments/producer: ")
    terminal.press("Tab", "Down", "Down", "Space", "Down", "Down", "Space")
    terminal.wait_for("☑ outputs.py[^☐]*☐ verifiers.py[^☐]*☑ Add example code")
    terminal.press("C-s")
    terminal.wait_for("🧪 producer .*config.yaml")
    write_from_guide(project, "producer")
    terminal.wait_for("summary \\(summary.json\\)")

    # 2. Create the Consumer
    terminal.press("n")
    terminal.wait_for("Create New Experiment")
    terminal.type("consumer")
    terminal.wait_for("✔ .*experiments/consumer: ")
    terminal.press("Tab", "Down", "Down", "Down", "Down", "Down", "Space")
    terminal.wait_for("☐ producer -> summary")
    terminal.press("Tab", "Enter")
    terminal.wait_for("☑ producer -> summary")
    terminal.press("C-s")
    terminal.wait_for("📈 consumer .*config.yaml")
    config = (project.folder / "experiments/consumer/config.yaml").read_text(encoding="utf-8")
    assert "datasource:\n  producer_summary: producer#summary\nsteps:\n  - inspect_summary\n" in config
    write_from_guide(project, "consumer")

    # 3. Run the Graph
    terminal.press("Enter")
    seen = terminal.wait_for("run 1: ran 2 ")
    assert re.search("✔ producer.*\n.*✔ consumer", seen)
    seen = terminal.wait_for("total_from_producer")
    assert "producer  1 replicate" in seen and "consumer  1 replicate" in seen and "summary.json" in seen
    assert re.search(r"baseline +6\b", seen)
    assert (project.folder / "data/producer/v0/replicate_0/baseline/Produce_SummaryStep/summary.json").is_file()
    terminal.press("R")
    terminal.wait_for("run 2: reused 2 ")

    # 4. A treatment, disabled upstream, is left out downstream
    project.edit("experiments/producer/config.yaml", "baseline: {}", "baseline: {}\n  high: {factor: 10}")
    project.edit("experiments/producer/steps.py", "(data: dict, *", "(data: dict, factor=1, *")
    project.edit("experiments/producer/steps.py", 'sum(data["numbers"])', 'sum(data["numbers"]) * factor')
    terminal.press("R")
    terminal.wait_for("run 3: ran 3, reused 1 |run 3: ran 4 ")
    terminal.press("Up")
    terminal.wait_for("trials of producer")
    terminal.press("Tab", "Down", "x")
    terminal.wait_for("consumer: switched off: high")
    terminal.press("R")
    terminal.wait_for("run 4: reused 2 ")
    terminal.wait_for("off  x switches it on")
    terminal.press("x")
    terminal.wait_for("high is on in producer")

    # 5. A missing artifact is shown with its path
    project.edit("experiments/producer/steps.py", "summary.write", "len")
    terminal.press("R")
    terminal.wait_for("Errors \\(\\d+\\)")
    seen = terminal.wait_for("Produce_SummaryStep")
    assert "summary.json" in seen
    assert "✘ consumer" in seen

    terminal.press("Escape")
    terminal.wait_for("◆ crystallize")
    terminal.press("q")
    terminal.wait_for("left with 0")
