"""Task nodes: how many children they have, what these read, how many run at once, and what becomes of failures."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from tests.stories.pipelining import Pipelines

STEPS = """
- step:
    name: list
    image: busybox
    x-source: [values.json]
    command: cat values.json
- step:
    name: fit
    image: busybox
    x-source: [fit.sh]
    command: sh fit.sh {parameters}
    parameters:
      - {name: lr, type: float, pass-as: "{v}"}
      - {name: depth, type: integer, default: 3, pass-as: "{v}"}
- step:
    name: gather
    image: busybox
    x-source: [fit.sh]
    command: cat $(find $VH_INPUTS_DIR/fits -type f | sort) > $VH_OUTPUTS_DIR/all.txt
    inputs:
      - {name: fits}
"""
NODES = """
nodes:
  - {name: list, type: execution, step: list}
  - {name: fit, type: task, task: search}
  - {name: gather, type: execution, step: gather}
  - {name: alone, type: execution, step: list}
edges:
  - [list.metadata.rates, fit.parameter.lr]
  - [fit.output.*, gather.input.fits]
"""


class Tasks(Pipelines):
    def define(self, task: str, pipeline: str = NODES) -> None:
        """Writes the steps, a task called ``search`` and a pipeline called ``p``, in which reuse is on."""
        body = textwrap.indent(textwrap.dedent(pipeline).strip("\n"), "    ")
        task = textwrap.indent(textwrap.dedent(task).strip("\n"), "    ")
        self.write(
            "valohai.yaml",
            f"{STEPS}- task:\n    name: search\n    step: fit\n{task}\n"
            f"- pipeline:\n    name: p\n    reuse-executions: true\n{body}\n",
        )
        self.write("fit.sh", 'echo "$@" > $VH_OUTPUTS_DIR/$1.txt\n')

    def values(self, **values: object) -> None:
        """What ``list`` prints as metadata."""
        self.write("values.json", json.dumps(values) + "\n")

    def go(self, *arguments: str, code: int = 0) -> dict[str, str]:
        """Runs the pipeline; node → what became of it."""
        return self.states(*arguments, code=code, name="p")

    def parameters(self, node: str) -> list[dict[str, object]]:
        """Of every execution of a node that ran, oldest first."""
        rows = self.shown("execution", "list", "--limit", "100")["executions"]
        shown = [self.shown("execution", "show", str(row["execution"])) for row in reversed(rows)]
        return [each["parameters"] for each in shown if f"/{node}" in each["label"]]


@pytest.fixture
def story(tmp_path: Path) -> Tasks:
    return Tasks(tmp_path)


def test_a_task_has_a_child_for_each_value_that_its_upstream_printed(story: Tasks) -> None:
    story.define("type: grid-search")
    story.values(rates=[0.1, 0.2, 0.3])

    first = story.go("--outputs", "out")

    assert first == {
        "list": "ran", "alone": "reused", "fit/1": "ran", "fit/2": "ran", "fit/3": "ran", "gather": "ran",
    }  # fmt: skip
    assert (story.folder / "out/gather/all.txt").read_text() == "0.1 3\n0.2 3\n0.3 3\n"
    assert set(story.go().values()) == {"reused"}

    story.values(rates=[0.1, 0.3, 0.5, 0.7])
    wider = story.go()

    assert wider["list"] == "ran"
    assert {node: wider[f"fit/{node}"] for node in range(1, 5)} == {1: "reused", 2: "reused", 3: "ran", 4: "ran"}
    assert wider["gather"] == "ran"

    story.values(rates=[0.3])

    assert story.go() == {
        "list": "ran", "alone": "reused", "fit/1": "reused", "gather": "ran",
    }  # fmt: skip


def test_the_values_are_combined_with_what_the_task_varies_itself(story: Tasks) -> None:
    story.define("type: grid-search\nparameters:\n  - {name: depth, style: multiple, rules: {items: [1, 2]}}")
    story.values(rates=[0.1, 0.2])

    states = story.go()

    assert [node for node in states if node.startswith("fit")] == ["fit/1", "fit/2", "fit/3", "fit/4"]


def test_a_single_value_is_that_of_all_children(story: Tasks) -> None:
    story.define("type: grid-search\nparameters:\n  - {name: depth, style: multiple, rules: {items: [1, 2]}}")
    story.values(rates=0.4)

    story.go("--outputs", "out")

    assert sorted(child["depth"] for child in story.parameters("fit")) == [1, 2]
    assert {child["lr"] for child in story.parameters("fit")} == {0.4}


def test_a_dry_run_knows_the_children_only_when_their_upstream_is_reused(story: Tasks) -> None:
    story.define("type: grid-search")
    story.values(rates=[0.1, 0.2])
    before = story.document("pipeline", "run", "p", "--dry-run")["jobs"]
    story.go()
    after = story.document("pipeline", "run", "p", "--dry-run")["jobs"]

    assert [(job["node"], job["state"]) for job in before] == [
        ("list", "run"), ("alone", "run"), ("fit", "undecided"), ("gather", "undecided"),
    ]  # fmt: skip
    assert [job["state"] for job in after] == ["reuse"] * 5


@pytest.mark.parametrize(
    ("values", "said"),
    [({"rates": []}, "metadata 'rates' of node 'list' is an empty list"), ({"rate": 1}, "has no metadata 'rates'")],
)
def test_a_list_of_nothing_fails_the_task_and_blocks_what_reads_it(
    story: Tasks, values: dict[str, object], said: str
) -> None:
    story.define("type: grid-search")
    story.values(**values)

    done = story.document("pipeline", "run", "p", code=1)

    assert {job["node"]: job["state"] for job in done["jobs"]} | {"alone": "?"} == {
        "list": "ran", "alone": "?", "fit": "failed", "gather": "blocked",
    }  # fmt: skip
    assert any(said in (job["error"] or "") for job in done["jobs"])


def test_an_upstream_that_fails_blocks_the_task_before_it_has_children(story: Tasks) -> None:
    pipeline = NODES.replace("step: list}\n  - {name: fit", "step: list, on-error: stop-next}\n  - {name: fit")
    story.define("type: grid-search", pipeline)
    story.values(rates=[1])
    story.edit("valohai.yaml", "command: cat values.json", "command: cat nowhere.json")

    states = story.go(code=1)

    assert states["list"] == "failed"
    assert (states["fit"], states["gather"]) == ("blocked", "blocked")


def test_a_random_search_draws_the_same_values_every_time(story: Tasks) -> None:
    story.define(
        """
        type: random-search
        execution-count: 4
        parameters:
          - {name: lr, style: random, rules: {min: 0, max: 1}}
          - {name: depth, style: random, rules: {min: 1, max: 9, integerify: true, seed: 7}}
        """,
        "nodes: [{name: fit, type: task, task: search}]",
    )

    first = story.go()
    second = story.go()

    assert list(first.values()) == ["ran"] * 4
    assert list(second.values()) == ["reused"] * 4
    drawn = story.parameters("fit")
    assert len({child["lr"] for child in drawn}) == 4
    assert all(0 <= child["lr"] <= 1 and 1 <= child["depth"] <= 9 for child in drawn)  # type: ignore[operator]


def test_a_manual_search_has_a_child_for_each_set(story: Tasks) -> None:
    story.define(
        """
        type: manual-search
        parameter-sets:
          - {lr: 0.5, depth: 1}
          - {lr: 0.7}
        """,
        "nodes: [{name: fit, type: task, task: search}]",
    )

    assert story.go() == {"fit/1": "ran", "fit/2": "ran"}
    children = sorted(story.parameters("fit"), key=lambda child: str(child["lr"]))
    assert children == [{"lr": 0.5, "depth": 1}, {"lr": 0.7, "depth": 3}]


def test_children_are_reused_where_their_task_says_so(story: Tasks) -> None:
    task = "parameters:\n  - {name: lr, style: multiple, rules: {items: [1, 2]}}\nreuse-children: true"
    nodes = "nodes: [{name: fit, type: task, task: search}, {name: alone, type: execution, step: list}]"
    story.define(task, nodes)
    story.values(rates=1)
    story.edit("valohai.yaml", "    reuse-executions: true\n", "")
    story.go()

    assert story.go() == {"fit/1": "reused", "fit/2": "reused", "alone": "ran"}


@pytest.mark.parametrize("at_once", [1, 2])
def test_no_more_children_run_at_once_than_the_task_allows(story: Tasks, at_once: int) -> None:
    rules = "{name: lr, style: linear, rules: {start: 1, end: 4, step: 1}}"
    story.define(
        f"maximum-queued-executions: {at_once}\nparameters:\n  - {rules}",
        "nodes: [{name: fit, type: task, task: search}]",
    )
    marks = story.folder / "marks"
    marks.mkdir()
    counted = "touch {0}/$1; sleep 0.1; ls {0} | wc -l > $VH_OUTPUTS_DIR/running; rm {0}/$1\n".format(marks)  # noqa: UP032
    story.write("fit.sh", counted)

    story.go("--workers", "4", "--outputs", "out")

    running = [int((story.folder / f"out/fit/{child}/running").read_text()) for child in range(1, 5)]
    assert max(running) <= at_once


@pytest.mark.parametrize(
    ("on_child_error", "code", "states"),
    [
        ("continue-and-complete", 1, ["ran", "failed", "ran", "ran"]),
        ("continue-and-error", 1, ["ran", "failed", "ran", "blocked"]),
        ("stop-all-and-error", 1, ["ran", "failed", "failed", "blocked"]),
    ],
)
def test_what_a_child_that_fails_stops(story: Tasks, on_child_error: str, code: int, states: list[str]) -> None:
    story.define(
        f"""
        type: manual-search
        maximum-queued-executions: 1
        on-child-error: {on_child_error}
        parameter-sets: [{{lr: 1}}, {{lr: 2}}, {{lr: 3}}]
        """,
        """
        nodes:
          - {name: fit, type: task, task: search}
          - {name: gather, type: execution, step: gather}
        edges:
          - [fit.output.*, gather.input.fits]
        """,
    )
    wait = 30 if on_child_error == "stop-all-and-error" else 0
    story.write("fit.sh", f'echo "$@" > $VH_OUTPUTS_DIR/$1.txt; [ $1 != 3.0 ] || sleep {wait}; [ $1 != 2.0 ]\n')

    assert list(story.go(code=code).values()) == states
