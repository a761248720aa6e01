"""The reference of the public names: complete, current, and every example in it does what it says."""

import doctest
import importlib.util
import logging
import random
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import crystallize
from crystallize.homes import HOMES, load

REPOSITORY = Path(__file__).parents[1]


def make_reference() -> ModuleType:
    """docs/make_reference.py, which is no module of a package."""
    path = REPOSITORY / "docs" / "make_reference.py"
    spec = importlib.util.spec_from_file_location("make_reference", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


MAKING = make_reference()
DOCSTRINGS: dict[str, str] = MAKING.docstrings()
ERRORS = MAKING.PAGES["errors"].split()


def test_every_public_name_is_on_one_page() -> None:
    named = [name for names in MAKING.PAGES.values() for name in names.split()]

    assert sorted(named) == sorted(HOMES)
    assert set(crystallize.__all__) <= set(named)


def test_the_pages_are_those_that_the_docstrings_give(caplog: pytest.LogCaptureFixture) -> None:
    pages = MAKING.reference()
    written = {path.name: path.read_text(encoding="utf-8") for path in MAKING.TARGET.glob("*.md")}

    assert sorted(written) == sorted(pages)
    assert [name for name in pages if written[name] != pages[name]] == [], "run: make reference"
    assert [record.getMessage() for record in caplog.records] == [], "a docstring cannot be read as it is meant"


@pytest.mark.parametrize("name", sorted(HOMES))
def test_every_public_name_has_its_page_with_a_heading_a_sentence_and_an_example(name: str) -> None:
    page = (MAKING.TARGET / f"{MAKING.PAGE_OF[name]}.md").read_text(encoding="utf-8")
    entry = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]

    assert MAKING.summary(name).endswith((".", "…"))
    assert f"import {name}" in entry
    assert name in ERRORS or "```pycon" in entry


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_is_in_the_table_and_in_an_example_of_the_page_of_errors(name: str) -> None:
    page = (REPOSITORY / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")
    code = [part for i, part in enumerate(page.split("```")) if i % 2 and part.startswith("python")]

    assert f"| [`{name}`]" in page
    assert any(re.search(rf"(except \(?|raise ){name}\b", part) for part in code)


@pytest.mark.parametrize("place", sorted(place for place, text in DOCSTRINGS.items() if ">>>" in text))
def test_every_example_does_what_it_says(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delattr("crystallize.experiment.objects.resource._MADE.made", raising=False)
    names: dict[str, Any] = {name: load(name) for name in HOMES} | {"__name__": "__main__"}
    load("clear_registry")()  # type: ignore[operator]
    state, level = random.getstate(), logging.getLogger("crystallize").level
    test = doctest.DocTestParser().get_doctest(DOCSTRINGS[place], names, place, None, 0)
    said: list[str] = []
    try:
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
    finally:
        random.setstate(state)
        logging.getLogger("crystallize").setLevel(level)
        load("clear_registry")()  # type: ignore[operator]

    assert "".join(said) == ""
