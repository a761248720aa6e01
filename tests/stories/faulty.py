"""A pipeline of two nodes whose first does whatever a story says, however bad."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from crystallize.valohai.process import marked
from tests.stories.pipelining import Pipelines

PIPELINE = """
- step:
    name: make
    image: localhost/crystallize-test:1
    x-source: ["*.sh"]
    {more}
    command: sh make.sh
    environment-variables: [{{name: HELPER, optional: false}}]
- step:
    name: read
    image: localhost/crystallize-test:1
    x-source: ["*.sh"]
    command: ls $VH_INPUTS_DIR/made > $VH_OUTPUTS_DIR/names
    inputs: [{{name: made, keep-directories: full, optional: true}}]
- pipeline:
    name: p
    reuse-executions: true
    nodes:
      - {{name: make, type: execution, step: make}}
      - {{name: read, type: execution, step: read}}
    edges:
      - ["make.output.*", read.input.made]
"""
HALF = "echo half > $VH_OUTPUTS_DIR/half; echo '{\"loss\": 1}'\n"
"""What a command has done before it fails."""
ENDLESS = HALF + "trap 'exit 9' TERM\nsleep 600 & wait\n"


class Faulty(Pipelines):
    """A node ``make`` that does what `does` says, and a node ``read`` that reads what it wrote."""

    def does(self, script: str, more: str = "") -> None:
        self.write("valohai.yaml", PIPELINE.format(more=more))
        self.write("make.sh", script)

    def go(self, code: int = 0) -> dict[str, str]:
        """Runs the pipeline; node → what became of it. Nothing may be running afterwards."""
        states = self.states(code=code, name="p")
        assert self.left_running() == []
        return states

    def last(self) -> dict[str, Any]:
        """The last execution of ``make``."""
        rows = self.shown("execution", "list")["executions"]
        number = next(row["execution"] for row in rows if row["step"] == "make")
        shown = self.shown("execution", "show", str(number))
        assert isinstance(shown, dict)
        return shown

    def said(self) -> tuple[str, str]:
        """Status and detail of the last execution of ``make``."""
        last = self.last()
        return last["status"], last["detail"]

    def outputs(self) -> dict[str, str]:
        """Name → contents of what the reused ``make`` wrote, as asked for."""
        self.command("pipeline", "run", "p", "--runtime", self.runtime, "--outputs", "out")
        folder = self.folder / "out" / "make"
        return {
            path.relative_to(folder).as_posix(): path.read_bytes().decode("utf-8", "replace")
            for path in folder.rglob("*")
            if path.is_file()
        }

    def outputs_of(self, folder: str) -> list[str]:
        """The names in a folder of what ``make`` wrote, as asked for."""
        self.outputs()
        return [path.name for path in (self.folder / "out" / "make" / folder).iterdir()]

    def log_of(self, number: int) -> list[str]:
        """The lines of an execution so far; none before it has begun."""
        return self.command("execution", "logs", str(number), code=None).stdout.splitlines()

    def left_running(self) -> list[str]:
        """Processes and containers of executions, whoever started them."""
        processes = [] if self.runtime != "local" else marked(f"HELPER={self.folder}")
        return [*map(str, processes), *(self.containers() if self.runtime == "podman" else [])]

    def containers(self) -> list[str]:
        """The containers that the store of this project knows of, running or not."""
        label = f"label=crystallize.store={(self.folder / 'data' / '.crystallize').as_posix()}"
        command = ["podman", "ps", "--all", "--quiet", "--filter", label]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def faulty_project(folder: Path, runtime: str) -> Faulty:
    """In `folder`, for a runtime."""
    made = Faulty(folder)
    made.runtime = runtime
    made.environ = {"HELPER": str(folder)}
    return made


def ends_well(story: Faulty) -> bool:
    """Whether a command that does its work is run after the fault, not found done, and then reused."""
    story.does("echo whole > $VH_OUTPUTS_DIR/whole\n")
    again = story.go()
    return (
        again == {"make": "ran", "read": "ran"}
        and story.go() == {"make": "reused", "read": "reused"}
        and story.outputs() == {"whole": "whole\n"}
    )
