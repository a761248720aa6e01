"""Where a project's `valohai.yaml` lies."""

from __future__ import annotations

from pathlib import Path

from crystallize.errors import MissingFileError
from crystallize.valohai.document import FILE_NAME, Document, document_of, read_document
from crystallize.valohai.tree import commit_of, text_of


def find_file(path: Path | None = None) -> Path:
    """The `valohai.yaml` that `path` means: itself, or the one in that folder; None: the nearest one upwards from here.

    Raises MissingFileError when there is none.
    """
    if path is not None:
        file = path / FILE_NAME if path.is_dir() else path
        if not file.is_file():
            raise MissingFileError("there is no such file", path=file, remedy="check the path")
        return file.resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    fact = f"neither this folder nor one above it holds a {FILE_NAME}"
    raise MissingFileError(fact, path=here, remedy="write one, or name another folder's")


def document_at(path: Path | None, commit: str | None) -> Document:
    """The document that `path` means, see `find_file`: as it is, or as a commit has it."""
    file = find_file(path)
    return read_document(file) if commit is None else document_of_commit(file, commit)


def document_of_commit(path: Path, commit: str) -> Document:
    """The document that a commit has at `path`. Raises DefinitionError when git knows no such commit or file."""
    identifier = commit_of(path.parent, commit)
    return document_of(text_of(path.parent, identifier, path.name), path)
