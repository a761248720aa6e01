"""The guide's three-node pipeline, in commands that any shell has, and the real command run on it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.stories.story import Story

IMAGE = "localhost/crystallize-test:1"
OTHER_IMAGE = "localhost/crystallize-test:2"
BUSYBOX = Path("/bin/busybox")

GUIDE = {
    "valohai.yaml": """
        - step:
            name: preprocess-dataset
            image: localhost/crystallize-test:1
            x-source: [preprocess.sh]
            command: sh preprocess.sh {parameters}
            environment: aws-p3-2xlarge
            parameters:
              - {name: batch_size, type: integer, default: 32}
            inputs:
              - {name: raw, default: "raw/*.csv"}
        - step:
            name: train-model
            image: localhost/crystallize-test:1
            x-source: [train.sh, "lib/**"]
            command: sh train.sh {parameters}
            parameters:
              - {name: lr, type: float, default: 0.1}
            inputs:
              - name: dataset
        - step:
            name: evaluate-model
            image: localhost/crystallize-test:1
            x-source: [evaluate.sh]
            command: sh evaluate.sh
            inputs:
              - name: model
        - pipeline:
            name: model-training
            reuse-executions: true
            parameters:
              - {name: batch_size, targets: [preprocess.parameter.batch_size], default: 32}
            nodes:
              - {name: preprocess, type: execution, step: preprocess-dataset}
              - {name: train, type: execution, step: train-model}
              - {name: evaluate, type: execution, step: evaluate-model}
            edges:
              - [preprocess.output.*, train.input.dataset]
              - [train.output.model, evaluate.input.model]
        """,
    "preprocess.sh": """
        echo "batch $1" > $VH_OUTPUTS_DIR/data.csv
        cat $VH_INPUTS_DIR/raw/* >> $VH_OUTPUTS_DIR/data.csv
        """,
    "train.sh": """
        . ./lib/metrics.sh
        rows=$(wc -l < $VH_INPUTS_DIR/dataset/data.csv)
        metric 0 1.0
        metric 1 0.5
        echo "model of $rows rows, $1" > $VH_OUTPUTS_DIR/model
        echo '{"valohai.alias": "latest-model", "rows": "some"}' > $VH_OUTPUTS_DIR/model.metadata.json
        """,
    "lib/metrics.sh": """
        metric() { echo "{\\"step\\": $1, \\"loss\\": $2}"; }
        """,
    "evaluate.sh": """
        echo "good: $(cat $VH_INPUTS_DIR/model/model)" > $VH_OUTPUTS_DIR/report.txt
        """,
    "raw/a.csv": "1,2\n",
    "raw/b.csv": "3,4\n",
}
"""Path → text. Each step declares its source, so that an edit concerns the steps that read it."""


class Pipelines(Story):
    """A project with a `valohai.yaml`."""

    runtime = "local"

    def pipeline(self, *arguments: str, code: int = 0, name: str = "model-training") -> dict[str, str]:
        """Runs a pipeline; node → reason of every node that ran or failed."""
        done = self.document("pipeline", "run", name, *arguments, code=code)
        return {_short(job): job["reason"] for job in done["jobs"] if job["state"] in ("ran", "failed")}

    def states(self, *arguments: str, code: int = 0, name: str = "model-training") -> dict[str, str]:
        """Runs a pipeline; node → what became of it."""
        done = self.document("pipeline", "run", name, *arguments, code=code)
        return {_short(job): job["state"] for job in done["jobs"]}

    def document(self, *arguments: str, code: int | None = 0) -> Any:
        """Runs a command that takes ``--runtime`` and ``--format`` and returns what it prints."""
        return json.loads(self.command(*arguments, "--runtime", self.runtime, "--format", "json", code=code).stdout)

    def shown(self, *arguments: str) -> Any:
        """Runs a command that takes ``--format`` and returns what it prints."""
        return json.loads(self.command(*arguments, "--format", "json").stdout)


def _short(job: dict[str, Any]) -> str:
    return job["node"] if job["child"] is None else f"{job['node']}/{job['child']}"


def has_podman() -> bool:
    """Whether podman and a static busybox are here; CI installs them."""
    return shutil.which("podman") is not None and BUSYBOX.is_file()


def make_images(folder: Path) -> None:
    """Makes two images of nothing but busybox, unless they are there."""
    for image, mark in ((IMAGE, "one"), (OTHER_IMAGE, "two")):
        if subprocess.run(["podman", "image", "exists", image], check=False).returncode == 0:
            continue
        root = folder / mark
        (root / "bin").mkdir(parents=True)
        shutil.copy(BUSYBOX, root / "bin" / "busybox")
        (root / "mark").write_text(mark, encoding="utf-8")
        for name in ("sh", "cat", "echo", "wc", "sleep", "ls", "env", "chmod", "mkdir", "touch", "id", "dd", "seq"):
            (root / "bin" / name).symlink_to("busybox")
        archive = folder / f"{mark}.tar"
        subprocess.run(["tar", "-C", str(root), "-cf", str(archive), "."], check=True)
        subprocess.run(["podman", "import", str(archive), image], check=True, capture_output=True)
