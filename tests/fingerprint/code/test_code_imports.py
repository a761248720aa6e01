"""Which module an import means, and what of it counts."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from ..projects import Project, codebase

HELPERS = "FACTOR = 1\ndef scale(x): return x * FACTOR\ndef other(): return 1\n"

IMPORTS = {
    "from import": "from helpers import scale\ndef step(): return scale(1)",
    "renamed": "from helpers import scale as s\ndef step(): return s(1)",
    "module": "import helpers\ndef step(): return helpers.scale(1)",
    "renamed module": "import helpers as h\ndef step(): return h.scale(1)",
    "star": "from helpers import *\ndef step(): return scale(1)",
    "in the function": "def step():\n    from helpers import scale\n    return scale(1)",
    "module in the function": "def step():\n    import helpers\n    return helpers.scale(1)",
    "renamed module in the function": "def step():\n    import helpers as h\n    return h.scale(1)",
    "for a nested function": "def step():\n    import helpers\n    return (lambda: helpers.scale(1))()",
    "in the class body": "class step:\n    from helpers import scale\n    def run(self): return self.scale()",
    "in a try": "try:\n    from helpers import scale\nexcept OSError:\n    scale = None\ndef step(): return scale(1)",
    "module in a try": "try:\n    import nosuch as h\nexcept ImportError:\n    import helpers as h\n"
    "def step(): return h.scale(1)",
    "import_module": "import importlib\ndef step(): return importlib.import_module('helpers').scale(1)",
    "__import__": "def step(): return __import__('helpers').scale(1)",
    "module passed on": "import helpers\ndef step(): return getattr(helpers, 'scale')(1)",
    "module under another name": "import helpers\nh = helpers\ndef step(): return h.scale(1)",
    "attribute set": "import helpers\nhelpers.FACTOR = 2\ndef step(): return helpers.scale(1)",
}


@pytest.mark.parametrize("text", IMPORTS.values(), ids=IMPORTS.keys())
def test_helper_of_another_module_is_followed(project: Project, text: str) -> None:
    one = {"steps": text, "helpers": HELPERS}

    assert project.same(one, one)
    assert not project.same(one, {**one, "helpers": HELPERS.replace("x * FACTOR", "x + FACTOR")})


@pytest.mark.parametrize("way", ["from import", "module", "in the function", "module in the function", "star"])
def test_only_what_is_used_of_a_module_counts(project: Project, way: str) -> None:
    one = {"steps": IMPORTS[way], "helpers": HELPERS}

    assert project.same(one, {**one, "helpers": HELPERS.replace("other(): return 1", "other(): return 2")})


def test_module_used_as_an_object_counts_whole(project: Project) -> None:
    one = {"steps": "import helpers\ndef step(name): return getattr(helpers, name)", "helpers": HELPERS}

    assert not project.same(one, {**one, "helpers": HELPERS.replace("other(): return 1", "other(): return 2")})


def test_module_used_whole_counts_with_its_loose_statements(project: Project) -> None:
    one = {"steps": "import helpers\ndef step(): return vars(helpers)", "helpers": HELPERS + "assert True, 1\n"}

    assert not project.same(one, {**one, "helpers": HELPERS + "assert True, 2\n"})


PACKAGE = {
    "pkg/__init__": "from .inner import scale\nfrom . import inner",
    "pkg/inner": "from ..other import FACTOR\ndef scale(x): return x * FACTOR",
    "pkg/deep/__init__": "",
    "pkg/deep/leaf": "from ..inner import scale\nleaf = 1",
    "other": "FACTOR = 1",
}
PACKAGE = {
    "app/__init__": "",
    **{f"app/{name}": text for name, text in PACKAGE.items()},
}


@pytest.mark.parametrize(
    "text",
    [
        "from .pkg import scale\ndef step(): return scale(1)",
        "from .pkg.inner import scale\ndef step(): return scale(1)",
        "from .pkg import inner\ndef step(): return inner.scale(1)",
        "from . import pkg\ndef step(): return pkg.inner.scale(1)",
        "from . import pkg\ndef step(): return pkg.scale(1)",
        "import app.pkg.inner\ndef step(): return app.pkg.inner.scale(1)",
        "import app.pkg.inner as i\ndef step(): return i.scale(1)",
        "import app.pkg\ndef step(): return app.pkg.scale(1)",
        "from app.pkg.deep.leaf import scale\ndef step(): return scale(1)",
        "def step():\n    from .pkg.deep import leaf\n    return leaf.scale(1)",
        "def step():\n    import app.pkg.deep.leaf\n    return app.pkg.deep.leaf.scale(1)",
    ],
)
def test_names_are_followed_through_packages(project: Project, text: str) -> None:
    one = {**PACKAGE, "app/steps": text}

    before = project.code(one, "app.steps:step")
    after = project.code({**one, "app/other": "FACTOR = 2"}, "app.steps:step")

    assert before.preview == "step → scale → FACTOR"
    assert before.digest != after.digest


def test_moving_a_definition_to_another_module_does_not_count(project: Project) -> None:
    text = "def step(): return scale(1)"
    here = {"steps": HELPERS + text}
    there = {"steps": "from helpers import scale\n" + text, "helpers": HELPERS}
    through = {"steps": "from api import scale\n" + text, "api": "from helpers import scale", "helpers": HELPERS}

    assert project.same(here, there)
    assert project.same(there, through)


def test_renaming_a_module_does_not_count(project: Project) -> None:
    for text in ("import helpers\ndef step(): return helpers.scale(1)", IMPORTS["module in the function"]):
        one = {"steps": text, "helpers": HELPERS}
        other = {"steps": text.replace("helpers", "tools"), "tools": HELPERS}

        assert project.same(one, other)


def test_name_that_two_modules_import_from_each_other_ends(project: Project) -> None:
    files = {
        "steps": "from a import x\ndef step(): return x",
        "a": "try:\n    from b import x\nexcept ImportError:\n    x = 1",
        "b": "try:\n    from a import x\nexcept ImportError:\n    x = 2",
    }

    assert not project.same(files, {**files, "b": files["b"].replace("2", "3")})


def test_namespace_packages_are_project(project: Project) -> None:
    one = {"steps": "from space.helpers import scale\ndef step(): return scale(1)", "space/helpers": HELPERS}

    assert not project.same(one, {**one, "space/helpers": HELPERS.replace("1", "2", 1)})


def test_module_not_yet_imported_is_read_without_running_it(project: Project) -> None:
    files = {
        "steps": "def step():\n    from pkg.late import go\n    return go()",
        "pkg/__init__": "raise RuntimeError('ran')",
        "pkg/late": "raise RuntimeError('ran')\ndef go(): return LIMIT\nLIMIT = 1",
    }

    assert not project.same(files, {**files, "pkg/late": files["pkg/late"].replace("LIMIT = 1", "LIMIT = 2")})


def test_module_that_does_not_parse_counts_by_its_text(project: Project) -> None:
    files = {"steps": "def step():\n    from late import go\n    return go()", "late": "def go(:"}

    assert not project.same(files, {**files, "late": "def go(x:"})


def test_lazy_attributes_of_a_package_lead_to_its_getattr(project: Project) -> None:
    files = {
        "steps": "import pkg\ndef step(): return pkg.lazy",
        "pkg/__init__": "def __getattr__(name): return 1",
    }

    assert not project.same(files, {**files, "pkg/__init__": "def __getattr__(name): return 2"})


def test_submodule_of_the_name_of_a_function_gives_way_to_it(project: Project) -> None:
    files = {
        "steps": "from pkg import scale\ndef step(): return scale(1)",
        "pkg/__init__": "from .scale import scale",
        "pkg/scale": "def scale(x): return 1\ndef other(): return 1",
    }

    assert not project.same(files, {**files, "pkg/scale": files["pkg/scale"].replace("1", "2", 1)})
    assert project.same(
        files, {**files, "pkg/scale": files["pkg/scale"].replace("other(): return 1", "other(): return 2")}
    )


def test_installed_packages_count_by_name_only(project: Project) -> None:
    text = "import numpy as np\nfrom yaml import safe_load\ndef step(x): return np.sum(x), safe_load(x)"

    assert project.code(text).packages == {"numpy", "yaml"}


def test_packages_imported_inside_reached_functions_are_listed(project: Project) -> None:
    files = {
        "steps": "from helpers import go\ndef step(): return go()",
        "helpers": "def go():\n    import numpy\n    return numpy.pi",
    }

    assert project.code(files).packages == {"numpy"}


def test_packages_that_only_unreached_code_imports_are_not_listed(project: Project) -> None:
    text = "import numpy as np\ndef other(): return np.pi\ndef step(): return 1"

    assert project.code(text).packages == frozenset()


def test_standard_library_and_crystallize_are_not_listed(project: Project) -> None:
    text = "import json\nfrom crystallize import Artifact\ndef step(x): return json.loads(x), Artifact('a.txt')"

    code = project.code(text)

    assert code.packages == frozenset()
    assert code.preview == "step"


def test_what_is_imported_from_a_package_counts(project: Project) -> None:
    text = "from numpy import min as pick\ndef step(x): return pick(x)"

    assert not project.same(text, text.replace("min", "max"))


def test_module_level_calls_on_a_package_count_for_its_users(project: Project) -> None:
    text = "import random\nrandom.seed(1)\ndef step(): return random.random()"

    assert not project.same(text, text.replace("1", "2"))


class FakeWorld:
    """A module world of one folder: what is loaded, and where the files lie."""

    package = "_test_world.producer"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.loaded: dict[str, ModuleType] = {}

    def load(self, name: str) -> ModuleType:
        path = self._folder / f"{name}.py"
        module = ModuleType(f"{self.package}.{name}")
        text = path.read_text(encoding="utf-8")
        vars(module).update(
            __file__=str(path), __package__=self.package, __crystallize_world__=self, __crystallize_source__=text
        )
        self.loaded[name] = module
        exec(compile(text, str(path), "exec", dont_inherit=True), vars(module))
        return module

    def find(self, name: str) -> ModuleType | None:
        return self.loaded.get(name)

    def path_of(self, name: str) -> Path | None:
        path = self._folder / f"{name}.py"
        return path if path.is_file() else None

    def text_of(self, name: str) -> str:
        path = self.path_of(name)
        return path.read_text(encoding="utf-8") if path else ""


@pytest.mark.parametrize("text", ["import helpers", "from . import helpers"])
def test_siblings_in_a_module_world_are_followed_to_that_world(project: Project, text: str) -> None:
    steps = f"def step():\n    {text}\n    return helpers.scale(1)"
    digests = []
    for helpers in (HELPERS, HELPERS.replace("FACTOR = 1", "FACTOR = 2")):
        root = project.write({"steps": steps, "helpers": helpers})
        for loads_first in (False, True):
            world = FakeWorld(root)
            if loads_first:
                world.load("helpers")
            digests.append(codebase(root).digest_of(world.load("steps").step))

    assert digests[0] != digests[2]
    assert digests[1] != digests[3]


def test_text_of_a_module_is_the_one_it_was_loaded_from(project: Project) -> None:
    root = project.write({"steps": "def step(): return 1"})
    step = FakeWorld(root).load("steps").step
    before = codebase(root).of(step)
    (root / "steps.py").write_text("def step(): return 2", encoding="utf-8")

    after = codebase(root).of(step)

    assert before.digest == after.digest
    assert after.notes == ()


def test_nothing_is_imported_by_reading(project: Project) -> None:
    files = {"steps": "def step():\n    import late\n    return late.go()", "late": "def go(): return 1"}
    with project.imported(files) as steps:
        codebase(project.write({})).of(steps.step)

        assert "late" not in sys.modules


STARRED = {"steps": "from helpers import *\nfrom others import *\ndef step(): return scale(1)", "helpers": HELPERS}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("def unused(x): return x", "def scale(x): return x"),
        ("__all__ = []\ndef scale(x): return x", "__all__ = ['scale']\ndef scale(x): return x"),
    ],
    ids=["defined", "exported"],
)
def test_later_star_import_that_takes_a_name_over_counts(project: Project, before: str, after: str) -> None:
    assert not project.same({**STARRED, "others": before}, {**STARRED, "others": after})


def test_order_of_star_imports_counts_where_both_have_the_name(project: Project) -> None:
    one = {**STARRED, "others": "def scale(x): return x"}
    swapped = "from others import *\nfrom helpers import *\ndef step(): return scale(1)"

    assert not project.same(one, {**one, "steps": swapped})


def test_star_import_of_other_names_does_not_count(project: Project) -> None:
    assert project.same(
        {**STARRED, "others": "def unused(x): return x"}, {**STARRED, "others": "def unused(x): return 2"}
    )


def test_star_import_below_a_definition_takes_its_name_over(project: Project) -> None:
    steps = "def scale(x): return 0\nfrom helpers import *\ndef step(): return scale(1)"

    assert not project.same({"steps": steps, "helpers": "OTHER = 1"}, {"steps": steps, "helpers": HELPERS})


def test_order_of_import_and_definition_of_one_name_counts(project: Project) -> None:
    taken, defined, step = "from helpers import scale\n", "def scale(x): return 0\n", "def step(): return scale(1)"

    assert not project.same(
        {"steps": taken + defined + step, "helpers": HELPERS}, {"steps": defined + taken + step, "helpers": HELPERS}
    )


def test_module_that_a_function_imports_for_its_module_is_followed(project: Project) -> None:
    steps = "def load():\n    global helpers\n    import helpers\ndef step():\n    load()\n    return helpers.scale(1)"
    one = {"steps": steps, "helpers": HELPERS}

    assert not project.same(one, {**one, "helpers": HELPERS.replace("x * FACTOR", "x + FACTOR")})
