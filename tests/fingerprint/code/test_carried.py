import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crystallize.fingerprint.code import carried
from crystallize.fingerprint.code.carried import Carried, project_modules, travels, unload
from crystallize.fingerprint.code.codebase import Codebase
from crystallize.fingerprint.code.modules import SOURCE, Module, Modules
from crystallize.fingerprint.left import LeftStates

from ..projects import Project


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(carried, "_here", {})
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith("brought"):
            del sys.modules[name]


def text(source: str, path: str = "/elsewhere/brought.py") -> Carried:
    return Carried(path, None, source)


def test_a_module_is_loaded_from_its_text_whatever_lies_on_the_disk() -> None:
    unload({"brought": text("VALUE = 1\ndef f():\n    return VALUE\n")})
    module = importlib.import_module("brought")

    assert (module.VALUE, module.__file__) == (1, "/elsewhere/brought.py")
    assert vars(module)[SOURCE].startswith("VALUE = 1")
    assert inspect.getsource(module.f) == "def f():\n    return VALUE\n"
    assert not Modules().holding(vars(module)).is_edited  # type: ignore[union-attr]


def test_packages_and_folders_of_modules_have_their_submodules() -> None:
    unload(
        {
            "brought": Carried(None, ("/elsewhere/brought",), ""),
            "brought.inner": Carried("/elsewhere/brought/inner/__init__.py", ("/elsewhere/brought/inner",), "A = 1\n"),
            "brought.inner.leaf": text("from . import A\nfrom .. import inner\n", "/elsewhere/brought/inner/leaf.py"),
        }
    )

    leaf = importlib.import_module("brought.inner.leaf")

    assert leaf.A == 1
    assert leaf.inner is sys.modules["brought.inner"]
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("brought.other")


def test_where_one_text_has_changed_all_are_loaded_anew() -> None:
    both = {"brought": text("import brought_too\nVALUE = brought_too.VALUE\n"), "brought_too": text("VALUE = 1\n")}
    unload(both)
    first = importlib.import_module("brought")
    unload(both)
    same = importlib.import_module("brought")

    unload({**both, "brought_too": text("VALUE = 2\n")})

    assert same is first
    assert importlib.import_module("brought").VALUE == 2


def test_what_comes_later_leaves_what_is_loaded_alone() -> None:
    unload({"brought": text("VALUE = 1\n")})
    first = importlib.import_module("brought")

    unload({"brought_late": text("VALUE = 2\n")})

    assert importlib.import_module("brought") is first
    assert importlib.import_module("brought_late").VALUE == 2


def test_the_projects_modules_travel_and_no_others(tmp_path: Path) -> None:
    project = Project(tmp_path)
    files = {
        "steps": "import helpers, json\ndef step():\n    import late\n    return late.B\n",
        "helpers": "A = 1\n",
        "late": "B = 1\n",
    }
    with project.imported(files) as steps:
        reached = Codebase(tmp_path, LeftStates()).of(steps.step).homes
        root = Path(str(steps.__file__)).parent
        (root / "late.py").write_text("B = 'edited since'\n", encoding="utf-8")

        found = project_modules(reached)

    assert found["steps"] == Carried(str(root / "steps.py"), None, files["steps"])
    assert (found["helpers"].text, found["late"].text) == ("A = 1\n", "B = 1\n")
    assert {"json", "pytest", "crystallize", "__main__"}.isdisjoint(found)
    assert not travels(Module("made_by_hand", path=None))


def test_another_value_under_a_reached_name_is_found(tmp_path: Path) -> None:
    files = {"steps": "import helpers\ndef step():\n    return helpers.A\n", "helpers": "A = 1\nB = 1\n"}
    with Project(tmp_path).imported(files) as steps:
        planned = Codebase(tmp_path, LeftStates())
        told = planned.tell(planned.of(steps.step).names)
        same = Codebase(tmp_path, LeftStates()).first_other(told)
        sys.modules["helpers"].B = 2  # type: ignore[attr-defined]
        unreached = Codebase(tmp_path, LeftStates()).first_other(told)
        sys.modules["helpers"].A = 2  # type: ignore[attr-defined]
        other = Codebase(tmp_path, LeftStates()).first_other(told)

    assert (same, unreached) == (None, None)
    assert other is not None
    assert (other.module, other.name) == ("helpers", "A")
