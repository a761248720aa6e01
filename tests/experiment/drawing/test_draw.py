"""Drawings: as pictures with Graphviz, as Mermaid without, as text; written, printed, or shown by a notebook."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crystallize import Artifact, Experiment, ExperimentGraph, Pipeline, data_source, pipeline_step
from crystallize.errors import DefinitionError
from crystallize.experiment.drawing.draw import Drawing, NoGraphvizError, draw_graph, visualize
from crystallize.experiment.drawing.outline import Edge, Node, Outcome, Outline

from ..projects import write_files

HAS_DOT = shutil.which("dot") is not None
PICTURES = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
TEXTS = {".dot": b"digraph", ".gv": b"digraph", ".mmd": b"flowchart LR", ".txt": b"clean"}


def drawing(outcome: Outcome | None = None) -> Drawing:
    nodes = (
        Node(name="clean", replicates=1, treatments=()),
        Node(name="train", replicates=10, treatments=("strong", "weak"), outcome=outcome),
    )
    edges = (Edge(upstream="clean", downstream="train", artifact="rows", gather=True),)
    return Drawing(Outline(nodes=nodes, edges=edges))


@pytest.fixture
def without_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    configs = {
        "experiments/clean/config.yaml": "outputs: {rows: {}}\nsteps: [tidy]\n",
        "experiments/train/config.yaml": "datasource: {rows: clean#rows}\nsteps: [fit]\n",
    }
    return write_files(tmp_path, configs)


@pytest.mark.parametrize("suffix", [*PICTURES, *TEXTS])
def test_the_suffix_says_how_a_drawing_is_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"folder/graph{suffix}"

    if suffix in PICTURES and not HAS_DOT:
        with pytest.raises(NoGraphvizError):
            drawing().write(path)
        assert not path.exists()
    else:
        drawing().write(path)
        assert path.read_bytes().startswith({**PICTURES, **TEXTS}[suffix])


def test_an_unknown_suffix_is_an_error_that_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"graph\.jpeg.*\.svg"):
        drawing().write(tmp_path / "graph.jpeg")


@pytest.mark.parametrize("form", ["dot", "mermaid", "text"])
def test_every_form_shows_names_replicates_treatments_and_artifacts(form: str) -> None:
    text = drawing().render(form).decode()

    assert all(word in text for word in ("clean", "train", "10 replicates", "1 replicate", "strong, weak", "rows[*]"))


@pytest.mark.parametrize("form", ["dot", "mermaid", "text"])
def test_every_form_says_what_ran_was_reused_and_failed(form: str) -> None:
    text = drawing(Outcome(ran=3, reused=6, failed=1, blocked=0)).render(form).decode()

    assert "ran 3 · reused 6 · failed 1" in text
    assert "blocked" not in text


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome(ran=1, reused=1, failed=1, blocked=1), "failed"),
        (Outcome(ran=1, reused=1, failed=0, blocked=1), "blocked"),
        (Outcome(ran=1, reused=1, failed=0, blocked=0), "ran"),
        (Outcome(ran=0, reused=1, failed=0, blocked=0), "reused"),
        (None, "idle"),
    ],
)
def test_the_worst_end_of_its_trials_colours_a_node(outcome: Outcome | None, state: str) -> None:
    [line] = [line for line in drawing(outcome).render("mermaid").decode().splitlines() if "<b>train</b>" in line]

    assert line.endswith(f":::{state}")


def test_many_treatments_are_counted_after_the_first_ones() -> None:
    node = Node(name="many", replicates=1, treatments=tuple(f"t{number}" for number in range(9)))

    text = Drawing(Outline(nodes=(node,), edges=())).render("text").decode()

    assert "t0, t1, t2, t3 and 5 more" in text


def test_names_cannot_break_out_of_the_markup() -> None:
    node = Node(name='a<b>&"c]', replicates=1, treatments=("x|y",))
    shown = Drawing(Outline(nodes=(node,), edges=()))

    assert "a&lt;b&gt;&amp;&quot;c]" in shown.render("dot").decode()
    assert '"c' not in shown.render("mermaid").decode()
    if HAS_DOT:
        assert b"<svg" in shown.render("svg")


@pytest.mark.contract("6.13")
def test_a_target_is_written_under_its_folder_name_and_the_path_is_printed(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    visualize(project / "experiments/train/config.yaml", None, None)
    visualize(project / "experiments", tmp_path / "all.mmd", None)

    printed = capsys.readouterr().out
    assert (Path("train.svg").exists() and printed.startswith("train.svg\n")) == HAS_DOT
    assert printed.endswith(f"{tmp_path / 'all.mmd'}\n")


def test_without_dot_the_mermaid_text_is_printed_with_one_message(
    project: Path, without_dot: None, capsys: pytest.CaptureFixture[str]
) -> None:
    visualize(project / "experiments", None, None)

    printed = capsys.readouterr()
    assert printed.out.startswith("flowchart LR")
    assert printed.err.count("\n") == 1
    assert "Graphviz" in printed.err
    assert not Path("experiments.svg").exists()


def test_a_notebook_gets_a_picture_or_the_mermaid_text() -> None:
    shown = drawing()._repr_mimebundle_()

    assert ("<svg" in shown.get("image/svg+xml", "")) == HAS_DOT
    assert "train" in shown["text/plain"]


def test_a_notebook_without_dot_gets_the_mermaid_text(without_dot: None) -> None:
    assert drawing()._repr_mimebundle_()["text/vnd.mermaid"].startswith("flowchart LR")


@pytest.mark.contract("1.9.7")
def test_visualize_from_yaml_is_there_on_the_class_and_on_a_graph_that_has_run(project: Path) -> None:
    graph = graph_in_memory()
    graph.run(strategy="resume")

    before = ExperimentGraph.visualize_from_yaml(project / "experiments", project / "before.mmd")
    after = graph.visualize_from_yaml(project / "experiments", project / "after.mmd")

    assert "ran 1" not in str(before)
    assert str(after).count("ran 1") == 2


def test_a_graph_in_memory_shows_artifacts_and_what_only_waits() -> None:
    graph = graph_in_memory()
    extra = Experiment(source(), Pipeline([read()]), name="extra")
    graph.add_experiment(extra)
    graph.add_dependency(extra, graph.experiments["clean"])

    text = str(draw_graph(graph.experiments, graph.edges()))

    assert "└ rows.txt of clean" in text
    assert "└ after clean" in text


def graph_in_memory() -> ExperimentGraph:
    rows = Artifact("rows.txt")
    clean = Experiment(source(), Pipeline([write()]), name="clean", outputs=[rows])
    return ExperimentGraph(clean, Experiment(rows, Pipeline([read()]), name="train"))


@data_source
def source() -> int:
    return 1


@pipeline_step()
def write(data: int, ctx: object) -> int:
    ctx.artifacts.add("rows.txt", b"1")  # type: ignore[attr-defined]
    return data


@pipeline_step()
def read(data: object) -> object:
    return data
