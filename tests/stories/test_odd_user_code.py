"""User code that ends in unusual ways: every trial is settled, told with its own traceback, and never with ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from .story import Story

SOURCE = """
    from crystallize import data_source

    @data_source
    def one():
        return 1
    """
STEPS = """
    import asyncio, os
    from crystallize import pipeline_step

    class Odd(BaseException):
        pass

    class Mute(Exception):
        def __str__(self):
            raise ValueError("no text")

    @pipeline_step()
    def odd(data, ctx):
        if ctx["replicate"] == 1:
            {body}
        return data, {{"value": data}}
    """
RAISED = {
    "a base exception": ("raise Odd('strange')", "Odd: strange"),
    "a group": ("raise BaseExceptionGroup('both', [KeyboardInterrupt(), ValueError('v')])", "both (2 sub-exceptions)"),
    "the end of a generator": ("raise GeneratorExit", "GeneratorExit"),
    "a cancellation": ("raise asyncio.CancelledError", "CancelledError"),
    "sys.exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "an exception without words": ("raise Mute", "Mute"),
}


def project(folder: Path, body: str, config: str = "") -> Story:
    files = {
        "datasources.py": SOURCE,
        "steps.py": STEPS.format(body=body),
        "config.yaml": f"steps: [odd]\nreplicates: 3\n{config}",
    }
    return Story(folder, {f"experiments/odd/{name}": text for name, text in files.items()})


@pytest.mark.parametrize(("body", "told"), RAISED.values(), ids=RAISED.keys())
@pytest.mark.parametrize("executor", ["serial", "thread", "async"])
def test_whatever_a_step_raises_costs_its_trial_alone(tmp_path: Path, body: str, told: str, executor: str) -> None:
    story = project(tmp_path, body, f"executor: {executor}\n")

    done = story.command("run", code=1)

    assert "ran 2, reused 0, failed 1" in done.stdout
    assert told in done.stdout
    assert "src/crystallize" not in done.stdout + done.stderr
    assert list(story.run(code=1)) == ["odd/baseline/1"]


def test_a_stop_says_that_what_had_finished_is_kept(tmp_path: Path) -> None:
    story = project(tmp_path, "raise KeyboardInterrupt")

    done = story.command("run", code=130)

    assert "what had finished is kept" in done.stderr
    story.edit("experiments/odd/steps.py", "raise KeyboardInterrupt", "pass")
    assert story.command("run").returncode == 0


@pytest.mark.parametrize("executor", ["serial", "thread", "async"])
def test_a_forked_child_that_comes_back_is_no_second_driver(tmp_path: Path, executor: str) -> None:
    lines = ["child = os.fork()", "if child == 0: raise ValueError('in the child')", "os.waitpid(child, 0)"]
    body = ("\n" + 12 * " ").join(lines)
    story = project(tmp_path, body, f"executor: {executor}\n")

    done = story.command("run")

    assert done.stdout.count("ran 3, reused 0, failed 0") == 1
    assert "in the child" not in done.stdout


def test_a_module_that_is_not_utf8_is_told_in_one_line_and_with_its_file(tmp_path: Path) -> None:
    story = project(tmp_path, "pass")
    steps = story.folder / "experiments/odd/steps.py"
    steps.write_bytes("# café\n".encode("latin-1") + steps.read_bytes())

    told = story.command("run", "odd", code=2).stderr

    assert f"{steps}:1: SyntaxError: this is not UTF-8" in told
    assert "tokenize" not in told


def test_a_module_that_raises_a_base_exception_is_told_with_its_line(tmp_path: Path) -> None:
    story = project(tmp_path, "pass")
    story.write("experiments/odd/steps.py", "class Odd(BaseException): pass\nraise Odd('strange')\n")

    told = story.command("run", "odd", code=2).stderr

    assert "steps.py:2: Odd: strange" in told
    assert "src/crystallize" not in told
