"""Everything that can be said of a `valohai.yaml` without running it.

The schema first, then what the valohai-yaml package lints, entry by entry so that each finding has its line, then what
only shows when definitions are taken together: edges, placeholders, cycles.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystallize.errors import DefinitionError
from crystallize.valohai.document import Document, examine
from crystallize.valohai.finding import Finding, Level, of_error
from crystallize.valohai.wiring import wiring_findings
from crystallize.yaml_lines import KeyPath, read_text

if TYPE_CHECKING:
    from valohai_yaml.objs import Pipeline

_REMEDIES = (
    ("runtime config preset", "add 'environment: …' beside it"),
    ("Duplicate", "rename one of them"),
    ("nodes with the same name", "rename one of them"),
    ("is not a valid expression", "write it as in: accuracy > 0.9"),
    ("has no effect", "remove it"),
    ("only make", "remove it, or change the type of the task"),
    ("no targets", "add 'targets: [node.parameter.name]'"),
    ("does not exist", "mend the name, or define it"),
    ("not well-known", "use node-starting, node-complete or node-error; stop-pipeline, error-pipeline or noop"),
    ("is not an integer", "write a whole number"),
    ("is not a floating-point number", "write a number"),
    ("is not a string", "put it in quotes"),
    ("minimum allowed", "choose a value within the limits"),
    ("maximum allowed", "choose a value within the limits"),
    ("choices allowed", "choose one of them"),
    ("sub-path", "choose a relative path"),
    ("mount", "choose another absolute path"),
    ("cannot be the name of a folder", "leave '/' out of it"),
)
"""Words of a message of the package → what to do."""
_TOLD_BY_SCHEMA = "Unknown field"


def lint(path: Path) -> list[Finding]:
    """What is wrong with the file at `path`, in the order of its lines. Raises MissingFileError."""
    try:
        text = read_text(path)
    except DefinitionError as error:
        if isinstance(error, FileNotFoundError):
            raise
        return [of_error(error, path)]
    document, findings = examine(text, path)
    if document is not None:
        findings = [*findings, *document_findings(document)]
    return sorted(findings, key=lambda finding: finding.line)


def document_findings(document: Document) -> list[Finding]:
    """What is wrong with a document that keeps to the schema."""
    found = list(_packaged(document))
    for pipeline in document.config.pipelines.values():
        found += wiring_findings(document, pipeline)
    told: dict[tuple[str, str], Finding] = {}
    for finding in found:
        told.setdefault((finding.fact, finding.key.split(".")[0]), finding)
    return list(told.values())


def check_pipeline(document: Document, pipeline: Pipeline) -> None:
    """Raises DefinitionError with the first fault for which `pipeline` cannot be run."""
    top = document.place("pipeline", pipeline.name)
    faults = [
        *(each for keys, each in _lint_entry(document, "pipeline", pipeline, top)),
        *wiring_findings(document, pipeline),
    ]
    for fault in faults:
        if fault.level == "error":
            raise fault.error


def _packaged(document: Document) -> Iterator[Finding]:
    config = document.config
    kinds: tuple[tuple[str, Any], ...] = (
        ("step", config.steps),
        ("task", config.tasks),
        ("pipeline", config.pipelines),
        ("endpoint", config.endpoints),
        ("deployment", config.deployments),
    )
    warnings: list[str] = config._parse_warnings or []
    for message in warnings:
        kind, _, name = message.removeprefix("Duplicate ").rstrip(".").partition(" name: ")
        if name:
            yield _finding(document, "warning", message, document.place(kind, name))
    for kind, entries in kinds:
        for name, entry in entries.items():
            for _, finding in _lint_entry(document, kind, entry, document.place(kind, name)):
                yield finding


def _lint_entry(document: Document, kind: str, entry: Any, keys: KeyPath) -> Iterator[tuple[KeyPath, Finding]]:
    """The package's messages about one entry, those about a part of it at the part's own place."""
    context = {"config": document.config, kind: entry, "object_type": kind}
    said: set[str] = set()
    for part_keys, part in [*_parts(document, kind, entry, keys), (keys, entry)]:
        for level, message in (*_messages(part, context), *_naming(part, part_keys)):
            if message not in said and not message.startswith(_TOLD_BY_SCHEMA):
                said.add(message)
                yield part_keys, _finding(document, level, message, part_keys)


def _parts(document: Document, kind: str, entry: Any, keys: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    names = {"step": ("parameters", "inputs"), "pipeline": ("nodes", "edges", "parameters")}.get(kind, ())
    for name in names:
        parts = getattr(entry, name)
        for index, part in enumerate(parts.values() if isinstance(parts, dict) else parts):
            yield (*keys, name, index), part


def is_folder_name(name: str) -> bool:
    """Whether a folder may be called so: inputs and nodes have folders of their names."""
    return bool(name) and not set(name) & {"/", "\0"} and name not in (".", "..")


def _naming(part: Any, keys: KeyPath) -> Iterator[tuple[Level, str]]:
    if len(keys) > 1 and keys[-2] in ("inputs", "nodes") and not is_folder_name(str(part.name)):
        yield "error", f"'{part.name}' cannot be the name of a folder"


def _messages(item: Any, context: dict[str, Any]) -> Iterator[tuple[Level, str]]:
    from valohai_yaml.lint import LintResult

    result = LintResult()
    with suppress(KeyError, ValueError, TypeError):  # it stumbles over what another finding tells
        item.lint(result, context)
    for message in result.messages:
        yield message["type"], " ".join(message["message"].split())


def _finding(document: Document, level: Level, message: str, keys: KeyPath) -> Finding:
    remedy = next((remedy for words, remedy in _REMEDIES if words in message), "mend this definition")
    return Finding(
        level=level,
        path=document.path,
        line=document.line(*keys),
        key=document.key(*keys),
        fact=message,
        remedy=remedy,
    )
