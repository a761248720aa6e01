"""The folder in which a store lies."""

from __future__ import annotations

from pathlib import Path

from crystallize.errors import StoreError


def make_home(folder: Path) -> None:
    """Creates the folder of a store, out of git's sight. Raises StoreError where nothing may be written."""
    ignore = folder / ".gitignore"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"{folder}: {error.strerror}; make the folder writable, or set CRYSTALLIZE_STORE to another one"
        ) from error
