"""The graph of `workloads/graph.py` in other systems: node i adds up what nodes i-1 and i//2 gave.

Each as its documentation shows, one process for the whole graph where the system allows that.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy

GRAPH = Path(__file__).parent / "workloads" / "graph.py"
PRIME = 1_000_003
PARENTS = "sorted({p for p in (i - 1, i // 2) if 0 <= p < i})"


@dataclass(frozen=True)
class CostSystem:
    """One system that is run on the graph. Subclasses write it."""

    name: str
    needs: str
    """The module that must be importable."""
    environ: Mapping[str, str] = field(default_factory=dict)

    def write(self, folder: Path, size: int, python: Path) -> None:
        """Writes a graph of `size` nodes."""
        raise NotImplementedError

    def command(self, size: int, python: Path) -> Sequence[str | Path]:
        """What runs it."""
        return [python, "graph.py"]

    def is_installed(self, python: Path) -> bool:
        """Whether it can be run with the Python at `python`."""
        return (
            python.exists()
            and not subprocess.run([python, "-c", f"import {self.needs}"], capture_output=True).returncode
        )


class Crystallize(CostSystem):
    """crystallize, and crystallize-ml 0.27: one script serves both."""

    def write(self, folder: Path, size: int, python: Path) -> None:
        copy(GRAPH, folder / "graph.py")

    def command(self, size: int, python: Path) -> Sequence[str | Path]:
        return [python, "graph.py", str(size)]


class Joblib(CostSystem):
    def write(self, folder: Path, size: int, python: Path) -> None:
        (folder / "graph.py").write_text(
            "from joblib import Memory\n\nmemory = Memory('cache', verbose=0)\n\n\n"
            "@memory.cache\ndef node(i, values):\n"
            f"    return (i + sum(values)) % {PRIME}\n\n\nfound = []\nfor i in range({size}):\n"
            f"    found.append(node(i, tuple(found[p] for p in {PARENTS})))\n"
        )


class Hamilton(CostSystem):
    def write(self, folder: Path, size: int, python: Path) -> None:
        nodes = (
            f"def node_{i}({', '.join(f'node_{p}: int' for p in parents(i))}) -> int:\n"
            f"    return ({' + '.join([str(i), *(f'node_{p}' for p in parents(i))])}) % {PRIME}\n"
            for i in range(size)
        )
        (folder / "nodes.py").write_text("\n\n".join(nodes))
        (folder / "graph.py").write_text(
            "import nodes\nfrom hamilton import driver\n\n"
            "built = driver.Builder().with_modules(nodes).with_cache(path='cache').build()\n"
            f"built.execute(['node_{size - 1}'])\n"
        )


class Doit(CostSystem):
    def write(self, folder: Path, size: int, python: Path) -> None:
        (folder / "dodo.py").write_text(
            "from pathlib import Path\n\n\ndef add_up(i, parents):\n"
            "    values = [int(Path(f'out_{p}').read_text()) for p in parents]\n"
            f"    Path(f'out_{{i}}').write_text(str((i + sum(values)) % {PRIME}))\n\n\n"
            f"def task_node():\n    for i in range({size}):\n        parents = {PARENTS}\n"
            "        files = [f'out_{p}' for p in parents]\n"
            "        yield dict(\n            name=str(i), actions=[(add_up, [i, parents])], file_dep=files,\n"
            "            targets=[f'out_{i}'], uptodate=[True], verbosity=0,\n        )\n"
        )

    def command(self, size: int, python: Path) -> Sequence[str | Path]:
        return [python.parent / "doit"]


class Dvc(CostSystem):
    def write(self, folder: Path, size: int, python: Path) -> None:
        (folder / "dvc.yaml").write_text("stages:\n" + "".join(_dvc_stage(i) for i in range(size)))
        for command in ("git", python.parent / "dvc"):
            subprocess.run([command, "init", "-q"], cwd=folder, check=True, capture_output=True)

    def command(self, size: int, python: Path) -> Sequence[str | Path]:
        return [python.parent / "dvc", "repro", "-q"]


class Snakemake(CostSystem):
    def write(self, folder: Path, size: int, python: Path) -> None:
        rules = "".join(
            f"\nrule node_{i}:\n    input: {', '.join(repr(f'out_{p}') for p in parents(i))}\n"
            f"    output: 'out_{i}'\n    shell: '{shell(i)}'\n"
            for i in range(size)
        )
        (folder / "Snakefile").write_text(f"rule all:\n    input: 'out_{size - 1}'\n{rules}")

    def command(self, size: int, python: Path) -> Sequence[str | Path]:
        return [python.parent / "snakemake", "-c1", "-q", "all"]


def parents(i: int) -> list[int]:
    """What node `i` reads."""
    return sorted({p for p in (i - 1, i // 2) if 0 <= p < i})


def shell(i: int) -> str:
    """A command that adds up for node `i`, in the shell itself."""
    values = " + ".join([str(i), *(f"$(cat out_{p})" for p in parents(i))])
    return f"echo $((({values}) % {PRIME})) > out_{i}"


def _dvc_stage(i: int) -> str:
    reads = "".join(f"      - out_{p}\n" for p in parents(i))
    return (
        f"  node_{i}:\n    cmd: {shell(i)}\n"
        + (f"    deps:\n{reads}" if reads else "")
        + f"    outs:\n      - out_{i}\n"
    )


def systems(python: Path, old: Path, others: Path) -> Iterator[tuple[CostSystem, Path]]:
    """Each system that is installed, with its Python: ours, that of crystallize-ml 0.27, that of the others."""
    listed = [
        (Crystallize("crystallize", "crystallize"), python),
        (Crystallize("crystallize-ml 0.27", "crystallize"), old),
        (Joblib("joblib", "joblib"), others),
        (Doit("doit", "doit"), others),
        (Hamilton("Hamilton", "hamilton", {"HAMILTON_TELEMETRY_ENABLED": "false"}), others),
        (Snakemake("Snakemake", "snakemake"), others),
        (Dvc("DVC", "dvc", {"DVC_NO_ANALYTICS": "1"}), others),
    ]
    return ((system, where) for system, where in listed if system.is_installed(where))
