"""The source of a run: one state of the project's tree, taken when the run begins and laid out for every execution.

What was fingerprinted is what executes: the tree is copied aside before the first command runs, and a file that no
longer is what it was then ends the run. Knows no steps.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from crystallize.errors import DefinitionError
from crystallize.fingerprint.digest import Digest, digest_bytes, digest_of, short
from crystallize.fingerprint.files import StatMemory, file_digest
from crystallize.fingerprint.manifest import Part, Piece
from crystallize.store.placing import place_file
from crystallize.valohai.ignore import compiled
from crystallize.valohai.tree import TreeFile, commit_of, committed_tree, working_tree

SHOWN_BYTES = 64 * 1024
"""Texts of files up to this size are kept for diffs."""
REMEMBERED_BYTES = 1 << 24
"""Of small files, which are written once for every execution."""
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Source:
    """One state of a source tree.

    Parameters
    ----------
    name : ``working tree``, or the commit.
    read : what yields the bytes of one of its files.
    """

    def __init__(self, root: Path, name: str, files: Sequence[TreeFile], read: Callable[[str], bytes]) -> None:
        self.root = root
        self.name = name
        self.files = tuple(files)
        self._read = read
        self._aside: Path | None = None
        self._chosen: dict[Sequence[str], tuple[TreeFile, ...]] = {}
        self._parts: dict[Sequence[str] | None, tuple[Part, list[Piece]]] = {}
        self._small: dict[str, bytes] = {}
        """Path → contents, of files that were laid out before; every execution needs them."""
        self._small_bytes = 0

    @classmethod
    def working(cls, root: Path, memory: StatMemory, left_out: Sequence[Path] = ()) -> Source:
        """The working tree below `root` as it is now."""
        files = working_tree(root, memory, left_out=left_out)
        return cls(root, "working tree", files, lambda path: (root / path).read_bytes())

    @classmethod
    def of_commit(cls, root: Path, commit: str) -> Source:
        """The tree of a commit. Raises DefinitionError when git does not know it."""
        identifier = commit_of(root, commit)
        files, read = committed_tree(root, identifier)
        return cls(root, identifier, files, read)

    def chosen(self, patterns: Sequence[str] | None) -> tuple[TreeFile, ...]:
        """The files that any of `patterns` matches; all of them for None.

        Raises DefinitionError for a pattern that matches nothing.
        """
        if patterns is None:
            return self.files
        key = tuple(patterns)
        if key not in self._chosen:
            self._chosen[key] = tuple(sorted({file for pattern in key for file in self._matching(pattern)}))
        return self._chosen[key]

    def part(self, patterns: Sequence[str] | None) -> tuple[Part, list[Piece]]:
        """The manifest's ``source`` part of a step that reads the chosen files, and the files behind it."""
        key = None if patterns is None else tuple(patterns)
        if key not in self._parts:
            files = self.chosen(patterns)
            digest = source_digest(files)
            about = f"{len(files)} files" if len(files) != 1 else "1 file"
            part = Part("source", digest, f"{about} ({short(digest)})")
            self._parts[key] = part, [self._piece(file) for file in files]
        return self._parts[key]

    def set_aside(self, folder: Path) -> None:
        """Copies the tree to `folder`, from where it is laid out; nothing happens when that was done.

        Raises DefinitionError when a file is no longer what it was.
        """
        if self._aside is not None:
            return
        for file in self.files:
            target = folder / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._copy_aside(file, target)
            except OSError:
                raise self._changed(file) from None
        self._aside = folder

    def lay(self, folder: Path, patterns: Sequence[str] | None) -> None:
        """Lays the chosen files out below `folder`, each a file of its own that commands may change."""
        made: set[str] = set()
        for file in self.chosen(patterns):
            parent, _, _ = file.path.rpartition("/")
            if parent not in made:
                (folder / parent).mkdir(parents=True, exist_ok=True)
                made.add(parent)
            self._lay_file(file, f"{folder}/{file.path}")

    def _lay_file(self, file: TreeFile, target: str) -> None:
        assert self._aside is not None, "set_aside was called"
        if file.mode == "link":
            Path(target).symlink_to((self._aside / file.path).readlink())
        elif file.size_bytes > SHOWN_BYTES:
            place_file(self._aside / file.path, Path(target), link=False)
            if file.mode == "program":
                Path(target).chmod(0o755)
        else:
            descriptor = os.open(target, _NEW_FILE, 0o777 if file.mode == "program" else 0o666)
            try:
                left = memoryview(self._contents(self._aside, file))
                while left:
                    left = left[os.write(descriptor, left) :]
            finally:
                os.close(descriptor)

    def _contents(self, aside: Path, file: TreeFile) -> bytes:
        data = self._small.get(file.path)
        if data is None:
            data = (aside / file.path).read_bytes()
            if self._small_bytes + len(data) <= REMEMBERED_BYTES:
                self._small[file.path] = data
                self._small_bytes += len(data)
        return data

    def _matching(self, pattern: str) -> list[TreeFile]:
        plain = pattern.removeprefix("./").rstrip("/")
        expression = compiled(plain)
        matching = [f for f in self.files if expression.fullmatch(f.path) or f.path.startswith(f"{plain}/")]
        if not matching:
            raise DefinitionError(
                f"x-source: '{pattern}' matches no file of the source tree",
                path=self.root,
                remedy="mend it, or remove it",
            )
        return matching

    def _copy_aside(self, file: TreeFile, target: Path) -> None:
        data = os.fsencode((self.root / file.path).readlink()) if self._is_present_link(file) else None
        if data is None and file.mode != "link" and self.name == "working tree":
            shutil.copyfile(self.root / file.path, target)
            if file_digest(target) != file.digest:
                raise self._changed(file)
            return
        data = self._read(file.path) if data is None else data
        if digest_bytes(data) != file.digest:
            raise self._changed(file)
        if file.mode == "link":
            target.symlink_to(os.fsdecode(data))
        else:
            target.write_bytes(data)

    def _is_present_link(self, file: TreeFile) -> bool:
        return file.mode == "link" and self.name == "working tree"

    def _changed(self, file: TreeFile) -> DefinitionError:
        fact = "this file of the source tree changed while the run began"
        return DefinitionError(fact, path=self.root / file.path, remedy="run again")

    def _piece(self, file: TreeFile) -> Piece:
        text = f"{file.size_bytes:,} bytes"
        if file.size_bytes <= SHOWN_BYTES and file.mode != "link":
            try:
                text = self._read(file.path).decode("utf-8")
            except (UnicodeDecodeError, OSError):
                text = f"{file.size_bytes:,} bytes, no text"
        return Piece(file.path, digest_of("source-file/1", file.digest, file.mode.encode()), text)


def source_digest(files: Sequence[TreeFile]) -> Digest:
    """The digest of a tree: paths, contents and executable bits."""
    pieces: list[bytes] = []
    for file in files:
        pieces += (file.path.encode("utf-8", "surrogateescape"), file.digest, file.mode.encode())
    return digest_of("source/1", *pieces)
