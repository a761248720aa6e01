import importlib
import inspect
import pickle
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crystallize.errors import DefinitionError, MissingFileError
from crystallize.experiment.folders.user_code import UserCodeError
from crystallize.experiment.folders.world_packages import TOP_PACKAGE
from crystallize.experiment.folders.worlds import World

from ..projects import write_files


@pytest.fixture(autouse=True)
def clean_imports(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith((TOP_PACKAGE, "shared")):
            del sys.modules[name]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_files(
        tmp_path,
        {
            "experiments/a/helpers.py": "VALUE = 'a'\nclass Model:\n    pass\n",
            "experiments/a/late.py": "WORD = 'first'\n",
            "experiments/a/steps.py": """
                import helpers
                from helpers import VALUE, Model

                def read_late():
                    from late import WORD
                    return WORD
                """,
            "experiments/b/helpers.py": "VALUE = 'b'\n",
            "experiments/b/steps.py": "import helpers\n",
        },
    )


def world_of(root: Path, name: str = "a") -> World:
    return World(root / "experiments" / name, root)


def test_siblings_of_one_folder_never_mix_with_those_of_another(root: Path) -> None:
    first, second = world_of(root, "a").load("steps"), world_of(root, "b").load("steps")

    assert (first.helpers.VALUE, second.helpers.VALUE) == ("a", "b")


def test_siblings_are_not_importable_from_outside(root: Path) -> None:
    world_of(root).load("steps")

    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("helpers")
    assert "helpers" not in sys.modules


def test_imports_inside_functions_reach_siblings(root: Path) -> None:
    steps = world_of(root).load("steps")

    assert steps.read_late() == "first"


@pytest.mark.parametrize(
    "statement",
    [
        "import tools.text as found",
        "from tools import text as found",
        "from tools.text import __name__ as _; import tools; found = tools.text",
        "from . import tools; from .tools import text as found",
        "import importlib; found = importlib.import_module('.tools.text', __package__)",
        "from tools import *; found = text",
    ],
)
def test_packages_of_the_folder_are_importable_in_every_form(root: Path, statement: str) -> None:
    write_files(
        root / "experiments/a",
        {
            "tools/__init__.py": "from .text import WORD\n__all__ = ['text']\n",
            "tools/text.py": "import helpers\nfrom . import more\nWORD = helpers.VALUE\n",
            "tools/more.py": "",
            "steps.py": statement,
        },
    )
    world = world_of(root)

    assert world.load("steps").found is world.find("tools.text")
    assert world.load("tools.text").WORD == "a"


def test_folders_without_init_are_packages_too(root: Path) -> None:
    write_files(
        root / "experiments/a", {"plain/mod.py": "X = 1\n", "steps.py": "from plain import mod\nimport plain.mod\n"}
    )
    world = world_of(root)

    assert world.load("steps").plain.mod.X == 1
    assert world.path_of("plain") is None
    assert world.path_of("plain.mod") == root / "experiments/a/plain/mod.py"


def test_a_plain_folder_gives_way_to_an_installed_package_but_a_module_does_not(root: Path) -> None:
    write_files(
        root / "experiments/a",
        {"email/data.txt": "", "json.py": "MINE = 1\n", "steps.py": "import email.message\nimport json\n"},
    )

    steps = world_of(root).load("steps")

    assert "experiments" not in steps.email.__file__
    assert steps.json.MINE == 1
    assert not hasattr(sys.modules["json"], "MINE")


def test_modules_that_import_each_other_load(root: Path) -> None:
    write_files(root / "experiments/a", {"steps.py": "import other\nX = 1\n", "other.py": "import steps\n"})
    world = world_of(root)

    assert world.load("steps").other.steps is world.find("steps")


def test_each_file_runs_once_per_world(root: Path) -> None:
    count = "from pathlib import Path\nwith Path(__file__).with_name('log').open('a') as log:\n    log.write('x')\n"
    write_files(root / "experiments/a", {"helpers.py": count, "steps.py": "import helpers\n"})
    world = world_of(root)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(world.load, ["steps", "helpers"] * 8))

    assert (root / "experiments/a/log").read_text() == "x"


def test_a_new_world_reads_the_files_as_they_are_now_and_the_old_one_stays_as_it_was(root: Path) -> None:
    old = world_of(root)
    old_steps = old.load("steps")
    old.load("late")
    write_files(
        root / "experiments/a", {"helpers.py": "VALUE = 'new'\nclass Model: ...\n", "late.py": "WORD = 'second'\n"}
    )

    new_steps = world_of(root).load("steps")

    assert (old_steps.VALUE, new_steps.VALUE) == ("a", "new")
    assert (old_steps.read_late(), new_steps.read_late()) == ("first", "second")


def test_a_failed_import_is_tried_again_from_the_start(root: Path) -> None:
    write_files(root / "experiments/a", {"helpers.py": "raise ValueError('no')\n"})
    world = world_of(root)
    with pytest.raises(UserCodeError):
        world.load("steps")

    write_files(root / "experiments/a", {"helpers.py": "VALUE = 1\nclass Model: ...\n"})

    assert world.load("steps").VALUE == 1


def test_modules_know_their_text_their_world_and_their_file(root: Path) -> None:
    world = world_of(root)
    helpers = world.load("helpers")
    path = root / "experiments/a/helpers.py"
    text = path.read_text()
    path.write_text("changed since\n")

    assert helpers.__crystallize_source__ == text
    assert helpers.__crystallize_world__ is world
    assert helpers.__file__ == str(path)
    assert inspect.getsource(helpers.Model) == "class Model:\n    pass\n"
    assert world.path_of("helpers") == path
    assert world.find("late") is None
    assert world.path_of("absent") is None


def test_the_package_name_depends_on_the_place_below_the_root_only(tmp_path: Path) -> None:
    names = []
    for checkout in ("one", "two"):
        root = write_files(tmp_path / checkout, {"experiments/v1.2/steps.py": ""})
        world = World(root / "experiments/v1.2", root)
        names.append(world.package.partition(".")[2])

    assert names == ["experiments.v1%2e2", "experiments.v1%2e2"]


def test_pickles_of_classes_survive_a_new_world(root: Path) -> None:
    pickled = pickle.dumps(world_of(root).load("steps").Model())

    new = world_of(root)

    assert type(pickle.loads(pickled)) is new.load("helpers").Model


def test_two_roots_in_one_process_have_packages_of_their_own(tmp_path: Path) -> None:
    worlds = []
    for checkout in ("one", "two"):
        root = write_files(tmp_path / checkout, {"experiments/a/steps.py": f"WHERE = '{checkout}'\n"})
        worlds.append(world_of(root))

    assert [world.load("steps").WHERE for world in worlds] == ["one", "two"]
    assert worlds[0].package != worlds[1].package


def test_the_project_root_is_importable_and_added_once(root: Path) -> None:
    write_files(root, {"shared_lib/__init__.py": "X = 5\n", "experiments/a/steps.py": "import shared_lib\n"})

    world_of(root)
    steps = world_of(root).load("steps")

    assert steps.shared_lib.X == 5
    assert sys.path.count(str(root)) == 1


@pytest.mark.parametrize(
    ("files", "place", "fact"),
    [
        ({"steps.py": "x = 1\ndef f(:\n"}, "steps.py:2", "SyntaxError: "),
        ({"steps.py": "import bad\n", "bad.py": "x = 1\nif\n"}, "bad.py:2", "SyntaxError: "),
        ({"steps.py": "x = 1\nx = 1 / 0\n"}, "steps.py:2", "ZeroDivisionError: division by zero"),
        ({"steps.py": "import bad\n", "bad.py": "raise KeyError('a\\nb')"}, "bad.py:1", "KeyError: "),
        ({"steps.py": "import helpres\n"}, "steps.py:1", "did you mean 'helpers'?"),
        ({"steps.py": "import nothing_like_it\n"}, "steps.py:1", "install what provides it"),
        ({"steps.py": "import sys\nsys.exit(3)\n"}, "steps.py:2", "SystemExit: 3"),
        (
            {"steps.py": "from crystallize.experiment.objects.artifact import Artifact\nArtifact('..')\n"},
            "steps.py:2",
            "'..'",
        ),
    ],
)
def test_what_user_code_raises_is_told_with_its_file_and_line(
    root: Path, files: dict[str, str], place: str, fact: str
) -> None:
    write_files(root / "experiments/a", files)

    with pytest.raises(UserCodeError) as caught:
        world_of(root).load("steps")

    message = str(caught.value)
    assert f"experiments/a/{place}: " in message
    assert fact in message
    assert "\n" not in message
    assert isinstance(caught.value, DefinitionError)


def test_the_traceback_is_the_users_alone(root: Path) -> None:
    write_files(root / "experiments/a", {"steps.py": "import json\ndef f():\n    json.loads('{')\nf()\n"})

    with pytest.raises(UserCodeError) as caught:
        world_of(root).load("steps")

    text = caught.value.traceback_text
    assert "in f" in text
    assert "json/decoder.py" in text
    assert "crystallize/experiment" not in text
    assert "importlib" not in text
    assert text.endswith("\n")


def test_a_keyboard_interrupt_passes_through(root: Path) -> None:
    write_files(root / "experiments/a", {"steps.py": "raise KeyboardInterrupt\n"})

    with pytest.raises(KeyboardInterrupt):
        world_of(root).load("steps")


def test_an_absent_module_is_told_by_its_path(root: Path) -> None:
    with pytest.raises(MissingFileError, match=r"experiments/a/verifiers\.py: there is no such file"):
        world_of(root).load("verifiers")


def test_another_experiment_below_the_folder_is_no_package_of_it(root: Path) -> None:
    write_files(
        root / "experiments/a", {"variant/config.yaml": "", "variant/steps.py": "", "steps.py": "import variant\n"}
    )

    with pytest.raises(UserCodeError, match="variant"):
        world_of(root).load("steps")


def test_modules_that_user_code_imports_leave_no_bytecode_that_could_be_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.syspath_prepend(tmp_path / "library")
    write_files(tmp_path, {"library/bytecode_lib.py": "VALUE = 1\n", "exp/steps.py": "import bytecode_lib\n"})

    World(tmp_path / "exp", tmp_path).load("steps")

    assert not list(tmp_path.rglob("*.pyc"))
    assert sys.dont_write_bytecode is False


def test_a_world_that_is_carried_elsewhere_needs_nothing_there(root: Path) -> None:
    world = world_of(root)
    model = pickle.dumps(world.load("steps").Model())
    late = world.text_of("late")
    carried = pickle.dumps(world)
    shutil.rmtree(root / "experiments")
    for name in [name for name in sys.modules if name.startswith(TOP_PACKAGE)]:
        del sys.modules[name]

    arrived = pickle.loads(carried)

    assert arrived is not world
    assert arrived.package == world.package
    assert type(pickle.loads(model)) is arrived.load("helpers").Model is not world.load("helpers").Model
    assert (late, arrived.load("late").WORD) == ("WORD = 'first'\n", "first")
    assert pickle.loads(carried) is arrived


def test_a_late_module_is_loaded_as_it_was_when_somebody_asked_for_its_text(root: Path) -> None:
    world = world_of(root)
    world.text_of("late")

    (root / "experiments/a/late.py").write_text("WORD = 'edited'\n")

    assert world.load("late").WORD == "first"
