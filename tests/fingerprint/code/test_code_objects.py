"""Live objects as roots: closures, lambdas, partials, methods, wrappers, classes made in functions."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
import pytest

from crystallize.errors import NotReusableError

from ..projects import Project, codebase

SCALER = """
    def make(k):
        def inner(x): return x * k
        return inner
    step = make(1)
"""


def test_closure_counts_by_what_it_holds(project: Project) -> None:
    assert project.same(SCALER, SCALER)
    assert not project.same(SCALER, SCALER.replace("make(1)", "make(2)"))
    assert not project.same(SCALER, SCALER.replace("make(1)", "make(1.0)"))


def test_rest_of_the_enclosing_function_does_not_count(project: Project) -> None:
    assert project.same(SCALER, SCALER.replace("def make(k):", "def make(k):\n        unused = 1"))


def test_functions_and_classes_in_a_closure_are_followed(project: Project) -> None:
    text = """
        def scale(x): return x
        class Model:
            limit = 1
        def make(f, kind):
            def inner(x): return f(x), kind
            return inner
        step = make(scale, Model)
    """

    assert not project.same(text, text.replace("return x\n", "return -x\n"))
    assert not project.same(text, text.replace("limit = 1", "limit = 2"))


def test_modules_in_a_closure_are_followed_to_what_is_used(project: Project) -> None:
    files = {
        "steps": "def make():\n    import helpers\n    return lambda: helpers.scale()\nstep = make()",
        "helpers": "def scale(): return 1\ndef other(): return 1",
    }

    assert not project.same(files, {**files, "helpers": files["helpers"].replace("1", "2", 1)})
    assert project.same(files, {**files, "helpers": files["helpers"].replace("other(): return 1", "other(): return 2")})


def test_recursive_closures_end(project: Project) -> None:
    text = """
        def make(k):
            def even(n): return n == 0 or odd(n - k)
            def odd(n): return n != 0 and even(n - k)
            return even
        step = make(1)
    """

    assert not project.same(text, text.replace("n != 0", "n > 0"))


def test_closure_over_a_container_of_itself_ends(project: Project) -> None:
    text = """
        def make():
            known = []
            def inner(): return known
            known.append(inner)
            return inner
        step = make()
    """

    assert not project.same(text, text.replace("return known\n", "return list(known)\n"))


def test_closure_that_cannot_be_told_apart_is_not_reusable(project: Project) -> None:
    with pytest.raises(NotReusableError, match=r"steps\.make\.<locals>\.inner\.k: a lock"):
        project.code(
            "import threading\n"
            + "\n".join(line[4:] for line in SCALER.splitlines()).replace("make(1)", "make(threading.Lock())")
        )


def test_defaults_made_in_a_loop_count_by_value(project: Project) -> None:
    text = "steps = [lambda x, k=k: x * k for k in (1, 2)]\nfirst, second = steps"

    assert project.code(text, "steps:first").digest != project.code(text, "steps:second").digest


def test_functions_defined_in_a_loop_count_by_their_defaults(project: Project) -> None:
    text = """
        steps = []
        for k in (1, 2):
            def step(x, k=k): return x * k
            steps.append(step)
        first, second = steps
    """

    assert project.code(text, "steps:first").digest != project.code(text, "steps:second").digest


def test_lambdas_on_one_line_are_told_apart(project: Project) -> None:
    text = "a, b, c = lambda x: x + 1, lambda x: x + 2, (lambda x, y=1: x + 1)"

    assert len({project.code(text, f"steps:{name}").digest for name in "abc"}) == 3


def test_equal_lambdas_are_the_same_wherever_they_stand(project: Project) -> None:
    assert project.same("step = lambda x: x + 1", "unused = 1; step = (\n    lambda x: x + 1\n)")


def test_partial_counts_by_function_and_arguments(project: Project) -> None:
    text = "from functools import partial\ndef scale(x, k, *, m): return x * k\nstep = partial(scale, 1, m=2)"

    for change in ("return x * k", "scale, 1", "m=2"):
        assert not project.same(
            text, text.replace(change, change.replace("x", "y").replace("1", "9").replace("2", "8"))
        )


def test_partial_of_what_cannot_be_told_apart_is_not_reusable(tmp_path: Path) -> None:
    with pytest.raises(NotReusableError):
        codebase(tmp_path).of(functools.partial(print, iter([1])))


def test_bound_method_counts_by_class_and_fields(project: Project) -> None:
    text = """
        class Model:
            def __init__(self, k): self.k = k
            def fit(self, x): return self.go(x)
            def go(self, x): return x * self.k
        step = Model(1).fit
    """

    assert not project.same(text, text.replace("Model(1)", "Model(2)"))
    assert not project.same(text, text.replace("x * self.k", "x + self.k"))


def test_callable_instance_counts_by_class_and_fields(project: Project) -> None:
    text = """
        class Model:
            def __init__(self, k): self.k = k
            def __call__(self, x): return x * self.k
        step = Model(1)
    """

    assert not project.same(text, text.replace("Model(1)", "Model(2)"))
    assert not project.same(text, text.replace("x * self.k", "x + self.k"))


def test_builtins_count_by_name(tmp_path: Path) -> None:
    code = codebase(tmp_path)

    assert len({code.digest_of(definition) for definition in (len, max, math.sqrt, str.upper, str, dict)}) == 6
    assert code.of(len).preview == "builtins.len"


def test_functions_of_packages_count_by_name_and_package(tmp_path: Path) -> None:
    code = codebase(tmp_path).of(np.linalg.norm)

    assert code.packages == {"numpy"}


WRAPPED = """
    import functools
    def timed(f):
        @functools.wraps(f)
        def wrapper(*args):
            return f(*args)
        return wrapper
    @timed
    def step(x): return x + 1
"""


def test_wrapper_brings_what_it_wraps_and_its_own_code(project: Project) -> None:
    assert not project.same(WRAPPED, WRAPPED.replace("x + 1", "x + 2"))
    assert not project.same(WRAPPED, WRAPPED.replace("return f(*args)", "return f(*args[1:])"))


def test_wrapper_brings_the_statements_of_its_name(project: Project) -> None:
    more = WRAPPED + "    step.mode = 1\n"

    assert not project.same(more, more.replace("mode = 1", "mode = 2"))


def test_decorator_without_wraps_brings_what_it_closes_over(project: Project) -> None:
    text = WRAPPED.replace("@functools.wraps(f)", "")

    assert not project.same(text, text.replace("x + 1", "x + 2"))


def test_cached_function_counts_by_its_statements(project: Project) -> None:
    text = "import functools\n@functools.cache\ndef step(x): return x + 1"

    assert not project.same(text, text.replace("x + 1", "x + 2"))


def test_context_managers_of_the_project_are_followed(project: Project) -> None:
    text = """
        from contextlib import contextmanager
        @contextmanager
        def step():
            yield 1
    """

    assert not project.same(text, text.replace("yield 1", "yield 2"))


COMPILED = """
    class Compiled:
        __module__ = "functools"
        def __init__(self, f):
            self.py_func = f
            self.__name__, self.__qualname__ = f.__name__, f.__qualname__
            self.__module__ = f.__module__
        def __call__(self, x): return self.py_func(x)
    @Compiled
    def step(x): return x + FACTOR
    FACTOR = 1
"""


def test_compiled_function_counts_by_its_statements(project: Project) -> None:
    assert not project.same(COMPILED, COMPILED.replace("FACTOR = 1", "FACTOR = 2"))


def test_module_level_name_of_a_closure_that_cannot_be_told_apart_never_raises(project: Project) -> None:
    text = """
        import threading
        def make(lock):
            def inner(x): return x, lock
            return inner
        guard = make(threading.Lock())
        def step(x): return guard(x)
    """

    code = project.code(text)

    assert "steps.make.<locals>.inner.lock counts by initialiser" in code.notes
    assert not project.same(text, text.replace("return x, lock", "return lock, x"))


LOCAL_CLASS = """
    class Base:
        def go(self): return 1
    def make(k, parent):
        class Model(parent):
            limit = k + 1
            def run(self): return self.go() * k
        return Model
    step = make(1, Base)
"""


def test_class_made_in_a_function_counts_by_what_it_closes_over(project: Project) -> None:
    assert project.same(LOCAL_CLASS, LOCAL_CLASS)
    for old, new in (("make(1", "make(2"), ("return 1", "return 2"), ("k + 1", "k + 2"), ("* k", "+ k")):
        assert not project.same(LOCAL_CLASS, LOCAL_CLASS.replace(old, new))


def test_class_data_of_a_local_class_counts_by_value(project: Project) -> None:
    text = """
        def make(k):
            class Model:
                limit = k
            return Model
        step = make(1)
    """

    assert not project.same(text, text.replace("make(1)", "make(2)"))


def test_class_made_by_type_counts_by_its_members(project: Project) -> None:
    text = "step = type('Model', (), {'limit': 1, 'run': lambda self: 1})"

    assert not project.same(text, text.replace("'limit': 1", "'limit': 2"))
    assert not project.same(text, text.replace("self: 1", "self: 2"))


def test_dataclasses_enums_and_named_tuples_are_told_apart(project: Project) -> None:
    text = """
        import enum
        from collections import namedtuple
        from dataclasses import dataclass
        @dataclass(frozen=True, slots=True)
        class Point:
            x: int = 1
        class Mode(enum.Enum):
            FAST = 1
        Pair = namedtuple("Pair", "a b")
        def step(): return Point(), Mode.FAST, Pair(1, 2)
    """

    assert project.same(text, text)
    for old, new in (("x: int = 1", "x: int = 2"), ("FAST = 1", "FAST = 2"), ('"a b"', '"b a"')):
        assert not project.same(text, text.replace(old, new))


def test_instances_in_a_closure_bring_their_class(project: Project) -> None:
    text = """
        class Model:
            def run(self): return 1
        def make(model):
            return lambda: model.run()
        step = make(Model())
    """

    assert not project.same(text, text.replace("return 1", "return 2"))


def test_attrs_and_pydantic_classes_are_read(project: Project) -> None:
    text = """
        import attrs
        import pydantic
        @attrs.define
        class Point:
            x: int = 1
        class Model(pydantic.BaseModel):
            y: int = 1
        def step(): return Point(), Model()
    """

    assert project.same(text, text)
    assert not project.same(text, text.replace("x: int = 1", "x: int = 2"))
    assert not project.same(text, text.replace("y: int = 1", "y: int = 2"))


def test_functions_put_into_a_local_class_are_followed(project: Project) -> None:
    text = """
        def relu(x): return x
        def make(f, k):
            class Model:
                act = f
                go = staticmethod(f)
                def run(self, n=k): return n
            return Model
        step = make(relu, 1)
    """

    assert not project.same(text, text.replace("def relu(x): return x", "def relu(x): return -x"))
    assert not project.same(text, text.replace("make(relu, 1)", "make(relu, 2)"))


def test_local_class_that_holds_what_cannot_be_told_apart_is_not_reusable(project: Project) -> None:
    text = """
        import threading
        def make(lock):
            class Model:
                guard = lock
            return Model
        step = make(threading.Lock())
    """

    with pytest.raises(NotReusableError, match=r"steps\.make\.<locals>\.Model\.guard"):
        project.code(text)


def test_local_dataclasses_are_told_apart_by_their_defaults(project: Project) -> None:
    text = """
        from dataclasses import dataclass
        def make(k):
            @dataclass(slots=True)
            class Point:
                x: int = k
            return Point
        step = make(1)
    """

    assert not project.same(text, text.replace("make(1)", "make(2)"))


def test_closures_put_into_a_class_made_by_type_count_by_what_they_hold(project: Project) -> None:
    text = """
        def make(k):
            return lambda self: k
        step = type("Model", (), {"run": make(1)})
    """

    assert not project.same(text, text.replace("make(1)", "make(2)"))
