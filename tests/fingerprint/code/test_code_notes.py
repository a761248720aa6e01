"""What a walk notices beside code: environment variables, and calls whose reach nobody can follow."""

from __future__ import annotations

import pytest

from ..projects import Project

READS_X = [
    "import os\ndef step(): return os.environ['X']",
    "import os\ndef step(): return os.environ.get('X', '1')",
    "import os\ndef step(): return os.getenv('X')",
    "import os\ndef step(): return 'X' in os.environ",
    "import os as o\ndef step(): return o.environ['X'].split()",
    "from os import environ\ndef step(): return environ['X']",
    "from os import getenv as g\ndef step(): return g('X')",
    "def step():\n    import os\n    return os.environ.get('X')",
    "def step():\n    from os import environ as e\n    return e.get('X')",
    "import os\nHOME = os.environ.get('X')\ndef step(): return HOME",
    "import os\ndef helper(): return os.getenv('X')\ndef step(): return helper()",
    "import os.path\ndef step(): return os.environ['X']",
]


@pytest.mark.parametrize("text", READS_X)
def test_literal_environment_variable_is_listed(project: Project, text: str) -> None:
    assert project.code(text).environ == {"X"}


@pytest.mark.parametrize(
    "text",
    [
        "import os\ndef other(): return os.getenv('X')\ndef step(): return 1",
        "def step(os): return os.environ['X']",
        "import os\ndef step(name): return os.environ[name]",
        "import json as os\ndef step(): return os.getenv('X')",
    ],
)
def test_what_is_not_a_literal_read_of_the_environment_is_not_listed(project: Project, text: str) -> None:
    assert project.code(text).environ == frozenset()


@pytest.mark.parametrize(
    ("text", "called"),
    [
        ("def step(x, name): return getattr(x, name)", "getattr"),
        ("def step(x): return eval(x)", "eval"),
        ("def step(x): exec(x)", "exec"),
        ("def step(x): return __import__(x)", "__import__"),
        ("import importlib\ndef step(x): return importlib.import_module(x)", "import_module"),
        ("from importlib import import_module as i\ndef step(x): return i(x)", "i"),
    ],
)
def test_call_that_cannot_be_followed_is_noted(project: Project, text: str, called: str) -> None:
    assert project.code(text).notes == (f"calls {called}(...) in steps.step: what it reaches is not followed",)


def test_note_names_the_function_that_calls(project: Project) -> None:
    files = {"steps": "from pkg.tools import go\ndef step(x): return go(x)", "pkg/tools": "def go(x): return eval(x)"}

    assert project.code(files).notes == ("calls eval(...) in tools.go: what it reaches is not followed",)


@pytest.mark.parametrize(
    "text",
    [
        "def step(x): return getattr(x, 'name', None)",
        "def step(x, eval): return eval(x)",
        "def getattr(x, y): return 1\ndef step(x, name): return getattr(x, name)",
        "import importlib\ndef step(): return importlib.import_module('json')",
        "def step(x): return x.eval('1')",
    ],
)
def test_call_that_can_be_followed_is_not_noted(project: Project, text: str) -> None:
    assert project.code(text).notes == ()


def test_package_imported_by_a_literal_name_is_listed(project: Project) -> None:
    text = "import importlib\ndef step(): return importlib.import_module('numpy.linalg')"

    assert project.code(text).packages == {"numpy"}


BASE = "class Base:\n    pass\n"
ASKING = {
    "steps": "import more\nfrom kinds import Base\ndef step(): return [kind.VALUE for kind in Base.__subclasses__()]",
    "kinds": BASE,
    "more": "from kinds import Base\nclass One(Base):\n    VALUE = 1",
}


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            f"{BASE}def step(): return Base.__subclasses__()",
            "calls __subclasses__() in steps.step: every class with a base in the loaded modules beside it counts, "
            "others do not",
        ),
        (
            "import sys\ndef step(name): return sys.modules[name]",
            "reads sys.modules in steps.step: every loaded module beside it counts, others do not",
        ),
    ],
)
def test_reflection_that_reaches_what_lies_near_is_told(project: Project, text: str, note: str) -> None:
    assert project.code(text).notes == (note,)


def test_a_class_that_only_subclasses_reaches_counts(project: Project) -> None:
    edited = ASKING["more"].replace("VALUE = 1", "VALUE = 2")
    added = f"{ASKING['more']}\nclass Two(One):\n    pass"

    assert not project.same(ASKING, {**ASKING, "more": edited})
    assert not project.same(ASKING, {**ASKING, "more": added})


def test_what_no_subclass_is_does_not_count_for_code_that_asks_for_them(project: Project) -> None:
    assert project.same(ASKING, {**ASKING, "more": f"{ASKING['more']}\ndef other(): return 3"})


@pytest.mark.parametrize("index", ["'more'", "name", "__name__.replace('steps', 'more')"])
def test_a_module_that_only_sys_modules_reaches_counts(project: Project, index: str) -> None:
    steps = f"import sys\nimport more\ndef step(name='more'): return sys.modules[{index}].value()"

    assert not project.same(
        {"steps": steps, "more": "def value(): return 1"}, {"steps": steps, "more": "def value(): return 2"}
    )


def test_globals_reach_the_whole_module(project: Project) -> None:
    text = "def helper(): return 1\ndef step(): return globals()['helper']()"

    assert not project.same(text, text.replace("return 1", "return 2"))
