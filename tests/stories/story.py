"""A project in a temporary folder and the real command run in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

TUTORIAL = {
    "experiments/producer/outputs.py": """
        import json
        from pathlib import Path

        def dump_json(payload: dict) -> bytes:
            return json.dumps(payload).encode("utf-8")

        def load_json(path: Path) -> dict:
            return json.loads(path.read_text())
        """,
    "experiments/producer/config.yaml": """
        name: producer
        outputs:
          summary:
            file_name: summary.json
            writer: dump_json
            loader: load_json
        steps:
          - produce_summary
        treatments:
          baseline: {}
        """,
    "experiments/producer/steps.py": """
        from crystallize import pipeline_step, Artifact

        @pipeline_step()
        def produce_summary(data: dict, *, summary: Artifact):
            summary.write({"total": sum(data["numbers"])})
            return data
        """,
    "experiments/producer/datasources.py": """
        from crystallize import data_source, FrozenContext

        @data_source
        def numbers(ctx: FrozenContext) -> dict[str, list[int]]:
            return {"numbers": [1, 2, 3]}
        """,
    "experiments/consumer/config.yaml": """
        datasource:
          producer_summary: producer#summary
        steps:
          - inspect_summary
        """,
    "experiments/consumer/steps.py": """
        from crystallize import pipeline_step

        @pipeline_step()
        def inspect_summary(data: dict):
            summary = data["producer_summary"]           # already a dict thanks to load_json
            total = summary["total"]
            return data, {"total_from_producer": total}
        """,
}
"""Path → text, as the tutorial prints it."""


class Story:
    """One project. Files are given dedented; `path` may be a folder of any name."""

    def __init__(self, folder: Path, files: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.below = "."
        """Where in the folder commands are given."""
        self.environ: dict[str, str] = {}
        for path, text in (files or {}).items():
            self.write(path, text)

    def write(self, path: str, text: str) -> None:
        """Writes a file, dedented."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replaces a text that must be there."""
        target = self.folder / path
        text = target.read_text(encoding="utf-8")
        assert old in text, f"{path} has no {old!r}"
        target.write_text(text.replace(old, new), encoding="utf-8")

    def command(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Runs ``crystallize`` with `arguments`; it must end with `code`."""
        environ = {**os.environ, "HOME": str(self.folder), "COLUMNS": "200", **self.environ}
        done = subprocess.run(
            [sys.executable, "-m", "crystallize", *arguments],
            cwd=self.folder / self.below,
            env=environ,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )
        assert code is None or done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def run(self, *arguments: str, code: int = 0) -> dict[str, str]:
        """Runs ``crystallize run``; label → reason of every job that ran (or failed)."""
        done = json.loads(self.command("run", *arguments, "--format", "json", code=code).stdout)
        return {job["label"]: job["reason"] for job in done["jobs"] if job["state"] in ("ran", "failed")}

    def foresee(self, *arguments: str) -> dict[str, str]:
        """Label → ``run``, ``reuse`` or ``undecided``, by a dry run."""
        done = json.loads(self.command("run", *arguments, "--dry-run", "--format", "json").stdout)
        return {job["label"]: job["state"] for job in done["jobs"]}

    def metrics(self, experiment: str, condition: str = "baseline") -> Any:
        """The metrics that the view of an experiment shows."""
        path = self.folder / "data" / experiment / "v0" / condition / "results.json"
        return json.loads(path.read_text(encoding="utf-8"))["metrics"]
