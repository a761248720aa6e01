import json


def dump(value):
    return json.dumps(value)


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))
