"""Inputs from outside a run: what a reference means, which files it stands for, and what they are called.

Project files and globs, ``file://``, ``datum://`` identifiers and aliases. Objects of stores are for `remote`.
"""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from crystallize.errors import DefinitionError, MissingFileError
from crystallize.fingerprint.files import file_digest, stat_key
from crystallize.store.record import Output
from crystallize.store.store import Store
from crystallize.valohai.ledger import Ledger
from crystallize.valohai.spec import InputSpec
from crystallize.valohai.task import File, LocalFile

REMOTE = ("http", "https", "s3", "gs", "azure")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file before it has a name in an input."""

    path: str
    """Its full path where it comes from, with slashes; its last part is its own name."""
    below: str
    """Its path below the folder at which a glob begins; its own name where there is no glob."""
    uri: str
    size_bytes: int
    origin: LocalFile | Output
    source: str = ""
    """The node that wrote it, told apart from others by this where names meet."""
    metadata: tuple[tuple[str, Any], ...] = ()
    datum: str | None = None


def scheme_of(reference: str) -> str:
    """``s3`` of ``s3://…``; empty for paths."""
    scheme, separator, _ = reference.partition("://")
    return scheme.lower() if separator else ""


class References:
    """Resolves references against one project and its store.

    Parameters
    ----------
    root : the project's folder, which relative paths begin at.
    """

    def __init__(self, root: Path, store: Store) -> None:
        self._root = root
        self._store = store
        self._ledger = Ledger(store)

    def resolve(self, reference: str, *, path: Path, key: str) -> list[Candidate]:
        """The files that a reference stands for, by path.

        Raises MissingFileError when it stands for none, DefinitionError when it cannot be understood.
        """
        if scheme_of(reference) == "datum":
            return [self._datum(reference, path, key)]
        folder, files = self._files(reference, path, key)
        try:
            return [self._local(each, folder, reference) for each in files]
        except OSError as error:
            raise _unreadable(reference, error, path, key) from error

    def look(self, reference: str, *, path: Path, key: str) -> None:
        """Raises what `resolve` would raise, reading no contents."""
        if scheme_of(reference) == "datum":
            self._datum(reference, path, key)
        else:
            self._files(reference, path, key)

    def _files(self, reference: str, path: Path, key: str) -> tuple[Path, list[Path]]:
        """The files that a path or a glob stands for, after the folder that they are named from."""
        base, pattern = _split_glob(_path_in(reference, path, key))
        folder = self._root / base
        try:
            if pattern:
                found = folder, sorted(_matches(folder, pattern))
            else:
                found = folder.parent, [folder] if folder.is_file() else []
        except OSError as error:
            raise _unreadable(reference, error, path, key) from error
        if not found[1]:
            fact = (
                f"'{reference}' is a folder" if folder.is_dir() and not pattern else f"there is no file '{reference}'"
            )
            remedy = f"write '{reference.rstrip('/')}/**'" if folder.is_dir() and not pattern else "check the path"
            raise MissingFileError(fact, path=path, key=key, remedy=remedy)
        return found

    def _local(self, file: Path, folder: Path, reference: str) -> Candidate:
        seen = file.stat()
        digest = file_digest(file, self._store)
        full = file.relative_to(self._root) if file.is_relative_to(self._root) else file.relative_to(file.anchor)
        return Candidate(
            path=full.as_posix(),
            below=file.relative_to(folder).as_posix(),
            uri=file.absolute().as_uri(),
            size_bytes=seen.st_size,
            origin=LocalFile(file, digest, stat_key(file, seen)),
        )

    def _datum(self, reference: str, path: Path, key: str) -> Candidate:
        name = reference.partition("://")[2]
        datum = self._ledger.datum(name)
        if datum is None:
            known = ", ".join(alias for alias, _ in self._ledger.aliases()) or "there are none"
            raise MissingFileError(f"there is no datum '{name}'", path=path, key=key, remedy=f"known aliases: {known}")
        row = self._ledger.execution(datum.execution)
        record = self._store.record(row.record) if row is not None and row.record is not None else None
        output = None if record is None else record.output(datum.name)
        if output is None or (record is not None and self._store.missing_output(record)):
            fact = f"the contents of datum '{name}' are gone from the store"
            raise MissingFileError(fact, path=path, key=key, remedy=f"run execution #{datum.execution}'s step again")
        return candidate_of(output, datum.metadata, source="", datum=datum.id)


def candidate_of(
    output: Output, metadata: Any, *, source: str, below: str | None = None, datum: str | None = None
) -> Candidate:
    """An output of an execution as a candidate."""
    custom = {} if metadata is None else {k: v for k, v in metadata.items() if not k.startswith("valohai.")}
    return Candidate(
        path=output.name,
        below=below if below is not None else output.name.rpartition("/")[2],
        uri=f"datum://{datum}" if datum is not None else "",
        size_bytes=output.size_bytes,
        origin=output,
        source=source,
        metadata=tuple(custom.items()),
        datum=datum,
    )


def named(spec: InputSpec, candidates: Sequence[Candidate], *, path: Path, key: str) -> tuple[File, ...]:
    """The files of an input under the names that they have in its folder, by name.

    Files of one name and the same contents are one file; others of one name each keep their whole path in a folder
    named after the node that wrote them.

    Raises DefinitionError for a `filename` and more than one file, and for names that meet all the same.
    """
    if spec.filename is not None and len({candidate.origin.digest for candidate in candidates}) > 1:
        fact = f"input '{spec.name}' has a 'filename' and {len(candidates)} files"
        raise DefinitionError(fact, path=path, key=key, remedy="leave 'filename' out, or choose one file")
    by_name: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        same = by_name.setdefault(_name(spec, candidate), [])
        if all(each.origin.digest != candidate.origin.digest for each in same):
            same.append(candidate)
    files: dict[str, File] = {}
    for name, same in by_name.items():
        for candidate in same:
            own = name if len(same) == 1 else f"{candidate.source}/{candidate.path}"
            if own in files or (len(same) > 1 and not candidate.source):
                fact = f"two files of input '{spec.name}' are called '{name}'"
                raise DefinitionError(fact, path=path, key=key, remedy="add 'keep-directories: full' to the input")
            if ".." in own.split("/") or own.startswith("/"):
                fact = f"a file of input '{spec.name}' would be called '{own}'"
                raise DefinitionError(fact, path=path, key=key, remedy="choose a name below the input's folder")
            files[own] = File(
                input=spec.name,
                name=own,
                uri=candidate.uri,
                size_bytes=candidate.size_bytes,
                origin=candidate.origin,
                metadata=dict(candidate.metadata),
                datum=candidate.datum,
            )
    return tuple(files[name] for name in sorted(files))


def _name(spec: InputSpec, candidate: Candidate) -> str:
    if spec.filename is not None:
        return spec.filename
    if spec.keep_directories == "full":
        return candidate.path
    if spec.keep_directories == "suffix":
        return candidate.below
    return candidate.path.rpartition("/")[2]


def _path_in(reference: str, path: Path, key: str) -> str:
    """The path or glob that a reference to files is."""
    scheme = scheme_of(reference)
    if not scheme:
        return reference
    if scheme == "file":
        return unquote(urlsplit(reference).path)
    remedy = "use a path, file://, datum://, http(s)://, s3://, gs:// or azure://"
    raise DefinitionError(f"'{reference}' cannot be fetched here", path=path, key=key, remedy=remedy)


def _unreadable(reference: str, error: OSError, path: Path, key: str) -> MissingFileError:
    return MissingFileError(f"'{reference}': {error.strerror}", path=path, key=key, remedy="make it readable")


def _split_glob(text: str) -> tuple[str, str]:
    """The fixed folder and the pattern of a path; an empty pattern where it is no glob."""
    parts = text.split("/")
    first = next((index for index, part in enumerate(parts) if glob.has_magic(part)), None)
    if first is None:
        return text, ""
    return "/".join(parts[:first]) or ("/" if text.startswith("/") else "."), "/".join(parts[first:])


def _matches(folder: Path, pattern: str) -> Iterator[Path]:
    """Files that a platform glob matches: ``*`` within a folder, ``**`` through all folders below."""
    from crystallize.valohai.ignore import compiled

    expression = compiled(pattern.replace("**", "**/*") if pattern.endswith("**") else pattern.replace("**.", "**/*."))
    for each in _walk(folder):
        if expression.fullmatch(each.relative_to(folder).as_posix()):
            yield each


def _walk(folder: Path) -> Iterable[Path]:
    return (each for each in folder.rglob("*") if each.is_file()) if folder.is_dir() else ()
