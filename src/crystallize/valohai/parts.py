"""The parts of an execution's manifest: what decides whether it is the same as an earlier one.

Step, command, source, image, runtime, environment, typed parameters, contents of inputs, environment variables. The
names of nodes and pipelines, titles, limits of time and counters are no part of it.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from blake3 import blake3

from crystallize.fingerprint.digest import Digest, digest_of, short
from crystallize.fingerprint.manifest import Part, PartTable, Piece
from crystallize.fingerprint.secret import HIDDEN, is_secret
from crystallize.fingerprint.values.canonical import digest_value, preview
from crystallize.valohai.runtime import Runtime
from crystallize.valohai.spec import InputSpec
from crystallize.valohai.task import File, Recipe
from crystallize.valohai.values import Value

KIND = "execution/1"
_MUTABLE = re.compile(r"(?:^|[/_.-])(?:latest|current|newest)(?:$|[/_.-])", re.IGNORECASE)
"""Words in addresses that promise other contents later."""
_PASSED = ("type", "pass_as", "pass_true_as", "pass_false_as", "multiple_separator")
"""What of a parameter's definition shows on a command line."""


def shared_table(
    recipe: Recipe, inputs: Iterable[str], runtime: Runtime, secret_key: bytes, notes: Iterable[str] = ()
) -> PartTable:
    """The parts that all executions of a node share.

    Parameters
    ----------
    inputs : their names.
    notes : what else may surprise.
    secret_key : 32 bytes; values of variables that look like secrets are hashed with it.
    """
    source, pieces = _source(recipe)
    of_runtime, unclear = runtime.parts(recipe.image)
    command = "\n".join(recipe.command)
    definition = _definition(recipe, inputs)
    parts = [
        Part("step", digest_value(definition, _no_code), recipe.step),
        Part("command", digest_value(list(recipe.command), _no_code), preview(command)[1:-1] or "(nothing)"),
        source,
        *of_runtime,
        Part("environment", digest_value(recipe.environment, _no_code), recipe.environment or "(none)"),
        *_variables(recipe.environ, secret_key),
    ]
    return PartTable(parts, unclear=unclear, pieces={source.digest: pieces}, notes=[*_notes(recipe), *notes])


def _source(recipe: Recipe) -> tuple[Part, list[Piece]]:
    """The part ``source``; of a step that is observed the files themselves count by what its record rests on."""
    if not recipe.observed:
        return recipe.source.part(recipe.source_files)
    return Part("source", digest_of("source-observed/1", recipe.observed.encode()), f"observed ({recipe.observed})"), []


def parameter_parts(values: Mapping[str, Value], secret_key: bytes) -> Iterator[Part]:
    """One part for each parameter that has a value."""
    for name in sorted(values):
        digest = digest_value(values[name], _no_code)
        if is_secret(name):
            yield Part(f"param.{name}", digest_of("secret/1", _keyed(digest, secret_key)), HIDDEN)
        else:
            yield Part(f"param.{name}", digest, preview(values[name]))


def input_parts(files: Sequence[File]) -> Iterator[Part]:
    """One part for each input that has files: their names and contents, not where they came from."""
    by_input: dict[str, list[File]] = {}
    for file in files:
        by_input.setdefault(file.input, []).append(file)
    for name, listed in by_input.items():
        pieces: list[bytes] = []
        for file in sorted(listed, key=lambda each: each.name):
            pieces += (file.name.encode("utf-8", "surrogateescape"), file.origin.digest)
            if file.metadata:
                pieces.append(digest_value(dict(file.metadata), _no_code))
        digest = digest_of("input-files/1", *pieces)
        yield Part(f"input.{name}", digest, _told(listed, digest))


def _told(files: Sequence[File], digest: Digest) -> str:
    names = ", ".join(file.name for file in files[:3])
    more = f" and {len(files) - 3} more" if len(files) > 3 else ""
    return f"{names}{more} ({short(digest)})"[:200]


def _definition(recipe: Recipe, inputs: Iterable[str]) -> dict[str, Any]:
    parameters = {
        name: {
            **{key: getattr(definition, key) for key in _PASSED},
            "multiple": definition.multiple.value if definition.multiple is not None else None,
        }
        for name, definition in recipe.parameters.items()
    }
    return {
        "name": recipe.step,
        "parameters": parameters,
        "order": list(parameters),
        "source_path": recipe.source_path,
        "stop_condition": recipe.stop_condition,
        "mounts": [[mount.source, mount.destination, mount.readonly] for mount in recipe.mounts],
        "inputs": sorted(inputs),
    }


def _variables(environ: Mapping[str, str], secret_key: bytes) -> Iterator[Part]:
    for name in sorted(environ):
        digest = digest_value(environ[name], _no_code)
        if is_secret(name):
            yield Part(f"envvar.{name}", digest_of("secret/1", _keyed(digest, secret_key)), f"{name} (set)")
        else:
            yield Part(f"envvar.{name}", digest, preview(environ[name]))


def fragile_notes(item: InputSpec) -> Iterator[str]:
    """What may make an input other files though nobody changed its definition."""
    for reference in item.references:
        path = reference.partition("://")[2]
        if path and glob.has_magic(path):
            yield f"input {item.name}: '{reference}' is a glob on a bucket: new files there run it again"
        elif path and _MUTABLE.search(path):
            yield f"input {item.name}: '{reference}' may become another file at any time: name a version"


def _notes(recipe: Recipe) -> list[str]:
    """What may make a result outdated although nothing that counts has changed."""
    notes = []
    name, _, tag = recipe.image.rpartition(":")
    if "@sha256:" not in recipe.image and (not name or "/" in tag or tag == "latest"):
        notes.append(f"image {recipe.image} has no fixed tag: name a version, or a digest")
    if recipe.source_rule:
        notes.append(f"source: {recipe.source_rule}")
    return notes


def _keyed(digest: Digest, key: bytes) -> bytes:
    return blake3(digest, key=key).digest()


def _no_code(value: object) -> Digest:
    raise AssertionError(f"values of valohai.yaml are plain, not {type(value)}")
