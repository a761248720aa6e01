"""Payloads of the platform's API, run without a server: the guide's, the client's, and such as cannot be meant."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.stories.pipelining import GUIDE, Pipelines

NODES: list[dict[str, Any]] = [
    {"name": "preprocess", "type": "execution", "template": {"step": "preprocess-dataset"}},
    {"name": "train", "type": "execution", "template": {"step": "train-model"}},
]
EDGES: list[Any] = [["preprocess.output.*", "train.input.dataset"]]


class Payloads(Pipelines):
    def payload(self, content: Any) -> None:
        """Writes the payload that `run` runs."""
        self.write("payload.json", content if isinstance(content, str) else json.dumps(content))

    def run(self, *arguments: str, code: int = 0) -> Any:
        """Runs the payload; the document of the run."""
        return self.document("pipeline", "run", *arguments, "--file", "payload.json", code=code)


@pytest.fixture
def story(tmp_path: Path) -> Payloads:
    made = Payloads(tmp_path, GUIDE)
    made.write(".vhignore", "payload.json\n")
    return made


def states(document: Any) -> list[str]:
    return [job["state"] for job in document["jobs"]]


def test_the_guides_payload_takes_one_execution_and_runs_the_other(story: Payloads) -> None:
    for command in (["init", "-qb", "main"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *command], cwd=story.folder, check=True)
    story.pipeline()
    story.edit("train.sh", "model of", "never committed model of")
    story.payload(
        {
            "project": "PROJECT_ID",
            "title": "experiment-with-reuse",
            "nodes": [
                {"name": "preprocess", "type": "execution", "reuse_execution_id": "exec_1"},
                {
                    "name": "train",
                    "type": "execution",
                    "template": {"step": "train-model", "environment": "aws-p3-2xlarge", "commit": "main"},
                },
            ],
            "edges": EDGES,
        }
    )

    done = story.run("--outputs", "out")

    assert done["pipeline"] == "experiment-with-reuse"
    assert states(done) == ["reused", "ran"]
    assert done["jobs"][0]["reason"] == "pinned to execution 1"
    assert (story.folder / "out/train/model").read_text() == "model of 3 rows, --lr=0.1\n", "the source of the commit"


def test_the_clients_payload_runs_as_its_pipeline_does(story: Payloads) -> None:
    story.pipeline()
    commit = "~" + "95d6" * 16
    story.payload(
        {
            "project": "P",
            "title": "simple",
            "tags": [],
            "reuse_executions": True,
            "edges": [
                {
                    "source_node": "preprocess", "source_type": "outputs", "source_key": "*",
                    "target_node": "train", "target_type": "inputs", "target_key": "dataset",
                }
            ],
            "nodes": [
                {
                    "name": "preprocess",
                    "type": "execution",
                    "on-error": "stop-all",
                    "template": {
                        "commit": commit, "step": "preprocess-dataset", "name": "preprocess-dataset",
                        "image": "localhost/crystallize-test:1", "command": "sh preprocess.sh {parameters}",
                        "environment": "aws-p3-2xlarge",
                        "parameters": {"batch_size": "32"}, "inputs": {"raw": ["raw/*.csv"]}, "runtime_config": {},
                    },
                },
                {
                    "name": "train",
                    "type": "execution",
                    "on_error": "retry",
                    "template": {"commit": commit, "step": "train-model", "parameters": {"lr": 0.1}, "inputs": {}},
                },
            ],
            "parameters": {
                "bs": {"config": {"name": "bs", "targets": ["preprocess.parameters.batch_size"]}, "expression": "32"},
                "lr": {
                    "config": {"name": "lr", "targets": ["train.parameter.lr"]},
                    "expression": {"style": "single", "rules": {"value": [0.1]}},
                },
            },
        }
    )  # fmt: skip

    done = story.run("model-training")

    assert states(done) == ["reused", "reused"]
    assert len(done["notices"]) == 2
    assert "was uploaded elsewhere" in done["notices"][0]


def test_values_of_a_payload_win_and_null_means_none(story: Payloads) -> None:
    train = {"step": "train-model", "parameters": {"lr": None}, "environment-variables": {"X": 1}}
    story.payload({"nodes": [NODES[0], {**NODES[1], "template": train}], "edges": EDGES})

    done = story.run("--outputs", "out")

    assert states(done) == ["ran", "ran"]
    assert (story.folder / "out/train/model").read_text() == "model of 3 rows, \n"


def test_a_payload_without_the_flag_reuses_where_its_pipeline_does(story: Payloads) -> None:
    third = {"name": "evaluate", "type": "execution", "template": {"step": "evaluate-model"}}
    edges = [*EDGES, ["train.output.model", "evaluate.input.model"]]
    story.payload({"nodes": [*NODES, third], "edges": edges})
    story.run()

    assert states(story.run()) == ["reused"] * 3

    story.payload({"nodes": NODES, "edges": EDGES, "title": "another"})

    assert states(story.run()) == ["ran", "ran"]
    assert states(story.run("--reuse", "--dry-run")) == ["reuse", "reuse"]


def test_a_mimic_is_the_node_of_an_earlier_run(story: Payloads) -> None:
    story.pipeline()
    story.edit("preprocess.sh", "batch", "Batch")
    mimic = {"name": "preprocess", "type": "mimic", "source": "latest:preprocess"}
    story.payload({"nodes": [mimic, NODES[1]], "edges": EDGES})

    done = story.run("model-training", "--pin", "train=2")

    assert [job["execution"] for job in done["jobs"]] == [1, 2]


def test_a_task_of_a_payload_has_its_children(story: Payloads) -> None:
    template = {
        "step": "train-model",
        "type": "grid_search",
        "maximum_queued_executions": 1,
        "allow_reuse": True,
        "parameters": {"lr": {"style": "multiple", "rules": {"items": [0.1, 0.2]}}},
        "inputs": {"dataset": "raw/a.csv"},
        "command": "echo {parameters}",
    }
    story.payload({"nodes": [{"name": "sweep", "type": "task", "template": template}]})

    assert states(story.run()) == ["ran", "ran"]
    assert states(story.run()) == ["reused", "reused"]


def node(**template: Any) -> dict[str, Any]:
    return {"nodes": [{"name": "a", "template": {"step": "train-model", **template}}]}


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ('{"nodes": [\n  {"name": }\n]}', "payload.json:2: it is no JSON: Expecting value at column 12; mend it"),
        ([], "[] is no object"),
        ({"edges": []}, "it has no nodes; add 'nodes'"),
        ({"nodes": [{"type": "execution"}]}, "nodes[0]: None is no name of a node"),
        ({"nodes": [{"name": "a", "type": "exec"}]}, "nodes[0].type: 'exec' is not known"),
        ({"nodes": [{"name": "a"}]}, "node 'a' has neither a template nor an execution to reuse; add 'template'"),
        ({"nodes": [{"name": "a", "type": "mimic"}]}, "nodes[0].source: node 'a' names no earlier execution"),
        (
            {"nodes": [{"name": "a", "reuse_execution_id": "exec_123456"}]},
            "pin of node 'a': there is no execution 123456; see: crystallize execution list",
        ),
        (
            {"nodes": [{"name": "a", "template": {"step": "train-modle"}}]},
            "nodes[0].template.step: there is no step 'train-modle'",
        ),
        ({"nodes": [NODES[0], NODES[0]]}, "nodes[1]: two nodes are called 'preprocess'; rename one of them"),
        (node(parameters={"lr": "fast"}), "nodes[0].template.parameters.lr: 'fast' is no number; write a number"),
        (node(parameters={"rl": 1}), "nodes[0].template.parameters: there is no parameter 'rl'"),
        (
            node(parameters={"lr": {"style": "linear", "rules": {}}}),
            "nodes[0].template.parameters.lr: only parameters of task nodes vary",
        ),
        (node(inputs={"datasets": []}), "step 'train-model' has no input 'datasets'; did you mean 'dataset'?"),
        (node(inputs={"dataset": [1]}), "nodes[0].template.inputs.dataset: [1] are no references"),
        (node(**{"time-limit": "1h"}), "nodes[0].template.time-limit: '1h' is no number of seconds"),
        ({"nodes": NODES, "edges": [["preprocess.output.*"]]}, "edges[0]: ['preprocess.output.*'] is no edge; write"),
        ({"nodes": NODES, "edges": [["preprocess.*", "train.input.x"]]}, "'preprocess.*' is no end of an edge"),
        ({"nodes": NODES, "edges": [["p.output.*", "train.input.dataset"]]}, "there is no node 'p'"),
        ({"nodes": NODES, "edges": [["preprocess.output.*", "train.input.x"]]}, "node 'train' has no input 'x'"),
        ({"nodes": NODES, "edges": [["preprocess.output.*", "train.parameter.lr"]]}, "an edge cannot lead from"),
        (
            {"nodes": NODES, "edges": [*EDGES, ["train.dependency.*", "preprocess.dependency.*"]]},
            "edges: these nodes wait for each other",
        ),
        ({"nodes": NODES, "parameters": {"p": {"expression": 1}}}, "parameters.p: parameter 'p' has no targets; add"),
        (
            {"nodes": NODES, "parameters": {"p": {"expression": 1, "config": {"targets": ["x.parameter.lr"]}}}},
            "parameters.p: target 'x.parameter.lr': there is no node 'x'",
        ),
        (
            {"nodes": [{"name": "a", "template": {"step": "train-model", "commit": "nowhere"}}]},
            "git",
        ),
    ],
)  # fmt: skip
def test_a_payload_that_cannot_be_meant_is_refused_before_anything_runs(
    story: Payloads, payload: Any, said: str
) -> None:
    story.payload(payload)

    refused = story.command("pipeline", "run", "--file", "payload.json", "--runtime", "local", code=2).stderr

    assert said in " ".join(refused.split())
    assert story.shown("execution", "list")["executions"] == []


def test_what_a_payload_says_in_vain_is_told(story: Payloads) -> None:
    story.payload({"nodes": [{**NODES[0], "template": {"step": "preprocess-dataset", "imgae": "x"}}], "edge": []})

    notices = story.run()["notices"]

    assert notices == [
        "nodes[0].template.imgae is not known and means nothing",
        "payload.json: 'edge' is not known and means nothing",
    ]
