"""Classes, functions and values that the tests of `values` share; importable, so another process can build them."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import functools
import operator
import pathlib
import re
import types
import uuid
import zoneinfo
from dataclasses import dataclass
from typing import Any

from crystallize.fingerprint.digest import Digest, digest_of


def code_of(definition: Any) -> Digest:
    """A stand-in for `Codebase.digest_of`: code by qualified name."""
    return digest_of("code/1", definition.__qualname__.encode())


class Color(enum.Enum):
    RED = 1
    GREEN = 2


class Level(enum.IntEnum):
    LOW = 1


class Right(enum.Flag):
    READ = 1
    WRITE = 2


@dataclass
class Model:
    rate: float
    layers: list[int]


@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int


class Plain:
    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)

    def method(self) -> None: ...


class Other(Plain): ...


class Slotted:
    __slots__ = ("__hidden", "a", "unset")

    def __init__(self, a: object, hidden: object) -> None:
        self.a, self.__hidden = a, hidden


class Numbers(list[int]):
    """Lies about its contents, as subclasses may."""

    def __iter__(self) -> Any:
        return iter(())

    def __len__(self) -> int:
        return 0


class Count(int): ...


class Name(str):
    __slots__ = ()


class Failed(Exception): ...


Pair = collections.namedtuple("Pair", "left right")


def function(x: object) -> object:
    return x


def other_function(x: object) -> object:
    return x


UTC = datetime.UTC

DIFFERENT: list[Any] = [
    None, True, False, 0, 1, -1, 255, 256, -256, 2**70, 10**5000, 0.0, -0.0, 1.0, float("nan"),
    float("inf"), 1e-300, 0j, 1j, complex(0.0, -0.0), "", "1", "True", "None", "a" * 5000, "\ud800", b"",
    b"1", bytearray(b"1"), memoryview(b"1"), ..., NotImplemented, (), (1,), (1, 2), ((1,), 2), [], [1],
    [1, 2], [[1], 2], [[1, 2]], [[], []], [[[]]], {}, {1: 2}, {"1": 2}, {1: "2"}, {True: 2}, {1: 2, 3: 4},
    {1: 4, 3: 2}, {(1, 2): 3}, set(), {1}, {1, 2}, frozenset(), frozenset({1}), frozenset({frozenset({1})}),
    range(3), range(0, 4, 2), slice(3), slice(0, 3), types.MappingProxyType({1: 2}),
    types.SimpleNamespace(a=1), collections.OrderedDict(a=1, b=2), collections.OrderedDict(b=2, a=1),
    collections.defaultdict(list, a=1), collections.defaultdict(set, a=1), collections.Counter("ab"),
    collections.deque([1]), collections.deque([1], 3), Pair(1, 2), Numbers([1]), Numbers([1, 2]), Count(1),
    Name("1"), decimal.Decimal("1.0"), decimal.Decimal("1.00"), fractions.Fraction(1, 2), uuid.UUID(int=1),
    datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, fold=1),
    datetime.datetime(2020, 1, 1, tzinfo=UTC),
    datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")), datetime.time(1),
    datetime.timedelta(1), UTC, datetime.timezone(datetime.timedelta(hours=1)),
    zoneinfo.ZoneInfo("Europe/Berlin"), pathlib.Path("a/b"), pathlib.PurePosixPath("a/b"),
    pathlib.PureWindowsPath("a/b"), "a/b", Color.RED, Color.GREEN, Level.LOW, Right.READ,
    Right.READ | Right.WRITE, Model(0.1, [1]), Model(0.1, [2]), Point(1, 2), Point(2, 1), Plain(),
    Plain(a=1), Plain(b=1), Plain(a="1"), Other(a=1), Slotted(1, 2), Slotted(2, 1), Plain(a=1).method,
    Plain(a=2).method, ValueError("a"), ValueError("b"), TypeError("a"), OSError(2, "x"),
    OSError(2, "x", "file"), Failed("a"), function, other_function, len, str.upper, str.lower, [].append,
    [1].append, int, Plain, dict, "a".join, functools.partial(function), functools.partial(function, 1),
    functools.partial(function, x=1), functools.partial(other_function), functools.lru_cache(function),
    operator.itemgetter(1), operator.itemgetter(2), operator.attrgetter("a"), operator.methodcaller("a", 1),
    operator.methodcaller("b", 1), operator.methodcaller("a", x=1), operator.methodcaller("b", x=1),
    re.compile("a"), re.compile("a", re.I), re.compile(b"a"), types, functools, list[int], list[str],
    int | None, int | str, Any, type(None),
]  # fmt: skip
"""Values of which no two are the same."""
