"""Writes and reads the artifacts of all four experiments."""

import json
from pathlib import Path
from typing import Any


def dump_json(payload: Any) -> bytes:
    return json.dumps(payload).encode("utf-8")


def load_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
