"""Command lines: the script that a shell runs for one execution.

Interpolation is the valohai-yaml package's. Lines are joined by ``&&``: the first that fails ends the execution.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crystallize.valohai.values import Value

if TYPE_CHECKING:
    from valohai_yaml.objs import Parameter

_PLATFORM_FOLDER = re.compile(r"/valohai/(config|inputs|outputs|repository)(?![\w.-])")


def script_of(
    command: str | Sequence[str],
    parameters: Mapping[str, Parameter],
    values: Mapping[str, Value],
    source_path: str | None = None,
) -> str:
    """The script of one execution.

    Parameters
    ----------
    values : every parameter that has a value; those that have none are left out.
    source_path : what ``{source-path}`` stands for; left untouched when None.
    """
    from valohai_yaml.commands import build_command, join_command
    from valohai_yaml.objs.parameter_map import ParameterMap

    known = ParameterMap(parameters=parameters, values=values)
    special = {} if source_path is None else {"source-path": source_path}
    lines = build_command(command if isinstance(command, str) else list(command), known, special)
    return join_command(lines, " && ")


def argv_of(script: str, shell: str = "/bin/sh") -> list[str]:
    """How a script is started: by the interpreter of its ``#!`` line, else by the shell."""
    first, _, rest = script.partition("\n")
    if first.startswith("#!") and first[2:].strip():
        return [*first[2:].split(), "-c", rest]
    return [shell, "-c", script]


def relocated(script: str, folders: Mapping[str, str]) -> str:
    """The script with the platform's own paths (``/valohai/outputs/…``) replaced by folders of this machine.

    For runs without a container, where those paths do not exist.

    Parameters
    ----------
    folders : ``config``, ``inputs``, ``outputs``, ``repository`` → where it is.
    """
    return _PLATFORM_FOLDER.sub(lambda match: folders[match[1]], script)
