"""The walk over a value that writes its canonical bytes: frames, nesting, cycles, places for messages.

Every piece is a tag that ends in a colon and a body behind its length, so nothing can be taken for something
else. A body over 1 KiB stands as its digest: bytes stay short, and shared parts are hashed once. Knows no
types; which handler writes which type is given to it.

An object met twice is written twice (from memory), so sharing never changes the bytes. Only a value that
contains itself is written in a second mode, where each object gets a number and is referred to by it, as
pickle does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from blake3 import blake3

from crystallize.errors import NotReusableError
from crystallize.fingerprint.digest import Digest, frame
from crystallize.fingerprint.origin import installed_name, is_installed

CodeOf = Callable[[object], Digest]
"""Digest of a function or class; given by the caller, who reads source."""

REMEDY = "tell it apart with crystallize.register_encoder(type, function), or make it inside the step"

_INLINE_BYTES = 1024
_HASHED = b"\xff\xff"
_THREADED_BYTES = 1 << 20


class ValueTooLarge(NotReusableError):
    """A value whose canonical bytes are more than the limit that was asked for."""


class Cycle(Exception):
    """The value contains itself, so it must be written with numbers."""


class Encoder:
    """Writes one value. Not thread-safe; one per call.

    Parameters
    ----------
    scalars : handlers of values that contain no others, by exact type.
    resolve : the handler of any other type.
    root : project folder; texts and paths below it are written relative to it.
    limit : most bytes that may be written.
    numbered : the second mode, for a value that contains itself.
    """

    __slots__ = (
        "_code_of",
        "_folder",
        "_limit",
        "_met",
        "_numbered",
        "_resolve",
        "_scalars",
        "_written_bytes",
    )

    def __init__(
        self,
        scalars: Mapping[type, Handler],
        resolve: Callable[[type], Handler],
        code_of: CodeOf,
        *,
        root: Path | None = None,
        limit: int | None = None,
        numbered: bool = False,
    ) -> None:
        self._scalars, self._resolve, self._code_of = scalars, resolve, code_of
        self._met: dict[int, tuple[object, bytes | None]] = {}
        self._numbered = numbered
        self._folder = None if root is None else root.as_posix().rstrip("/") or None
        self._limit = limit
        self._written_bytes = 0

    def written_bytes(self, result: bytes) -> int:
        """How much was written in all: `result`, and what stands in it as a digest."""
        return self._written_bytes + len(result)

    def encode(self, value: object) -> bytes:
        """The bytes of `value`; NotReusableError with the place below it in `where`."""
        kind = type(value)
        scalar = self._scalars.get(kind)
        if scalar is not None:
            return scalar(self, value)
        met = self._met.get(id(value))
        if met is not None:
            if met[1] is None:
                raise Cycle
            return met[1]
        # The value is kept beside its bytes, so its id cannot be given to another while this walk lasts.
        reference = self.framed(b"again:", b"%d" % len(self._met)) if self._numbered else None
        self._met[id(value)] = (value, reference)
        written = self._resolve(kind)(self, value)
        if reference is None:
            self._met[id(value)] = (value, written)
        return written

    def each(self, values: Collection[object], place: Callable[[int], str]) -> list[bytes]:
        """The bytes of each of `values`; `place(index)` is what to call one in a message."""
        if self._limit is not None and len(values) > self._limit:
            raise self.too_large()
        pieces: list[bytes] = []
        encode, append = self.encode, pieces.append
        try:
            for value in values:
                append(encode(value))
        except NotReusableError as error:
            error.where = place(len(pieces)) + error.where
            raise
        return pieces

    def each_unordered(self, values: Collection[object], place: Callable[[int], str]) -> list[bytes]:
        """As `each`, for members whose order is not known yet, so none may refer to another by number."""
        if not self._numbered:
            return self.each(values, place)
        apart = Encoder(self._scalars, self._resolve, self._code_of, limit=self._limit)
        apart._folder = self._folder
        try:
            pieces = apart.each(values, place)
        except Cycle:
            raise unclear("a set member or key that contains the value it is in") from None
        self._written_bytes += apart._written_bytes
        return pieces

    def parts(self, parts: Mapping[str, object]) -> bytes:
        """The bytes of a fixed list of parts, in their order; a key is what to call the part in a message."""
        return b"".join(self.each(list(parts.values()), lambda index: list(parts)[index]))

    def fields(self, fields: Mapping[str, object]) -> bytes:
        """Named values in the order of their names."""
        names = sorted(fields)
        values = self.each([fields[name] for name in names], lambda index: f".{names[index]}")
        pieces = [self.text(name) + value for name, value in zip(names, values, strict=True)]
        return self.framed(b"fields:", b"".join(pieces))

    def definition(self, definition: object) -> bytes:
        """A class or function: its qualified name where installed (its version counts), else its code."""
        name = installed_name(definition)
        if name is not None:
            return self.framed(b"name:", name.encode())
        if isinstance(definition, type) and is_installed(definition.__module__):
            raise unclear(f"the class {definition.__qualname__}, which was made at run time")
        try:
            return self.framed(b"code:", self._code_of(definition))
        except NotReusableError as error:
            error.where = f" ({error.where})"
            raise

    def text(self, text: str) -> bytes:
        """A text as it is, wherever it points."""
        return self.framed(b"text:", text.encode("utf-8", "surrogatepass"))

    def below_root(self, text: str) -> str | None:
        """What follows the project folder in `text`, if `text` is that folder or a path below it."""
        folder = self._folder
        if folder is None or not text.startswith(folder):
            return None
        rest = text[len(folder) :]
        return rest[1:] if rest[:1] in ("", "/") else None

    def framed(self, tag: bytes, body: bytes | memoryview) -> bytes:
        """`tag`, which ends in a colon, and `body` behind its length, or its digest if it is long."""
        size_bytes = len(body)
        if size_bytes <= _INLINE_BYTES:
            return tag + size_bytes.to_bytes(2, "little") + body
        self._written_bytes += size_bytes
        if self._limit is not None and self._written_bytes > self._limit:
            raise self.too_large()
        threads = blake3.AUTO if size_bytes >= _THREADED_BYTES else 1
        hasher = blake3(frame("value/1") + size_bytes.to_bytes(8, "little"), max_threads=threads)
        return tag + _HASHED + hasher.update(body).digest()

    def too_large(self) -> ValueTooLarge:
        """The error for a value over the limit."""
        return ValueTooLarge("", f"a value of more than {self._limit} bytes", REMEDY)


Handler = Callable[[Encoder, Any], bytes]
"""Writes a value of the type it is made for, tag first."""


def unclear(what: str, remedy: str = REMEDY) -> NotReusableError:
    """The error for a value that cannot be told apart; the walk adds where it is."""
    return NotReusableError("", what, remedy)
