"""What is loaded counts: files edited since import, functions without a file, notebooks, scripts."""

from __future__ import annotations

import linecache
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from crystallize.fingerprint.code.bytecode import same_code
from crystallize.fingerprint.code.codebase import Code, Codebase
from crystallize.fingerprint.left import LeftStates

from ..projects import Project, codebase

EDITS = {
    "a body": ("return helper(x)", "return helper(x) + 1"),
    "a helper": ("return x * 2", "return x * 3"),
    "a method": ("return x - 1", "return x - 2"),
    "a default": ("helper(x, k=1", "helper(x, k=2"),
    "a default of a method": ("self, x, k=1", "self, x, k=2"),
    "a constant of a class": ("limit = 1", "limit = 2"),
    "a constant": ("RATE = 1", "RATE = 2"),
    "a decorated function": ("return x / 2", "return x / 3"),
}
TEXT = """
    import functools
    RATE = 1
    def hidden(f):
        return lambda x: f(x)
    class Model:
        limit = 1
        def run(self, x, k=1): return x - 1
    @hidden
    def half(x): return x / 2
    def helper(x, k=1):
        return x * 2
    def step(x):
        return helper(x), Model, RATE, half
"""


@pytest.mark.parametrize(("old", "new"), EDITS.values(), ids=EDITS.keys())
def test_edit_since_import_gives_neither_the_old_nor_the_new_files_digest_as_loaded(
    project: Project, old: str, new: str
) -> None:
    edited = dedent(TEXT.replace(old, new))
    fresh = project.code(edited)
    with project.imported({"steps": TEXT}) as steps:
        Path(str(steps.__file__)).write_text(edited, encoding="utf-8")
        stale = codebase(Path()).of(steps.step)

    assert stale.digest != fresh.digest


def test_edited_function_says_so(project: Project) -> None:
    with project.imported({"steps": TEXT}) as steps:
        Path(str(steps.__file__)).write_text(dedent(TEXT.replace("x * 2", "x * 3")), encoding="utf-8")

        assert "steps.helper: edited since import" in codebase(Path()).of(steps.step).notes


def test_edited_function_still_leads_to_what_it_names(project: Project) -> None:
    with project.imported({"steps": TEXT}) as steps:
        Path(str(steps.__file__)).write_text(dedent(TEXT.replace("helper(x),", "")), encoding="utf-8")

        assert "helper" in codebase(Path()).of(steps.step).preview


def test_lines_and_docstrings_added_since_import_are_no_edit(project: Project) -> None:
    edited = "# a comment\n\n" + dedent(TEXT).replace(
        "helper(x, k=1):", 'helper(x, k=1):\n    """Documented."""'
    ).replace("class Model:", 'class Model:\n    """Documented."""')
    with project.imported({"steps": TEXT}) as steps:
        before = codebase(Path()).of(steps.step)
        Path(str(steps.__file__)).write_text(edited, encoding="utf-8")
        after = codebase(Path()).of(steps.step)

    assert after.digest == before.digest
    assert after.notes == before.notes == ()


def test_docstring_of_a_nested_class_is_no_edit() -> None:
    plain = "def f(x):\n    class A:\n        def run(self): return x\n    return A"
    documented = "\n\n" + plain.replace("(x):", "(x):\n    'doc'").replace("class A:", "class A:\n        'doc'")

    assert same_code(_function(plain).__code__, _function(documented).__code__)


def test_file_deleted_since_import_is_read_from_the_code_objects(project: Project) -> None:
    with project.imported({"steps": TEXT}) as steps:
        Path(str(steps.__file__)).unlink()
        code = codebase(Path()).of(steps.step)

    assert "steps.step: edited since import" in code.notes
    assert "helper" in code.preview


def test_functions_of_exec_count_by_their_code_and_what_they_name() -> None:
    text = "LIMIT = 1\ndef helper(): return 1\ndef f(x): return helper() + LIMIT"

    digests = {
        _of(_function(text.replace(old, new))).digest
        for old, new in (("", ""), ("LIMIT = 1", "LIMIT = 2"), ("helper(): return 1", "helper(): return 2"))
    }

    assert len(digests) == 3
    assert _of(_function(text)).digest == _of(_function("\n\n" + text)).digest


def test_classes_of_exec_count_by_their_members() -> None:
    text = "class f:\n    limit = 1\n    def run(self): return 1"

    digests = {
        _of(_function(text.replace(old, new))).digest
        for old, new in (("", ""), ("limit = 1", "limit = 2"), ("return 1", "return 2"))
    }

    assert len(digests) == 3


class Notebook:
    """Cells run in one namespace, as IPython runs them: each has a file name of its own that only linecache knows."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self._cells = 0

    def run(self, text: str) -> None:
        self._cells += 1
        name = f"/nowhere/ipykernel_{id(self)}/{self._cells}.py"
        linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
        exec(compile(text, name, "exec", dont_inherit=True), self.names)

    def code(self, left: LeftStates | None = None) -> Code:
        return Codebase(Path(), left or LeftStates()).of(self.names["step"])


NOTEBOOK = ["import json\nFACTOR = 2", "def helper(x):\n    return x * FACTOR", "def step(x):\n    return helper(x)"]


def _notebook(*cells: str) -> Notebook:
    notebook = Notebook()
    for cell in cells:
        notebook.run(cell)
    return notebook


def test_cells_are_read_from_their_text() -> None:
    code = _notebook(*NOTEBOOK).code()

    assert code.preview == "step → helper → FACTOR"
    assert code.pieces[0].text == "def step(x):\n    return helper(x)"
    assert code.notes == ()


def test_edited_cell_of_a_helper_changes_its_users() -> None:
    notebook = _notebook(*NOTEBOOK)
    before = notebook.code().digest
    notebook.run("def helper(x):\n    return x + FACTOR")

    assert notebook.code().digest != before


def test_edited_cell_of_a_constant_changes_its_users() -> None:
    notebook = _notebook(*NOTEBOOK)
    before = notebook.code().digest
    notebook.run("FACTOR = 3")

    assert notebook.code().digest != before


def test_cell_run_again_unchanged_or_with_a_comment_changes_nothing() -> None:
    notebook = _notebook(*NOTEBOOK)
    before = notebook.code().digest
    notebook.run(NOTEBOOK[1])
    notebook.run("# twice\n" + NOTEBOOK[2])

    assert notebook.code().digest == before


def test_classes_of_a_notebook_are_read_from_their_cell() -> None:
    cells = ["class Model:\n    limit = 1\n    def run(self):\n        return 1", "def step(): return Model().run()"]

    code = _notebook(*cells).code()

    assert code.preview == "step → Model"
    assert code.digest != _notebook(cells[0].replace("limit = 1", "limit = 2"), cells[1]).code().digest
    assert code.digest != _notebook(cells[0].replace("return 1", "return 2"), cells[1]).code().digest


def test_what_a_job_leaves_in_a_notebook_is_no_edit() -> None:
    notebook = _notebook("calls = []", "def step():\n    calls.append(1)")
    left = LeftStates()
    before = notebook.code(left).digest
    notebook.names["step"]()
    left.leave()

    assert notebook.code(left).digest == before


def test_packages_that_a_notebook_imports_are_listed() -> None:
    cells = [
        "import numpy as np\nfrom yaml import safe_load\nimport json",
        "def step(x): return np.sum(x), safe_load(x), json",
    ]

    assert _notebook(*cells).code().packages == {"numpy", "yaml"}


def test_functions_typed_without_any_text_still_run() -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(compile("import math\ndef f(x): return math.sqrt(x)", "<stdin>", "exec"), namespace)

    assert "f: counts by its compiled code" in _of(namespace["f"]).notes[0]


def test_script_is_read_as_the_module_of_its_file(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    text = """
        from pathlib import Path
        from crystallize.fingerprint.code.codebase import Codebase
        from crystallize.fingerprint.left import LeftStates
        FACTOR = 2
        def step(x): return x * FACTOR
        code = Codebase(Path.cwd(), LeftStates()).of(step)
        print(code.digest.hex(), code.preview, code.pieces[0].name)
    """

    outputs = []
    for change in ("", "# moved\n"):
        script.write_text(change + dedent(text), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, script.name], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        )
        outputs.append(done.stdout.split(maxsplit=1))

    assert outputs[0] == outputs[1]
    assert outputs[0][1].strip() == "step → FACTOR script.step"


def test_another_process_gives_the_same_digest(project: Project, tmp_path: Path) -> None:
    text = "import math\nKNOWN = {'a', 'b', 'c'}\nclass Model:\n    n = 1\ndef step(x): return KNOWN, Model, math.pi"
    here = project.code(text).digest
    root = project.write({"steps": text})
    program = (
        "from pathlib import Path; import steps;"
        "from crystallize.fingerprint.code.codebase import Codebase\n"
        "from crystallize.fingerprint.left import LeftStates\n"
        "print(Codebase(Path.cwd(), LeftStates()).digest_of(steps.step).hex())"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout.strip() == here.hex()


def _function(text: str) -> Callable[..., Any]:
    namespace: dict[str, Any] = {"__name__": "typed"}
    exec(compile(text, "<string>", "exec", dont_inherit=True), namespace)
    found: Callable[..., Any] = namespace["f"]
    return found


def _of(definition: object) -> Code:
    return codebase(Path()).of(definition)


def test_dataclass_of_a_notebook_without_methods_counts_by_its_fields() -> None:
    cells = [
        "from dataclasses import dataclass",
        "@dataclass\nclass Point:\n    x: int = 1",
        "def step(): return Point()",
    ]
    fields = ("x: int = 1", "x: int = 2", "x: float = 1", "y: int = 1")

    codes = [_notebook(cells[0], cells[1].replace("x: int = 1", field), cells[2]).code() for field in fields]

    assert len({code.digest for code in codes}) == 4
    assert codes[0].notes[0].endswith("Point: counts by what it holds, its text is not known")


def test_our_own_objects_in_a_notebook_lead_to_what_the_user_wrote() -> None:
    cells = [
        "from crystallize import resource_factory",
        "@resource_factory\ndef model(): return 1",
        "def step(): return model",
    ]

    before = _notebook(*cells).code()
    after = _notebook(cells[0], cells[1].replace("1", "2"), cells[2]).code()

    assert before.preview == "step → model"
    assert before.digest != after.digest


def test_cached_functions_in_a_notebook_are_followed() -> None:
    cells = ["import functools", "@functools.cache\ndef helper(): return 1", "def step(): return helper()"]

    before = _notebook(*cells).code()
    after = _notebook(cells[0], cells[1].replace("1", "2"), cells[2]).code()

    assert before.digest != after.digest


MODEL = "class Model:\n    def run(self): return 1\ndef plain(): return 1\n"
REPLACED = {
    "a function by a function": "import model\ndef other(): return 5\nmodel.plain = other",
    "a function by one of the same name": "import model\ndef plain(): return 5\nmodel.plain = plain",
    "a function by a lambda": "import model\nmodel.plain = lambda: 5",
    "a method": "from model import Model\nModel.run = lambda self: 5",
    "a class": "import model\nclass Other(model.Model):\n    def run(self): return 5\nmodel.Model = Other",
}


@pytest.mark.parametrize("patch", REPLACED.values(), ids=REPLACED.keys())
def test_what_another_module_put_in_place_of_a_definition_counts(project: Project, patch: str) -> None:
    steps = "import model\nimport patch\ndef step(): return model.plain(), model.Model().run()"
    one = {"steps": steps, "model": MODEL, "patch": patch}

    assert project.same(one, {**one, "patch": f"UNUSED = 1\n{patch}"})
    assert not project.same(one, {**one, "patch": patch.replace("5", "6")})
    assert not project.same(one, {**one, "patch": ""})


def test_attribute_set_by_setattr_counts(project: Project) -> None:
    text = "class Model: pass\nfor value in (1,):\n    setattr(Model, 'rate', value)\ndef step(): return Model.rate"

    assert not project.same(text, text.replace("(1,)", "(2,)"))
