"""A notebook: run, edit a cell, run again, in one kernel."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

SETUP = """
from crystallize import *

@data_source
def numbers(ctx):
    return [1, 2, 3]
"""
HELPER = """
def scale(x):
    return x * {factor}
"""
STEPS = """
@pipeline_step()
def total(data, *, out: Artifact):
    out.write(str(scale(sum(data))))
    return data

@pipeline_step()
def read(data):
    return data, {"total": int(data["up"])}
"""
GRAPH = """
out = Artifact("total.txt")
producer = Experiment(numbers(), Pipeline([total(out=out)]), name="producer", outputs=[out])
consumer = Experiment(ExperimentInput(up=out), Pipeline([read()]), name="consumer")
graph = ExperimentGraph(producer, consumer)
result = graph.run(strategy="resume")
print({name: (each.metrics.baseline.metrics, each.ran["baseline"]) for name, each in result.items()})
"""


def execute(folder: Path, *cells: str) -> list[str]:
    """What each cell printed."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=place).execute()
    return [
        "".join(output.get("text", "") for output in cell.outputs if output.get("name") == "stdout").strip()
        for cell in notebook.cells
    ]


def test_a_notebook_runs_reuses_and_sees_an_edited_cell(tmp_path: Path) -> None:
    two, three = HELPER.format(factor=2), HELPER.format(factor=3)

    printed = execute(tmp_path, SETUP, two, STEPS, GRAPH, GRAPH, three, GRAPH, two, GRAPH)

    assert printed[3] == "{'producer': ({}, 1), 'consumer': ({'total': [12]}, 1)}"
    assert printed[4] == "{'producer': ({}, 0), 'consumer': ({'total': [12]}, 0)}"
    assert printed[6] == "{'producer': ({}, 1), 'consumer': ({'total': [18]}, 1)}"
    assert printed[8] == "{'producer': ({}, 0), 'consumer': ({'total': [12]}, 0)}"


def test_a_single_experiment_runs_in_a_notebook_and_shows_itself(tmp_path: Path) -> None:
    alone = """
experiment = Experiment(numbers(), Pipeline([read_all()]), name="alone")
result = experiment.run(strategy="resume")
print(result.metrics.baseline.metrics, "<table" in result._repr_html_(), "alone" in experiment._repr_html_())
"""
    step = """
@pipeline_step()
def read_all(data):
    return data, {"n": len(data)}
"""

    printed = execute(tmp_path, SETUP, step, alone)

    assert printed[2] == "{'n': [3]} True True"
