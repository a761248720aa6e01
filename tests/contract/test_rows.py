"""Every row of the contract is borne by a test, and no test bears a row that is not there.

The rows of sections 1 to 5 are the lines of docs/reference/compatibility.md. Section 6 numbers its rows itself; those
of 7.1 to 7.3 are counted from the top of their tables.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
COMPATIBILITY = TESTS.parent / "docs" / "reference" / "compatibility.md"

LINES = {"1.0": 7, "1.1": 2, "1.2": 14, "1.3": 25, "1.4": 27, "1.5": 4, "1.6": 9, "1.7": 22, "1.8": 2, "1.9": 15} | {
    "1.10": 9, "1.11": 8, "1.12": 13, "1.13": 1, "1.14": 7, "2.1": 8, "2.2": 4, "2.3": 1, "2.4": 2, "2.5": 4, "3.1": 11
} | {"3.2": 5, "3.3": 6, "4.1": 3, "4.2": 3, "4.3": 7, "4.4": 9, "4.5": 4, "5": 39}  # fmt: skip
"""Section → how many lines it has on the page of compatibility."""

ROWS = {
    "6.1": "a changed step or parameter runs again",
    "6.2": "a changed treatment runs again",
    "6.3": "consumers follow what they read",
    "6.4": "a marker means complete",
    "6.5": "what is skipped can be trusted after an interruption",
    "6.6": "the replicates that are asked for are there",
    "6.7": "a long run goes on where it stopped",
    "6.8": "consumers run when they have to",
    "6.9": "one replicate above serves many below",
    "6.10": "a missing artifact is noticed",
    "6.11": "treatments flow by name",
    "6.12": "inherited treatments survive a resume",
    "6.13": "a graph is drawn",
    "6.14": "paths of artifacts wire a graph",
    "6.15": "counts of replicates are checked",
    "6.16": "a missing artifact is told with its path",
    "6.17": "dependencies are shown",
    "6.18": "a graph looks like one",
    "6.19": "references are found in any hierarchy",
    "6.20": "the tutorial runs as printed",
    "6.21": "a new consumer has the alias of the tutorial",
    "6.22": "a treatment switched off above is off below",
    "6.23": "artifacts lie under v0",
    "6.24": "a folder is loaded whole",
    "6.25": "seeds are reproducible",
    "6.26": "reuse goes by contents",
    "7.1.1": "cacheable steps and values of the context",
    "7.1.2": "cacheable steps and what else they did",
    "7.1.3": "cacheable steps whose data is a mapping",
    "7.1.4": "damaged memos of steps",
    "7.1.5": "markers over errors",
    "7.1.6": "left-overs of a larger run",
    "7.1.7": "a partial resume into a new version",
    "7.1.8": "a partial resume with many workers",
    "7.1.9": "apply",
    "7.1.10": "debug",
    "7.1.11": "seeds of objects, generators of threads",
    "7.1.12": "an inherited baseline",
    "7.1.13": "two writers of one artifact",
    "7.1.14": "two experiments of one name",
    "7.1.15": "artifact objects that remember",
    "7.2.1": "a step that fails in a process",
    "7.2.2": "an artifact injected in a process",
    "7.2.3": "what processes wrote",
    "7.2.4": "what cannot be pickled for a process",
    "7.2.5": "hypotheses that fail",
    "7.2.6": "metrics that JSON cannot hold",
    "7.2.7": "a key that is added in setup",
    "7.2.8": "data that cannot be pickled",
    "7.2.9": "copies, locks and handles in the context",
    "7.2.10": "steps without a source file",
    "7.2.11": "starting without optional modules",
    "7.2.12": "optimize",
    "7.2.13": "trees of results",
    "7.2.14": "exports of results",
    "7.3.1": "containment in a context",
    "7.3.2": "a metric that is only looked at",
    "7.3.3": "values that change behind the context",
    "7.3.4": "a step that gives two mappings",
    "7.3.5": "a decorator without parentheses",
    "7.3.6": "defaults that can be called",
    "7.3.7": "resources of closures",
    "7.3.8": "plugins that are shared",
    "7.3.9": "results of an earlier run",
    "7.3.10": "class names of steps",
    "7.3.11": "names that are paths",
    "7.3.12": "modules that are loaded over and over",
    "7.3.13": "sections with nothing in them",
    "7.3.14": "hypotheses without their file",
    "7.3.15": "the order of keys",
    "7.3.16": "the state of a failed run",
    "7.3.17": "edits of a configuration",
    "7.3.18": "settings that hold",
}
"""Row → what it is about."""


def test_every_row_is_borne_by_a_test() -> None:
    borne = {row for _, row in marks() if row[0] in "67"}

    assert borne == ROWS.keys()


def test_the_page_of_compatibility_has_every_line_with_a_verdict() -> None:
    verdicts = dict(lines())
    expected = [f"{section}.{number}" for section, count in LINES.items() for number in range(1, count + 1)]

    assert list(verdicts) == expected
    assert set(verdicts.values()) == {"same", "better", "different"}


def test_every_line_of_compatibility_is_borne_by_a_test() -> None:
    borne = {row for _, row in marks() if row[0] in "12345"}

    assert borne == {line for line, _ in lines()}


def test_what_is_not_the_same_says_how_or_why() -> None:
    page = COMPATIBILITY.read_text(encoding="utf-8")
    silent = re.findall(r"^\| ([\d.]+) \| [^|]+ \| (?:better|different) \| *\|$", page, re.MULTILINE)

    assert silent == []


def test_a_test_that_bears_a_row_is_one_that_pytest_runs() -> None:
    bearers = {name for name, _ in marks()}

    assert [name for name in bearers if not name.startswith("test_")] == []


def lines() -> list[tuple[str, str]]:
    """Number and verdict of each line on the page of compatibility, in its order."""
    page = COMPATIBILITY.read_text(encoding="utf-8")
    return re.findall(r"^\| ([1-5](?:\.\d+)+) \| .+? \| (\w+) \| [^|]*\|$", page, re.MULTILINE)


def marks() -> Iterator[tuple[str, str]]:
    """Function and row of each ``@pytest.mark.contract("row", ...)`` in the tests."""
    for path in sorted(TESTS.rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.contract" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield from ((node.name, row) for mark in node.decorator_list for row in _rows(mark))


def _rows(decorator: ast.expr) -> list[str]:
    is_mark = isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.contract"
    return [ast.literal_eval(row) for row in decorator.args] if is_mark and isinstance(decorator, ast.Call) else []
