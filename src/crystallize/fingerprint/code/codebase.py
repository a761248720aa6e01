"""What code a definition reaches, as one digest (design 5.1).

Walks from a function or class over every project definition it names, in order of first use, and hashes what is
written of each with where its names lead. Names of modules, files and folders are never part of it. Knows nothing
of jobs and manifests. Hashing code by its syntax and by the hashes of what it names is after the language Unison.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from types import ModuleType
from typing import Any, NamedTuple

from crystallize.fingerprint.code.loaded import MISSING, named_from
from crystallize.fingerprint.code.modules import Module
from crystallize.fingerprint.code.nodes import External, Name, Node, Place, Whole
from crystallize.fingerprint.code.reach import Reach
from crystallize.fingerprint.code.source import Source
from crystallize.fingerprint.code.staleness import TOKEN
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.left import LEFT, LeftStates
from crystallize.fingerprint.manifest import Piece

_SHOWN = 6
_TEXT = re.compile(r"<str '([^'\\\n]{1,255})'>")


@dataclass(frozen=True, slots=True)
class Code:
    """A definition and all project code it reaches."""

    digest: Digest
    preview: str
    """``train → scale → FACTOR``."""
    pieces: tuple[Piece, ...]
    """Every definition and value reached, with its text, in the order of first use."""
    packages: frozenset[str]
    """Installed packages that reached code imports, by top-level import name."""
    environ: frozenset[str]
    """Environment variables that reached code reads by a literal name."""
    notes: tuple[str, ...]
    """What cannot be seen, or counts in another way than it looks; for `explain`."""
    homes: frozenset[tuple[Module, Source]] = field(compare=False)
    """The project modules in which something is reached, each with the text that it stands in."""
    texts: frozenset[str] = frozenset()
    """Short texts that reached code holds: names of files may be among them."""
    names: frozenset[Name] = field(default=frozenset(), compare=False)
    """The names of project modules that are reached."""


class Told(NamedTuple):
    """What stands under a name of a module, so that another process can compare what stands there."""

    module: str
    name: str
    digest: Digest


class Codebase:
    """Reads project source, each file once, as it is loaded now. One per compile of a plan; threads may share it.

    Parameters
    ----------
    root : project root; paths and texts under it that stand in values count relative to it.
    left : how jobs left mutable values: what they changed is no edit.
    """

    def __init__(self, root: Path, left: LeftStates) -> None:
        self._root = root
        self._reach = Reach(root, left)
        self._known: dict[int, tuple[object, Code]] = {}
        self._texts: dict[int, frozenset[str]] = {}
        self._lock = RLock()

    def of(self, definition: object) -> Code:
        """What a function, lambda, class, method, partial, builtin or callable instance reaches.

        Raises NotReusableError when it holds something that cannot be told apart: in a closure, in defaults made at
        run time, in the arguments of a partial, in the fields of an instance. Module-level values never raise.
        """
        known = self._known.get(id(definition))
        return self._read(definition) if known is None else known[1]

    def digest_of(self, definition: object) -> Digest:
        """The digest of `of`; the same errors."""
        return self.of(definition).digest

    def named_digest(self, module: str, qualname: str) -> Digest:
        """The digest of what a dotted name in a module reaches, empty when nothing has it.

        Loads the module if need be, as unpickling does. Raises NotReusableError as `of`.
        """
        try:
            loaded = sys.modules.get(module) or importlib.import_module(module)
        except Exception:  # the user's module may raise anything
            return Digest(b"")
        found = named_from(vars(loaded), qualname) if isinstance(loaded, ModuleType) else MISSING
        if found is MISSING:
            return Digest(b"")
        return self.of(found).digest

    def tell(self, names: Iterable[Name]) -> list[Told]:
        """What stands under `names`, in their order; `names` are those of a `Code` of this codebase.

        A module that only functions import may not be loaded yet: then its text is all there is to compare.
        """
        with self._lock:
            return [
                Told(place.module.name, place.name, self._reach.node(place).digest(with_prose=True))
                for place in names
                if not place.module.is_late
            ]

    def first_other(self, told: Iterable[Told]) -> Told | None:
        """The first under whose name something else stands in this process, whose modules have the same texts."""
        with self._lock:
            for each in told:
                importlib.import_module(each.module)
                place = self._reach.name(each.module, each.name)
                if place is None or self._reach.node(place).digest(with_prose=True) != each.digest:
                    return each
        return None

    def __reduce__(self) -> tuple[Any, ...]:
        """Where it arrives it reads what is loaded there."""
        return _codebase_there, (self._root,)

    def _read(self, definition: object) -> Code:
        with self._lock:
            known = self._known.get(id(definition))
            if known is None:
                # the definition is kept beside its code, so its id cannot be given to another
                known = self._known[id(definition)] = (definition, self._walk(self._reach.place(definition)))
            return known[1]

    def _walk(self, root: Place) -> Code:
        nodes: dict[Place, Node] = {}
        waiting = [root]
        while waiting:
            place = waiting.pop()
            if place not in nodes:
                node = nodes[place] = self._reach.node(place)
                waiting.extend(edge.place for edge in reversed(node.edges))
        _raise_unclear(root, nodes)
        pieces = dict.fromkeys(piece for node in nodes.values() for piece in node.pieces())
        return Code(
            digest=_digest(nodes),
            preview=_preview(nodes),
            pieces=tuple(pieces),
            packages=frozenset(place.package for place in nodes if isinstance(place, External) and place.package),
            environ=frozenset(name for node in nodes.values() for name in node.environ),
            notes=tuple(
                dict.fromkeys([note for node in nodes.values() for note in node.remarks()] + _edited_notes(nodes))
            ),
            homes=frozenset(home for place in nodes if (home := self._reach.home(place)) is not None),
            texts=frozenset().union(*(self._texts_of(node) for node in nodes.values())),
            names=frozenset(place for place in nodes if isinstance(place, Name)),
        )

    def _texts_of(self, node: Node) -> frozenset[str]:
        found = self._texts.get(id(node))
        if found is None:
            written = (text for part in node.written for text in _TEXT.findall(part))
            values = (held.read() for held in node.held)
            held = (str(value) for value in values if isinstance(value, (str, Path)))
            # A word of the code is no name of a file; a value may be, whatever it looks like.
            named = (text for text in written if "." in text or "/" in text)
            found = self._texts[id(node)] = frozenset((*named, *held))
        return found


def _codebase_there(root: Path) -> Codebase:
    return Codebase(root, LEFT)


def _digest(nodes: dict[Place, Node]) -> Digest:
    """Of all nodes, numbered in the order they were met; an edge is its name and the number it leads to."""
    numbers = {place: number for number, place in enumerate(nodes)}
    with_prose = any(node.reads_prose for node in nodes.values())
    pieces: list[bytes] = []
    for place, node in nodes.items():
        pieces.append(node.digest(with_prose=with_prose))
        if is_edited(place):
            pieces.append(TOKEN)
        ways = [f"{edge.label}:{numbers[edge.place]}" for edge in node.edges]
        pieces.append("\n".join(ways).encode())
    return digest_of("code/1", *pieces)


def is_edited(place: Place) -> bool:
    """Whether the text of `place` may differ from what is loaded, so that no other process may rely on it."""
    return isinstance(place, (Name, Whole)) and place.module.is_edited


def _edited_notes(nodes: dict[Place, Node]) -> list[str]:
    return [
        f"{node.name}: its file was edited since it was imported; results serve this process alone until it restarts"
        for place, node in nodes.items()
        if node.name and is_edited(place)
    ]


def _raise_unclear(root: Place, nodes: dict[Place, Node]) -> None:
    """Raises for what the root holds, itself or through what it holds; names alone never raise."""
    held: set[Place] = set()
    waiting = [root]
    while waiting:
        place = waiting.pop()
        if place not in held:
            held.add(place)
            error = nodes[place].unclear
            if error is not None:
                raise error
            waiting.extend(edge.place for edge in nodes[place].edges if edge.holds)


def _preview(nodes: dict[Place, Node]) -> str:
    names = [node.name.rpartition(".")[2] for node in nodes.values() if node.name]
    if not names:
        names = [place.text.replace(":", ".") for place in nodes if isinstance(place, External)]
    more = [f"… +{len(names) - _SHOWN}"] if len(names) > _SHOWN else []
    return " → ".join([*names[:_SHOWN], *more])
