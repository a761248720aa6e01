"""Settings: the only reader of environment variables, of `crystallize.toml` and of `.env`.

An environment variable wins over the file, the file over the default. Knows nothing of experiments or stores.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError, DefinitionTypeError, UnknownNameError, close_to

FILE_NAME = "crystallize.toml"
ENV_FILE = ".env"
STRATEGIES = ("resume", "rerun")

_ROOT_FILES = (FILE_NAME, "pyproject.toml", "valohai.yaml", ".git")
_TYPES: Mapping[str, type] = {
    "artifact_retention": int,
    "big_file_threshold_mb": int,
    "data": str,
    "observe": bool,
    "runtime": str,
    "seed": int,
    "store": str,
    "strategy": str,
}
_WORDS = {bool: "true or false", int: "a whole number", str: "a text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What holds for a whole project, read once."""

    root: Path
    """The project folder, absolute and without links."""
    artifact_root: str = "data"
    """Folder of results, relative to `root` unless absolute; CRYSTALLIZE_DATA, `data`."""
    store: Path | None = None
    """Absolute folder that holds `.crystallize`, None: inside the artifact root; CRYSTALLIZE_STORE, `store`."""
    strategy: str | None = None
    """``resume``, ``rerun`` or None: each command's own default; CRYSTALLIZE_STRATEGY, `strategy`."""
    seed: int | None = None
    """Base seed of experiments that give none; `seed`."""
    artifact_retention: int = 3
    """How many versions of large artifacts are kept; CRYSTALLIZE_ARTIFACT_RETENTION, `artifact_retention`."""
    big_file_threshold_mb: int = 10
    """From how many megabytes on an artifact is large; CRYSTALLIZE_BIG_FILE_THRESHOLD_MB."""
    runtime: str | None = None
    """Where the commands of ``valohai.yaml`` run: ``podman``, ``docker``, ``local``, None: what is there;
    CRYSTALLIZE_RUNTIME, `runtime`."""
    observe: bool = True
    """Whether is watched what trials read; `observe`."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The process environment as it was when the settings were read; never shown."""

    @property
    def results_root(self) -> Path:
        """The folder of results, absolute."""
        return self.root / self.artifact_root

    @property
    def is_project(self) -> bool:
        """Whether something marks `root` as a project; else it is just the folder one stands in."""
        return _is_root(self.root)

    @classmethod
    def load(cls, start: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
        """The settings of the project that `start` (default: the working directory) lies in.

        DefinitionError with file and line for a `crystallize.toml` that cannot be read or says something unknown.
        """
        root = project_root(Path.cwd() if start is None else start)
        variables = dict(os.environ if environ is None else environ)
        file = root / FILE_NAME
        values = {**_from_file(file), **_from_environ(variables)} if file.is_file() else _from_environ(variables)
        store = values.pop("store", None)
        return cls(
            root=root,
            artifact_root=values.pop("data", "data"),
            store=root / Path(store).expanduser() if store is not None else None,
            environ=variables,
            **values,
        )


def load_env_file(start: Path | None = None) -> None:
    """Puts what the project's `.env` says into the environment of this process, where it is not set already.

    For commands: a script does so itself if it wants to. DefinitionError for a file that is no UTF-8 text.
    """
    file = project_root(Path.cwd() if start is None else start) / ENV_FILE
    if file.is_file():
        from dotenv import load_dotenv

        try:
            load_dotenv(file)
        except UnicodeDecodeError as error:
            raise _no_text(file) from error


def project_root(start: Path) -> Path:
    """The nearest folder from `start` upwards that marks a project; `start` itself (or its folder) if none does.

    A project holds ``experiments/``, ``crystallize.toml``, ``pyproject.toml`` or ``.git``.
    """
    start = start.resolve()
    folder = start.parent if start.is_file() else start
    return next((candidate for candidate in (folder, *folder.parents) if _is_root(candidate)), folder)


def _is_root(folder: Path) -> bool:
    return (folder / "experiments").is_dir() or any((folder / name).exists() for name in _ROOT_FILES)


def _from_environ(environ: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, kind in _TYPES.items():
        variable = f"CRYSTALLIZE_{key.upper()}"
        text = environ.get(variable, "")
        if kind is int and re.fullmatch(r"\s*\d+\s*", text):
            values[key] = int(text)
        elif kind is str and text:
            values[key] = text
            _check_strategy(key, text, key=variable)
    return values


def _from_file(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        text = path.read_text(encoding="utf-8-sig")
        values = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise _no_text(path) from error
    except tomllib.TOMLDecodeError as error:
        raise _syntax_error(path, error) from error
    for key, value in values.items():
        _check(key, value, path, _line_of(key, text))
    return values


def _no_text(path: Path) -> DefinitionError:
    return DefinitionError("this is not UTF-8 text", path=path, remedy="save it as UTF-8")


def _check(key: str, value: object, path: Path, line: int | None) -> None:
    if key not in _TYPES:
        nearest = close_to(key, _TYPES, count=1, cutoff=0.5)
        remedy = f"did you mean '{nearest[0]}'?" if nearest else f"known are {', '.join(_TYPES)}"
        raise UnknownNameError(f"unknown key '{key}'", path=path, line=line, remedy=remedy)
    kind = _TYPES[key]
    if type(value) is not kind:
        fact = f"'{key}' is {value!r}"
        raise DefinitionTypeError(fact, path=path, line=line, remedy=f"give it {_WORDS[kind]}")
    if isinstance(value, int) and value < 0:
        raise DefinitionError(f"'{key}' is {value}", path=path, line=line, remedy="give it 0 or more")
    _check_strategy(key, value, path=path, line=line)


def _check_strategy(name: str, value: object, **place: Any) -> None:
    if name == "strategy" and value not in STRATEGIES:
        raise DefinitionError(f"unknown strategy '{value}'", remedy=f"use {' or '.join(STRATEGIES)}", **place)


def _line_of(key: str, text: str) -> int | None:
    pattern = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[\].=]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), None)


def _syntax_error(path: Path, error: Exception) -> DefinitionError:
    fact, _, place = str(error).partition(" (at ")
    found = re.search(r"line (\d+)", place)
    line = int(found.group(1)) if found else None
    return DefinitionError(f"this is not TOML: {fact}", path=path, line=line, remedy="mend the line")
