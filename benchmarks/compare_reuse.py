"""The same edits on the same two-node graph, in crystallize and in every peer that is installed.

usage: python -m benchmarks.compare_reuse [PYTHON OF THE PEERS] [--write docs/explanation/comparison.md]

A producer reads a file and calls a helper in another module; a consumer multiplies. After each edit the graph is run
as the system says it should be, and the value it gives is compared with the true one. *right*: the true value,
and only nodes ran that had to. *needless*: the true value, and a node ran that need not. *stale*: another value, shown
as if it were fresh. *error*: the system refused or failed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.page import write_table
from benchmarks.reuse_systems import SYSTEMS, System

LIB = "FACTOR = 3\n\n\ndef helper(x):\n    return x * FACTOR\n"
LOG = (
    "import os, time\n\n\ndef mark(node):\n"
    "    time.sleep(float(os.environ.get('NODE_SECONDS', '0')))\n"
    "    with open(os.environ['NODE_LOG'], 'a') as log:\n        log.write(node + '\\n')\n"
)
NODE_SECONDS = "0.5"
BOTH = ("produce", "consume")


@dataclass(frozen=True)
class Edit:
    """One thing that a user, or an accident, does between two runs."""

    name: str
    replace: tuple[tuple[str, str, str], ...] = ()
    """(file stem, old, new): ``code`` is where the producer is written."""
    offset: int | None = None
    """A new parameter of the producer."""
    must_run: tuple[str, ...] = ()
    back: bool = False
    """Run with the edit, then take it back: what counts is the last run."""
    special: str = ""
    """``damage`` a stored value; ``twice``: two first runs at once."""


EDITS = [
    Edit("nothing"),
    Edit("a comment", (("code", 'mark("produce")', '# why\n    mark("produce")'),)),
    Edit("the body of a helper in another module", (("lib", "x * FACTOR", "x * FACTOR + 1"),), must_run=BOTH),
    Edit("a module constant the helper reads", (("lib", "FACTOR = 3", "FACTOR = 4"),), must_run=BOTH),
    Edit(
        "upstream code, equal output",
        (("code", "helper(number) + offset", "offset + helper(number)"),),
        must_run=("produce",),
    ),
    Edit("upstream code, other output", (("code", "+ offset", "+ offset + 1"),), must_run=BOTH),
    Edit("a parameter there and back", offset=5, back=True),
    Edit("code there and back", (("code", "+ offset", "+ offset + 1"),), back=True),
    Edit("a stored value altered on disk", special="damage"),
    Edit("two first runs at once", special="twice", must_run=BOTH),
    Edit("a file that a node reads, undeclared", (("data", "7", "8"),), must_run=BOTH),
]


@dataclass
class Project:
    """One system's copy of the graph."""

    system: System
    folder: Path
    python: Path
    offset: int = 0
    texts: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.texts = {"lib": LIB, "data": "7", "code": ""}
        (self.folder / "nodelog.py").write_text(LOG)
        (self.folder / "lib.py").write_text(LIB)
        (self.folder / "data.txt").write_text("7")
        self.system.write(self.folder, self.offset)
        self.system.prepare(self.folder, self.python)

    def edit(self, edit: Edit, *, back: bool = False) -> None:
        """Makes an edit, or takes it back."""
        for stem, old, new in edit.replace:
            path = self.folder / {"lib": "lib.py", "data": "data.txt", "code": self.system.code}[stem]
            text = path.read_text()
            before, after = (new, old) if back else (old, new)
            if before not in text:
                raise ValueError(f"{self.system.name}: {path.name} has no {before!r}")
            path.write_text(text.replace(before, after))
        if edit.offset is not None:
            self.system.write_offset(self.folder, self.offset if back else edit.offset)

    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(self.folder),
            "NODE_LOG": str(self.folder.parent / f"{self.folder.name}.log"),
            "PYTHONWARNINGS": "ignore",
            "PATH": f"{self.python.parent}{os.pathsep}{os.environ['PATH']}",
            **self.system.environ,
        }

    def start(self, **more: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(part) for part in self.system.command(self.python)],
            cwd=self.folder,
            env={**self.environ(), **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self) -> str | None:
        """What the system printed when it failed; None when it did not."""
        process = self.start()
        printed, _ = process.communicate(timeout=180)
        return printed if process.returncode else None

    def ran(self) -> list[str]:
        """The nodes that ran since the last call."""
        log = Path(self.environ()["NODE_LOG"])
        lines = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def value(self) -> int | None:
        return self.system.value(self.folder)


def judge(system: System, edit: Edit, python: Path) -> tuple[str, str]:
    """The verdict on one edit in one system, and what was seen."""
    top = Path(tempfile.mkdtemp(prefix=f"reuse-{system.name.split()[0]}-"))
    try:
        (top / "p").mkdir()
        project = Project(system, top / "p", python)
        if edit.special == "twice":
            return _twice(project)
        _checked(project)
        if edit.special == "damage":
            if not system.damage(project.folder):
                return "right", "keeps no value that could be altered"
        else:
            project.edit(edit)
        if edit.back:
            _checked(project)
            there = _truth(edit)
            if project.value() != there:
                return "stale", f"{project.value()} in place of {there}, before going back"
            project.edit(edit, back=True)
        failed = project.run()
        truth = 210 if edit.back else _truth(edit)
        ran, value = project.ran(), project.value()
        if failed is not None:
            return "error", failed.strip().splitlines()[-1][:80]
        if value != truth:
            return "stale", f"{value} in place of {truth}"
        needless = set(ran) - set(edit.must_run) and not edit.special
        return ("needless" if needless else "right"), f"ran {ran}"
    finally:
        shutil.rmtree(top, ignore_errors=True)


def _checked(project: Project) -> None:
    failed = project.run()
    if failed is not None:
        raise RuntimeError(f"{project.system.name} does not run here:\n{failed[-600:]}")
    project.ran()


def _twice(project: Project) -> tuple[str, str]:
    both = [project.start(NODE_SECONDS=NODE_SECONDS) for _ in range(2)]
    printed = [process.communicate(timeout=180)[0] for process in both]
    ran = project.ran()
    for process, text in zip(both, printed, strict=True):
        if process.returncode:
            return "error", (text.strip().splitlines() or ["failed"])[-1][:80]
    if project.value() != 210:
        return "stale", f"{project.value()} in place of 210"
    return ("right" if sorted(ran) == sorted(BOTH) else "needless"), f"ran {ran}"


def _truth(edit: Edit) -> int:
    """What the graph gives with the edit; a damaged store changes nothing."""
    number, factor, plus = 7, 3, edit.offset or 0
    for stem, _, new in edit.replace:
        number = 8 if stem == "data" else number
        factor = 4 if new == "FACTOR = 4" else factor
        plus += new.endswith("+ 1")
    return (number * factor + plus) * 10


def compare(python: Path, say: Callable[[str], None]) -> dict[str, dict[str, tuple[str, str]]]:
    """System → edit → (verdict, what was seen), of every system that can be run."""
    table: dict[str, dict[str, tuple[str, str]]] = {}
    for system in SYSTEMS:
        interpreter = Path(sys.executable) if system.name == "crystallize" else python
        if not system.is_installed(interpreter):
            say(f"{system.name}: not installed")
            continue
        table[system.name] = {}
        for edit in EDITS:
            table[system.name][edit.name] = judge(system, edit, interpreter)
            say(f"{system.name:20} {edit.name:45} {' · '.join(table[system.name][edit.name])}")
    return table


def as_markdown(table: dict[str, dict[str, tuple[str, str]]]) -> str:
    """The verdicts, an edit a row and a system a column."""
    names = list(table)
    lines = ["| edit | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]
    lines += [
        f"| {edit.name} | " + " | ".join(_cell(table[name][edit.name][0]) for name in names) + " |" for edit in EDITS
    ]
    return "\n".join(lines) + "\n"


def _cell(verdict: str) -> str:
    return f"**{verdict}**" if verdict in ("stale", "error") else verdict


def main(arguments: Sequence[str]) -> None:
    target = Path(arguments[arguments.index("--write") + 1]) if "--write" in arguments else None
    pythons = [each for each in arguments[:1] if not each.startswith("--")]
    table = compare(Path(pythons[0]) if pythons else Path(sys.executable), lambda line: print(line, flush=True))
    print(as_markdown(table))
    if target is not None:
        write_table(target, as_markdown(table))
        Path("benchmarks/compare_reuse.json").write_text(json.dumps(table, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
