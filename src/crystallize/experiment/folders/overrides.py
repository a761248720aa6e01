"""Values given on the command line in place of those in `config.yaml` (``--set``).

A path is a top-level key, ``steps.<step>.<param>``, ``datasource.<alias>.<param>`` or
``treatments.<name>.<key>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError, UnknownNameError, nearest
from crystallize.experiment.folders.entries import ExperimentConfig
from crystallize.yaml_lines import Document

SECTIONS = ("datasource", "steps", "treatments")


def override_keys(document: Document, overrides: Mapping[str, Any], known: Iterable[str]) -> Document:
    """`document` with the top-level keys among `overrides` replaced."""
    top = {path: value for path, value in overrides.items() if "." not in path}
    for path in top:
        if path not in known:
            raise UnknownNameError(
                f"there is no key {path!r}", path=document.path, key="--set", remedy=nearest(path, known)
            )
    return replace(document, value={**document.value, **top}) if top else document


@contextmanager
def blaming_options(path: Path, overrides: Mapping[str, Any]) -> Iterator[None]:
    """Inside, what is found wrong with a replaced key is told of the option, not of a line of the file at `path`."""
    try:
        yield
    except DefinitionError as error:
        key = error.key or ""
        if key.partition(".")[0] not in overrides:
            raise
        raise type(error)(error.fact, path=path, key=f"--set {key}", remedy=error.remedy) from None


def override_entries(config: ExperimentConfig, overrides: Mapping[str, Any]) -> ExperimentConfig:
    """`config` with the dotted paths among `overrides` replaced.

    The aliases of an implied datasource are only known once `datasources.py` is loaded: what is meant for
    them is kept in `source_params` and checked there.
    """
    for path, value in overrides.items():
        section, dot, rest = path.partition(".")
        if not dot:
            continue
        if section == "steps":
            config = _override_step(config, path, rest, value)
        elif section == "treatments":
            config = _override_treatment(config, path, rest, value)
        elif section == "datasource":
            config = _override_source(config, path, rest, value)
        else:
            raise _unknown(config, path, "section", section, SECTIONS)
    return config


def _override_step(config: ExperimentConfig, path: str, rest: str, value: Any) -> ExperimentConfig:
    name, param = _split(config, path, rest, "step", [step.name for step in config.steps])
    if sum(step.name == name for step in config.steps) > 1:
        fact = f"step {name!r} stands more than once under 'steps:'"
        raise DefinitionError(fact, path=config.path, key=f"--set {path}", remedy="edit the file instead")
    steps = (
        replace(step, params={**step.params, param: value}) if step.name == name else step for step in config.steps
    )
    return replace(config, steps=tuple(steps))


def _override_treatment(config: ExperimentConfig, path: str, rest: str, value: Any) -> ExperimentConfig:
    payloads = {treatment.name: treatment.payload for treatment in config.treatments}
    name, key = _split(config, path, rest, "treatment", payloads)
    if key not in payloads[name]:
        raise _unknown(config, path, f"key of treatment {name!r}", key, payloads[name])
    treatments = (
        replace(treatment, payload={**treatment.payload, key: value}) if treatment.name == name else treatment
        for treatment in config.treatments
    )
    return replace(config, treatments=tuple(treatments))


def _override_source(config: ExperimentConfig, path: str, rest: str, value: Any) -> ExperimentConfig:
    if config.sources is None:
        alias, _, param = rest.rpartition(".")
    else:
        factories = [entry.alias for entry in config.sources if isinstance(entry.target, str)]
        alias, param = _split(config, path, rest, "datasource", factories)
    params = dict(config.source_params)
    params[alias] = {**params.get(alias, {}), param: value}
    return replace(config, source_params=params)


def _split(config: ExperimentConfig, path: str, rest: str, kind: str, known: Iterable[str]) -> tuple[str, str]:
    """The name in `rest`, which may itself have dots, and what follows it."""
    fitting = [name for name in known if rest.startswith(f"{name}.") and len(rest) > len(name) + 1]
    if not fitting:
        raise _unknown(config, path, kind, rest.rpartition(".")[0] or rest, known)
    name = max(fitting, key=len)
    return name, rest[len(name) + 1 :]


def _unknown(config: ExperimentConfig, path: str, kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    fact = f"there is no {kind} {name!r}"
    return UnknownNameError(fact, path=config.path, key=f"--set {path}", remedy=nearest(name, known))
