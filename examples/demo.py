"""Runs the breast-cancer graph three times: new, unchanged, and after a change of one line. What the change does not
reach is reused.

usage: demo.py [FOLDER]     FOLDER: where to work, emptied first; .demo in the repository unless given
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent / "cancer"
FOLDER = Path(__file__).parents[1] / ".demo"

CONFIG = Path("experiments/train/config.yaml")
BEFORE, AFTER = "threshold: 0.3", "threshold: 0.2"


def main(folder: Path) -> None:
    """Play the three acts in a copy of the example in `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("data", "__pycache__"))

    tell("1. Everything is new: 46 trials of four experiments run.")
    crystallize(folder, "run")

    tell("2. Nothing has changed: nothing runs.")
    crystallize(folder, "run", last_line_only=True)

    tell(f"3. One line of {CONFIG} changes: '{BEFORE}' becomes '{AFTER}'.")
    change(folder / CONFIG)
    tell("   What would that run again, and why?")
    crystallize(folder, "explain", "train", "--condition", "cautious", "--replicate", "0")
    tell("   The ten trials of this treatment and their report run, the other 35 are reused.")
    crystallize(folder, "run")


def change(path: Path) -> None:
    """Edit one line of the file at `path`."""
    text = path.read_text(encoding="utf-8")
    assert text.count(BEFORE) == 1
    path.write_text(text.replace(BEFORE, AFTER), encoding="utf-8")


def crystallize(folder: Path, *arguments: str, last_line_only: bool = False) -> None:
    """Run the command in `folder`, shown as one would type it. Raises CalledProcessError when it fails."""
    tell(f"$ crystallize {' '.join(arguments)}{' | tail -n 1' if last_line_only else ''}")
    command = [sys.executable, "-m", "crystallize", *arguments]
    if last_line_only:
        printed = subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout
        print(printed.splitlines()[-1], flush=True)
    else:
        subprocess.run(command, cwd=folder, check=True)


def tell(line: str) -> None:
    """A line of the story, in bold where there is a terminal."""
    print(f"\n\033[1m{line}\033[0m" if sys.stdout.isatty() else f"\n{line}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
