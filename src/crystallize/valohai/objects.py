"""JSON objects that commands write: metadata on their output, sidecars beside their files.

Whatever they hold, it can be kept and told.
"""

from __future__ import annotations

import json
from typing import Any

DEEPEST = 100
"""Levels of an object; what is nested further is none."""


def parse_object(text: str) -> dict[str, Any]:
    """The JSON object that `text` is. Raises ValueError when it is none.

    Halves of characters, which JSON can name and no file can hold, are replaced by question marks.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError("no object")
    if text.count("{") + text.count("[") > DEEPEST and _depth_exceeds(value, DEEPEST):
        raise ValueError("nested too deeply")
    if "\\u" in text:
        value = json.loads(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    return dict(value)


def _depth_exceeds(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels < 0 or any(_depth_exceeds(each, levels - 1) for each in inner)
