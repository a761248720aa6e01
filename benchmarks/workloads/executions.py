"""Writes a project of 100 files and a valohai.yaml whose pipeline has COUNT nodes that echo, and runs it.

usage: executions.py COUNT
"""

import subprocess
import sys
from pathlib import Path

FILES = 100
STEP = """- step:
    name: echo
    image: none
    command: echo {parameters}
    parameters:
      - name: number
        type: integer
        default: 0
- pipeline:
    name: many
    edges: []
    nodes:
"""
NODE = """      - name: echo-{number}
        type: execution
        step: echo
        override:
          parameters:
            - name: number
              default: {number}
"""


def write_project(folder: Path, nodes: int) -> None:
    source = folder / "src"
    source.mkdir(exist_ok=True)
    for number in range(FILES):
        (source / f"file_{number}.py").write_text(f"NUMBER = {number}\n", encoding="utf-8")
    listed = "".join(NODE.format(number=number) for number in range(nodes))
    (folder / "valohai.yaml").write_text(STEP + listed, encoding="utf-8")


if __name__ == "__main__":
    write_project(Path(), int(sys.argv[1]))
    command = Path(sys.executable).parent / "crystallize"
    subprocess.run([command, "pipeline", "run", "many", "--runtime", "local", "--workers", "1"], check=True)
