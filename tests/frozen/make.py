"""Makes the frozen store of the present format, once: ``python tests/frozen/make.py v1``.

What lies in the repository is never made anew: a store written then must open for ever. A new format gets a new folder.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

HERE = Path(__file__).parent


def make(version: str) -> Path:
    """Runs the project twice, once with another rate, and keeps its store without log and locks."""
    frozen = HERE / version
    if frozen.exists():
        raise SystemExit(f"{frozen} is there already; it is never made anew")
    with TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        shutil.copytree(HERE / "project", project)
        _run(project, "run", "--set", "train.steps.fit.rate=0.25")
        _run(project, "run")
        made = project / "data/.crystallize"
        shutil.copytree(made, frozen, ignore=shutil.ignore_patterns("*-wal", "*-shm", "locks", ".gitignore", "new"))
    return frozen


def _run(project: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, str(HERE / "command.py"), *arguments], cwd=project, check=True)


if __name__ == "__main__":
    print(make(sys.argv[1]))
