"""Reads YAML into plain values and remembers the line of every key and item.

Knows neither of the languages that are written in it. Stricter than the safe loader where that one guesses: duplicate
keys, custom tags and more than one document are errors, each told once, with path and line.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from crystallize.errors import DefinitionError, DefinitionTypeError, MissingFileError


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader over libyaml, else the one in Python; ``1e-3`` is a number, as YAML 1.2 has it."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)

KeyPath = tuple[Hashable, ...]
"""Mapping keys and list positions from the top of a document: ``("steps", 0, "scale")``."""

MOST_NODES = 200_000
"""Aliases can make a short text endless; no definition is as long as this."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the values of a YAML file stand."""

    path: Path
    lines: Mapping[KeyPath, int]
    """Line, from 1, of each key and list item; what an alias repeats has the lines of its anchor."""

    def line(self, *keys: Hashable) -> int:
        """The line of the entry at `keys`, else of the nearest entry around it; the first for the whole file."""
        return line_in(self.lines, keys)


@dataclass(frozen=True, slots=True)
class Document(Lines):
    """A YAML file whose top is a mapping."""

    value: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ListDocument(Lines):
    """A YAML file whose top is a list."""

    value: list[Any]


def line_in(lines: Mapping[KeyPath, int], keys: KeyPath) -> int:
    """See `Lines.line`."""
    return next((lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in lines), 1)


def read_document(path: Path) -> Document:
    """The file at `path`, UTF-8 with or without a byte order mark.

    Raises MissingFileError when it is not there, DefinitionError when it is no YAML mapping.
    """
    return parse_document(read_text(path), path)


def parse_document(text: str, path: Path) -> Document:
    """`text` as a document; `path` is named in errors only."""
    reader = _Reader(path, text)
    value = reader.read()
    if value is None:
        raise DefinitionError("the file is empty", path=path, line=1, remedy="write at least 'steps:'")
    if not isinstance(value, dict):
        fact = f"the top is a {_kind(value)}, not a mapping"
        raise DefinitionTypeError(fact, path=path, line=1, remedy="write 'key: value' lines")
    return Document(path, reader.lines, value)


def parse_list(text: str, path: Path) -> ListDocument:
    """`text` as a list, empty where there is nothing in it; `path` is named in errors only."""
    reader = _Reader(path, text)
    value = reader.read()
    if value is not None and not isinstance(value, list):
        fact = f"the top is a {_kind(value)}, not a list"
        raise DefinitionTypeError(fact, path=path, line=1, remedy="write '- ' before each entry")
    return ListDocument(path, reader.lines, value or [])


def parse_value(text: str, path: Path | str) -> Any:
    """`text` as one YAML value, as in ``--set key=value``; `path` is named in errors only."""
    return _Reader(Path(path), text).read()


def read_text(path: Path) -> str:
    """The text of the file at `path`."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError("there is no such file", path=path, remedy="check the path") from None
    except OSError as error:
        fact = f"the file cannot be read: {error.strerror}"
        raise MissingFileError(fact, path=path, remedy="make it a readable file") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        fact = f"byte 0x{data[error.start]:02x} is not UTF-8"
        raise DefinitionError(fact, path=path, line=line, remedy="save the file as UTF-8") from None


class _Reader:
    """One pass over the nodes of a text."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.text = text
        self.lines: dict[KeyPath, int] = {}
        self._open: set[int] = set()
        """Identities of the collections around the present node: an alias to one of them never ends."""
        self._count = 0

    def read(self) -> Any:
        loader = None
        try:
            loader = Loader(self.text)
            node = loader.get_single_node()
            return None if node is None else self._value(loader, node, ())
        except yaml.reader.ReaderError as error:
            self._fail_at_character(error)
        except yaml.MarkedYAMLError as error:
            self._fail_at_mark(error)
        except RecursionError:
            raise DefinitionError("the values are nested too deeply", path=self.path, remedy="flatten them") from None
        finally:
            if loader is not None:
                loader.dispose()

    def _value(self, loader: Any, node: Any, keys: KeyPath) -> Any:
        self._count += 1
        if self._count > MOST_NODES:
            self._fail(f"aliases repeat more than {MOST_NODES} values", node, "write fewer aliases")
        if node.id == "scalar":
            return self._scalar(loader, node)
        if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self._fail_tag(node)
        if id(node) in self._open:
            self._fail("an alias stands inside its own anchor", node, "write the value out")
        self._open.add(id(node))
        value = self._mapping(loader, node, keys) if node.id == "mapping" else self._list(loader, node, keys)
        self._open.discard(id(node))
        return value

    def _list(self, loader: Any, node: Any, keys: KeyPath) -> list[Any]:
        values = []
        for index, item in enumerate(node.value):
            self.lines[(*keys, index)] = item.start_mark.line + 1
            values.append(self._value(loader, item, (*keys, index)))
        return values

    def _mapping(self, loader: Any, node: Any, keys: KeyPath) -> dict[Any, Any]:
        merged: dict[Any, Any] = {}
        own: dict[Any, Any] = {}
        for part in self._merge_parts(node):
            merged.update(self._value(loader, part, keys))
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                continue
            if key_node.id != "scalar":
                self._fail("a key is a list or a mapping", key_node, "write a plain text as key")
            key = self._scalar(loader, key_node)
            if key in own:
                first = self.lines[(*keys, key)]
                self._fail(f"key {key!r} is given twice, first on line {first}", key_node, "keep one of them")
            self.lines[(*keys, key)] = key_node.start_mark.line + 1
            own[key] = self._value(loader, value_node, (*keys, key))
        return {**merged, **own}

    def _merge_parts(self, node: Any) -> list[Any]:
        """The mappings that ``<<:`` brings in, the strongest last."""
        parts: list[Any] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                parts += value_node.value if value_node.id == "sequence" else [value_node]
        for part in parts:
            if part.id != "mapping":
                self._fail("'<<' merges something that is no mapping", part, "give it an alias of a mapping")
        return parts[::-1]

    def _scalar(self, loader: Any, node: Any) -> Any:
        if node.tag not in loader.yaml_constructors:
            self._fail_tag(node)
        try:
            return loader.construct_object(node)
        except (ValueError, OverflowError) as error:
            self._fail(f"{node.value!r} is no value: {error}", node, "put it in quotes if it is a text")

    def _fail_tag(self, node: Any) -> NoReturn:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        self._fail(f"the tag {tag!r} is not known", node, "write a plain value")

    def _fail(self, fact: str, node: Any, remedy: str) -> NoReturn:
        raise DefinitionError(fact, path=self.path, line=node.start_mark.line + 1, remedy=remedy)

    def _fail_at_character(self, error: Any) -> NoReturn:
        line = self.text.count("\n", 0, error.position) + 1
        character = error.character if isinstance(error.character, int) else ord(error.character)
        fact = f"the character U+{character:04X} is not allowed"
        raise DefinitionError(fact, path=self.path, line=line, remedy="remove it") from None

    def _fail_at_mark(self, error: Any) -> NoReturn:
        problem = error.problem or "this is no YAML"
        mark = error.problem_mark or error.context_mark
        if "end of stream" in problem and error.context_mark is not None:
            mark = error.context_mark
        line = mark.line + 1 if mark is not None else 1
        if self._indented_by_tab(line):
            fact, remedy = "a tab indents this line", "indent with spaces"
        elif "another document" in problem:
            fact, remedy = "a second document begins here", "keep one document per file"
        else:
            context = f" {error.context}" if error.context else ""
            fact, remedy = f"no valid YAML: {problem}{context}", _SYNTAX_REMEDY
        raise DefinitionError(fact, path=self.path, line=line, remedy=remedy) from None

    def _indented_by_tab(self, line: int) -> bool:
        lines = self.text.splitlines()
        text = lines[line - 1] if line <= len(lines) else ""
        return "\t" in text[: len(text) - len(text.lstrip())]


_MERGE = "tag:yaml.org,2002:merge"
_SYNTAX_REMEDY = "check indentation, colons, quotes and brackets here and on the line above"


def _kind(value: object) -> str:
    return "list" if isinstance(value, list) else "mapping" if isinstance(value, dict) else "single value"
