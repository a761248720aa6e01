"""Laws over generated code: layout, comments, names of modules and places of files never count."""

from __future__ import annotations

import ast
import itertools
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from ..projects import Project

EXPRESSIONS = st.recursive(
    st.sampled_from(["x", "LIMIT", "1", "2.5", "'text'", "None", "scale(x)", "helpers.shift(x)", "len(x)"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "or", "==", "if x else"]), inner).map(" ".join).map("({})".format),
        st.lists(inner, max_size=3).map(", ".join).map("[{}]".format),
        inner.map("(lambda y: {})".format),
        inner.map("[{} for y in x]".format),
        inner.map("f'{{{}}}'".format).filter(lambda text: "'" not in text[2:-1] and "{{" not in text),
    ),
    max_leaves=6,
)
STATEMENTS = st.one_of(
    EXPRESSIONS.map("return {}".format),
    EXPRESSIONS.map("x = {}".format),
    EXPRESSIONS.map("if {}:\n        x = 1".format),
    EXPRESSIONS.map("for y in {}:\n        print(y)".format),
)
BODIES = st.lists(STATEMENTS, min_size=1, max_size=4)
COMMENTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Zl", "Zp"]), max_size=12)
NAMES = st.sampled_from(["tools", "my_helpers", "a", "data", "LIMIT", "scale"])

HELPERS = "LIMIT = 3\ndef scale(x):\n    return x * LIMIT\ndef shift(x):\n    return scale(x) + 1\n"


def _steps(body: list[str]) -> str:
    lines = "\n    ".join(body)
    return f"from helpers import scale\nimport helpers\nLIMIT = 2\ndef step(x):\n    {lines}\n"


def _same(one: dict[str, str], other: dict[str, str], target: str = "steps:step") -> bool:
    with tempfile.TemporaryDirectory() as folder:
        project = Project(Path(folder))
        return project.code(one).digest == project.code(other, target).digest


@settings(max_examples=40, deadline=None)
@given(BODIES)
def test_reformatting_never_counts(body: list[str]) -> None:
    text = _steps(body)
    reformatted = ast.unparse(ast.parse(text)).replace("\n", "\n\n")

    assert _same({"steps": text, "helpers": HELPERS}, {"steps": reformatted, "helpers": HELPERS})


@settings(max_examples=40, deadline=None)
@given(BODIES, st.lists(COMMENTS, min_size=1, max_size=4))
def test_inserted_comments_never_count(body: list[str], comments: list[str]) -> None:
    text = _steps(body)
    spread = "".join(
        f"{line}  # {comment}\n\n" for line, comment in zip(text.splitlines(), itertools.cycle(comments), strict=False)
    )

    assert _same({"steps": text, "helpers": HELPERS}, {"steps": spread, "helpers": HELPERS})


@settings(max_examples=30, deadline=None)
@given(BODIES, NAMES)
def test_renaming_a_module_never_counts(body: list[str], name: str) -> None:
    text = _steps(body)
    renamed = text.replace("from helpers", f"from {name}_module").replace(
        "import helpers", f"import {name}_module as helpers"
    )

    assert _same({"steps": text, "helpers": HELPERS}, {"steps": renamed, f"{name}_module": HELPERS})


@settings(max_examples=30, deadline=None)
@given(BODIES, st.lists(st.sampled_from(["pkg", "inner", "v2"]), min_size=1, max_size=3, unique=True))
def test_moving_into_a_package_never_counts(body: list[str], folders: list[str]) -> None:
    text = _steps(body)
    below, package = "/".join(folders), ".".join(folders)
    moved = text.replace("from helpers", "from .helpers").replace("import helpers", "from . import helpers")

    assert _same(
        {"steps": text, "helpers": HELPERS},
        {f"{below}/__init__": "", f"{below}/steps": moved, f"{below}/helpers": HELPERS},
        f"{package}.steps:step",
    )


@settings(max_examples=40, deadline=None)
@given(BODIES, BODIES)
def test_different_bodies_differ(one: list[str], other: list[str]) -> None:
    texts = [{"steps": _steps(body), "helpers": HELPERS} for body in (one, other)]
    trees = [ast.dump(ast.parse(text["steps"])) for text in texts]

    assert _same(*texts) == (trees[0] == trees[1])
