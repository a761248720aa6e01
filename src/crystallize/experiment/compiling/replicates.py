"""How many replicates each experiment of a run has, and which one of another experiment each of them reads.

Design 5.6.
"""

from __future__ import annotations

from crystallize.errors import ReplicateMismatchError
from crystallize.experiment.compiling.node import Asked, Node, Nodes, upstream_of
from crystallize.words import plural


def count_replicates(node: Node, nodes: Nodes, asked: Asked) -> int:
    """One aside; as asked for, else as defined, else the upstreams' common count other than 1, else 1.

    Raises ReplicateMismatchError for counts that cannot be paired.
    """
    if asked.aside is not None and node.runs:
        return 1
    paired = [(link.port, nodes[id(link.producer)].replicates) for link in node.links if not link.gather]
    paired += [(upstream.label, nodes[id(upstream)].replicates) for upstream in node.after]
    counts = {count for _, count in paired if count != 1}
    node.paired = bool(counts)
    own = asked.replicates if asked.replicates is not None and node.runs else node.experiment.defined_replicates
    replicates = own if own is not None else next(iter(counts)) if len(counts) == 1 else 1
    if node.pinned is not None:
        return min(replicates, node.pinned.replicates)
    wrong = [(port, count) for port, count in paired if count not in (1, replicates)]
    if wrong or (own is None and len(counts) > 1):
        pins = [f"{up.experiment.label} {up.pinned.why}" for up in upstream_of(node, nodes) if up.pinned]
        listed = ", ".join([*(f"{port}={count}" for port, count in paired), *pins])
        raise ReplicateMismatchError(
            f"experiment '{node.experiment.label}' has {_told(own)} and reads {listed}",
            path=node.experiment.path,
            key="replicates",
            remedy=f"give upstream experiments {_fitting(own)}, or read all of one with [*] (in Python: gather())",
        )
    return replicates


def _told(own: int | None) -> str:
    return "no count of its own" if own is None else plural(own, "replicate")


def _fitting(own: int | None) -> str:
    if own is None:
        return "1 replicate or all the same number"
    return "1 replicate" if own == 1 else f"1 or {own} replicates"


def read_replicate(upstream: Node, replicate: int) -> int:
    """Which replicate of `upstream` the replicate `replicate` of a reader reads."""
    return 0 if upstream.replicates == 1 else replicate
