"""Design 5.5 with treatments that are switched off: what leaves a consumer, and what it reads where it stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from crystallize.experiment.folders.switches import switched_off, write_switches
from crystallize.experiment.graph import ExperimentGraph
from crystallize.experiment.results.result import Result

STEPS = """
from crystallize import Artifact, pipeline_step

@pipeline_step()
def produce(data, factor=1, *, out: Artifact):
    out.write(str(factor))
    return data, {"factor": factor}

@pipeline_step()
def consume(data, own=0):
    return data, {"read": int(data["out"]), "own": own}
"""
OUTPUTS = """
def load(path):
    return path.read_text()
"""


def write_graph(root: Path, of_consumer: str = "") -> ExperimentGraph:
    configs = {
        "producer": "datasource: {n: n}\nsteps: [produce]\noutputs: {out: {loader: load}}\n"
        "treatments: {high: {factor: 10}, low: {factor: 5}}\n",
        "consumer": f"datasource: {{out: producer#out}}\nsteps: [consume]\n{of_consumer}",
    }
    for name, config in configs.items():
        folder = root / "experiments" / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text(f"name: {name}\n{config}")
        (folder / "steps.py").write_text(STEPS)
        (folder / "outputs.py").write_text(OUTPUTS)
        (folder / "datasources.py").write_text(
            "from crystallize import data_source\n@data_source\ndef n():\n    return 1\n"
        )
    return ExperimentGraph.from_yaml(root / "experiments")


def switch(root: Path, experiment: str, *off: str) -> None:
    write_switches(root / "experiments" / experiment / "config.yaml", off)


def run(graph: ExperimentGraph, **options: object) -> dict[str, Result]:
    off, _ = switched_off(graph.experiments.values())
    return graph.running(switched_off=off, default_strategy="resume", **options).run()  # type: ignore[arg-type]


def conditions(result: Result) -> dict[str, dict[str, list[int]]]:
    return {name: metrics for name, metrics in result.metrics.conditions() if metrics}


@pytest.mark.contract("2.4.1")
def test_what_is_off_upstream_leaves_the_conditions_of_the_consumer(tmp_path: Path) -> None:
    graph = write_graph(tmp_path)
    switch(tmp_path, "producer", "high")

    results = run(graph)

    assert set(conditions(results["producer"])) == {"baseline", "low"}
    assert conditions(results["consumer"]) == {
        "baseline": {"read": [1], "own": [0]},
        "low": {"read": [5], "own": [0]},
    }
    assert "switched off: high" in results["consumer"].notices


def test_a_consumer_that_defines_it_itself_keeps_it_and_reads_the_baseline(tmp_path: Path) -> None:
    graph = write_graph(tmp_path, "treatments: {high: {own: 7}}\n")
    switch(tmp_path, "producer", "high")

    consumer = run(graph)["consumer"]

    assert conditions(consumer)["high"] == {"read": [1], "own": [7]}
    assert "high is switched off in 'producer', so it reads the baseline of 'producer'" in consumer.notices


def test_an_inherited_treatment_may_be_off_in_the_consumer_alone(tmp_path: Path) -> None:
    graph = write_graph(tmp_path)
    switch(tmp_path, "consumer", "high")

    results = run(graph)

    assert "high" in conditions(results["producer"])
    assert "high" not in conditions(results["consumer"])


def test_what_is_off_stays_in_the_view_and_is_reused_when_it_is_on_again(tmp_path: Path) -> None:
    graph = write_graph(tmp_path)
    run(graph)
    switch(tmp_path, "producer", "high")
    run(graph)
    assert (tmp_path / "data/producer/v0/high/.crystallize_complete").exists()
    switch(tmp_path, "producer")

    results = run(graph)

    assert sum(sum(result.ran.values()) for result in results.values()) == 0


def test_naming_a_treatment_wins_over_its_switch(tmp_path: Path) -> None:
    graph = write_graph(tmp_path)
    switch(tmp_path, "producer", "high")

    results = run(graph, treatments=["high"])

    assert set(conditions(results["producer"])) == {"baseline", "high"}


def test_python_ignores_the_switches(tmp_path: Path) -> None:
    graph = write_graph(tmp_path)
    switch(tmp_path, "producer", "high")

    assert "high" in graph.run()["producer"].metrics.treatments


def test_an_outdated_file_is_ignored_with_a_line(tmp_path: Path) -> None:
    graph = write_graph(tmp_path)
    switch(tmp_path, "producer", "higher", "high")

    off, faults = switched_off(graph.experiments.values())

    assert off == {"producer": {"high"}}
    assert len(faults) == 1 and "'higher'" in faults[0]
