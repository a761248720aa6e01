"""The user's own editor: which one, and how it is told the line."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

VARIABLES = ("CRYSTALLIZE_EDITOR", "EDITOR", "VISUAL")
"""The first that is set counts."""
HINT = f"no editor is set: set one of {', '.join(VARIABLES)}, for instance EDITOR=nano"

_GOTO = ("code", "code-insiders", "codium", "cursor", "windsurf")
_COLON = ("subl", "sublime_text", "zed", "hx", "helix")
_LINE_OPTION = ("idea", "pycharm", "webstorm", "goland", "clion", "charm", "studio")
_WINDOWED = (*_GOTO, *_LINE_OPTION, "subl", "sublime_text", "zed", "gvim", "gedit", "kate")


def editor_of(environ: Mapping[str, str]) -> list[str] | None:
    """The command of the user's editor; None when none is set."""
    text = next((environ[name] for name in VARIABLES if environ.get(name, "").strip()), None)
    return None if text is None else shlex.split(text)


def command(editor: list[str], file: str, line: int) -> list[str]:
    """The command that opens `file` at `line`."""
    name = _name(editor)
    if name in _GOTO:
        return [*editor, "-g", f"{file}:{line}"]
    if name in _COLON:
        return [*editor, f"{file}:{line}"]
    if name in _LINE_OPTION:
        return [*editor, "--line", str(line), file]
    return [*editor, f"+{line}", file]


def has_window(editor: list[str]) -> bool:
    """Whether it has a window of its own, so that the terminal stays ours."""
    return _name(editor) in _WINDOWED


def _name(editor: list[str]) -> str:
    return Path(editor[0]).name.casefold().removesuffix(".exe").removesuffix(".cmd")
