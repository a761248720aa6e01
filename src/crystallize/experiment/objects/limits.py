"""What a step or an experiment may take and needs: time, attempts, processors, GPUs, memory.

Decides no result, so it is part of no key.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from crystallize.errors import DefinitionError, DefinitionTypeError, nearest
from crystallize.plan.needs import NOTHING_SPECIAL, Needs
from crystallize.words import parse_size, parse_time

RESOURCES = ("cpus", "gpus", "memory")


class Limits(NamedTuple):
    """What a step or an experiment may take and needs; make them with `Limits.of`.

    Examples
    --------
    >>> Limits.of(timeout="5min", retries=2, resources={"memory": "4GB"})
    Limits(timeout=300.0, retries=2, cpus=None, gpus=None, memory=4000000000)
    """

    timeout: float | None = None
    """Seconds."""
    retries: int = 0
    """How often it is tried again when it fails."""
    cpus: float | None = None
    gpus: float | None = None
    """Whole ones, or a share of one."""
    memory: int | None = None
    """Bytes."""

    @classmethod
    def of(
        cls,
        *,
        timeout: float | str | None = None,
        retries: int = 0,
        resources: Mapping[str, float | str] | None = None,
    ) -> Limits:
        """What the three arguments mean wherever they are written.

        Raises DefinitionError (a ValueError), or DefinitionTypeError (a TypeError), which name the key.

        Parameters
        ----------
        timeout : seconds, or a text such as ``"30s"``, ``"5min"``, ``"2h"``; None: no limit.
        retries : how often what failed is tried again, after 1 s, 2 s, 4 s, …, at most a minute.
        resources : ``{"cpus": 2, "gpus": 0.5, "memory": "4GB"}``, each optional; None: nothing special.
        """
        if timeout is None and resources is None and type(retries) is int and retries == 0:
            return NO_LIMITS
        given = _checked(retries, resources)
        memory = given.get("memory")
        return cls(
            timeout=None if timeout is None else _quantity("timeout", timeout, _seconds, "30, '30s', '5min' or '2h'"),
            retries=retries,
            cpus=_count("cpus", given.get("cpus")),
            gpus=_gpus(_count("gpus", given.get("gpus"))),
            memory=None
            if memory is None
            else int(_quantity("resources.memory", memory, parse_size, "'500MB' or '4GiB'")),
        )


NO_LIMITS = Limits()


def _checked(retries: Any, resources: Any) -> Mapping[str, Any]:
    """The resources that are given. Raises what `Limits.of` raises."""
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise DefinitionTypeError(f"{retries!r} is no count", key="retries", remedy="give a whole number from 0 on")
    given = {} if resources is None else resources
    if not isinstance(given, Mapping):
        raise DefinitionTypeError(f"{resources!r} is no mapping", key="resources", remedy='write {"cpus": 2}')
    for name in given:
        if name not in RESOURCES:
            raise DefinitionError(f"there is no resource {name!r}", key="resources", remedy=nearest(name, RESOURCES))
    return given


def needs_of(own: Limits, steps: Iterable[tuple[str, Limits]], otherwise: Limits = NO_LIMITS) -> Needs:
    """What one trial needs: an experiment's limits with those of its steps, which run one after the other.

    Parameters
    ----------
    steps : class name and limits of each.
    otherwise : the processors and GPUs, where none of them says how many.
    """
    listed = list(steps)
    every = [own, *(limits for _, limits in listed)]
    if otherwise == NO_LIMITS and all(limits == NO_LIMITS for limits in every):
        return NOTHING_SPECIAL
    return Needs(
        timeout=own.timeout,
        retries=own.retries,
        retries_of={name: limits.retries for name, limits in listed if limits.retries},
        part_timeouts=any(limits.timeout is not None for _, limits in listed),
        cpus=max((limits.cpus for limits in every if limits.cpus is not None), default=otherwise.cpus or 1),
        gpus=max((limits.gpus for limits in every if limits.gpus is not None), default=otherwise.gpus or 0),
        memory=max((limits.memory for limits in every if limits.memory is not None), default=None),
    )


def _count(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not value >= 0 or value == float("inf"):
        raise DefinitionTypeError(f"{value!r} is no count", key=f"resources.{name}", remedy="give a number from 0 on")
    return float(value)


def _gpus(count: float | None) -> float | None:
    if count is not None and count > 1 and not count.is_integer():
        raise DefinitionError(
            f"{count:g} is no number of GPUs", key="resources.gpus", remedy="give whole ones, or a share of one"
        )
    return count


def _quantity(key: str, value: Any, parse: Callable[[str], float], examples: str) -> float:
    """What `parse` makes of a number or a text, which is more than nothing."""
    try:
        quantity = 0.0 if isinstance(value, bool) else parse(str(value))
    except ValueError:
        quantity = 0.0
    if not quantity:
        raise DefinitionError(f"{value!r} cannot be understood", key=key, remedy=f"write {examples}")
    return quantity


def _seconds(text: str) -> float:
    """Seconds; a number that has no unit counts them."""
    return parse_time(text if text.strip()[-1:].isalpha() else f"{text}s")
