from __future__ import annotations

import ast
from textwrap import dedent

import pytest

from crystallize.fingerprint.code.keeping import keeps_state

KEEPING = {
    "cache": "import functools\n@functools.cache\ndef f():\n    return open('a')",
    "lru_cache": "from functools import lru_cache\n@lru_cache(maxsize=None)\ndef f(): ...",
    "global": "N = 0\ndef f():\n    global N\n    N += 1",
    "module dict": "KNOWN = {}\ndef f(x):\n    KNOWN[x] = 1",
    "method of a module list": "KNOWN = []\ndef f(x):\n    KNOWN.append(x)",
    "of another module": "import helpers\ndef f(x):\n    helpers.KNOWN = x",
    "class attribute": "class A:\n    n = 0\n    def f(self):\n        A.n += 1",
    "cls": "class A:\n    @classmethod\n    def f(cls):\n        cls.n = 1",
    "type of self": "class A:\n    def f(self):\n        type(self).n = 1",
    "__class__": "class A:\n    def f(self):\n        self.__class__.n = 1",
    "function attribute": "def f():\n    f.known = 1",
    "mutable default": "def f(x, known={}):\n    known[x] = 1",
    "closure": "def make():\n    n = 0\n    def f():\n        nonlocal n\n        n += 1\n    return f",
    "setattr": "import helpers\ndef f():\n    setattr(helpers, 'x', 1)",
}

FREE = {
    "nothing": "def f(x):\n    return x + 1",
    "a parameter": "def f(data):\n    data['x'] = 1\n    data.update(y=2)",
    "a local": "def f():\n    found = []\n    found.append(1)\n    found[0] = 2\n    return found",
    "self": "class A:\n    def __init__(self):\n        self.x = 1\n    def fit(self, y):\n        self.y = y",
    "a function of a package": "import numpy as np\ndef f(x):\n    return np.append(x, 1)",
    "the module's own statements": "KNOWN = {}\nKNOWN['a'] = 1\nfor n in range(3):\n    KNOWN[n] = n",
}


@pytest.mark.parametrize("text", KEEPING.values(), ids=KEEPING)
def test_what_outlives_a_call_keeps_state(text: str) -> None:
    assert keeps_state(ast.parse(dedent(text)))


@pytest.mark.parametrize("text", FREE.values(), ids=FREE)
def test_what_ends_with_the_call_keeps_none(text: str) -> None:
    assert not keeps_state(ast.parse(dedent(text)))
