"""What the history tells of pipelines: the commands that look back serve both languages, in the words of each."""

from __future__ import annotations

from pathlib import Path

from tests.stories.pipelining import Pipelines

TALKED_OF = """
- step: {name: first, image: busybox, command: "echo one > $VH_OUTPUTS_DIR/said.txt"}
- step:
    name: second
    image: busybox
    command: wc -c $VH_INPUTS_DIR/said/said.txt
    inputs: [{name: said}]
- pipeline:
    name: full
    reuse-executions: true
    nodes:
      - {name: first, type: execution, step: first}
      - {name: second, type: execution, step: second}
    edges:
      - [first.output.*.txt, second.input.said]
"""


def test_history_show_stats_and_diff_speak_of_pipelines_and_executions(tmp_path: Path) -> None:
    story = Pipelines(tmp_path, {"valohai.yaml": TALKED_OF})
    story.command("pipeline", "run", "full", "--runtime", "local")
    story.edit("valohai.yaml", "echo one", "echo two")
    story.command("pipeline", "run", "full", "--runtime", "local")

    run, newest = story.command("show", "1").stdout, story.command("show", "full").stdout
    told, stats = story.command("history", "full").stdout, story.command("stats").stdout
    differing = story.command("diff", "1", "2").stdout

    for text in (run, newest, told, stats):
        assert "trial" not in text
        assert "experiment" not in text
    assert "full/first" in run
    assert newest.startswith("run 2")
    assert "pipeline" in stats and "what made executions run again" in stats
    assert "node" in told and "(2 executions)" in told
    assert "full:first" in differing
    assert "full:second" in differing


def test_stats_name_both_where_only_the_last_run_is_listed(tmp_path: Path) -> None:
    story = Pipelines(tmp_path, {"valohai.yaml": TALKED_OF})
    story.command("new", "plain", "--example")
    story.command("run", "plain")
    story.command("pipeline", "run", "full", "--runtime", "local")

    assert "experiment, pipeline" in story.command("stats", "--limit", "1").stdout
