"""A project of a few experiments as plain data, the files it is written as, and random edits of it.

Every number in it (a knob) is seen in a metric or an artifact, so a result that was not made anew shows. Knows
nothing of runs.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

KNOBS = (
    "body", "nested", "const", "attribute", "mutated", "default", "member", "closure", "table", "compiled", "argument",
    "match", "genexp", "helper", "base", "decorator", "star", "patched", "method", "writer", "loader", "source",
    "value", "cached", "read", "listing", "absent", "param",
)  # fmt: skip
"""What each experiment is made of; each is 0, 1 or 2."""

FOR_READERS = ("loader", "method")
"""Knobs that count for who reads an experiment."""

OF_ROOTS = ("source", "read", "listing", "absent")
"""Knobs of the datasource, which only experiments that read no other have."""


@dataclass
class Node:
    """One experiment."""

    folder: str
    reads: list[str]
    gathers: bool = False
    treatment: int | None = None
    """The payload of the treatment ``high``; None: it has none."""
    knobs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KNOBS, 0))
    comment: int = 0


@dataclass
class Project:
    """All experiments by name, each after those it reads."""

    nodes: dict[str, Node]
    deep: int = 0
    """A constant two modules away, which all reach."""
    variable: int = 0
    """An environment variable that all read."""
    seed: int = 0
    replicates: int = 1


def make(chance: random.Random) -> Project:
    """A graph of two to four experiments."""
    nodes: dict[str, Node] = {}
    for number in range(chance.randint(2, 4)):
        reads = [name for name in nodes if chance.random() < 0.6] if number else []
        nodes[f"e{number}"] = Node(f"f{number}", reads, gathers=bool(reads) and chance.random() < 0.3)
    nodes["e0"].treatment = 1
    return Project(nodes)


# edits


def _knob(project: Project, chance: random.Random) -> str:
    name, node = chance.choice(list(project.nodes.items()))
    knob = chance.choice(KNOBS)
    node.knobs[knob] = (node.knobs[knob] + chance.randint(1, 2)) % 3
    return f"{name}.{knob}"


def _shared(project: Project, chance: random.Random) -> str:
    name = chance.choice(["deep", "variable", "seed"])
    setattr(project, name, (getattr(project, name) + 1) % 3)
    return name


def _replicates(project: Project, chance: random.Random) -> str:
    project.replicates = project.replicates % 3 + 1
    return "replicates"


def _treatment(project: Project, chance: random.Random) -> str:
    name, node = chance.choice(list(project.nodes.items()))
    node.treatment = chance.choice([None, 1, 2, 3])
    return f"{name}.treatment"


def _comment(project: Project, chance: random.Random) -> str:
    name, node = chance.choice(list(project.nodes.items()))
    node.comment += 1
    return f"{name}.comment"


def _rename(project: Project, chance: random.Random) -> str:
    name, node = chance.choice(list(project.nodes.items()))
    node.folder = node.folder[:2] if node.folder.endswith("_moved") else f"{node.folder}_moved"
    return f"{name}.folder"


def _edge(project: Project, chance: random.Random) -> str:
    names = list(project.nodes)
    reader = chance.choice(names[1:])
    upstream = chance.choice(names[: names.index(reader)])
    reads = project.nodes[reader].reads
    if upstream in reads:
        reads.remove(upstream)
    else:
        reads.append(upstream)
    return f"{reader}.reads"


EDITS: dict[Callable[[Project, random.Random], str], int] = {
    _knob: 10, _shared: 2, _replicates: 1, _treatment: 2, _comment: 1, _rename: 1, _edge: 1,
}  # fmt: skip


def edited(project: Project, chance: random.Random) -> tuple[Project, str]:
    """The project after one random edit, and what that was."""
    other = deepcopy(project)
    [edit] = chance.choices(list(EDITS), list(EDITS.values()))
    return other, edit(other, chance)


# files


def write(project: Project, root: Path, *, sneaky: bool = False) -> None:
    """Makes the files below `root` those of the project, touching only what differs.

    A `sneaky` write leaves each file its time; sizes rarely change anyway.
    """
    wanted = {root / name: text for name, text in _files(project).items()}
    for path in [path for path in (root / "experiments").rglob("*") if path.is_file() and path not in wanted]:
        path.unlink()
    for folder in (root / "experiments").glob("*"):
        if folder.name not in {node.folder for node in project.nodes.values()}:
            shutil.rmtree(folder)
    for path, text in wanted.items():
        before = path.stat() if path.exists() else None
        if before is not None and path.read_text(encoding="utf-8") == text:
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.new")
        fresh.write_text(text, encoding="utf-8")
        if sneaky and before is not None and path.suffix in (".txt", ".json"):
            os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
        elif before is not None:
            # Python takes two edits within a second that leave the size for one, and its compiled code for valid.
            later = max(time.time_ns(), before.st_mtime_ns + 1_000_000_000)
            os.utime(fresh, ns=(later, later))
        fresh.replace(path)


def _files(project: Project) -> dict[str, str]:
    files = {
        "lib/__init__.py": "",
        "lib/deep.py": "from lib.deeper import DEEP\n\ndef deep(x):\n    return x + DEEP\n",
        "lib/deeper.py": f"DEEP = {project.deep}\nUNUSED = {project.nodes['e0'].comment}\n",
    }
    for name, node in project.nodes.items():
        for path, text in _node_files(name, node, project).items():
            files[f"experiments/{node.folder}/{path}"] = text
    return files


def _node_files(name: str, node: Node, project: Project) -> dict[str, str]:
    knobs = node.knobs
    files = {path: _filled(text, knobs) for path, text in _MODULES.items()}
    files["steps.py"] += f"\n# comment {node.comment}\n" + "\n" * (node.comment % 3)
    files["config.yaml"] = _config(name, node, project)
    files["value.json"] = json.dumps({"value": knobs["value"]})
    files["cached.txt"] = str(knobs["cached"])
    if not node.reads:
        files["datasources.py"] = _filled(_SOURCE, knobs)
        files["read.txt"] = str(knobs["read"])
        files |= {f"listed/{number}": "" for number in range(1 + knobs["listing"])}
        files |= {"absent.txt": str(knobs["absent"])} if knobs["absent"] else {}
    return files


def _config(name: str, node: Node, project: Project) -> str:
    config: dict[str, object] = {
        "name": name,
        "seed": project.seed,
        "steps": [{"work": {"param": node.knobs["param"]}}],
        "outputs": {
            "out": {"file_name": f"{name}.txt", "writer": "dump", "loader": "load"},
            "model": {"file_name": f"{name}.pickle", "writer": "dump_model", "loader": "load_model"},
        },
    }
    if node.treatment is not None:
        config["treatments"] = {"high": {"boost": node.treatment}}
    if node.reads:
        rest = "[*]" if node.gathers else ""
        config["datasource"] = {
            f"{upstream}_{output}": f"{upstream}#{output}{rest}"
            for upstream in node.reads
            for output in ("out", "model")
        }
    else:
        config["replicates"] = project.replicates
    return json.dumps(config, indent=1 + node.comment % 2)


def _filled(text: str, knobs: dict[str, int]) -> str:
    for knob, number in knobs.items():
        text = text.replace(f"@{knob}@", str(number))
    return text


_SOURCE = """
import os
from pathlib import Path
from crystallize import data_source

HERE = Path(__file__).parent

@data_source
def numbers(ctx):
    try:
        absent = int((HERE / "absent.txt").read_text())
    except FileNotFoundError:
        absent = 0
    read = int((HERE / "read.txt").read_text())
    return {"source": @source@, "read": read, "listing": len(os.listdir(HERE / "listed")), "absent": absent}
"""

_MODULES = {
    "helpers.py": "from inner import add\n\ndef through(x):\n    return add(x)\n",
    "inner.py": "def add(x):\n    return x + @helper@\n",
    "kinds.py": "class Base:\n    def based(self):\n        return @base@\n",
    "marks.py": """
import functools

def marked(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args) + @decorator@
    return wrapper
""",
    "stars.py": "from starry import *\n",
    "starry.py": "def starred():\n    return @star@\n",
    "target.py": "def replaced():\n    return -1\n",
    "patches.py": "import target\n\ntarget.replaced = lambda: @patched@\n",
    "models.py": """
class Model:
    def __init__(self, number):
        self.number = number

    def predict(self):
        return self.number + @method@
""",
    "outputs.py": """
import pickle

def dump(value):
    return f"{value + @writer@}"

def load(path):
    return int(path.read_text()) * 10 + @loader@

def dump_model(model):
    return pickle.dumps(model)

def load_model(path):
    return pickle.loads(path.read_bytes())
""",
    "steps.py": """
import functools
import json
import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import lib.deep
import patches
import target
from crystallize import Artifact, pipeline_step
from helpers import through
from kinds import Base
from marks import marked
from models import Model
from stars import *

HERE = Path(__file__).parent
CONST = @const@
VALUE = json.loads((HERE / "value.json").read_text())["value"]
LIMIT = @genexp@

class Thing(Base):
    rate = @attribute@

    def __init__(self, number):
        self.number = number
        self.calls = 0

    def count(self):
        self.calls += 1
        return self.number

thing = Thing(1)
thing.number += @mutated@

@dataclass
class Options:
    width: int = @default@

class Choice(Enum):
    ONE = @member@

def make(number):
    return lambda x: x + number

closed = make(@closure@)
TABLE = {"f": lambda x: x + @table@}

class Compiled:
    def __init__(self, function):
        self.py_func = function

    def __call__(self, x):
        return self.py_func(x)

@Compiled
def compiled(x):
    return x + @compiled@

def with_default(x, k=@argument@):
    return x + k

class Case:
    TWO = @match@

def matched(x):
    match x:
        case Case.TWO:
            return 1
        case _:
            return 0

@functools.cache
def cached():
    return int((HERE / "cached.txt").read_text())

@marked
def decorated(x):
    return x

@pipeline_step()
def work(data, ctx, *, param=0, boost=0, out: Artifact, model: Artifact):
    def nested(x):
        return x + @nested@

    metrics = {
        "body": @body@, "nested": nested(0), "const": CONST, "attribute": thing.rate, "mutated": thing.count(),
        "default": Options().width, "member": Choice.ONE.value, "closure": closed(0), "table": TABLE["f"](0),
        "compiled": compiled(0), "argument": with_default(0), "match": matched(1),
        "genexp": sum(1 for _ in range(LIMIT)), "helper": through(0), "base": thing.based(),
        "decorator": decorated(0), "star": starred(), "patched": target.replaced(), "value": VALUE,
        "cached": cached(), "param": param, "boost": boost, "deep": lib.deep.deep(0),
        "variable": int(os.environ.get("QA_VARIABLE", "0")), "random": ctx.rng.random(),
    }
    for alias, value in data.items():
        for each in value if isinstance(value, list) else [value]:
            number = each.predict() if alias.endswith("_model") else each
            metrics[f"in_{alias}"] = metrics.get(f"in_{alias}", 0) + number
    total = sum(value for name, value in metrics.items() if name != "random")
    out.write(total % 3)
    model.write(Model(total % 2))
    return data, metrics
""",
}
