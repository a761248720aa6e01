"""What running code reads: files, listings, globs and unpickled definitions, each as it looked at that moment.

One audit hook tells of every read in the process; a context variable says whom to charge. Knows nothing of trials,
stores and digests of contents: `observations.py` turns what was seen into what a record keeps. Watching what a job
reads in place of asking for declarations is after tup and rattle.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from types import FrameType
from typing import Any

from crystallize.fingerprint.origin import is_installed_file
from crystallize.fingerprint.reads.caches import RacyCacheError, refuse_racy
from crystallize.fingerprint.reads.looks import (
    LOADED,
    WORKING_FOLDER,
    Key,
    Look,
    full_pattern,
    is_plain,
    look_at,
    path_of,
)

Seen = dict[Key, Look]
"""What was read → how it looked."""

READS = "__crystallize_reads__"
"""In the namespace of a project module: what was read while it was imported, or is kept there between calls."""

_SKIPPED = ("/proc/", "/sys/")
_CODE_SUFFIXES = (".py", ".pyc", ".pth", ".so", ".pyd")
_WRITES = os.O_WRONLY | os.O_RDWR
_ANEW = os.O_TRUNC | os.O_EXCL


class Observer:
    """What one trial reads while `observing` it. Threads may share it.

    Parameters
    ----------
    keepers : asked once, at the first read: where the trial's reads count for later trials as well.
    inputs : absolute paths of files that are told apart in another way.
    """

    def __init__(self, keepers: Callable[[], Iterable[Seen]] = tuple, inputs: Iterable[str] = ()) -> None:
        self.seen: Seen = {}
        self.mixed: set[str] = set()
        """Files that were both read and written."""
        self.starts_processes = False
        self._written: dict[str, bool] = {}
        """Path → whether all that is in it was written here."""
        self.inputs = frozenset(inputs)
        self._keepers = keepers
        self._kept: list[Seen] | None = None
        self._shared: list[Seen] = []

    def needs(self, path: str) -> bool:
        """Whether a read of the file has to be noted: not that of an input, where nothing outlives the trial."""
        return path not in self.inputs or bool(self._elsewhere())

    def read(self, key: Key, look: Look) -> None:
        """Notes a read, unless all that is in the file was written here."""
        anew = self._written.get(key[1]) if key[0] == "file" else None
        if anew:
            return
        if anew is False:
            self.mixed.add(key[1])
        self.seen.setdefault(key, look)
        for kept in self._elsewhere():
            kept.setdefault(key, look)

    def write(self, path: str, *, anew: bool) -> None:
        """Notes a file opened for writing; `anew`: what was in it before is gone."""
        if ("file", path) in self.seen:
            self.mixed.add(path)
        else:
            self._written.setdefault(path, anew)

    def move(self, old: str, new: str) -> None:
        """Notes that the file at `old` takes the place of `new`, as those do who write aside first."""
        if old in self._written:
            self.write(new, anew=self._written.pop(old))

    def wrote(self, path: str) -> bool:
        """Whether the file was opened for writing."""
        return path in self._written or path in self.mixed

    def share(self, seen: Seen) -> None:
        """Lets what was read for `seen` count here, and what is read here from now on count there."""
        if all(seen is not shared for shared in self._shared):
            self._shared.append(seen)

    def all_seen(self, more: Iterable[Seen] = ()) -> Seen:
        """What was read here, with what is shared and `more`, which were read before."""
        found = dict(self.seen)
        for seen in (*self._shared, *more):
            found.update(seen)
        return found

    def _elsewhere(self) -> list[Seen]:
        """Where what is read here counts as well."""
        if self._kept is None:
            self._kept = list(self._keepers())
        return self._kept + self._shared


class PartObserver(Observer):
    """What a part of a trial reads; `whole`, who observes the trial, is told of everything as well."""

    def __init__(self, whole: Observer) -> None:
        super().__init__(inputs=whole.inputs)
        self._whole = whole

    def needs(self, path: str) -> bool:
        return super().needs(path) or self._whole.needs(path)

    def read(self, key: Key, look: Look) -> None:
        super().read(key, look)
        self._whole.read(key, look)

    def write(self, path: str, *, anew: bool) -> None:
        super().write(path, anew=anew)
        self._whole.write(path, anew=anew)

    def share(self, seen: Seen) -> None:
        super().share(seen)
        self._whole.share(seen)

    def end(self) -> None:
        """The part is over."""
        self._whole.starts_processes |= self.starts_processes

    def written(self) -> list[str]:
        """Absolute paths of the files that were opened for writing."""
        return [*self._written, *(path for path in self.mixed if path not in self._written)]


_NOBODY = Observer()
_charged: ContextVar[Observer | None] = ContextVar("crystallize_observer", default=None)
_running: set[Observer] = set()
_kept: dict[int, tuple[Callable[[], object], Seen]] = {}
_installed: list[bool] = []


class observing:
    """Charges `observer` with what this context reads, and with the reads of threads that belong to nobody."""

    __slots__ = ("_observer", "_token")

    def __init__(self, observer: Observer) -> None:
        self._observer = observer

    def __enter__(self) -> None:
        install()
        self._token = _charged.set(self._observer)
        _running.add(self._observer)

    def __exit__(self, *exception: object) -> None:
        _running.discard(self._observer)
        _charged.reset(self._token)


class unobserved:
    """Charges nobody: for what crystallize reads itself."""

    __slots__ = ("_token",)

    def __enter__(self) -> None:
        self._token = _charged.set(_NOBODY)

    def __exit__(self, *exception: object) -> None:
        _charged.reset(self._token)


def forget_running() -> None:
    """To be called in a process just forked: what ran in its parent does not run here."""
    _running.clear()


def readers() -> Sequence[Observer]:
    """Who is charged here: the context's own trial, else every one that runs in the process."""
    charged = _charged.get()
    if charged is _NOBODY:
        return ()
    # A thread of a pool may still carry the trial that started it, long after that ended.
    return (charged,) if charged is not None and charged in _running else tuple(_running)


def kept_by(holder: object) -> Seen:
    """What was read into `holder`, an object that lives from trial to trial; empty at first."""
    number = id(holder)
    known = _kept.get(number)
    if known is None or known[0]() is not holder:
        known = _kept[number] = (_reference(holder), {})
    return known[1]


def _reference(holder: object) -> Callable[[], object]:
    number = id(holder)
    try:
        return weakref.ref(holder, lambda _: _forget(number))
    except TypeError:
        # Instances with slots allow no weak reference; holding them keeps their id from being reused.
        return lambda: holder


def _forget(number: int) -> None:
    _kept.pop(number, None)


def install() -> None:
    """Starts to watch the process; once is enough. Python has no way to end it."""
    if not _installed:
        _installed.append(True)
        sys.addaudithook(_hook)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _HANDLERS or _charged.get() is _NOBODY:
        return
    event_of = _Event(readers(), sys._getframe(1))
    token = _charged.set(_NOBODY)
    try:
        _HANDLERS[event](event_of, *arguments)
    except RacyCacheError:
        raise
    except (OSError, ValueError):
        pass  # a path that cannot be: the call itself will say so
    finally:
        _charged.reset(token)


class _Event:
    """One event: who is charged with it, and where it happened."""

    __slots__ = ("frame", "readers")

    def __init__(self, readers: Sequence[Observer], frame: FrameType) -> None:
        self.readers = readers
        self.frame = frame

    def needs(self, path: str) -> bool:
        """Whether anybody has to be charged with a read of the file."""
        return any(each.needs(path) for each in self.readers) or next(_importing(self.frame), None) is not None

    def read(self, key: Key, given: Any = "/") -> None:
        """Charges the readers, and the modules that are being imported: what these hold was read into them.

        A path that was `given` relative to the working directory rests on that as well.
        """
        if given is None or (isinstance(given, str) and not given.startswith("/")):
            self.read(WORKING_FOLDER)
        importing = list(_importing(self.frame))
        if not self.readers and not importing:
            return
        look = look_at(key)
        for observer in self.readers:
            observer.read(key, look)
        for namespace in importing:
            # A module that is run again reads anew what it holds.
            namespace.setdefault(READS, {})[key] = look


def _on_open(event: _Event, given: Any, mode: str | None, flags: int) -> None:
    if isinstance(given, str) and given.endswith(_CODE_SUFFIXES) and _is_loading(event.frame):
        _note_load(event.frame, given)
        if given.endswith(".pyc") and not flags & _WRITES:
            refuse_racy(given)
        return
    if isinstance(given, str) and not flags & _WRITES and not event.needs(given):
        return
    path = path_of(given)
    if path is None or path.startswith(_SKIPPED) or is_installed_file(path) or not is_plain(path):
        return
    if flags & _WRITES != os.O_WRONLY and not flags & _ANEW:
        event.read(("file", path), given)
    if flags & _WRITES:
        anew = bool(flags & _ANEW) or look_at(("file", path)) is None
        for observer in event.readers:
            # Whose thread it was is not known when there are several: then no read is left out.
            observer.write(path, anew=anew and len(event.readers) == 1)


def _on_listing(event: _Event, given: Any) -> None:
    path = path_of("." if given is None else given)
    if path is None or is_installed_file(f"{path}/") or f"{path}/".startswith(_SKIPPED):
        return
    if not _is_loading(event.frame) and not _is_inside_glob(event.frame):
        event.read(("folder", path), given)


def _on_glob(event: _Event, pattern: Any, recursive: bool, folder: Any, descriptor: int | None) -> None:
    start = folder if descriptor is None else descriptor
    event.read(("glob", full_pattern(pattern, start)), pattern if start is None else start)


def _on_path_glob(event: _Event, folder: Any, pattern: Any) -> None:
    event.read(("glob", full_pattern(pattern, folder)), os.fspath(folder))


def _on_path_rglob(event: _Event, folder: Any, pattern: Any) -> None:
    event.read(("glob", full_pattern(f"**/{pattern}", folder)), os.fspath(folder))


def _on_rename(event: _Event, source: Any, target: Any, *_: int) -> None:
    old, new = path_of(source), path_of(target)
    if old is not None and new is not None:
        for observer in event.readers:
            observer.move(old, new)


def _on_database(event: _Event, given: Any) -> None:
    name = os.fsdecode(given)
    if name.startswith("file:"):
        from urllib.parse import unquote, urlsplit

        name = unquote(urlsplit(name).path)
    path = path_of(name) if name and not name.startswith(":") else None
    if path is not None:
        event.read(("file", path), name)
        event.read(("file", f"{path}-wal"))


def _on_unpickling(event: _Event, module: str, name: str) -> None:
    event.read(("code", f"{module}:{name}"))


def _on_child(event: _Event, *_: Any) -> None:
    for observer in event.readers:
        observer.starts_processes = True


_HANDLERS: Mapping[str, Callable[..., None]] = {
    "open": _on_open,
    "os.listdir": _on_listing,
    "os.scandir": _on_listing,
    "glob.glob/2": _on_glob,
    "pathlib.Path.glob": _on_path_glob,
    "pathlib.Path.rglob": _on_path_rglob,
    "os.rename": _on_rename,
    "sqlite3.connect": _on_database,
    "pickle.find_class": _on_unpickling,
    **dict.fromkeys(("subprocess.Popen", "os.posix_spawn", "os.system", "os.fork", "os.exec"), _on_child),
}


def _importing(frame: FrameType | None) -> Iterator[dict[str, Any]]:
    """The namespaces of the project's modules that are being imported, up to where crystallize called."""
    while frame is not None:
        names = frame.f_globals
        name = str(names.get("__name__"))
        if name.startswith("crystallize.") and name != "crystallize.experiment.folders.worlds":
            return
        is_import = frame.f_code.co_name == "<module>" and name != "__main__"
        if is_import and not is_installed_file(frame.f_code.co_filename):
            yield names
        frame = frame.f_back


def _is_loading(frame: FrameType) -> bool:
    """Whether the import machinery reads, or a traceback quotes: what is loaded counts as code."""
    file = frame.f_code.co_filename
    above = frame.f_back
    if file.startswith("<frozen importlib") or file.endswith("linecache.py"):
        return True
    return file.endswith("tokenize.py") and above is not None and above.f_code.co_filename.endswith("linecache.py")


def _note_load(frame: FrameType | None, path: str) -> None:
    """Leaves in a module how its file looks, whose text the import machinery is about to load into it."""
    while frame is not None and frame.f_code.co_filename.startswith("<frozen importlib"):
        module = frame.f_locals.get("module")
        if frame.f_code.co_name == "exec_module" and getattr(module, "__file__", None) == path:
            vars(module)[LOADED] = look_at(("file", path))
            return
        frame = frame.f_back


def _is_inside_glob(frame: FrameType | None) -> bool:
    """Whether a glob lists the folder, which counts by what it matched; in Python 3.12 it does so by `Path.walk`."""
    called = None
    while frame is not None and _is_globbing(frame.f_code.co_filename):
        called = frame.f_code.co_name
        frame = frame.f_back
    return called not in (None, "walk", "iterdir")


def _is_globbing(file: str) -> bool:
    return ("pathlib" in file or file.endswith("glob.py")) and (is_installed_file(file) or file.startswith("<frozen"))
