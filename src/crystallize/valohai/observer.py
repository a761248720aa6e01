"""Runs inside a step's Python, as its `sitecustomize`: writes down which names below the source tree are looked at.

Never imported here: its text is laid beside the execution, for whatever Python the command has. It needs nothing but
what every Python from 3.8 on has loaded: a module that it imported would stand before the user's own of that name. What
it cannot see through it names as a doubt, and then the whole tree counts.
"""

# It runs in every observed command, and pathlib would be loaded for it alone.
# ruff: noqa: PTH100, PTH117, PTH118, PTH120, SIM105

from __future__ import annotations

import atexit
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ROOT = os.environ.pop("CRYSTALLIZE_OBSERVED_ROOT")
_REPORT = os.environ.pop("CRYSTALLIZE_OBSERVED_REPORT")
_ROOTS = tuple({_ROOT, os.path.realpath(_ROOT)})
_CHILDREN = ("subprocess.Popen", "os.posix_spawn", "os.system", "os.fork", "os.forkpty", "os.exec", "os.spawn")
_TOUCHING = (
    *("os.mkdir", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chdir", "os.chmod", "os.chown"),
    *("os.utime", "os.getxattr", "os.listxattr"),
)
_FOREIGN = ("_sqlite3", "_dbm", "_gdbm", "_ctypes_test")
_TRUSTED = (
    "numpy",
    "pandas",
    "scipy",
    "sklearn",
    "yaml",
    "_yaml",
    "regex",
    "markupsafe",
    "pydantic_core",
    "simplejson",
)
"""Packages with native code that opens files by Python's own `open` alone (as far as they are used without others)."""
_WRITES = os.O_WRONLY | os.O_RDWR

_files: dict[str, None] = {}
_folders: dict[str, None] = {}
_imports: dict[tuple[str, str], None] = {}
_doubts: dict[str, None] = {}
_written: set[str] = set()
_open, _readlink = os.open, os.readlink
_MOST_LINKS = 40


def _below(path: Any, dir_fd: Any = None) -> list[str]:
    """The names, relative to the source tree, of what was given; of the link and of what it leads to."""
    if isinstance(path, int):
        return []
    try:
        text = os.fsdecode(path)
    except TypeError:
        return []  # the call itself will say so
    if dir_fd is not None and not os.path.isabs(text):
        try:
            text = os.path.join(_readlink(f"/proc/self/fd/{dir_fd}"), text)
        except OSError:
            _doubts["it opens files relative to open folders"] = None
            return []
    found = []
    text = os.path.abspath(text)
    for each in (text, _resolved(text)):
        for root in _ROOTS:
            if each == root:
                found.append(".")
            elif each.startswith(root + "/"):
                found.append(each[len(root) + 1 :])
    return [name for name in found if "__pycache__" not in name.split("/")]


def _resolved(path: str) -> str:
    """The path without links; asked in a way that is not observed."""
    done, rest, links = "", path.split("/"), 0
    while rest and links < _MOST_LINKS:
        part = rest.pop(0)
        if part == "..":
            done = done.rpartition("/")[0]
        elif part not in ("", "."):
            try:
                target = _readlink(done + "/" + part)
            except OSError:
                done += "/" + part
            else:
                links += 1
                done = "" if target.startswith("/") else done
                rest = target.split("/") + rest
    return done


def _look(path: Any, dir_fd: Any = None) -> None:
    for name in _below(path, dir_fd):
        if name not in _written:
            _files[name] = None


def _loading() -> bool:
    return sys._getframe(2).f_code.co_filename.startswith("<frozen importlib")


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, int) or path is None:
            return
        anew = flags & _WRITES == os.O_WRONLY and flags & (os.O_TRUNC | os.O_EXCL)
        if anew:
            _written.update(_below(path))
        else:
            _look(path)
    elif event in ("os.listdir", "os.scandir"):
        if not _loading():
            for name in _below("." if arguments[0] is None else arguments[0]):
                _folders[name] = None
            if isinstance(arguments[0], int):
                _doubts["it lists open folders"] = None
    elif event == "os.rename":
        _written.update(_below(arguments[1]))
        _look(arguments[0])
    elif event in _TOUCHING:
        _look(arguments[0])
    elif event in _CHILDREN:
        _doubts["it starts child processes"] = None
    elif event == "ctypes.dlopen" and arguments[0]:
        _doubts["it loads native libraries by ctypes"] = None
    elif event == "sqlite3.connect":
        _doubts["it opens databases by sqlite3"] = None


class _Finder:
    """The first of the finders: finds nothing, and writes down what is looked for where."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> None:
        for folder in sys.path if path is None else path:
            for found in _below(folder or "."):
                _imports[(found, name.rpartition(".")[2])] = None


def _wrap(name: str) -> None:
    """Has a function of `os` write down what it is asked about: no audit event tells of these."""
    original = getattr(os, name)

    def seen(path: Any, *arguments: Any, **named: Any) -> Any:
        _look(path, named.get("dir_fd"))
        return original(path, *arguments, **named)

    _replace(name, seen)


def _replace(name: str, by: Any) -> None:
    original = getattr(os, name)
    by.__name__ = name
    for able in (os.supports_dir_fd, os.supports_follow_symlinks, os.supports_effective_ids, os.supports_fd):
        if original in able:
            able.add(by)
    setattr(os, name, by)


def _watch_children() -> None:
    import _posixsubprocess

    start = _posixsubprocess.fork_exec

    def fork_exec(*arguments: Any) -> Any:
        _doubts["it starts child processes"] = None
        return start(*arguments)

    _posixsubprocess.fork_exec = fork_exec


def _check() -> None:
    """Sees whether this Python's own ways to ask for a name are seen."""
    for ask in (os.path.exists, os.path.isfile, os.path.isdir, os.path.islink, os.path.getsize):
        _files.clear()
        try:
            ask(os.path.join(_ROOT, ".asked"))
        except OSError:
            pass
        if ".asked" not in _files:
            _doubts["its Python does not tell which names it looks up"] = None
    _files.clear()


def _seen_open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: Any = None) -> int:
    if dir_fd is not None and flags & _WRITES == os.O_RDONLY:
        _look(path, dir_fd)
    return _open(path, flags, mode, dir_fd=dir_fd)


def _native() -> None:
    """Modules of native code, of whose reads nothing is known."""
    for name, module in list(sys.modules.items()):
        if name in _FOREIGN:
            _doubts[f"it imports {name.lstrip('_')}, which may read files itself"] = None
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not file.endswith((".so", ".pyd", ".dylib")):
            continue
        top = name.partition(".")[0]
        is_own = os.path.dirname(file).endswith("lib-dynload") or top in getattr(sys, "builtin_module_names", ())
        if not is_own and top not in _TRUSTED:
            _doubts[f"it imports {top}, which may read files itself"] = None


def _report() -> None:
    _native()
    found = {"files": list(_files), "folders": list(_folders), "imports": list(_imports), "doubts": list(_doubts)}
    descriptor = _open(_REPORT, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(ascii(found).encode())


def _begin() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or ".") != here]
    rest = [entry for entry in os.environ.pop("PYTHONPATH", "").split(os.pathsep) if entry and entry != here]
    if rest:
        os.environ["PYTHONPATH"] = os.pathsep.join(rest)
    for name in ("stat", "lstat", "readlink", "access"):
        _wrap(name)
    _replace("open", _seen_open)
    _watch_children()
    _check()
    sys.meta_path.insert(0, _Finder)
    atexit.register(_report)
    sys.addaudithook(_hook)
    _chain()


def _chain() -> None:
    """Runs the `sitecustomize` that this one stands before, if there is one."""
    import _frozen_importlib

    for finder in sys.meta_path[1:]:
        spec = finder.find_spec("sitecustomize", None)
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module(_frozen_importlib.module_from_spec(spec))
            return


_begin()
