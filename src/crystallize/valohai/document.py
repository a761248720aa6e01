"""Reads `valohai.yaml`: into the objects of the valohai-yaml package, with the line of everything and our extensions.

Steps, pipelines and tasks are theirs (`Config`); what is wrong with a file is a list of `Finding`. Knows neither plans
nor stores.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystallize.errors import DefinitionError, UnknownNameError, nearest
from crystallize.valohai.finding import Finding, of_error
from crystallize.valohai.normal import Normal, normalized
from crystallize.valohai.schema import dotted, schema_findings
from crystallize.yaml_lines import KeyPath, parse_list, read_text

if TYPE_CHECKING:
    from valohai_yaml.objs import Config, Pipeline, Step, Task

FILE_NAME = "valohai.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A `valohai.yaml` that keeps to the schema."""

    path: Path
    text: str
    config: Config
    normal: Normal

    @property
    def root(self) -> Path:
        """The folder of the project: where the commands' source tree begins."""
        return self.path.parent

    def place(self, kind: str, name: str) -> KeyPath:
        """Where the last definition of this kind and name stands; the top when there is none."""
        for index in range(len(self.normal.value) - 1, -1, -1):
            item = self.normal.value[index]
            content = item.get(kind) if isinstance(item, dict) else None
            if isinstance(content, dict) and content.get("name") == name:
                return (index, kind)
        return ()

    def line(self, *keys: Hashable) -> int:
        """The line of the entry at `keys`, else of the nearest around it."""
        return self.normal.line(*keys)

    def key(self, *keys: Hashable) -> str:
        """The entry at `keys` as people read it."""
        return dotted(keys, self.normal.value)

    def extension(self, kind: str, name: str, key: str) -> Any:
        """What a definition says under a key of ours, ``x-source`` for instance; None when it says nothing."""
        return self.normal.extensions.get((*self.place(kind, name), key))

    def step(self, name: str) -> Step:
        """The step of this name. Raises UnknownNameError."""
        return self._named("step", name, self.config.steps)  # type: ignore[no-any-return]

    def pipeline(self, name: str) -> Pipeline:
        """The pipeline of this name. Raises UnknownNameError."""
        return self._named("pipeline", name, self.config.pipelines)  # type: ignore[no-any-return]

    def task(self, name: str) -> Task:
        """The task of this name. Raises UnknownNameError."""
        return self._named("task", name, self.config.tasks)  # type: ignore[no-any-return]

    def _named(self, kind: str, name: str, known: Any) -> Any:
        if name not in known:
            raise UnknownNameError(f"there is no {kind} '{name}'", path=self.path, remedy=nearest(name, known))
        return known[name]


def read_document(path: Path) -> Document:
    """The document at `path`.

    Raises MissingFileError when it is not there, DefinitionError with the first fault when it cannot be read.
    """
    return document_of(read_text(path), path)


def document_of(text: str, path: Path) -> Document:
    """As `read_document`, from a text; `path` is where it would lie."""
    document, findings = examine(text, path)
    if document is None:
        raise next(finding for finding in findings if finding.level == "error").error
    return document


def examine(text: str, path: Path) -> tuple[Document | None, list[Finding]]:
    """The document, None when it cannot be read, and what is wrong with its form."""
    try:
        normal = normalized(parse_list(text, path))
    except DefinitionError as error:
        return None, [of_error(error, path)]
    findings = schema_findings(normal, path)
    if any(finding.level == "error" for finding in findings):
        return None, findings
    return _parsed(text, path, normal, findings)


def _parsed(text: str, path: Path, normal: Normal, findings: list[Finding]) -> tuple[Document | None, list[Finding]]:
    """Parses entry by entry first, so that a fault is told where it stands."""
    from valohai_yaml.objs import Config

    faults = [
        fault for index, item in enumerate(normal.value) for fault in _faults(index, item, Config.parse, normal, path)
    ]
    if faults:
        return None, [*findings, *faults]
    return Document(path=path, text=text, config=Config.parse(normal.value), normal=normal), findings


def _faults(index: int, item: Any, parse: Callable[[Any], Any], normal: Normal, path: Path) -> Iterator[Finding]:
    fact = _refusal(parse, [item])
    if fact is None:
        return
    kind = next(iter(item), "")
    keys: KeyPath = (index, kind)
    if kind == "pipeline":
        from valohai_yaml.objs import Edge

        for number, edge in enumerate(item[kind]["edges"]):
            wrong = _refusal(Edge.parse, edge)
            if wrong is not None:
                fact, keys = wrong, (index, kind, "edges", number)
                break
    yield Finding(
        level="error",
        path=path,
        line=normal.line(*keys),
        key=dotted(keys, normal.value),
        fact=fact,
        remedy="write it as [node.output.GLOB, node.input.NAME]" if "edges" in keys else "mend this definition",
    )


def _refusal(parse: Callable[[Any], Any], value: Any) -> str | None:
    """What parsing `value` raises, in words; None when it is parsed."""
    try:
        parse(value)
    except (ValueError, TypeError, KeyError, IndexError) as error:
        return str(error).strip() or type(error).__name__
    return None
