"""Which trials may have company: others that run beside them in the same process.

Global generators belong to the process, so trials that have company own none (design 5.7). Trials in threads or
coroutines have their fellows, and may have the trials of any other experiment that is not over by then.
"""

from __future__ import annotations

from collections.abc import Sequence

from crystallize.experiment.compiling.node import Node, upstream_of
from crystallize.experiment.compiling.placing import SHARED
from crystallize.plan.plan import Plan

LARGE = 1_000
"""With more experiments than that, who comes before whom is not asked: each may have company."""


def mark_company(plan: Plan, nodes: Sequence[Node]) -> None:
    """Tells the work of each node whether its trials may have company; `nodes` come in topological order."""
    executors = {id(node): plan.groups[node.group].executor for node in nodes if node.work is not None}
    here = [node for node in nodes if executors.get(id(node)) in ("serial", *SHARED)]
    if all(executors[id(node)] == "serial" for node in here):
        return
    earlier = _over_before(nodes) if len(here) <= LARGE else {}
    for node in here:
        assert node.work is not None
        is_shared = executors[id(node)] in SHARED
        node.work.concurrent = (is_shared and plan.groups[node.group].workers > 1) or any(
            (is_shared or executors[id(other)] in SHARED) and not _one_after_the_other(node, other, earlier)
            for other in here
            if other is not node
        )


def _over_before(nodes: Sequence[Node]) -> dict[int, set[int]]:
    """Node → the nodes whose only trial is over when its first one begins."""
    by_experiment = {id(node.experiment): node for node in nodes}
    earlier: dict[int, set[int]] = {}
    for node in nodes:
        mine = earlier[id(node)] = set()
        for upstream in upstream_of(node, by_experiment):
            mine |= earlier[id(upstream)]
            if len(upstream.conditions) * upstream.replicates == 1:
                mine.add(id(upstream))
    return earlier


def _one_after_the_other(node: Node, other: Node, earlier: dict[int, set[int]]) -> bool:
    return id(node) in earlier.get(id(other), ()) or id(other) in earlier.get(id(node), ())
