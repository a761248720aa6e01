"""Which names lead somewhere, and which statements they lead to."""

from __future__ import annotations

import pytest

from ..projects import Project

READS_LIMIT = {
    "in the body": "def step(): return LIMIT",
    "in a nested function": "def step():\n    def inner(): return LIMIT\n    return inner()",
    "in a lambda": "def step(): return (lambda: LIMIT)()",
    "in a comprehension": "def step(): return [LIMIT for _ in range(3)]",
    "in the first iterable of a comprehension": "def step(): return [x for x in range(LIMIT)]",
    "in a condition of a comprehension": "def step(): return [x for x in [] if x < LIMIT]",
    "in a default": "def step(n=LIMIT): return n",
    "in a keyword default": "def step(*, n=LIMIT): return n",
    "in a lambda's default": "def step(): return (lambda n=LIMIT: n)()",
    "in an f-string": "def step(): return f'{LIMIT:>{LIMIT}}'",
    "through global": "def step():\n    global LIMIT\n    LIMIT += 1",
    "in a class body": "class step:\n    n = LIMIT",
    "in a method": "class step:\n    def run(self): return LIMIT",
    "in a method below a class variable of the name": "class step:\n    LIMIT = 3\n    def run(self): return LIMIT",
    "in a class body before it is bound there": "class step:\n    LIMIT = LIMIT + 1",
    "in a base class": "class step(Base[LIMIT]): pass",
    "in a class keyword": "class step(Base, limit=LIMIT): pass",
    "in a property": "class step:\n    @property\n    def n(self): return LIMIT",
    "in a nested class": "class step:\n    class Inner:\n        n = LIMIT",
    "in the annotation of a field": "class step:\n    n: Kind[LIMIT]",
    "in the quoted annotation of a field": "class step:\n    n: 'Kind[LIMIT]'",
    "in a match": "def step(x):\n    match x:\n        case 1 if LIMIT: return x",
    "in a walrus": "def step():\n    if (n := LIMIT): return n",
    "in a with": "def step():\n    with open(LIMIT) as f: return f",
    "as an index": "def step(x): return x[LIMIT]",
    "as the start of a chain": "def step(): return LIMIT.real.real",
    "in an argument of a keyword": "def step(): return dict(n=LIMIT)",
    "starred": "def step(): return [*[LIMIT]]",
    "in a decorator of a nested function": "def step():\n    @Kind[LIMIT]\n    def inner(): return 1",
    "in an exception": "def step():\n    try: pass\n    except Kind[LIMIT]: pass",
    "as a name that is deleted": "def step():\n    global LIMIT\n    del LIMIT\n    return LIMIT",
    "in an await": "async def step(): return await Kind(LIMIT)",
    "in a comparison": "def step(x): return 1 < x < LIMIT",
    "in a called result": "def step(): return Kind()(LIMIT)",
}

HIDES_LIMIT = {
    "a parameter": "def step(LIMIT): return LIMIT",
    "a star parameter": "def step(*LIMIT): return LIMIT",
    "a keyword-only parameter": "def step(*, LIMIT): return LIMIT",
    "a local variable": "def step():\n    LIMIT = 2\n    return LIMIT",
    "a variable bound further down": "def step():\n    print(LIMIT)\n    LIMIT = 2",
    "a loop": "def step():\n    for LIMIT in []: print(LIMIT)",
    "a with": "def step():\n    with open('x') as LIMIT: return LIMIT",
    "an exception's name": "def step():\n    try: pass\n    except OSError as LIMIT: return LIMIT",
    "a comprehension's variable": "def step(): return [LIMIT for LIMIT in range(3)]",
    "a walrus": "def step(): return (LIMIT := 2) + LIMIT",
    "a walrus inside a comprehension": "def step():\n    [LIMIT := x for x in []]\n    return LIMIT",
    "a nested definition": "def step():\n    def LIMIT(): return 1\n    return LIMIT",
    "a nested class": "def step():\n    class LIMIT: pass\n    return LIMIT",
    "an import": "def step():\n    import json as LIMIT\n    return LIMIT",
    "a variable of the enclosing function": "def step():\n    LIMIT = 1\n    return lambda: LIMIT",
    "nonlocal": "def step():\n    LIMIT = 1\n    def inner():\n        nonlocal LIMIT\n        LIMIT = 2",
    "a match capture": "def step(x):\n    match x:\n        case [LIMIT, *_]: return LIMIT",
    "a match as": "def step(x):\n    match x:\n        case int() as LIMIT: return LIMIT",
    "a match rest": "def step(x):\n    match x:\n        case {**LIMIT}: return LIMIT",
    "a class variable": "class step:\n    LIMIT = 3\n    n = LIMIT",
    "an annotation of a parameter": "def step(n: LIMIT): return n",
    "an annotation of the result": "def step() -> LIMIT: return 1",
    "an annotation of a local variable": "def step():\n    n: LIMIT = 1\n    return n",
    "an attribute": "def step(x): return x.LIMIT",
    "a keyword": "def step(): return dict(LIMIT=1)",
    "a text": "def step(): return 'LIMIT'",
    "a lambda's parameter": "def step(): return lambda LIMIT: LIMIT",
}
PRELUDE = "class Kind:\n    def __class_getitem__(cls, x): return cls\nclass Base(Kind):\n"
PRELUDE += "    def __init_subclass__(cls, limit=0): pass\n"


@pytest.mark.parametrize("text", READS_LIMIT.values(), ids=READS_LIMIT.keys())
def test_name_is_followed(project: Project, text: str) -> None:
    one = f"from __future__ import annotations\n{PRELUDE}LIMIT = 1\n{text}"

    assert not project.same(one, one.replace("LIMIT = 1\n", "LIMIT = 10\n", 1))


@pytest.mark.parametrize("text", HIDES_LIMIT.values(), ids=HIDES_LIMIT.keys())
def test_name_is_not_the_modules(project: Project, text: str) -> None:
    one = f"from __future__ import annotations\nLIMIT = 1\n{text}"

    assert project.same(one, one.replace("LIMIT = 1\n", "LIMIT = 10\n", 1))


BINDS_SCALE = {
    "a second definition": "def scale(): return {}\nscale.old = 1",
    "a condition": "import sys\nif sys.version:\n    def scale(): return {}\nelse:\n    def scale(): return 0",
    "the test of a condition": "if {}:\n    def scale(): return 1\nelse:\n    def scale(): return 0",
    "the other branch": "if False:\n    def scale(): return {}\nelse:\n    def scale(): return 0",
    "a loop": "for n in [{}]:\n    def scale(n=n): return n",
    "a loop's own variable": "for scale in [print, {}]: pass",
    "a with": "import contextlib\nwith contextlib.nullcontext({}) as scale: pass",
    "the body of a with": "import contextlib\nwith contextlib.nullcontext():\n    scale = {}",
    "a try": "try:\n    scale = {}\nexcept OSError:\n    scale = 0",
    "an except": "try:\n    import nosuchmodule as scale\nexcept ImportError:\n    scale = {}",
    "a finally": "try: pass\nfinally: scale = {}",
    "a match": "match {}:\n    case scale: pass",
    "an annotated assignment": "scale: object = {}",
    "an augmented assignment": "scale = 1\nscale += {}",
    "unpacking": "scale, other = {}, 2",
    "starred unpacking": "first, *scale = 1, {}",
    "a chained assignment": "other = scale = {}",
    "a walrus": "print(scale := {})",
    "a walrus in a condition": "if (scale := {}): pass",
    "a function that declares it global": "def make():\n    global scale\n    scale = {}\nmake()",
    "a changed item": "scale = {}\nscale = dict()\nscale['x'] = {}",
    "a changed attribute": "def scale(): return 1\nscale.mode = {}",
    "a method called for effect": "scale = []\nscale.append({})",
    "a method of an item": "scale = {{'x': []}}\nscale['x'].append({})",
    "a deleted item": "scale = {{1: 2, 2: 3, 3: 4}}\ndel scale[{}]",
    "a registering decorator": "class R(list):\n    def add(self, f): self.append(f)\n"
    "scale = R()\n@scale.add\ndef one(): return {}",
    "a class": "class scale:\n    def run(self): return {}",
    "an alias": "def original(): return {}\nscale = original",
}


@pytest.mark.parametrize("text", BINDS_SCALE.values(), ids=BINDS_SCALE.keys())
def test_every_statement_that_binds_or_changes_a_name_counts(project: Project, text: str) -> None:
    step = "\ndef step(): return scale"
    one, other = text.format(*["1"] * 3) + step, text.format(*["3"] * 3) + step

    assert project.same(one, one)
    assert not project.same(one, other)


def test_other_statements_of_the_same_block_do_not_count(project: Project) -> None:
    text = """
        try:
            scale = 1
            unused = 1
        except OSError:
            pass
        def step(): return scale
    """

    assert project.same(text, text.replace("unused = 1", "unused = 2"))


def test_constants_are_followed_transitively(project: Project) -> None:
    text = """
        BASE = 1
        FACTOR = [BASE]
        def scale(): return FACTOR
        def step(): return scale()
    """

    assert project.code(text).preview == "step → scale → FACTOR → BASE"


def test_registered_implementations_of_a_single_dispatch_count(project: Project) -> None:
    text = """
        from functools import singledispatch
        @singledispatch
        def area(x): return 0
        @area.register
        def _(x: int): return 1
        def step(x): return area(x)
    """

    assert not project.same(text, text.replace("return 1", "return 2"))


def test_functions_that_a_decorator_registers_elsewhere_count(project: Project) -> None:
    files = {
        "registry": "KNOWN = {}\ndef register(f):\n    KNOWN[f.__name__] = f\n    return f",
        "models": "from registry import register\n@register\ndef ridge(): return 1",
        "steps": "import models\nfrom registry import KNOWN\ndef step(name): return KNOWN[name]()",
    }

    assert not project.same(files, {**files, "models": files["models"].replace("1", "2")})


def test_decorators_of_a_package_do_not_tie_functions_together(project: Project) -> None:
    text = """
        import functools
        @functools.lru_cache
        def other(): return 1
        def step(data): return functools.reduce(max, data)
    """

    assert project.same(text, text.replace("return 1", "return 2"))


def test_base_classes_and_their_methods_count(project: Project) -> None:
    files = {
        "steps": "from base import Base\nclass step(Base):\n    def run(self): return self.go()",
        "base": "class Root:\n    def go(self): return 1\nclass Base(Root): pass",
    }

    assert not project.same(files, {**files, "base": files["base"].replace("1", "2")})


def test_metaclass_counts(project: Project) -> None:
    text = "class Meta(type):\n    flag = 1\nclass step(metaclass=Meta): pass"

    assert not project.same(text, text.replace("1", "2"))


def test_method_as_a_root_brings_its_class(project: Project) -> None:
    text = "class Model:\n    def fit(self): return self.go()\n    def go(self): return 1"

    assert not project.same(text, text.replace("1", "2"), "steps:Model.fit")
