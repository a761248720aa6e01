"""Begins a new experiment folder whose experiment runs at once.

Nothing is written before everything is known to be valid, and the folder appears as a whole.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from crystallize.errors import DefinitionError, nearest
from crystallize.experiment.folders.config import CONFIG_NAME, read_config
from crystallize.experiment.folders.references import Catalog
from crystallize.experiment.folders.scaffold_texts import EMPTY_FILES, example_files, first_files
from crystallize.experiment.objects.names import check_name

KEY = "crystallize new"


class NameTakenError(DefinitionError, FileExistsError):
    """An experiment of this name is there already."""


class Input(NamedTuple):
    """An output of another experiment that the new one reads."""

    alias: str
    reference: str
    """As in `config.yaml`: ``producer#summary``."""
    output: str


class Draft(NamedTuple):
    """An experiment that could be written as it is."""

    folder: Path
    texts: dict[str, str]
    """File → what it would hold."""


def create_experiment(
    name: str,
    root: Path,
    *,
    example: bool = False,
    inputs: Sequence[str] = (),
    files: Collection[str] = (),
) -> Path:
    """The new folder ``experiments/<name>`` below the project root; parameters and errors are those of `draft`."""
    drafted = draft(name, Catalog(root), example=example, inputs=inputs, files=files)
    _write(drafted.folder, drafted.texts)
    return drafted.folder


def draft(
    name: str,
    catalog: Catalog,
    *,
    example: bool = False,
    inputs: Sequence[str] = (),
    files: Collection[str] = (),
) -> Draft:
    """What a new experiment of the project in `catalog` would be. Writes nothing.

    Parameters
    ----------
    example : show treatments, an output and a hypothesis as well.
    inputs : what to read of other experiments: ``producer#summary``, or ``producer#summary[*]`` for all replicates.
    files : further modules to begin, of `datasources.py`, `outputs.py` and `verifiers.py`.

    Raises DefinitionError for a bad name, input or file, NameTakenError (a FileExistsError) for a taken name.
    """
    check_name("experiment", name, key=KEY)
    folder = catalog.root / "experiments" / name
    _check_free(name, folder, catalog)
    read = [_input(text, catalog) for text in inputs]
    _check_aliases(read)
    for file in files:
        if file not in EMPTY_FILES:
            raise DefinitionError(f"there is no file {file!r} to begin", key=KEY, remedy=nearest(file, EMPTY_FILES))
    step = _step_name(read)
    aliases = [each.alias for each in read]
    texts = {file: EMPTY_FILES[file] for file in files}
    texts |= example_files(aliases) if example else first_files(step, aliases)
    texts[CONFIG_NAME] = _dumped(_config(name, step, read, example))
    return Draft(folder, texts)


def _check_free(name: str, folder: Path, catalog: Catalog) -> None:
    if folder.exists():
        raise NameTakenError(f"{folder} is there already", key=KEY, remedy="choose another name")
    taken = [item for item in catalog.listed() if name.lower() in (item.name.lower(), item.folder_name.lower())]
    if taken:
        fact = f"the name {name!r} is that of {taken[0].path}"
        raise NameTakenError(fact, key=KEY, remedy="choose another name")


def _input(text: str, catalog: Catalog) -> Input:
    experiment, _, rest = text.partition("#")
    output = rest.removesuffix("[*]")
    if not experiment or not output:
        remedy = "write 'experiment#output'"
        raise DefinitionError(f"{text!r} is no output of an experiment", key="--input", remedy=remedy)
    producer = read_config(catalog.find(experiment, path=catalog.root))
    aliases = [entry.alias for entry in producer.outputs]
    if output not in aliases:
        fact = f"experiment {experiment!r} has no output {output!r}"
        raise DefinitionError(fact, path=producer.path, key="--input", remedy=nearest(output, aliases))
    ending = "_all" if rest != output else ""
    return Input(f"{experiment}_{output}{ending}", text, output)


def _check_aliases(read: Sequence[Input]) -> None:
    known: dict[str, Input] = {}
    for each in read:
        other = known.setdefault(each.alias, each)
        if other is not each:
            fact = f"{other.reference!r} and {each.reference!r} have the same alias {each.alias!r}"
            raise DefinitionError(fact, key="--input", remedy="choose one of them")


def _step_name(read: Sequence[Input]) -> str:
    if not read:
        return "summarize"
    word = read[0].output if len(read) == 1 else "inputs"
    return "inspect_" + re.sub(r"\W", "_", word)


def _config(name: str, step: str, read: Sequence[Input], example: bool) -> dict[str, Any]:
    config: dict[str, Any] = {"name": name}
    if not read:
        config["replicates"] = 1
    own = {"numbers": "numbers"} if example or not read else {}
    config["datasource"] = own | {each.alias: each.reference for each in read}
    config["steps"] = ["add_one" if example else step]
    if example:
        config["outputs"] = {"out": {"file_name": "out.txt", "loader": "load_text"}}
        config["treatments"] = {"baseline": {"delta": 0}, "add_one": {"delta": 1}, "add_two": {"delta": 2}}
        config["hypotheses"] = [{"verifier": "always_sig", "metrics": "val"}]
    config["cli"] = {"group": "Graphs" if read else "Experiments", "priority": 999, "hidden": False}
    return config


class _Dumper(yaml.SafeDumper):
    """Indents lists below their key, as people write them."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _dumped(config: dict[str, Any]) -> str:
    text: str = yaml.dump(config, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def _write(folder: Path, texts: dict[str, str]) -> None:
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.new")
    fresh.mkdir(parents=True)
    for file, text in texts.items():
        (fresh / file).write_text(text, encoding="utf-8")
    fresh.rename(folder)
