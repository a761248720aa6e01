"""``x-source: observed``: which files of the source tree an execution rests on, by what its Python looked at.

Only for commands that are one plain ``python FILE …`` line. Everything else, and everything that the observer cannot
see through, rests on the whole tree: never blinder than without it. The rows are judged by the same decision as those
of trials, against the tree of the run rather than the disk.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from crystallize.engine.foresee import Foreseen
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.reads.looks import Kind
from crystallize.fingerprint.reads.observations import ABSENT, Observation
from crystallize.plan.workspace import Workspace
from crystallize.store.reuse import Hit, Miss
from crystallize.valohai.source import Source, source_digest
from crystallize.valohai.task import Recipe
from crystallize.valohai.tree import TreeFile
from crystallize.words import duration

PLACE = Path("/crystallize-observer")
"""Where containers find the observer."""
SOURCE_RULE, SOURCE_TREE = "source_rule", "source_tree"
"""Facts of a record: which rule held, and the whole tree that it had."""
SCRIPT, REPORT = "sitecustomize.py", "report.txt"
WHOLE = "the whole tree counts"
_PLACEHOLDER = re.compile(r"\{(parameters|params|parameter(-value)?:[^}]+)\}")
_PYTHON = re.compile(r"python[0-9.]*")
_PLAIN = re.compile(r"(?:[\w./:,@%+= \t-]|'[^']*'|\"[^\"$`\\]*\")+")
_SUFFIXES = (".py", ".pyc", ".so", ".abi3.so", ".pyd", "/__init__.py", "/__init__.pyc", "/__init__.so")


class Rule(NamedTuple):
    """What of the source tree an execution rests on."""

    observations: tuple[Observation, ...]
    told: str
    """``observed: 3 of 12 files count``, or ``the whole tree counts: it starts child processes``."""
    tree: Digest = ABSENT
    """Of the whole tree; ABSENT where nothing is observed."""

    @property
    def facts(self) -> dict[str, str]:
        """For the record."""
        return {SOURCE_RULE: self.told, SOURCE_TREE: self.tree.hex()} if self.told else {}


NOTHING = Rule((), "")


class Mount(NamedTuple):
    """A folder of the host in a container."""

    source: str
    destination: str
    readonly: bool = False


class Watch:
    """Observes one execution, where its recipe says so.

    Parameters
    ----------
    is_here : whether the command sees the folders of this machine.
    """

    def __init__(self, recipe: Recipe, script: str, workspace: Workspace, *, is_here: bool) -> None:
        self._recipe = recipe
        self._script = script
        self._folder = workspace.scratch("observer") if recipe.observed and is_plain(script) else None
        self._place = (self._folder or PLACE) if is_here else PLACE
        self.mounts = () if self._folder is None or is_here else (Mount(str(self._folder), str(PLACE)),)
        if self._folder is not None:
            install(self._folder)

    @property
    def script(self) -> str:
        """What is to be run, with the observer in its Python; images may have a search path of their own."""
        if self._folder is None:
            return self._script
        return f"PYTHONPATH={shlex.quote(str(self._place))}${{PYTHONPATH:+:$PYTHONPATH}} {self._script}"

    def variables(self, repository: Path) -> dict[str, str]:
        """What the observer is told; `repository`: as the command sees it."""
        if self._folder is None:
            return {}
        return {
            "CRYSTALLIZE_OBSERVED_ROOT": str(repository),
            "CRYSTALLIZE_OBSERVED_REPORT": str(self._place / REPORT),
        }

    def rule(self) -> Rule:
        """What the execution rests on, now that it has ended."""
        if not self._recipe.observed:
            return NOTHING
        if self._folder is None:
            return whole(self._recipe.source, "its parameters make its command more than a plain line")
        return conclude(self._folder, self._recipe.observed, self._recipe.source)


def script_of_plain(command: Sequence[str], source: Source) -> tuple[str, str]:
    """The file that a command runs, as the tree names it, and why it is none that can be observed; one is empty.

    Placeholders of parameters may stand where arguments do.
    """
    lines = [line.strip() for each in command for line in each.splitlines() if line.strip()]
    if len(lines) != 1:
        return "", "its command has more than one line"
    if "source-path" in lines[0]:
        return "", "its command names {source-path}"
    line = _PLACEHOLDER.sub("X", lines[0])
    if _PLAIN.fullmatch(line) is None:
        return "", "its command uses operators or expansions of the shell"
    words = shlex.split(line)
    if len(words) < 2 or _PYTHON.fullmatch(words[0]) is None or "{" in lines[0].split()[1]:
        return "", "its command is not of the form 'python FILE …'"
    name = words[1].removeprefix("/valohai/repository/").removeprefix("./")
    if words[1].startswith("-") or all(file.path != name for file in source.files):
        return "", f"'{words[1]}' is no file of its source tree"
    return name, ""


def is_plain(script: str) -> bool:
    """Whether a script, its parameters filled in, is still one plain line."""
    return _PLAIN.fullmatch(script) is not None


def install(folder: Path) -> None:
    """Lays the observer into `folder`."""
    text = Path(__file__).with_name("observer.py").read_text(encoding="utf-8")
    (folder / SCRIPT).write_text(text, encoding="utf-8")


def conclude(folder: Path, script: str, source: Source) -> Rule:
    """What an execution rests on, by the report that its Python left in `folder`."""
    try:
        report = ast.literal_eval((folder / REPORT).read_text(encoding="ascii"))
        doubts = report["doubts"]
    except (OSError, ValueError, SyntaxError, KeyError, TypeError):
        return whole(source, "its Python told nothing of what it read")
    if doubts:
        return whole(source, str(doubts[0]))
    tree = Tree(source)
    files, native = {script, *report["files"]}, set()
    for found, name in report["imports"]:
        base = name if found == "." else f"{found}/{name}"
        files.update(base + suffix for suffix in _SUFFIXES)
        native.add(base)
        if tree.is_namespace(base):
            report["folders"].append(base)
        files.add(base)
    keys: set[tuple[Kind, str]] = {("file", name) for name in files if name != "."}
    keys |= {("folder", name) for name in report["folders"]} | {("glob", f"{base}.*") for base in native}
    keys |= {("file", link) for _, name in keys for link in tree.links_to(name)}
    rows = tuple(sorted(Observation(kind, name, tree.digest(kind, name)) for kind, name in keys))
    count = sum(kind == "file" and name in tree.files for kind, name, _ in rows)
    return Rule(rows, f"observed: {count} of {len(source.files)} files count", source_digest(source.files))


def whole(source: Source, why: str) -> Rule:
    """All of the tree, and why."""
    row = Observation("tree", ".", Tree(source).digest("tree", "."))
    return Rule((row,), f"{WHOLE}: {why}", row.digest)


def source_notes(recipe: Recipe, foreseen: Foreseen) -> Iterator[str]:
    """What of the source counted in the last execution, and what observing it saves, or might."""
    decision = foreseen.decision
    record = decision.record if isinstance(decision, Hit) else foreseen.previous
    if record is None:
        return
    rule = record.facts.get(SOURCE_RULE)
    if recipe.observed and rule is not None:
        yield f"source, last time: {rule}"
        is_other = record.facts.get(SOURCE_TREE) != source_digest(recipe.source.files).hex()
        if isinstance(decision, Hit) and is_other:
            yield f"observed saves {duration(record.seconds)}: files changed that it does not read"
    elif isinstance(decision, Miss) and not recipe.source_rule and any(c.name == "source" for c in decision.changes):
        script, _ = script_of_plain(recipe.command, recipe.source)
        if script:
            took = duration(record.seconds)
            yield f"source: {WHOLE}; 'x-source: observed' saves these {took} where {script} does not read what changed"


class Tree:
    """The source tree of a run, by name: what observations are judged against. A `Surveys` of the store."""

    def __init__(self, source: Source) -> None:
        self.files: dict[str, TreeFile] = {file.path: file for file in source.files}
        self._folders: dict[str, dict[str, None]] = {".": {}}
        """Folder → the names in it; those of folders end in a slash."""
        self._native = sorted(path for path in self.files if path.endswith((".so", ".pyd")))
        for path in self.files:
            name = path
            while name:
                folder, _, last = name.rpartition("/")
                self._folders.setdefault(folder or ".", {})[last if name == path else f"{last}/"] = None
                name = folder

    def digest(self, kind: str, name: str) -> Digest:
        """Of a file, of a folder's names with their sizes, or of all; ABSENT where there is none."""
        if kind == "tree":
            return source_digest(tuple(self.files.values()))
        if kind == "glob":
            return digest_of("source-built/1", *(path.encode() + self.files[path].digest for path in self._built(name)))
        if kind == "folder":
            if name not in self._folders:
                return ABSENT
            return digest_of("source-folder/1", *(self._listed(name, each).encode() for each in self._folders[name]))
        file = self.files.get(name)
        if file is None:
            return digest_of("source-is-folder/1") if name in self._folders else ABSENT
        return digest_of("source-file/1", file.digest, file.mode.encode())

    def changes(self, observations: Iterable[Observation]) -> list[str]:
        """A sentence on each that is not so in this tree."""
        return [
            _told(observation, now)
            for observation in observations
            if (now := self.digest(observation.kind, observation.name)) != observation.digest
        ]

    def is_namespace(self, base: str) -> bool:
        """Whether an import of `base` may find a folder that is a package by nothing but its name."""
        return base in self._folders and f"{base}/__init__.py" not in self.files

    def links_to(self, name: str) -> Iterator[str]:
        """The links that stand on the way to `name`."""
        parts = name.split("/")
        for count in range(1, len(parts)):
            above = "/".join(parts[:count])
            if above in self.files:
                yield above

    def _built(self, pattern: str) -> list[str]:
        """Modules of native code that an import might find."""
        base = pattern.removesuffix("*")
        return [path for path in self._native if path.startswith(base)]

    def _listed(self, folder: str, name: str) -> str:
        file = self.files.get(name if folder == "." else f"{folder}/{name}")
        return f"{name}\0" if file is None else f"{name}\0{file.size_bytes}\0{file.mode}"


def _told(observation: Observation, now: Digest) -> str:
    kind, name, then = observation
    if kind == "tree":
        return "source: another tree than that of the last execution, which rests on all of it"
    if kind == "glob":
        return f"{name.removesuffix('.*')}: its native modules are others than in the last execution"
    if kind == "folder":
        return f"{name}/: listed by the last execution, {'changed' if now else 'gone'} since"
    if not then:
        return f"{name}: looked for by the last execution, there since"
    return f"{name}: read by the last execution, {'changed' if now else 'gone'} since"
