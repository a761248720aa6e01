"""Holds the imports of the package to its floors: downwards only, no circles, no file too long to read.

All imports count, those of functions and of type checking too. Nothing is executed: the source is read with `ast`.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).parents[1] / "src"
PACKAGE = "crystallize"
MOST_LINES = 400

FLOORS = (
    ("errors",),
    ("fingerprint", "settings", "words", "yaml_lines"),
    ("store",),
    ("plan",),
    ("engine", "history"),
    ("session",),
    ("experiment", "valohai"),
    ("tui", "server"),
    ("cli", "compat", "homes", "__init__", "__main__"),
)
"""Rooms from the lowest floor up; a room imports itself and lower floors, not its neighbours. Those of the top
floor are the doors of one house and may use each other."""

FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
TOP = len(FLOORS) - 1


class Import(NamedTuple):
    """One imported module of ours, and where it is imported."""

    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def modules(source: Path, package: str = PACKAGE) -> dict[str, Path]:
    """Dotted module name → file; a package is called as its folder."""
    found = {}
    for path in sorted((source / package).rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(known: dict[str, Path]) -> list[Import]:
    """Every import of a known module by a known module."""
    return [found for name, path in known.items() for found in _imports_of(name, path, known)]


def _imports_of(name: str, path: Path, known: dict[str, Path]) -> Iterator[Import]:
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            targets = [_module_or_name(origin, alias.name, known) for alias in node.names]
        else:
            continue
        yield from (Import(name, target, node.lineno) for target in dict.fromkeys(targets) if target in known)


def _module_or_name(origin: str, name: str, known: dict[str, Path]) -> str:
    return f"{origin}.{name}" if f"{origin}.{name}" in known else origin


def room_of(module: str) -> str:
    """The room that a module lies in: the part below the package, which itself is ``__init__``."""
    return [*module.split("."), "__init__"][1]


def climbs(found: Import) -> bool:
    """Whether an import goes up, or sideways to a neighbour."""
    importer, imported = room_of(found.importer), room_of(found.imported)
    if importer == imported or FLOOR_OF[importer] == FLOOR_OF[imported] == TOP:
        return False
    return FLOOR_OF[imported] >= FLOOR_OF[importer]


def circle(found: list[Import]) -> list[str]:
    """The modules of one import circle, in order; empty when there is none."""
    below: dict[str, set[str]] = {}
    for each in found:
        below.setdefault(each.importer, set()).add(each.imported)
    try:
        TopologicalSorter(below).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def known() -> dict[str, Path]:
    return modules(SOURCE)


def test_every_room_has_a_floor(known: dict[str, Path]) -> None:
    rooms = {room_of(module) for module in known}

    assert set() == rooms - set(FLOOR_OF)


def test_imports_go_down_only(known: dict[str, Path]) -> None:
    climbing = [str(found) for found in imports(known) if climbs(found)]

    assert climbing == []


def test_no_modules_import_each_other_in_a_circle(known: dict[str, Path]) -> None:
    found = imports(known)

    assert len(found) > len(known) / 2, "the reader of imports finds next to nothing"
    assert circle(found) == []


def test_no_source_file_is_too_long_to_read(known: dict[str, Path]) -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in known.items()}

    assert {name: length for name, length in lengths.items() if length > MOST_LINES} == {}


def write_package(folder: Path, **files: str) -> dict[str, Path]:
    for name, text in files.items():
        path = folder / PACKAGE / (name.replace("__in__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return modules(folder)


@pytest.mark.parametrize(
    "statement",
    [
        "import crystallize.session",
        "from crystallize import session",
        "from crystallize.session import Session",
        "from ..session import Session",
        "def later():\n    from crystallize.session import Session",
        "if TYPE_CHECKING:\n    from crystallize.session import Session",
    ],
)
def test_an_import_upwards_is_seen_however_it_is_written(tmp_path: Path, statement: str) -> None:
    known = write_package(tmp_path, session="", store__in__blobs=statement)

    [found] = imports(known)

    assert found.imported == "crystallize.session"
    assert climbs(found)


def test_an_import_of_a_neighbour_on_the_same_floor_is_seen(tmp_path: Path) -> None:
    known = write_package(tmp_path, history__in__rows="", engine__in__run="import crystallize.history.rows")

    assert [climbs(found) for found in imports(known)] == [True]


def test_a_circle_through_type_checking_is_seen(tmp_path: Path) -> None:
    known = write_package(
        tmp_path,
        plan__in__job="from crystallize.plan.plan import Plan",
        plan__in__plan="if TYPE_CHECKING:\n    from crystallize.plan.job import Job",
    )

    assert {"crystallize.plan.job", "crystallize.plan.plan"} == set(circle(imports(known)))
