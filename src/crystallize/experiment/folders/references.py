"""Finds the experiments of a project, and those that references name.

A listing only peeks at names, so an unrelated broken configuration never matters, and none of the user's code
is loaded.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from crystallize.errors import DefinitionError, MissingFileError, UnknownNameError, nearest
from crystallize.experiment.folders.config import CONFIG_NAME
from crystallize.experiment.folders.entries import ExperimentConfig, Reference
from crystallize.yaml_lines import Loader, read_text

_SKIPPED = frozenset({"node_modules", "site-packages", "dist-packages", "__pycache__"})
_MARKS_OF_SKIPPED = frozenset({"pyvenv.cfg", ".crystallize"})
"""A folder that holds one of these is a virtual environment or a data root."""


class Listed(NamedTuple):
    """A configuration that was found, known by its names only."""

    path: Path
    declared: str | None
    """None where none is declared, or the file cannot be read."""

    @property
    def name(self) -> str:
        """What the experiment is called."""
        return self.declared or self.folder_name

    @property
    def folder_name(self) -> str:
        return self.path.parent.name


class Catalog:
    """The configurations below a folder. Reads a file again only when its stat has changed."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._peeked: dict[Path, tuple[tuple[int, ...], str | None]] = {}
        self._listed: list[Listed] | None = None
        self._declared: defaultdict[str, list[Path]] = defaultdict(list)
        self._folders: defaultdict[str, list[Path]] = defaultdict(list)

    def listed(self) -> list[Listed]:
        """Every configuration, by path; looked up once until `refresh` is called."""
        if self._listed is None:
            self._listed = [Listed(path, self._peek(path)) for path in find_configs(self.root)]
            self._declared.clear()
            self._folders.clear()
            for item in self._listed:
                self._folders[item.folder_name].append(item.path)
                if item.declared is not None:
                    self._declared[item.declared].append(item.path)
        return self._listed

    def refresh(self) -> None:
        """Look at the folders again when next asked."""
        self._listed = None

    def named(self, name: str) -> list[Path]:
        """The configurations that declare `name`; where none does, those whose folder is called so."""
        self.listed()
        return self._declared.get(name) or self._folders.get(name) or []

    def find(self, name: str, *, path: Path | None = None, line: int | None = None) -> Path:
        """The configuration that `name` means; `path` and `line` say where it was asked for.

        Raises MissingFileError (a FileNotFoundError, as in 0.27) when there is none, DefinitionError when there are
        several.
        """
        found = self.named(name)
        if len(found) == 1:
            return found[0]
        if found:
            listed = ", ".join(str(item) for item in found)
            raise DefinitionError(
                f"experiment {name!r} fits {len(found)} configurations: {listed}",
                path=path,
                line=line,
                remedy="give each a 'name:' of its own",
            )
        known = {known for item in self.listed() for known in (item.name, item.folder_name)}
        raise MissingFileError(
            f"there is no experiment {name!r} below {self.root}",
            path=path,
            line=line,
            remedy=nearest(name, known),
        )

    def _peek(self, path: Path) -> str | None:
        try:
            stat = path.stat()
        except OSError:
            return None
        key = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
        known = self._peeked.get(path)
        if known is None or known[0] != key:
            known = self._peeked[path] = key, peek_name(path)
        return known[1]


def check_output(reference: Reference, reader: ExperimentConfig, producer: ExperimentConfig) -> None:
    """Raise UnknownNameError when `producer` declares no such output."""
    aliases = [entry.alias for entry in producer.outputs]
    if reference.output not in aliases:
        raise UnknownNameError(
            f"experiment {producer.name!r} has no output {reference.output!r}",
            path=reader.path,
            line=reference.line,
            key="datasource",
            remedy=nearest(reference.output, aliases),
        )


def peek_name(path: Path) -> str | None:
    """The `name:` that the file at `path` declares, read no further than needed; None when unclear."""
    try:
        return _top_level_scalar(read_text(path), "name")
    except (DefinitionError, yaml.YAMLError):
        return None


def find_configs(root: Path) -> Iterator[Path]:
    """Every `config.yaml` below `root`, by path.

    Hidden folders, virtual environments, installed packages and data roots are left out; links to folders are
    not followed.
    """
    yield from _walk(root, is_top=True)


def find_experiments_root(start: Path | str, *, strict: bool = True) -> Path:
    """The nearest folder called `experiments` around `start`, or inside one of the folders around it.

    Raises MissingFileError (a FileNotFoundError) when there is none; unless `strict`, warns in the log and returns
    `start`.

    Examples
    --------
    >>> from pathlib import Path
    >>> Path("experiments/train").mkdir(parents=True)
    >>> find_experiments_root("experiments/train").name
    'experiments'
    """
    place = Path(start).resolve()
    for folder in (place, *place.parents):
        if folder.name == "experiments" and folder.is_dir():
            return folder
        if (folder / "experiments").is_dir():
            return folder / "experiments"
    fact = "there is no folder 'experiments' here or above"
    if strict:
        raise MissingFileError(fact, path=place, remedy="put the experiment folders into one")
    logging.getLogger("crystallize").warning("%s: %s", place, fact)
    return Path(start)


def _walk(folder: Path, *, is_top: bool = False) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        return
    names = {entry.name for entry in entries}
    if not is_top and not names.isdisjoint(_MARKS_OF_SKIPPED):
        return
    if CONFIG_NAME in names:
        yield folder / CONFIG_NAME
    for entry in entries:
        if _is_searched(entry):
            yield from _walk(folder / entry.name)


def _is_searched(entry: os.DirEntry[str]) -> bool:
    name = entry.name
    return name[0] != "." and name not in _SKIPPED and entry.is_dir(follow_symlinks=False)


def _top_level_scalar(text: str, wanted: str) -> str | None:
    depth, is_key, key = 0, True, None
    for event in _events(text):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent):
            value = event.value if isinstance(event, yaml.ScalarEvent) else None
            if depth == 1 and is_key:
                key, is_key = value, False
            elif depth == 1:
                if key == wanted:
                    return value or None
                is_key = True
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
    return None


def _events(text: str) -> Iterable[yaml.Event]:
    events: Iterable[yaml.Event] = yaml.parse(text, Loader)
    return events
