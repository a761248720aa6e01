import json
from pathlib import Path

def dump_json(payload: dict) -> bytes:
    return json.dumps(payload).encode("utf-8")

def load_json(path: Path) -> dict:
    return json.loads(path.read_text())
