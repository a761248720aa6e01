"""What steps read and wrote, as a tree in the terminal. Knows only provenance: condition → replicate → records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crystallize.errors import DefinitionError, nearest

if TYPE_CHECKING:
    from rich.tree import Tree

LEVELS = ("treatment", "replicate", "step", "action")

Changes = Mapping[str, Mapping[int, Sequence[Mapping[str, Any]]]]
Branches = dict[str, "Branches"]


def print_tree(changes: Changes, fmt: str) -> None:
    """Print `changes` with the levels of `fmt` (``treatment > step``). Raises ValueError for a wrong `fmt`."""
    from rich.console import Console
    from rich.tree import Tree

    tree = Tree("Experiment Summary")
    _grow(tree, branches(changes, fmt))
    Console().print(tree)


def branches(changes: Changes, fmt: str) -> Branches:
    """The tree as nested dicts: label → what is below it. Steps that changed nothing are left out."""
    levels = _levels(fmt)
    top: Branches = {}
    for condition, replicates in changes.items():
        for replicate, records in replicates.items():
            for record in records:
                actions = list(_actions(record.get("ctx_changes", {})))
                if not actions:
                    continue
                labels = {"treatment": condition, "replicate": f"replicate {replicate}", "step": record["step"]}
                here = top
                for level in levels:
                    if level != "action":
                        here = here.setdefault(labels[level], {})
                if "action" in levels:
                    here.update((action, {}) for action in actions)
    return top


def _levels(fmt: str) -> list[str]:
    levels = [level.strip() for level in fmt.split(">")]
    for level in levels:
        if level not in LEVELS:
            raise DefinitionError(f"print_tree: unknown level {level!r}", remedy=nearest(level, LEVELS))
    if "action" in levels[:-1]:
        raise DefinitionError("print_tree: 'action' is not the last level", remedy="move it to the end")
    return levels


def _actions(changes: Mapping[str, Any]) -> Iterator[str]:
    """One line for each thing that a step read, wrote or recorded."""
    for key, value in changes.get("reads", {}).items():
        yield f"reads {key} = {value!r}"
    for kind, title in (("wrote", "writes"), ("metrics", "metric")):
        for key, change in changes.get(kind, {}).items():
            yield f"{title} {key}: {change['before']!r} -> {change['after']!r}"


def _grow(tree: Tree, below: Branches) -> None:
    from rich.text import Text

    for label, deeper in below.items():
        _grow(tree.add(Text(label)), deeper)
