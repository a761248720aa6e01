"""What the user's own code raised while it was loaded, told with their traceback and none of our frames.

Knows nothing of experiments; `worlds.py` and `folder.py` use it where they call into the user's files.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path

from crystallize.errors import DefinitionError
from crystallize.fingerprint.origin import OWN_FOLDER, is_installed_file

_OURS = f"{OWN_FOLDER}{os.sep}"


class UserCodeError(DefinitionError):
    """The user's code raised while it was loaded.

    Parameters
    ----------
    traceback_text : the traceback, trimmed to the user's frames and what they called; ends with a newline.
    """

    def __init__(
        self,
        fact: str,
        *,
        traceback_text: str,
        path: Path | str | None = None,
        line: int | None = None,
        key: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(fact, path=path, line=line, key=key, remedy=remedy)
        self.traceback_text = traceback_text


def user_traceback(error: BaseException) -> str:
    """The traceback of `error` and of its causes, without our frames and those of the import machinery."""
    told = traceback.TracebackException.from_exception(error)
    _trim(told)
    return "".join(told.format())


def told_with_place(
    error: BaseException,
    folder: Path,
    *,
    path: Path,
    line: int | None = None,
    key: str | None = None,
    remedy: str | None = None,
) -> UserCodeError:
    """`error` with the place that its author can mend.

    The place is the innermost frame in a file below `folder`; where there is none, `path` and `line`, which
    asked for the code.
    """
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).is_relative_to(folder):
            path, line = Path(frame.filename), frame.lineno
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
        path, line = Path(error.filename), error.lineno
    own = error if isinstance(error, DefinitionError) else None
    return UserCodeError(
        own.fact if own else _one_line(error),
        path=path,
        line=line,
        key=key or (own.key if own else None),
        remedy=(own.remedy if own else None) or remedy or "mend this line",
        traceback_text=user_traceback(error),
    )


def _one_line(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return ": ".join(filter(None, (type(error).__name__, " ".join(text.split()))))


def _trim(told: traceback.TracebackException) -> None:
    kept = [frame for frame in told.stack if not _is_ours(frame.filename)]
    told.stack = traceback.StackSummary.from_list(kept)
    for inner in (told.__cause__, told.__context__, *(getattr(told, "exceptions", None) or ())):
        if inner is not None:
            _trim(inner)


def _is_ours(filename: str) -> bool:
    return filename.startswith((_OURS, "<frozen importlib"))


def place_of(error: BaseException) -> tuple[str, int] | None:
    """File and line of the innermost code of the user's that `error` passed through; None where there is none."""
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, BaseException):
        return place_of(cause)
    if isinstance(error, DefinitionError) and error.path is not None:
        return str(error.path), error.line or 1
    frames = [
        (frame.filename, frame.lineno or 1)
        for frame in traceback.extract_tb(error.__traceback__)
        if not (_is_ours(frame.filename) or is_installed_file(frame.filename) or frame.filename.startswith("<"))
    ]
    return frames[-1] if frames else None
