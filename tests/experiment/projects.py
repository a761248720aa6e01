"""Small projects for tests: files written at once."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

STEPS = """
from crystallize import Artifact, pipeline_step

@pipeline_step()
def scale(data, factor=1):
    return data * factor

@pipeline_step()
def save(data, *, model: Artifact):
    model.write(str(data))
    return data

@pipeline_step()
def log(data, ctx):
    ctx.artifacts.add("log.txt", str(data))
    return data

def plain(data):
    return data

class Shift:
    pass
"""

SOURCES = """
from crystallize import data_source

@data_source
def numbers(ctx, n=3):
    return n
"""

OUTPUTS = """
def load(path):
    return path.read_text()

def dump(value):
    return str(value)

FACTOR = 2
"""

VERIFIERS = """
from crystallize import verifier

@verifier
def greater(baseline, treatment):
    return {"p_value": 0.5}

@verifier
def within(baseline, treatment, margin):
    return {"p_value": 0.5}
"""

MODULES = {
    "steps.py": STEPS,
    "datasources.py": SOURCES,
    "outputs.py": OUTPUTS,
    "verifiers.py": VERIFIERS,
}


def write_files(root: Path, files: Mapping[str, str]) -> Path:
    """Write each text (dedented) under its path below `root`; `root` again."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return root


def write_experiment(folder: Path, config: str, **modules: str) -> Path:
    """Write a `config.yaml` beside the usual modules, or beside `modules` in their place; its path."""
    texts = {**MODULES, **{f"{name}.py": text for name, text in modules.items()}}
    write_files(folder, {**texts, "config.yaml": config})
    return folder / "config.yaml"
