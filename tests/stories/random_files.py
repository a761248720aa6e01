"""The files a random project is written as: every knob stands in one place of them.

Knows nothing of edits and runs.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from .random_project import Node, Project

STEP = "crystallize.soak.step"
"""The audit event that tells of a trial that is running."""


def write(project: Project, root: Path, *, alike: bool = False) -> None:
    """Makes the files below `root` those of the project, touching only what differs.

    Written `alike`, each file that is replaced leaves its time to the new one; sizes rarely change anyway.
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
        if before is not None and alike:
            os.utime(fresh, ns=(before.st_atime_ns, before.st_mtime_ns))
        fresh.replace(path)


def _files(project: Project) -> dict[str, str]:
    files = {
        "lib/__init__.py": "",
        "lib/deep.py": "from lib.deeper import DEEP\n\ndef deep(x):\n    return x + DEEP\n",
        "lib/deeper.py": f"DEEP = {project.deep}\nUNUSED = {project.nodes['e0'].comment}\n",
        "lib/far.py": f"FAR = {project.far}\n",
    }
    for name, node in project.nodes.items():
        files[f"lib/plugs_{name}.py"] = _filled(_PLUGS, node.knobs)
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
    files["noted.txt"] = str(knobs["noted"])
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
        "steps": ["prepare", {"work": {"param": node.knobs["param"]}}],
        "outputs": {
            "out": {"file_name": f"{name}.txt", "writer": "dump", "loader": "load"},
            "model": {"file_name": f"{name}.pickle", "writer": "dump_model", "loader": "load_model"},
        },
    }
    if project.executor_of(name) != "serial":
        config |= {"executor": project.executor_of(name), "max_workers": 2}
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
    return text.replace("@STEP@", STEP)


_PLUGS = """
import random
from crystallize import BasePlugin, SeedPlugin

class Marker(BasePlugin):
    def __init__(self, number):
        self.number = number

    def before_replicate(self, experiment, ctx):
        ctx.add("marked", self.number * 3 + @marker@)

def plant(seed):
    random.seed(seed + @seeding@)

def equip(experiment):
    if @plugin@:
        experiment.plugins.append(Marker(@plugin@))
    if @seeding@:
        experiment.get_plugin(SeedPlugin).seed_fn = plant
"""
"""A plugin and a seed function, which configurations cannot name."""

_SOURCE = """
import os
import sys
from pathlib import Path
from crystallize import data_source

HERE = Path(__file__).parent

@data_source
def numbers(ctx):
    sys.audit("@STEP@")
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
    "lately.py": "def lately(x):\n    return x + @late@\n",
    "unseen.py": "def behind(x):\n    return x + @behind@\n",
    "kinds.py": "class Base:\n    def based(self):\n        return @base@\n",
    "marks.py": """
import functools
import inspect

def jit(function):
    text = inspect.getsource(function).partition("\\n")[2]
    names = dict(function.__globals__)
    exec(compile(text, "<jit>", "exec"), names)
    return names[function.__name__]

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
import random
import sys
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import lib.deep
import patches
import target
from crystallize import Artifact, pipeline_step
from helpers import through
from kinds import Base
from marks import jit, marked
from models import Model
from stars import *
from unseen import behind

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

@jit
def jitted(x):
    return behind(x) + @jitted@

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

@pipeline_step(cacheable=True)
def prepare(data, ctx, *, boost=0):
    sys.audit("@STEP@")
    noted = int((HERE / "noted.txt").read_text())
    drawn = random.random() if @draws@ > 1 else 0
    return data, {"prepare": @prepare@, "prepared": boost, "noted": noted, "drawn_early": drawn}

@pipeline_step()
def work(data, ctx, *, param=0, boost=0, out: Artifact, model: Artifact):
    sys.audit("@STEP@")
    from lately import lately
    import lib.far

    def nested(x):
        return x + @nested@

    metrics = {
        "body": @body@, "nested": nested(0), "const": CONST, "attribute": thing.rate, "mutated": thing.count(),
        "default": Options().width, "member": Choice.ONE.value, "closure": closed(0), "table": TABLE["f"](0),
        "compiled": compiled(0), "jitted": jitted(0), "argument": with_default(0), "match": matched(1),
        "genexp": sum(1 for _ in range(LIMIT)), "helper": through(0), "base": thing.based(),
        "decorator": decorated(0), "star": starred(), "patched": target.replaced(), "value": VALUE,
        "cached": cached(), "param": param, "boost": boost, "deep": lib.deep.deep(0),
        "variable": int(os.environ.get("QA_VARIABLE", "0")), "random": ctx.rng.random(),
        "late": lately(0), "far": lib.far.FAR, "marked": ctx.get("marked", 0),
        "drawn": sum(random.random() for _ in range(100 * @draws@)),
    }
    for alias, value in data.items():
        for each in value if isinstance(value, list) else [value]:
            number = each.predict() if alias.endswith("_model") else each
            metrics[f"in_{alias}"] = metrics.get(f"in_{alias}", 0) + number
    total = sum(value for name, value in metrics.items() if name not in ("random", "drawn"))
    out.write(total % 3)
    model.write(Model(total % 2))
    return data, metrics
""",
}
