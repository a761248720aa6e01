"""The examples of the valohai-yaml package's own source: all are understood, and what any shell can run is run."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from crystallize.valohai.document import read_document
from crystallize.valohai.lint import lint
from tests.stories.pipelining import Pipelines

AT_LEAST = 30
"""So many examples there were when this was written."""
ANYWHERE = {"date", "echo", "if", "ls", "printenv"}
"""What a command may begin with that needs nothing but a shell."""


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Name → text of every example in the source distribution of the installed version."""
    folder = tmp_path_factory.mktemp("sdist")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder)]
    done = subprocess.run([*command, f"valohai-yaml=={version('valohai-yaml')}"], capture_output=True, text=True)
    [*found] = folder.glob("*.tar.gz")
    if not found:
        pytest.skip(f"the source distribution of valohai-yaml cannot be had: {done.stderr.strip()[-200:]}")
    texts = {}
    with tarfile.open(found[0]) as archive:
        for member in archive.getmembers():
            path = Path(member.name)
            file = archive.extractfile(member)
            if file is not None and path.parent.name == "examples" and path.suffix == ".yaml":
                texts[path.stem] = file.read().decode("utf-8")
    assert len(texts) >= AT_LEAST
    return texts


def test_every_example_is_understood(examples: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "valohai.yaml"
    for name, text in examples.items():
        path.write_text(text, encoding="utf-8")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            document = read_document(path)
            findings = [str(each) for each in lint(path) if each.level == "error"]

        assert findings == [], name
        assert list(document.config.steps) == [each["name"] for each in _defined(text, "step")], name
        assert list(document.config.pipelines) == [each["name"] for each in _defined(text, "pipeline")], name


def test_every_step_that_needs_but_a_shell_runs(examples: dict[str, str], tmp_path: Path) -> None:
    ran = []
    for name, text in examples.items():
        for step in _defined(text, "step"):
            if _needs_but_a_shell(step):
                story = _project(tmp_path / name, text)
                done = story.document("step", "run", step["name"], *_files("", step))
                ran.append((name, [job["state"] for job in done["jobs"]]))

    assert [states for _, states in ran] == [["ran"]] * len(ran)
    assert len(ran) >= 8, ran


def test_every_pipeline_of_such_steps_runs_as_far_as_its_edges_bring_something(
    examples: dict[str, str], tmp_path: Path
) -> None:
    ran = 0
    for name, text in examples.items():
        for pipeline in _defined(text, "pipeline"):
            steps = {step["name"]: step for step in _defined(text, "step") if _needs_but_a_shell(step)}
            nodes = [node for node in pipeline["nodes"] if node["type"] == "execution"]
            own = any("command" in node.get("override", {}) for node in nodes)
            others = {node["type"] for node in pipeline["nodes"]} - {"execution", "deployment"}
            if not (own or others) and all(node["step"] in steps for node in nodes):
                story = _project(tmp_path / name, text)
                files = [word for node in nodes for word in _files(f"{node['name']}.", steps[node["step"]])]
                jobs = story.document("pipeline", "run", pipeline["name"], *files, code=None)["jobs"]
                ran += jobs[0]["state"] == "ran"
                faults = [job["error"] for job in jobs if job["state"] == "failed"]

                expected = (": edge ", "no output of", ": stopped: ")  # the last: beside one that an edge failed
                assert all(any(words in fault for words in expected) for fault in faults), faults

    assert ran >= 3


def _project(folder: Path, text: str) -> Pipelines:
    story = Pipelines(folder)
    story.write("valohai.yaml", text)
    story.write("any file", "1\n")
    story.environ["PYTHONWARNINGS"] = "ignore"
    return story


def _defined(text: str, kind: str) -> list[dict[str, Any]]:
    kinds = (kind, "blueprint") if kind == "pipeline" else (kind,)
    return [entry[each] for entry in yaml.safe_load(text) for each in kinds if each in entry]


def _names(story: Pipelines, kind: str) -> set[str]:
    return {each["name"] for each in story.shown(kind, "list")[f"{kind}s"]}


def _needs_but_a_shell(step: dict[str, Any]) -> bool:
    command = step["command"]
    lines = command.splitlines() if isinstance(command, str) else command
    return all(line.split()[0] in ANYWHERE for line in lines if line.strip() and not line.startswith("#!"))


def _files(prefix: str, step: dict[str, Any]) -> Iterator[str]:
    """Options that give every input a file."""
    for each in step.get("inputs", []):
        yield from (f"--{prefix}{each['name']}", "any file")
