"""What the walk over code is made of: places that names lead to, and the node that stands for each.

Plain data. A place says *what* is reached; its node says what is written of it in the digest and where it leads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from crystallize.errors import NotReusableError
from crystallize.fingerprint.code.modules import Module
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.manifest import Piece


@dataclass(frozen=True, slots=True)
class Name:
    """A name of a project module: all that binds it there."""

    module: Module
    name: str


@dataclass(frozen=True, slots=True)
class Whole:
    """A project module that is used as an object: everything in it."""

    module: Module


@dataclass(frozen=True, slots=True)
class External:
    """Something outside the project; it counts as it is written, and by the version of its package."""

    text: str
    """``numpy`` or ``numpy:array``."""
    package: str | None
    """The installed package it belongs to, by import name; None for the standard library."""


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """An object that no name of a module stands for: a closure, a partial, what was typed into a notebook."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and other.value is self.value

    def __hash__(self) -> int:
        return id(self.value)


Place = Name | Whole | External | Thing


class Edge(NamedTuple):
    """A way from one node to another."""

    label: str
    """The name it goes by; never the name of a module."""
    place: Place
    holds: bool = False
    """The object itself is held (a cell, an argument), so what cannot be told apart there counts here."""


class Held(NamedTuple):
    """A value that counts by its contents."""

    name: str
    """As the user knows it: ``steps.FACTOR``."""
    holder: object
    slot: str
    """What jobs change in `slot` of `holder` is no edit."""
    read: Callable[[], object]
    """Gives the value as it is now."""
    must: bool
    """Whether it makes the job not reusable when it cannot be told apart; else its statements count alone."""


@dataclass(slots=True, kw_only=True)
class Node:
    """What is known of one place. Filled in two steps: first what is written, then the values it holds."""

    name: str
    """As the user knows it; empty for what is not shown."""
    written: list[str] = field(default_factory=list)
    """Normalised syntax, in order."""
    prose: list[str] = field(default_factory=list)
    """Docstrings: they count only where a `__doc__` is read."""
    reads_prose: bool = False
    lines: list[str] = field(default_factory=list)
    """Its source text, for people."""
    edges: list[Edge] = field(default_factory=list)
    """In order of first use."""
    held: list[Held] = field(default_factory=list)
    values: list[Piece] = field(default_factory=list)
    """Digest and preview of each of `held` that could be told apart."""
    unclear: NotReusableError | None = None
    """The first of `held` that must be told apart and cannot."""
    environ: list[str] = field(default_factory=list)
    """Environment variables read by a literal name."""
    notes: list[str] = field(default_factory=list)
    is_filled: bool = False

    def lead(self, label: str, place: Place, *, holds: bool = False) -> None:
        """Adds an edge, once."""
        edge = Edge(label, place, holds)
        if edge not in self.edges:
            self.edges.append(edge)

    def local_digest(self) -> Digest:
        """The digest of what is written here, not of what is reached."""
        return digest_of("definition/1", *(text.encode("utf-8", "surrogatepass") for text in self.written))

    def digest(self, *, with_prose: bool) -> Digest:
        """The digest of what is written here and of the values held."""
        prose = [text.encode("utf-8", "surrogatepass") for text in self.prose] if with_prose else []
        return digest_of("node/1", self.local_digest(), *(piece.digest for piece in self.values), *prose)

    def remarks(self) -> list[str]:
        """Notes, and what counts by its statements alone because its contents cannot be told apart."""
        unclear = [] if self.unclear is None else [f"{self.unclear.where} counts by initialiser"]
        return [*self.notes, *unclear]

    def pieces(self) -> tuple[Piece, ...]:
        """The definition and its values, for people to compare; nothing for what is not shown."""
        if not self.name:
            return ()
        definition = Piece(self.name, self.local_digest(), "\n".join(self.lines))
        return (definition, *self.values) if self.written else tuple(self.values)
