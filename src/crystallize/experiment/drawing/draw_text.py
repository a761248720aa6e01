"""Drawings as text: for a terminal, and as Mermaid for whoever renders that. Pure functions of an outline."""

from __future__ import annotations

from collections.abc import Iterator

from crystallize.experiment.drawing.outline import Edge, Node, Outcome, Outline

LISTED = 4
"""How many treatments a node names before it counts the others."""

COLOURS = {
    "failed": ("#fdecea", "#c0392b"),
    "blocked": ("#fdf3e3", "#b9770e"),
    "ran": ("#e6f4ea", "#2e7d4f"),
    "reused": ("#e8f0fb", "#3b6fb6"),
    "idle": ("#f7f8fa", "#98a2b3"),
}
"""State of a node → its filling and its border; the same in every picture."""


def state_of(outcome: Outcome | None) -> str:
    """The one word that colours a node: the worst that became of its trials."""
    if outcome is None:
        return "idle"
    return next((word for word in ("failed", "blocked", "ran", "reused") if getattr(outcome, word)), "idle")


def size_line(node: Node) -> str:
    """Replicates, in words."""
    if node.replicates is None:
        return "replicates: as read"
    return f"{node.replicates} replicate" + ("" if node.replicates == 1 else "s")


def treatments_line(node: Node) -> str:
    """The treatments, the first few by name; empty when there are none."""
    more = len(node.treatments) - LISTED
    return ", ".join(node.treatments[:LISTED]) + (f" and {more} more" if more > 0 else "")


def outcome_line(outcome: Outcome | None) -> str:
    """What became of the trials, in words; empty before a run."""
    if outcome is None:
        return ""
    words = (("ran", outcome.ran), ("reused", outcome.reused), ("failed", outcome.failed))
    counted = [*words, ("blocked", outcome.blocked)]
    return " · ".join(f"{word} {count}" for word, count in counted if count) or "nothing to run"


def to_text(outline: Outline) -> str:
    """One line per experiment, in order, and below it one per artifact that it reads."""
    width = max((len(node.name) for node in outline.nodes), default=0)
    lines = []
    for node in outline.nodes:
        treatments = treatments_line(node)
        about = [size_line(node), f"treatments: {treatments}" if treatments else "", outcome_line(node.outcome)]
        lines.append(f"{node.name.ljust(width)}  {' · '.join(filter(None, about))}")
        edges = list(outline.into(node.name))
        lines += [_branch(edge, is_last=edge is edges[-1]) for edge in edges]
    return "".join(f"{line}\n" for line in lines)


def to_mermaid(outline: Outline) -> str:
    """A Mermaid flowchart, as GitHub, JupyterLab and many editors render it."""
    ids = {node.name: f"n{number}" for number, node in enumerate(outline.nodes)}
    lines = ["flowchart LR"]
    lines += [f'    {ids[node.name]}("{_mermaid_label(node)}"):::{state_of(node.outcome)}' for node in outline.nodes]
    lines += [_mermaid_edge(edge, ids) for edge in outline.edges]
    used = dict.fromkeys(state_of(node.outcome) for node in outline.nodes)
    lines += [
        f"    classDef {state} fill:{COLOURS[state][0]},stroke:{COLOURS[state][1]},color:#1f2933" for state in used
    ]
    return "".join(f"{line}\n" for line in lines)


def _branch(edge: Edge, *, is_last: bool) -> str:
    corner = "└" if is_last else "├"
    return f"  {corner} {edge.label} of {edge.upstream}" if edge.artifact else f"  {corner} after {edge.upstream}"


def _mermaid_label(node: Node) -> str:
    rows: Iterator[str] = filter(None, (size_line(node), treatments_line(node), outcome_line(node.outcome)))
    return "<br/>".join([f"<b>{_escaped(node.name)}</b>", *map(_escaped, rows)])


def _mermaid_edge(edge: Edge, ids: dict[str, str]) -> str:
    upstream, downstream = ids[edge.upstream], ids[edge.downstream]
    if edge.artifact is None:
        return f"    {upstream} -.-> {downstream}"
    return f'    {upstream} -- "{_escaped(edge.label)}" --> {downstream}'


def _escaped(text: str) -> str:
    """`text` with what Mermaid would read as markup written as entities."""
    return "".join(char if char.isalnum() or char in " _-.,:·[]*" else f"#{ord(char)};" for char in text)
