"""What is said of a `valohai.yaml`, with place, fact and remedy."""

import textwrap
from pathlib import Path

import pytest

from crystallize.valohai.document import read_document
from crystallize.valohai.finding import Finding
from crystallize.valohai.lint import lint

STEP = """
- step:
    name: train
    image: busybox
    command: train {parameters}
    parameters: [{name: lr, type: float, default: 0.1}]
    inputs: [{name: data}]
"""


def findings(folder: Path, text: str) -> list[Finding]:
    path = folder / "valohai.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return lint(path)


def told(folder: Path, text: str) -> list[str]:
    return [f"{each.level} {each.line} {each.fact}" for each in findings(folder, text)]


def test_a_sound_file_has_no_findings(tmp_path: Path) -> None:
    assert told(tmp_path, STEP) == []
    assert told(tmp_path, "") == []


def test_what_the_schema_refuses_without_need_is_accepted(tmp_path: Path) -> None:
    text = STEP + textwrap.dedent("""
        - pipeline:
            name: p
            reuse_executions: true
            nodes:
              - {name: a, type: execution, step: train, on_error: stop-next}
        - blueprint:
            name: q
            nodes:
              - {name: a, type: execution, step: train}
              - {name: b, type: execution, step: train}
            edges:
              - [a.outputs.*, b.inputs.data]
              - {source: a.parameters.lr, target: b.parameters.lr}
            parameters:
              - {name: lr, value: 3, targets: [a.parameters.lr]}
        """)

    assert told(tmp_path, text) == []
    document = read_document(tmp_path / "valohai.yaml")
    assert document.pipeline("p").reuse_executions is True
    assert document.pipeline("q").edges[0].target_type == "input"
    assert document.pipeline("q").parameters[0].default == 3


def test_limits_and_variables_may_be_written_as_people_do(tmp_path: Path) -> None:
    text = """
        - step:
            name: s
            image: i
            command: c
            time-limit: "3600"
            environment_variables:
              - {name: N, default: 3}
              - {name: DEBUG, default: true}
        """

    assert told(tmp_path, text) == []
    step = read_document(tmp_path / "valohai.yaml").step("s")
    assert step.time_limit is not None
    assert step.time_limit.total_seconds() == 3600
    assert {name: each.default for name, each in step.environment_variables.items()} == {"N": "3", "DEBUG": "true"}


NODE = STEP + "- pipeline:\n    name: p\n    nodes:\n"
LONE = "    - {name: a, type: execution, step: train}\n"


@pytest.mark.parametrize(
    ("text", "line", "fact", "remedy"),
    [
        ("- step:\n    name: s\n    image: i\n", 1, "'command' is missing", "add 'command: …'"),
        (
            "- step:\n    name: s\n    image: i\n    comand: c\n    command: c\n",
            4,
            "'comand'",
            "did you mean 'command'",
        ),
        ("- step:\n  name: s\n", 1, "nothing stands here", "give it a mapping"),
        ("- step: [\n", 2, "no valid YAML", "check indentation"),
        ("step:\n  name: s\n", 1, "the top is a mapping", "write '- '"),
        (NODE + LONE.replace("train", "trian"), 11, "does not exist", "mend the name"),
        (NODE + LONE.replace("execution", "exec"), 11, "'exec'", "did you mean 'execution'"),
        (NODE + "    - {name: a, step: train}\n", 11, "'type' is missing", "add 'type: …'"),
        (STEP.replace("name: data", "name: ../data"), 7, "'../data' cannot be the name of a folder", "leave '/' out"),
        (NODE + LONE.replace("name: a", "name: ../a"), 11, "'../a' cannot be the name of a folder", "leave '/' out"),
        (NODE + LONE + "    edges:\n    - [a.output.*]\n", 13, "Malformed edge", "[node.output.GLOB, node.input.NAME]"),
    ],
)
def test_a_fault_has_its_line_and_a_remedy(tmp_path: Path, text: str, line: int, fact: str, remedy: str) -> None:
    errors = [each for each in findings(tmp_path, text) if each.level == "error"]

    assert any((line, True, True) == (each.line, fact in each.fact, remedy in each.remedy) for each in errors), [
        str(each) for each in errors
    ]


TWO = f"- pipeline:\n    name: p\n    nodes:\n{LONE}{LONE.replace('a,', 'b,')}    edges:\n"


@pytest.mark.parametrize(
    ("edges", "fact"),
    [
        ("    - [a.output.*, b.input.dataa]\n", "node 'b' has no input 'dataa'"),
        ("    - [a.output.*, b.parameter.lr]\n", "an edge cannot lead from 'output' to 'parameter'"),
        ("    - [a.output.*, b.input.data]\n    - [b.output.*, a.input.data]\n", "these nodes wait for each other"),
        ("    - [a.metadata.x, b.parameter.lr]\n    - [a.metadata.y, b.parameter.lr]\n", "two edges give a value"),
        ("    - [a.output.*, c.input.data]\n", "target node c does not exist"),
    ],
)
def test_edges_that_lead_nowhere_are_errors(tmp_path: Path, edges: str, fact: str) -> None:
    found = findings(tmp_path, STEP + TWO + edges)

    assert [each for each in found if each.level == "error" and fact in each.fact], [str(each) for each in found]


def test_a_placeholder_without_a_parameter_is_a_warning(tmp_path: Path) -> None:
    text = STEP.replace("train {parameters}", "train {parameter:rl}") + TWO + "    - [a.output.*, b.input.data]\n"

    assert [each.level for each in findings(tmp_path, text)] == ["warning"]


def test_our_own_keys_are_taken_out_and_kept(tmp_path: Path) -> None:
    text = STEP + "    x-source: [train.py]\n"

    assert told(tmp_path, text) == []
    assert read_document(tmp_path / "valohai.yaml").extension("step", "train", "x-source") == ["train.py"]
