"""The modules that a new experiment begins with, as texts. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Sequence

EMPTY_FILES = {
    "datasources.py": '"""What this experiment starts from."""\n',
    "outputs.py": '"""Loaders and writers of this experiment\'s outputs."""\n',
    "verifiers.py": '"""Verifiers of this experiment\'s hypotheses."""\n',
}

_SOURCE = '''\
from crystallize import data_source


@data_source
def numbers():
    """What every replicate starts from."""
    return {value}
'''

_FIRST_STEP = '''\
from crystallize import pipeline_step


@pipeline_step()
def {step}(data):
    """{said}"""
    return data, {metrics}
'''

_EXAMPLE_STEP = '''\
from crystallize import Artifact, pipeline_step


@pipeline_step()
def add_one(data, delta=1, *, out: Artifact):
    """Adds `delta`, which a treatment may set, and writes the sum to out.txt."""
    value = {start} + delta
    out.write(str(value))
    return value, {{"val": value}}
'''

_EXAMPLE_OUTPUTS = '''\
def load_text(path):
    """What readers of the output get."""
    return path.read_text(encoding="utf-8")
'''

_EXAMPLE_VERIFIERS = '''\
from crystallize import verifier


@verifier
def always_sig(baseline, treatment):
    """Compares the values that the replicates recorded."""
    return {"p_value": 0.01, "significant": True}
'''


def first_files(step: str, aliases: Sequence[str]) -> dict[str, str]:
    """File → text for an experiment with one `step` that reads `aliases`, or numbers when there are none."""
    if aliases:
        said = "The data has one entry per input: " + ", ".join(aliases) + "."
        return {"steps.py": _FIRST_STEP.format(step=step, said=said, metrics='{"inputs": len(data)}')}
    said = "Records the sum of the numbers."
    return {
        "datasources.py": _SOURCE.format(value="[1, 2, 3]"),
        "steps.py": _FIRST_STEP.format(step=step, said=said, metrics='{"total": sum(data)}'),
    }


def example_files(aliases: Sequence[str]) -> dict[str, str]:
    """File → text for the worked example, which reads `aliases` beside its own number."""
    return {
        "datasources.py": _SOURCE.format(value="1"),
        "steps.py": _EXAMPLE_STEP.format(start='data["numbers"]' if aliases else "data"),
        "outputs.py": _EXAMPLE_OUTPUTS,
        "verifiers.py": _EXAMPLE_VERIFIERS,
    }
