"""What each trial reads of other experiments: which condition and which replicate of them, through which port.

Design 5.5 and 5.6.
"""

from __future__ import annotations

from collections.abc import Iterable

from crystallize.errors import DefinitionError
from crystallize.experiment.compiling.node import Node, Nodes
from crystallize.experiment.compiling.replicates import read_replicate
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.objects.links import Link
from crystallize.plan.job import Input, Source


class PortMaker:
    """Makes the inputs of the jobs of one node, whose own conditions and replicates are known.

    Parameters
    ----------
    links : what the jobs read.
    """

    def __init__(self, node: Node, links: Iterable[Link], nodes: Nodes) -> None:
        self._links = [(link, nodes[id(link.producer)]) for link in links]
        self._after = [nodes[id(upstream)] for upstream in node.after]
        self._node = node
        self._unpaired: dict[str, tuple[Input, ...]] = {}
        """Condition → what all its replicates read, where none reads one of its own."""

    def of(self, condition: str, replicate: int) -> tuple[Input, ...]:
        """One input per link."""
        if self._node.paired:
            return self._inputs(condition, replicate)
        shared = self._unpaired.get(condition)
        if shared is None:
            shared = self._unpaired[condition] = self._inputs(condition, replicate)
        return shared

    def after(self, condition: str, replicate: int) -> tuple[int, ...]:
        """One upstream job per experiment that is only waited for."""
        return tuple(
            [
                upstream.job(self._condition(None, upstream, condition), read_replicate(upstream, replicate))
                for upstream in self._after
            ]
        )

    def fallbacks(self) -> tuple[str, ...]:
        """What to warn of: conditions that an upstream experiment does not have, so that its baseline is read."""
        return tuple(filter(None, (self._fallback(link, upstream) for link, upstream in self._links)))

    def _fallback(self, link: Link, upstream: Node) -> str | None:
        if link.condition is not None:
            return None
        unknown = [c for c in self._node.conditions if c not in upstream.defined and self._node.reads(link, c)]
        if not unknown:
            return None
        label = upstream.experiment.label
        folder = upstream.root / label if upstream.view is None else upstream.view.path
        steps = [link.step] if link.step else upstream.experiment.writers(link.output)
        paths = " or ".join(str(folder / "replicate_0" / unknown[0] / step / link.output) for step in steps)
        return (
            f"{self._node.experiment.label}: '{label}' has no {', '.join(map(repr, unknown))}, so there is no {paths}: "
            f"falling back to its baseline"
        )

    def _inputs(self, condition: str, replicate: int) -> tuple[Input, ...]:
        reads = self._node.reads
        return tuple(
            [
                self._input(link, upstream, condition, replicate)
                for link, upstream in self._links
                if reads(link, condition)
            ]
        )

    def _input(self, link: Link, upstream: Node, condition: str, replicate: int) -> Input:
        chosen = self._condition(link.condition, upstream, condition)
        if chosen not in upstream.conditions:
            raise DefinitionError(
                f"experiment '{self._node.experiment.label}' reads condition '{link.condition}' of "
                f"'{upstream.experiment.label}', which runs {', '.join(upstream.conditions)}",
                key=link.port,
                remedy="leave `condition=` out to follow the reader's own condition",
            )
        replicates = range(upstream.replicates) if link.gather else (read_replicate(upstream, replicate),)
        if upstream.pinned is not None:
            for r in replicates:
                upstream.pinned.check_output(chosen, r, link.output, link.step, self._node.experiment.label)
        sources = tuple([Source(upstream.job(chosen, r), link.output, link.step) for r in replicates])
        return Input(link.port, sources, link.gather)

    def _condition(self, fixed: str | None, upstream: Node, condition: str) -> str:
        wanted = fixed or condition
        if upstream.pinned is not None:
            upstream.pinned.check_condition(wanted, self._node.experiment.label)
        return wanted if fixed is not None or wanted in upstream.conditions else BASELINE_CONDITION
