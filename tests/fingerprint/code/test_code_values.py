"""Module-level values: by contents where they can be told apart, else by their statements; and how jobs leave them."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from crystallize.fingerprint.code.codebase import Codebase
from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.left import LeftStates

from ..projects import Project


def test_value_counts_by_contents_whatever_computes_it(project: Project) -> None:
    files = {"steps": "import data\nTABLE = data.load()\ndef step(): return TABLE"}

    assert not project.same(
        {**files, "data": "from pathlib import Path\ndef load(): return Path(__file__).read_text()"},
        {**files, "data": "from pathlib import Path\ndef load(): return Path(__file__).read_text()  # longer"},
    )


def test_value_changed_by_hand_counts(project: Project) -> None:
    with project.imported({"steps": "LIMITS = [1]\ndef step(): return LIMITS"}) as steps:
        before = _digest(steps, LeftStates())
        steps.LIMITS.append(2)

        assert _digest(steps, LeftStates()) != before


def test_value_too_large_counts_by_its_statements(project: Project) -> None:
    text = "BIG = bytes(2_000_000)\ndef step(): return BIG"

    code = project.code(text)

    assert "steps.BIG counts by initialiser" in code.notes
    assert not project.same(text, text.replace("2_000_000", "2_000_001"))


def test_value_that_cannot_be_told_apart_counts_by_its_statements(project: Project) -> None:
    text = "import threading\nLOCK = threading.Lock()\ndef step(): return LOCK"

    code = project.code(text)

    assert "steps.LOCK counts by initialiser" in code.notes
    assert not project.same(text, text.replace("threading.Lock()", "threading.RLock()"))


def test_paths_under_the_project_root_count_relative_to_it(project: Project) -> None:
    text = """
        from pathlib import Path
        DATA = Path(__file__).parent / "data"
        TEXT = str(DATA)
        def step(): return DATA, TEXT
    """

    assert project.same(text, text)


def test_functions_among_the_values_count_by_their_code(project: Project) -> None:
    text = """
        def one(): return 1
        TABLE = dict([(f.__name__, f) for f in [globals()["one"]]])
        def step(name): return TABLE[name]()
    """

    assert not project.same(text, text.replace("return 1", "return 2"))


def test_what_functions_among_the_values_reach_counts(project: Project) -> None:
    text = """
        FACTOR = 1
        def one(): return FACTOR
        TABLE = [globals()["one"]]
        def step(): return TABLE[0]()
    """

    assert not project.same(text, text.replace("FACTOR = 1", "FACTOR = 2"))


def test_table_of_functions_that_read_the_table_ends(project: Project) -> None:
    text = """
        def one(): return TABLE
        TABLE = [globals()["one"]]
        def step(): return TABLE[0]()
    """

    assert project.same(text, text)
    assert not project.same(text, text.replace("return TABLE\n", "return TABLE[:]\n"))


def test_sets_and_dicts_of_functions_count_in_any_order(project: Project) -> None:
    functions = "\n".join(f"def f{n}(): return {n}" for n in range(20))
    one = f"{functions}\nKNOWN = {{{', '.join(f'f{n}' for n in range(20))}}}\ndef step(): return KNOWN"

    with project.imported({"steps": one}) as steps:
        first = Codebase(project.write({}), LeftStates()).of(steps.step)
    with project.imported({"steps": one}) as steps:
        second = Codebase(project.write({}), LeftStates()).of(steps.step)

    assert first.digest == second.digest


def test_instances_of_project_classes_among_the_values_bring_their_class(project: Project) -> None:
    files = {
        "steps": "from models import make\nMODEL = make()\ndef step(): return MODEL.run()",
        "models": "def make(): return globals()['Model']()\nclass Model:\n    def run(self): return 1",
    }

    assert not project.same(files, {**files, "models": files["models"].replace("return 1", "return 2")})


def test_our_own_objects_count_by_their_statements(project: Project) -> None:
    text = "from crystallize import Artifact\nOUT = Artifact('a.txt')\ndef step(): return OUT"

    code = project.code(text)

    assert code.notes == ()
    assert not project.same(text, text.replace("a.txt", "b.txt"))


def test_module_level_value_left_by_a_job_is_no_edit(project: Project) -> None:
    with project.imported({"steps": "calls = []\ndef step(): calls.append(1)"}) as steps:
        left = LeftStates()
        before = _digest(steps, left)
        steps.step()
        left.leave()

        assert _digest(steps, left) == before


def test_rebound_module_level_value_left_by_a_job_is_no_edit(project: Project) -> None:
    with project.imported({"steps": "calls = 0\ndef step():\n    global calls\n    calls += 1"}) as steps:
        left = LeftStates()
        before = _digest(steps, left)
        steps.step()
        left.leave()

        assert _digest(steps, left) == before


def test_change_by_the_user_between_runs_is_an_edit(project: Project) -> None:
    with project.imported({"steps": "calls = []\ndef step(): calls.append(1)"}) as steps:
        left = LeftStates()
        before = _digest(steps, left)
        steps.step()
        left.leave()
        steps.calls.append("by hand")

        assert _digest(steps, left) != before


def test_list_in_an_enclosing_function_left_by_a_job_is_no_edit(project: Project) -> None:
    text = "def make():\n    calls = []\n    def step(): calls.append(1)\n    return step, calls\nstep, calls = make()"
    with project.imported({"steps": text}) as steps:
        left = LeftStates()
        before = _digest(steps, left)
        steps.step()
        left.leave()
        after_job = _digest(steps, left)
        steps.calls.append(2)

        assert after_job == before
        assert _digest(steps, left) != before


def test_mutable_default_left_by_a_job_is_no_edit(project: Project) -> None:
    with project.imported({"steps": "def step(x=1, seen=[]): seen.append(x)"}) as steps:
        left = LeftStates()
        before = _digest(steps, left)
        steps.step()
        left.leave()

        assert _digest(steps, left) == before


def test_class_attribute_left_by_a_job_is_no_edit(project: Project) -> None:
    with project.imported({"steps": "class Counter:\n    n = 0\ndef step(): Counter.n += 1"}) as steps:
        left = LeftStates()
        before = _digest(steps, left)
        steps.step()
        left.leave()

        assert _digest(steps, left) == before


def test_instances_that_jobs_put_into_a_cache_do_not_count(project: Project) -> None:
    text = "CACHE = {}\nclass Model:\n    def run(self): return 1\ndef step(): CACHE['m'] = globals()['Model']()"
    with project.imported({"steps": text}) as steps:
        left = LeftStates()
        before = _digest(steps, left)
        steps.step()
        left.leave()

        assert _digest(steps, left) == before


def test_definitions_in_a_value_still_count_after_a_job_changed_it(project: Project) -> None:
    text = """
        def one(): return 1
        KNOWN = [globals()["one"]]
        def step(): KNOWN.append(2)
    """
    with project.imported({"steps": text}) as steps:
        left = LeftStates()
        before = Codebase(Path(), left).of(steps.step)
        steps.step()
        left.leave()
        after = Codebase(Path(), left).of(steps.step)

        assert after.digest == before.digest
        assert "one" in after.preview


def _digest(steps: ModuleType, left: LeftStates) -> Digest:
    return Codebase(Path(), left).digest_of(steps.step)


def test_module_that_a_job_imports_counts_the_same_afterwards(project: Project) -> None:
    files = {
        "steps": "def step():\n    import pkg.late\n    from late import go\n    return go(), pkg.late.go()",
        "late": "import base\nRATE = 2 ** 3\nclass Model:\n    n = RATE\n"
        "def go(k=RATE): return RATE, Model, base.LIMIT",
        "base": "LIMIT = max(1, 2)",
        "pkg/__init__": "",
        "pkg/late": "from late import *",
    }
    with project.imported(files) as steps:
        before = Codebase(Path(), LeftStates()).of(steps.step)
        steps.step()
        after = Codebase(Path(), LeftStates()).of(steps.step)

    assert after == before
    assert "late.RATE counts by initialiser" in before.notes


def test_edit_since_import_of_a_module_that_a_function_imported_is_seen(project: Project) -> None:
    files = {"steps": "def step():\n    from late import go\n    return go()", "late": "def go(): return 1"}
    with project.imported(files) as steps:
        steps.step()
        path = Path(str(steps.__file__)).with_name("late.py")
        path.write_text("def go(): return 2", encoding="utf-8")

        assert "late.go: edited since import" in Codebase(Path(), LeftStates()).of(steps.step).notes


def test_name_that_a_job_binds_first_is_no_edit(project: Project) -> None:
    with project.imported({"steps": "def step():\n    global CACHE\n    CACHE = 1\n    return CACHE"}) as steps:
        left = LeftStates()
        before = _digest(steps, left)
        steps.step()
        left.leave()

        assert _digest(steps, left) == before


def test_variable_that_a_job_binds_first_is_no_edit(project: Project) -> None:
    text = """
        def make():
            def step():
                nonlocal cache
                cache = 1
            if False:
                cache = 0
            return step
        step = make()
    """
    with project.imported({"steps": text}) as steps:
        left = LeftStates()
        before = _digest(steps, left)
        steps.step()
        left.leave()

        assert _digest(steps, left) == before


@pytest.mark.parametrize(
    "text",
    [
        "from pathlib import Path\ndef step(): return Path(__file__).parent / 'data'",
        "from pathlib import Path\nHERE = Path(__file__).parent\ndef step(): return HERE / 'data'",
        "from importlib.resources import files\ndef step(): return files(__name__)",
        "import inspect\ndef step(): return inspect.getfile(step)",
    ],
)
def test_code_that_knows_where_it_lies_counts_by_its_place(project: Project, text: str) -> None:
    here = {"steps": "from here.code import step", "here/__init__": "", "here/code": text}
    there = {"steps": "from there.code import step", "there/__init__": "", "there/code": text}

    assert project.same(here, here)
    assert not project.same(here, there)


def test_code_that_does_not_ask_where_it_lies_may_move(project: Project) -> None:
    text = "import logging\ndef step(): return logging.getLogger(__name__).info('here')"

    assert project.same(
        {"steps": "from here import step", "here": text}, {"steps": "from there import step", "there": text}
    )


def test_a_module_that_knows_its_file_does_not_count_by_its_whole_text(project: Project) -> None:
    text = "from pathlib import Path\ndef step(): return Path(__file__).parent"

    assert project.same(text, f"{text}\n# a comment\ndef other(): pass")
    assert project.code(text).texts == frozenset()
