"""The two-node graph in each system, written as its documentation shows, with nothing added to help it.

The bodies of the two nodes are the same everywhere; what differs is how the system is told of them.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

PRODUCE = """    mark("produce")
    number = int(open("data.txt").read())
    value = helper(number) + offset
    return value
"""
CONSUME = """    mark("consume")
    return value * 10
"""
IMPORTS = "from lib import helper\nfrom nodelog import mark\n"
SAVE = "open('value.json', 'w').write(str({}))\n"


@dataclass
class System:
    """One system. Subclasses write the graph; the value is left in ``value.json``."""

    name: str
    code: str = "graph.py"
    """The file that the producer is written in."""
    needs: str = ""
    """The module that must be importable."""
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, folder: Path, offset: int) -> None:
        """Writes the graph."""
        (folder / self.code).write_text(self.text())
        self.write_offset(folder, offset)

    def write_offset(self, folder: Path, offset: int) -> None:
        """Writes the parameter where the system takes it from."""
        (folder / "offset.json").write_text(str(offset))

    def text(self) -> str:
        """What the script says."""
        raise NotImplementedError

    def prepare(self, folder: Path, python: Path) -> None:
        """What must be done once in a new folder."""

    def command(self, python: Path) -> Sequence[object]:
        """How a user runs it."""
        return [python, self.code]

    def value(self, folder: Path) -> int | None:
        """What the graph gave."""
        path = folder / "value.json"
        return int(json.loads(path.read_text())) if path.exists() else None

    def stored(self, folder: Path) -> list[Path]:
        """The files that hold the producer's value between runs."""
        raise NotImplementedError

    def damage(self, folder: Path) -> bool:
        """Changes the producer's stored value (21 becomes 99) and forgets the end result; False: nothing to change."""
        found = False
        for path in self.stored(folder):
            data = path.read_bytes()
            for old, new in ((b"K\x15", b"K\x63"), (b"21", b"99")):
                if old in data:
                    path.chmod(0o644)
                    path.write_bytes(data.replace(old, new))
                    found = True
                    break
        return found

    def is_installed(self, python: Path) -> bool:
        """Whether it can be run here."""
        return subprocess.run([python, "-c", f"import {self.needs}"], capture_output=True).returncode == 0


class Joblib(System):
    def text(self) -> str:
        return (
            f"from joblib import Memory\n{IMPORTS}memory = Memory('cache', verbose=0)\n\n"
            f"@memory.cache\ndef produce(offset):\n{PRODUCE}\n@memory.cache\ndef consume(value):\n{CONSUME}\n"
            f"offset = int(open('offset.json').read())\n" + SAVE.format("consume(produce(offset))")
        )

    def stored(self, folder: Path) -> list[Path]:
        return [path for path in folder.rglob("output.pkl") if "produce" in str(path)]


class Hamilton(System):
    def write(self, folder: Path, offset: int) -> None:
        super().write(folder, offset)
        (folder / "graph.py").write_text(
            "from hamilton import driver\nimport functions\n"
            "dr = driver.Builder().with_modules(functions).with_cache(path='cache').build()\n"
            "offset = int(open('offset.json').read())\n"
            "out = dr.execute(['consume'], inputs={'offset': offset})\n" + SAVE.format("int(out['consume'])")
        )

    def text(self) -> str:
        return (
            f"{IMPORTS}\ndef produce(offset: int) -> int:\n{PRODUCE}\n"
            f"def consume(produce: int) -> int:\n{CONSUME.replace('value * 10', 'produce * 10')}"
        )

    def command(self, python: Path) -> Sequence[object]:
        return [python, "graph.py"]

    def stored(self, folder: Path) -> list[Path]:
        return [path for path in (folder / "cache").rglob("*") if path.is_file() and "db" not in path.name]


class Redun(System):
    def text(self) -> str:
        return (
            f"from redun import task, Scheduler\nfrom redun.config import Config\n{IMPORTS}"
            f"redun_namespace = 'g'\n\n@task()\ndef produce(offset):\n{PRODUCE}\n"
            f"@task()\ndef consume(value):\n{CONSUME}\n"
            f"@task()\ndef main(offset: int):\n    return consume(produce(offset))\n\n"
            "s = Scheduler(config=Config({'backend': {'db_uri': 'sqlite:///redun.db'}}))\ns.load(migrate=True)\n"
            "offset = int(open('offset.json').read())\n" + SAVE.format("s.run(main(offset))")
        )

    def stored(self, folder: Path) -> list[Path]:
        return []


class Scripts(System):
    """Systems that run commands over files: the producer and the consumer are scripts."""

    def write(self, folder: Path, offset: int) -> None:
        super().write(folder, offset)
        (folder / "consume.py").write_text(
            f"{IMPORTS}\ndef consume(value):\n{CONSUME}\n"
            "value = int(open('produced.json').read())\n" + SAVE.format("consume(value)")
        )

    def text(self) -> str:
        return (
            f"{IMPORTS}\ndef produce(offset):\n{PRODUCE}\noffset = int(open('offset.json').read())\n"
            "open('produced.json', 'w').write(str(produce(offset)))\n"
        )

    def stored(self, folder: Path) -> list[Path]:
        return [folder / "produced.json"]


class Doit(Scripts):
    def prepare(self, folder: Path, python: Path) -> None:
        (folder / "dodo.py").write_text(
            "def task_produce():\n    return dict(actions=['python produce.py'], "
            "file_dep=['produce.py', 'lib.py', 'offset.json'], targets=['produced.json'])\n\n"
            "def task_consume():\n    return dict(actions=['python consume.py'], "
            "file_dep=['consume.py', 'lib.py', 'produced.json'], targets=['value.json'])\n"
        )

    def command(self, python: Path) -> Sequence[object]:
        return [python.parent / "doit"]


class Dvc(Scripts):
    def prepare(self, folder: Path, python: Path) -> None:
        (folder / "dvc.yaml").write_text(
            "stages:\n  produce:\n    cmd: python produce.py\n    deps: [produce.py, lib.py, offset.json]\n"
            "    outs: [produced.json]\n  consume:\n    cmd: python consume.py\n"
            "    deps: [consume.py, lib.py, produced.json]\n    outs: [value.json]\n"
        )
        for command in (["git", "init", "-q"], [str(python.parent / "dvc"), "init", "-q"]):
            subprocess.run(command, cwd=folder, check=True, capture_output=True)

    def command(self, python: Path) -> Sequence[object]:
        return [python.parent / "dvc", "repro", "-q"]


class Snakemake(Scripts):
    def prepare(self, folder: Path, python: Path) -> None:
        (folder / "Snakefile").write_text(
            "rule all:\n    input: 'value.json'\n\n"
            "rule produce:\n    input: 'produce.py', 'lib.py', 'offset.json'\n    output: 'produced.json'\n"
            "    shell: 'python produce.py'\n\n"
            "rule consume:\n    input: 'consume.py', 'lib.py', 'produced.json'\n    output: 'value.json'\n"
            "    shell: 'python consume.py'\n"
        )

    def command(self, python: Path) -> Sequence[object]:
        return [python.parent / "snakemake", "-c1", "-q", "all"]


class Crystallize(System):
    """crystallize, and crystallize-ml 0.27: one text serves both."""

    def text(self) -> str:
        produce = PRODUCE.replace("    return value\n", "    out.write(str(value).encode())\n    return value\n")
        return (
            f"import logging\nlogging.disable(logging.CRITICAL)\nfrom crystallize import *\n{IMPORTS}\n"
            "@data_source\ndef nothing(ctx):\n    return None\n\n"
            f"@pipeline_step()\ndef make(data, *, out: Artifact, offset: int = 0):\n{produce}\n"
            f"@pipeline_step()\ndef use(data):\n    value = int(data['up'])\n"
            f"{CONSUME.replace('return value * 10', 'return data, {chr(118): value * 10}')}\n"
            "a = Artifact('produced.json')\noffset = int(open('offset.json').read())\n"
            "one = Experiment(nothing(), Pipeline([make(out=a, offset=offset)]), name='one', outputs=[a])\n"
            "two = Experiment(ExperimentInput(up=a), Pipeline([use()]), name='two')\n"
            "r = ExperimentGraph.from_experiments([one, two]).run(strategy='resume')\n"
            + SAVE.format("r['two'].metrics.baseline.metrics['v'][-1]")
        )

    def stored(self, folder: Path) -> list[Path]:
        return list((folder / "data").rglob("produced.json"))


SYSTEMS: list[System] = [
    Crystallize("crystallize", needs="crystallize"),
    Crystallize("crystallize-ml 0.27", needs="crystallize"),
    Joblib("joblib", needs="joblib"),
    Hamilton("Hamilton", code="functions.py", needs="hamilton", environ={"HAMILTON_TELEMETRY_ENABLED": "false"}),
    Redun("redun", needs="redun"),
    Doit("doit", code="produce.py", needs="doit"),
    Dvc("DVC", code="produce.py", needs="dvc", environ={"DVC_NO_ANALYTICS": "1"}),
    Snakemake("Snakemake", code="produce.py", needs="snakemake"),
]
