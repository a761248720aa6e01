"""Which files of a tree are left out: the patterns of `.gitignore` and `.vhignore` files (gitignore's rules).

Used where git itself cannot be asked: outside a repository, and for `.vhignore`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple


class Rule(NamedTuple):
    """One line of an ignore file."""

    base: str
    """Folder of the file, relative to the root, with ``/`` at its end; empty for the root."""
    pattern: re.Pattern[str]
    """Matched against the whole path below `base`."""
    keeps: bool
    """It began with ``!``."""
    folders_only: bool


def rules_of(text: str, base: str = "") -> list[Rule]:
    """The rules of an ignore file that lies in the folder `base`."""
    rules = []
    for line in text.splitlines():
        pattern = line if line.endswith("\\ ") else line.rstrip()
        if not pattern or pattern.startswith("#"):
            continue
        keeps = pattern.startswith("!")
        pattern = pattern.removeprefix("!").removeprefix("\\")
        folders_only = pattern.endswith("/")
        pattern = pattern.rstrip("/")
        if pattern:
            anchored = "/" in pattern
            pattern = pattern.lstrip("/")
            rules.append(Rule(base, compiled(pattern if anchored else f"**/{pattern}"), keeps, folders_only))
    return rules


def is_left_out(path: str, is_folder: bool, rules: Sequence[Rule]) -> bool:
    """Whether the last rule that is about `path` leaves it out."""
    for rule in reversed(rules):
        if rule.folders_only and not is_folder:
            continue
        if path.startswith(rule.base) and rule.pattern.fullmatch(path[len(rule.base) :]):
            return not rule.keeps
    return False


def is_left_out_with_parents(path: str, rules: Sequence[Rule]) -> bool:
    """Whether a file, or a folder that it lies in, is left out."""
    ends = [at for at, sign in enumerate(path) if sign == "/"]
    return any(is_left_out(path[:end], True, rules) for end in ends) or is_left_out(path, False, rules)


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """A glob as an expression: ``**`` crosses folders, ``*`` and ``?`` do not; after ``\\`` a sign means itself."""
    return re.compile("".join(_pieces(pattern)), re.DOTALL)


def _pieces(pattern: str) -> Iterable[str]:
    at = 0
    while at < len(pattern):
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            yield "(?:.*/)?"
            at += 3
        elif pattern.startswith("**", at):
            yield ".*"
            at += 2
        elif pattern[at] == "*":
            yield "[^/]*"
            at += 1
        elif pattern[at] == "?":
            yield "[^/]"
            at += 1
        elif pattern[at] == "[" and "]" in pattern[at + 2 :]:
            end = pattern.index("]", at + 2)
            inner = pattern[at + 1 : end].replace("\\", "\\\\")
            yield f"[{'^' + inner[1:] if inner[0] in '!^' else inner}]"
            at = end + 1
        elif pattern[at] == "\\" and at + 1 < len(pattern):
            yield re.escape(pattern[at + 1])
            at += 2
        else:
            yield re.escape(pattern[at])
            at += 1
