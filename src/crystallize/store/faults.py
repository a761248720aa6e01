"""What the errors of SQLite mean: damage, somebody else at work, or something that the user can mend."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from crystallize.errors import StoreError

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_DAMAGE_WORDS = ("decode to UTF-8", "unsupported file format")
"""In messages of errors that have no code of their own."""
_TAKEN = (sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID)
FAULTS = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What statements raise; the latter when damage makes the text of an error itself unreadable."""


def tells_damage(error: Exception) -> bool:
    """Whether the file cannot be what we wrote.

    Texts that are no UTF-8 came from us as little as torn pages did, and no number that we give was ever taken.
    """
    if isinstance(error, UnicodeDecodeError) or any(words in str(error) for words in _DAMAGE_WORDS):
        return True
    return getattr(error, "sqlite_errorcode", 0) in _TAKEN or _primary_code(error) in _DAMAGED


def is_busy(error: BaseException) -> bool:
    """Whether somebody else holds the file."""
    return _primary_code(error) == sqlite3.SQLITE_BUSY


def _primary_code(error: BaseException) -> int:
    """SQLite's code without what it says in detail; 0 where there is none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def failure(path: Path, error: Exception) -> StoreError:
    """The error for the user, with its remedy."""
    remedy = {
        sqlite3.SQLITE_ERROR: "its tables are not those of a store; move the file away, then run again",
        sqlite3.SQLITE_BUSY: "another process holds it; wait for that one to end, then run again",
        sqlite3.SQLITE_FULL: "free some disk space, then run again",
        sqlite3.SQLITE_IOERR: "the disk is full or fails; free some space, then run again",
        sqlite3.SQLITE_CORRUPT: "the next run that may write sets it aside and takes over what it can read of it",
    }.get(_primary_code(error))
    return StoreError(
        f"{path}: {error}; {remedy or 'make the folder writable, or set CRYSTALLIZE_STORE to another one'}"
    )
