"""Scripts that use valohai-utils run unchanged; what is secret stays so; nothing is left of a run that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crystallize.valohai.process import marked
from tests.stories.pipelining import Pipelines

SCRIPT = """
import json
import valohai

parameters = {"rate": 0.5, "names": ["a", "b"], "shout": False, "word": "x"}
valohai.prepare(step="train", default_parameters=parameters, default_inputs={"data": "ignored.csv"})

assert valohai.parameters("rate").value == 0.1, valohai.parameters("rate").value
assert valohai.parameters("names").value == ["p", "q"]
assert valohai.parameters("shout").value is True
text = open(valohai.inputs("data").path()).read()
with valohai.logger() as logger:
    logger.log("epoch", 1)
    logger.log("loss", 0.25)
with open(valohai.outputs().path("model/weights.txt"), "w") as file:
    file.write(text * 2)
with valohai.output_properties() as properties:
    properties.add(file="model/weights.txt", properties={"rows": 2, "valohai.alias": "newest"})
print("counter", valohai.execution().config.counter, flush=True)
"""
PROJECT = {
    "valohai.yaml": f"""
        - step:
            name: train
            image: python:3.12
            command: {sys.executable} train.py {{parameters}}
            parameters:
              - {{name: rate, type: float, default: 0.1}}
              - {{name: names, default: [p, q], multiple: separate}}
              - {{name: shout, type: flag, default: true}}
            inputs:
              - {{name: data, default: "data/*.csv"}}
            environment-variables:
              - {{name: API_TOKEN, optional: false}}
        - step:
            name: sleep
            image: busybox
            command: sleep 600 & sleep 600
        """,
    "train.py": SCRIPT,
    "data/one.csv": "1,2\n",
}


@pytest.fixture
def story(tmp_path: Path) -> Pipelines:
    made = Pipelines(tmp_path, PROJECT)
    made.environ = {"API_TOKEN": "very-hidden"}
    return made


def test_a_script_that_uses_valohai_utils_runs_unchanged(story: Pipelines, tmp_path: Path) -> None:
    story.document("step", "run", "train", "--outputs", "results")

    assert (tmp_path / "results" / "model" / "weights.txt").read_text() == "1,2\n1,2\n"
    assert story.shown("execution", "metadata", "1")["latest"] == {"epoch": 1, "loss": 0.25}
    assert story.shown("execution", "outputs", "1")["outputs"][0]["aliases"] == ["newest"]
    assert "counter 1" in story.command("execution", "logs", "1").stdout


def test_a_secret_counts_and_is_kept_nowhere(story: Pipelines, tmp_path: Path) -> None:
    def states() -> list[str]:
        return [job["state"] for job in story.document("step", "run", "train", "--reuse")["jobs"]]

    first, second = states(), states()
    story.environ["API_TOKEN"] = "other"
    third = states()

    assert (first, second, third) == (["ran"], ["reused"], ["ran"])
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data" / ".crystallize").rglob("*") if path.is_file())
    assert b"very-hidden" not in kept


def test_a_variable_that_must_have_a_value_is_asked_for_before_anything_runs(story: Pipelines) -> None:
    story.environ = {}

    said = story.command("step", "run", "train", "--runtime", "local", code=2).stderr

    assert "environment variable 'API_TOKEN' has no value" in said


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_nothing_runs_on_after_a_run_was_stopped(
    story: Pipelines, tmp_path: Path, number: int, request: pytest.FixtureRequest
) -> None:
    command = [sys.executable, "-m", "crystallize", "step", "run", "sleep", "--runtime", "local"]
    run = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    request.addfinalizer(run.kill)
    assert run.stderr is not None
    rows = _wait_for(lambda: story.shown("execution", "list")["executions"])
    mark = f"VH_EXECUTION_ID={rows[0]['id']}"
    _wait_for(lambda: len(marked(mark)) >= 2)
    run.send_signal(number)
    if number == signal.SIGINT:
        assert any("stopping" in line for line in run.stderr), "two signals at once may be one"
        run.send_signal(number)
    run.communicate(timeout=60)
    if number == signal.SIGKILL:
        assert marked(mark), "who is killed cannot clean up"
        story.document("step", "run", "train")

    _wait_for(lambda: not marked(mark))
    status = story.shown("execution", "show", "1")["status"]
    assert status == ("crashed" if number == signal.SIGKILL else "stopped")


def _wait_for(condition):  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 60
    while not (found := condition()):
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.05)
    return found


def test_the_listing_of_commands_stays_quick() -> None:
    loaded = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "crystallize", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ},
    ).stderr

    for package in ("valohai_yaml", "jsonschema", "obstore", "yaml"):
        assert f" {package}\n" not in loaded
