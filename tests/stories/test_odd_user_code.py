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


@pytest.mark.parametrize("executor", ["serial", "thread", "async", "process"])
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


EXECUTORS = ("serial", "thread", "async", "process")


def body(*lines: str) -> str:
    return ("\n" + 12 * " ").join(lines)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_thread_that_never_ends_does_not_hold_the_command_up(tmp_path: Path, executor: str) -> None:
    leak = body("import threading", "threading.Thread(target=threading.Event().wait, name='endless').start()")
    story = project(tmp_path, leak, f"executor: {executor}\n")

    done = story.command("run")

    assert "ran 3, reused 0, failed 0" in done.stdout
    assert executor == "process" or "thread 'endless' of a library was still running 2 s after" in done.stderr
    assert done.stderr.count("still running") == (0 if executor == "process" else 1)
    assert story.run() == {}


def test_where_an_endless_thread_is_is_told(tmp_path: Path) -> None:
    story = project(tmp_path, body("import threading", "threading.Thread(target=spin).start()"))
    text = "\n\ndef spin():\n    import time\n    while True:\n        time.sleep(0.1)\n"
    steps = story.folder / "experiments/odd/steps.py"
    steps.write_text(steps.read_text(encoding="utf-8") + text, encoding="utf-8")

    told = story.command("run").stderr

    assert f"'Thread-1 (spin)' of {steps}:{len(steps.read_text(encoding='utf-8').splitlines())} was still" in told


@pytest.mark.parametrize(
    "leak",
    [
        "threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "globals().update(pool=ThreadPoolExecutor()); pool.submit(int)",
        "threading.Timer(0.3, print).start()",
    ],
    ids=["a daemon", "an idle pool", "one that ends soon"],
)
def test_threads_that_hold_nothing_up_are_not_told(tmp_path: Path, leak: str) -> None:
    story = project(tmp_path, body("import threading", "from concurrent.futures import ThreadPoolExecutor", leak))

    done = story.command("run")

    assert "ran 3, reused 0, failed 0" in done.stdout
    assert done.stderr == ""


def test_a_call_in_asyncios_own_threads_that_never_ends_holds_nothing_up(tmp_path: Path) -> None:
    leak = body("import threading", "asyncio.get_running_loop().run_in_executor(None, threading.Event().wait)")
    story = project(tmp_path, leak, "executor: async\n")
    story.edit("experiments/odd/steps.py", "def odd", "async def odd")

    done = story.command("run")

    assert "ran 3, reused 0, failed 0" in done.stdout
    assert "was still running 2 s after the command was done" in done.stderr


def test_a_process_that_a_step_left_is_ended_with_the_command(tmp_path: Path) -> None:
    leak = body(
        "import multiprocessing, time",
        "child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(600,))",
        "child.start()",
        "open('child.txt', 'w').write(str(child.pid))",
    )
    story = project(tmp_path, leak)

    done = story.command("run")
    child = int((story.folder / "child.txt").read_text(encoding="utf-8"))

    assert "ran 3, reused 0, failed 0" in done.stdout
    assert f"({child}) was still running 2 s after the command was done" in done.stderr
    assert not Path(f"/proc/{child}/cmdline").exists() or not Path(f"/proc/{child}/cmdline").read_bytes()


@pytest.mark.parametrize("executor", ["serial", "thread", "async"])
def test_a_step_that_leaves_by_os_exit_ends_the_run_and_says_so_and_the_rest_is_kept(
    tmp_path: Path, executor: str
) -> None:
    story = project(tmp_path, "os._exit(3)", f"executor: {executor}\nmax_workers: 1\n")

    done = story.command("run", code=3)
    again = story.command("run", code=3)
    foreseen = story.foresee()
    story.edit("experiments/odd/steps.py", "os._exit(3)", "pass")
    ran = story.run()

    for told in (done.stderr, again.stderr):
        assert f"{story.folder}/experiments/odd/steps.py:14 called os._exit(3), which ends the whole run" in told
        assert "Traceback" not in told
    assert foreseen == {"odd/baseline/0": "reuse", "odd/baseline/1": "run", "odd/baseline/2": "run"}
    assert len(ran) == 3
    assert story.run() == {}


def test_in_a_process_of_its_own_a_step_that_leaves_by_os_exit_costs_its_trial_alone(tmp_path: Path) -> None:
    story = project(tmp_path, "os._exit(3)", "executor: process\n")

    done = story.command("run", code=1)

    assert "ran 2, reused 0, failed 1" in done.stdout
    assert list(story.run(code=1)) == ["odd/baseline/1"]


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize(
    "end", ["os._exit(0)", "raise SystemExit", "os.kill(os.getpid(), 9)", "os.execv('/bin/true', ['t'])"]
)
def test_however_a_forked_child_ends_the_run_is_none_the_wiser(tmp_path: Path, executor: str, end: str) -> None:
    lines = ("child = os.fork()", f"if child == 0: {end}", "os.waitpid(child, 0)")
    story = project(tmp_path, body(*lines), f"executor: {executor}\n")

    done = story.command("run")

    assert done.stdout.count("ran 3, reused 0, failed 0") == 1
    assert "ends the whole run" not in done.stderr
    assert story.run() == {}
