"""Sizes and ages as people write them: ``2GB``, ``30d``."""

from __future__ import annotations

import re

_BYTES = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}
_BYTES |= {"kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_QUANTITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes. Raises ValueError for what is no size."""
    return round(_parse(text, _BYTES, "500MB, 2GB, 1.5GiB"))


def parse_age(text: str) -> float:
    """Seconds. Raises ValueError for what is no age; a number needs its unit."""
    return _parse(text, _SECONDS, "12h, 30d, 2w")


def _parse(text: str, units: dict[str, int], examples: str) -> float:
    match = _QUANTITY.fullmatch(text)
    unit = units.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is not of the form {examples}")
    return float(match[1]) * unit
