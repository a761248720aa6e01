"""Everything that edges, overrides, tasks, actions and errors of a pipeline mean, by what its commands see."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from tests.stories.pipelining import Pipelines

STEPS = """
- step:
    name: make
    image: busybox
    command: |-
      echo "$MODE "{parameter-value:word} > $VH_OUTPUTS_DIR/out.txt
      mkdir -p $VH_OUTPUTS_DIR/deep/er && echo deep > $VH_OUTPUTS_DIR/deep/er/out.txt
      printf '\\173"best": %s\\175\\n' {parameter-value:number}
    parameters:
      - {name: word, default: plain}
      - {name: number, type: integer, default: 1}
    environment-variables:
      - {name: MODE, default: slow}
- step:
    name: show
    image: busybox
    command:
      - cd $VH_INPUTS_DIR
      - find . -type f | sort | while read f; do echo "$f $(cat "$f")"; done > $VH_OUTPUTS_DIR/seen.txt
      - echo "$MODE" {parameters} >> $VH_OUTPUTS_DIR/seen.txt
    parameters:
      - {name: word}
      - {name: number, type: integer}
      - {name: many, type: integer, multiple: separate}
    inputs:
      - {name: files, optional: true}
      - {name: others, optional: true}
    environment-variables:
      - {name: MODE}
- step:
    name: fail
    image: busybox
    command: echo half > $VH_OUTPUTS_DIR/half.txt; sleep 0.2; exit 4
- step:
    name: wait
    image: busybox
    command: sleep 1
- step:
    name: endless
    image: busybox
    stop-condition: accuracy > 0.9
    command: |-
      i=0
      while true; do
        i=$((i+1)); echo "{\\"accuracy\\": 0.$i}"; echo $i > $VH_OUTPUTS_DIR/i; sleep 0.05
      done
"""
"""What the nodes below run."""


class Flow(Pipelines):
    def define(self, pipeline: str) -> None:
        """Writes the steps and one pipeline."""
        text = textwrap.dedent(pipeline).strip("\n")
        body = "\n".join("    " + line for line in text.splitlines())
        self.write("valohai.yaml", f"{STEPS}\n- pipeline:\n    name: p\n{body}\n")

    def go(self, *arguments: str, code: int = 0) -> dict[str, str]:
        """Runs the pipeline; node → what became of it."""
        return self.states(*arguments, code=code, name="p")

    def seen(self, node: str = "b") -> list[str]:
        """What the last run of a node's ``show`` saw."""
        folder = self.folder / "out"
        self.command("pipeline", "run", "p", "--reuse", "--runtime", "local", "--outputs", "out")
        path = folder / node / "seen.txt"
        return path.read_text(encoding="utf-8").splitlines()


@pytest.fixture
def story(tmp_path: Path) -> Flow:
    return Flow(tmp_path)


def test_outputs_flow_by_globs_flat_or_with_their_folders(story: Flow) -> None:
    story.define("""
        nodes:
          - {name: a, type: execution, step: make}
          - {name: b, type: execution, step: show}
        edges:
          - [a.output.*.txt, b.input.files]
        """)

    assert story.go() == {"a": "ran", "b": "ran"}
    assert story.seen() == ["./files/a/deep/er/out.txt deep", "./files/a/out.txt slow plain", ""]

    story.edit("valohai.yaml", "{name: files, optional: true}", "{name: files, optional: true, keep-directories: full}")

    assert story.seen() == ["./files/deep/er/out.txt deep", "./files/out.txt slow plain", ""]


def test_values_flow_from_metadata_and_parameters_and_variables(story: Flow) -> None:
    story.define("""
        nodes:
          - {name: a, type: execution, step: make, override: {parameters: [{name: number, default: 7}]}}
          - {name: b, type: execution, step: show}
        edges:
          - [a.metadata.best, b.parameter.number]
          - [a.parameter.word, b.parameter.word]
          - [a.environment-variable.MODE, b.environment-variable.MODE]
        """)

    assert story.go("--a.word", "it is") == {"a": "ran", "b": "ran"}
    assert story.seen() == ["slow --word=plain --number=7"]
    assert story.go("--reuse", "--a.word", "it is") == {"a": "reused", "b": "reused"}


def test_inputs_are_passed_on_and_dependencies_only_wait(story: Flow) -> None:
    story.write("x.csv", "x\n")
    story.write("y.csv", "y\n")
    story.define("""
        nodes:
          - {name: a, type: execution, step: show, override: {inputs: [{name: files, default: "*.csv"}]}}
          - {name: b, type: execution, step: show}
          - {name: c, type: execution, step: make}
        edges:
          - [a.input.files, b.input.others]
          - [b.dependency.*, c.dependency.*]
        """)

    assert story.go() == {"a": "ran", "b": "ran", "c": "ran"}
    assert story.seen() == ["./others/x.csv x", "./others/y.csv y", ""]


@pytest.mark.parametrize(("mode", "files"), [("replace", ["out.txt"]), ("append", ["own.csv", "out.txt"])])
def test_files_of_edges_replace_or_join_the_inputs_own(story: Flow, mode: str, files: list[str]) -> None:
    story.write("own.csv", "own\n")
    story.define(f"""
        nodes:
          - {{name: a, type: execution, step: make}}
          - name: b
            type: execution
            step: show
            edge-merge-mode: {mode}
            override: {{inputs: [{{name: files, default: own.csv}}]}}
        edges:
          - [a.output.out.txt, b.input.files]
        """)

    story.go()

    assert [line.split()[0] for line in story.seen()[:-1]] == sorted(f"./files/{name}" for name in files)


def test_an_edge_that_brings_nothing_fails_its_node_and_says_what_there_is(story: Flow) -> None:
    story.define("""
        nodes:
          - {name: a, type: execution, step: make}
          - name: b
            type: execution
            step: show
            override: {inputs: [{name: files, optional: false}]}
        edges:
          - [a.output.*.csv, b.input.files]
        """)

    done = story.document("pipeline", "run", "p", code=1)

    assert [job["state"] for job in done["jobs"]] == ["ran", "failed"]
    assert "no output of 'a' is called so; it wrote deep/er/out.txt, out.txt" in done["jobs"][1]["error"]


def test_pipeline_parameters_reach_their_targets(story: Flow) -> None:
    story.define("""
        parameters:
          - {name: word, targets: [b.parameter.word, b2.parameters.word], default: first}
        nodes:
          - {name: b, type: execution, step: show}
          - {name: b2, type: execution, step: show}
        """)

    assert story.seen() == [" --word=first"]
    assert story.seen("b2") == [" --word=first"]


def test_a_task_has_a_child_for_each_combination_and_only_new_ones_run(story: Flow) -> None:
    story.write("valohai.yaml", "")
    task = """
- task:
    name: sweep
    step: make
    type: grid-search
    reuse-children: true
    parameters:
      - {name: number, style: multiple, rules: {items: [1, 2]}}
      - {name: word, style: multiple, rules: {items: [x, y]}}
"""
    story.define("""
        nodes:
          - {name: a, type: task, task: sweep}
          - {name: b, type: execution, step: show}
        edges:
          - [a.output.out.txt, b.input.files]
          - [a.metadata.best, b.parameter.many]
        """)
    text = (story.folder / "valohai.yaml").read_text(encoding="utf-8")
    story.write("valohai.yaml", text + task)

    first = story.go()

    assert first == {"a/1": "ran", "a/2": "ran", "a/3": "ran", "a/4": "ran", "b": "ran"}
    assert story.seen() == [
        "./files/a-1/out.txt slow x",
        "./files/a-2/out.txt slow y",
        " --many=1,1,2,2",
    ], "children that wrote the same are one file"

    story.write(".vhignore", "valohai.yaml\n")
    story.go()
    story.edit("valohai.yaml", "items: [1, 2]", "items: [1, 2, 3]")
    wider = story.go()

    assert wider["a/1"] == wider["a/4"] == "reused"
    assert wider["a/5"] == wider["a/6"] == "ran"


@pytest.mark.parametrize(
    ("on_error", "states"),
    [
        ("stop-all", {"a": "failed", "b": "blocked", "c": "cancelled"}),
        ("stop-next", {"a": "failed", "b": "blocked", "c": "ran"}),
        ("continue", {"a": "failed", "b": "ran", "c": "ran"}),
        ("retry", {"a": "failed", "b": "blocked", "c": "cancelled"}),
    ],
)
def test_what_an_error_stops(story: Flow, on_error: str, states: dict[str, str]) -> None:
    story.define(f"""
        nodes:
          - {{name: a, type: execution, step: fail, on-error: {on_error}}}
          - {{name: b, type: execution, step: show}}
          - {{name: x, type: execution, step: wait}}
          - {{name: c, type: execution, step: make}}
        edges:
          - [a.output.*, b.input.files]
          - [x.dependency.*, c.dependency.*]
        """)
    states = {**states, "x": "failed" if states["c"] == "cancelled" else "ran"}

    assert story.go("--workers", "2", code=1) == states
    tried = [row for row in story.shown("execution", "list")["executions"] if row["step"] == "fail"]
    assert len(tried) == (3 if on_error == "retry" else 1)


@pytest.mark.parametrize(
    ("then", "code", "states"),
    [
        ("stop-pipeline", 0, {"a": "ran", "b": "cancelled"}),
        ("error-pipeline", 1, {"a": "ran", "b": "cancelled"}),
        ("noop", 0, {"a": "ran", "b": "ran"}),
        ("require-approval", 0, {"a": "ran", "b": "ran"}),
    ],
)
def test_actions_act_when_their_conditions_hold(story: Flow, then: str, code: int, states: dict[str, str]) -> None:
    story.define(f"""
        nodes:
          - name: a
            type: execution
            step: make
            actions:
              - {{when: node-complete, if: "metadata.best >= 1", then: {then}}}
              - {{when: node-complete, if: "metadata.best > 1", then: error-pipeline}}
          - {{name: b, type: execution, step: show}}
        edges:
          - [a.output.out.txt, b.input.files]
        """)

    assert story.go(code=code) == states


def test_a_deployment_is_shown_and_skipped(story: Flow) -> None:
    story.define("""
        nodes:
          - {name: a, type: execution, step: make}
          - {name: d, type: deployment, deployment: shop, endpoints: [predict]}
        edges:
          - [a.output.out.txt, d.file.predict.model]
        """)

    said = story.command("pipeline", "run", "p", "--runtime", "local").stdout

    assert "d: skipped; deployments are not carried out here" in said
    assert "ran 1" in said


def test_a_stop_condition_ends_a_command_that_then_counts_as_complete(story: Flow) -> None:
    story.define("""
        nodes:
          - {name: a, type: execution, step: endless}
        """)
    assert story.go("--reuse") == {"a": "ran"}
    assert story.go("--reuse") == {"a": "reused"}
    assert "stop condition met" in story.shown("execution", "show", "latest")["detail"]
