"""Reads a `config.yaml` into an `ExperimentConfig` and says what is wrong with it, with file and line.

Loads none of the user's code: whether a function exists is found out in `folder.py`, whether another
experiment exists in `references.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError
from crystallize.experiment.folders.entries import (
    CliBlock,
    ExperimentConfig,
    HypothesisEntry,
    OutputEntry,
    Reference,
    SourceEntry,
    StepEntry,
    TreatmentEntry,
)
from crystallize.experiment.folders.overrides import blaming_options, override_entries, override_keys
from crystallize.experiment.folders.sections import Section
from crystallize.experiment.objects.constants import BASELINE_CONDITION, CONDITION_KEY, REPLICATE_KEY, SEED_USED_KEY
from crystallize.experiment.objects.grid import points_of_grid, points_of_list
from crystallize.experiment.objects.limits import Limits
from crystallize.experiment.objects.names import check_distinct, check_name
from crystallize.yaml_lines import Document, read_document

CONFIG_NAME = "config.yaml"
KEYS = (
    "name",
    "description",
    "replicates",
    "seed",
    "strategy",
    "versioned",
    "reads",
    "ignore",
    "executor",
    "address",
    "max_workers",
    "timeout",
    "retries",
    "resources",
    "datasource",
    "steps",
    "outputs",
    "treatments",
    "hypotheses",
    "cli",
)
STRATEGIES = ("resume", "rerun")
EXECUTORS = ("serial", "thread", "process", "async", "ray")

_OUTPUT_KEYS = ("file_name", "loader", "writer")
_HYPOTHESIS_KEYS = ("verifier", "metrics", "name")
_CLI_KEYS = ("group", "priority", "icon", "color", "hidden")
_SET_BY_RUN = (REPLICATE_KEY, CONDITION_KEY, SEED_USED_KEY)


MOST_REPLICATES = 1_000_000
"""Of one experiment: above, a slip is more likely than a wish, and a plan would fill the memory."""


def read_config(path: Path, overrides: Mapping[str, Any] | None = None) -> ExperimentConfig:
    """The configuration at `path` (a `config.yaml`, or a folder that holds one), with `overrides` applied.

    Raises DefinitionError, or one of its kinds, at the first thing that is wrong.
    """
    path = config_path(path)
    document = override_keys(read_document(path), overrides or {}, KEYS)
    with blaming_options(path, overrides or {}):
        config = parse_config(document)
    return override_entries(config, overrides or {})


def config_path(path: Path) -> Path:
    """The absolute path of the `config.yaml` that `path` means."""
    path = path.resolve()
    return path / CONFIG_NAME if path.is_dir() else path


def parse_config(document: Document) -> ExperimentConfig:
    """The configuration that `document` holds."""
    top = Section(document, (), document.value, KEYS)
    steps = _steps(top)
    outputs = _outputs(top)
    return ExperimentConfig(
        path=document.path,
        name=_name(top),
        description=top.text("description"),
        sources=_sources(top),
        steps=steps,
        outputs=outputs,
        treatments=_treatments(top),
        hypotheses=_hypotheses(top),
        replicates=top.integer("replicates", least=1, most=MOST_REPLICATES, digits=True),
        seed=top.integer("seed"),
        strategy=top.choice("strategy", STRATEGIES),
        versioned=top.flag("versioned"),
        reads=top.texts("reads"),
        ignore=top.texts("ignore"),
        executor=top.choice("executor", EXECUTORS),
        address=_address(top),
        max_workers=top.integer("max_workers", least=1),
        limits=_limits(top),
        cli=_cli(top),
        lines=_lines(document, steps),
        source_params={},
    )


def _name(top: Section) -> str:
    path = top.document.path
    declared = top.value.get("name")
    name = path.parent.name if declared is None else declared
    return check_name("experiment", name, path=path, line=top.line("name"), key="name")


def _address(top: Section) -> str | None:
    address = top.text("address")
    if address is not None and top.value.get("executor") != "ray":
        top.fail("only a Ray cluster has an address", "address", remedy="write 'executor: ray', or leave it out")
    return address


def _limits(top: Section) -> Limits:
    given = {key: top.value[key] for key in ("timeout", "retries", "resources") if top.value.get(key) is not None}
    try:
        return Limits.of(**given)
    except DefinitionError as error:
        key = str(error.key)
        top.fail(error.fact, *key.split("."), remedy=str(error.remedy))


def _sources(top: Section) -> tuple[SourceEntry, ...] | None:
    value = top.value.get("datasource")
    if value is None:
        return None
    parts = value if isinstance(value, list) else [value]
    entries: list[SourceEntry] = []
    for index, part in enumerate(parts):
        keys = ("datasource", index) if isinstance(value, list) else ("datasource",)
        entries += _aliases(Section(top.document, keys, part))
    if not entries:
        top.fail("no source is given", "datasource", remedy="write 'alias: function' or 'alias: experiment#output'")
    for alias, count in Counter(entry.alias for entry in entries).items():
        if count > 1:
            top.fail(f"alias {alias!r} is given {count} times", "datasource", remedy="rename one of them")
    return tuple(entries)


def _aliases(section: Section) -> Iterator[SourceEntry]:
    return (_source(section, alias, target) for alias, target in section)


def _source(section: Section, alias: str, target: object) -> SourceEntry:
    line = section.line(alias)
    check_name("alias", alias, path=section.document.path, line=line, key=section.dotted())
    if not isinstance(target, str) or not target:
        remedy = "write the name of a function in datasources.py, or 'experiment#output'"
        section.fail_type("a text", target, alias, remedy=remedy)
    reference = _reference(section, alias, target) if "#" in target else target
    return SourceEntry(alias=alias, target=reference, line=line)


def _reference(section: Section, alias: str, text: str) -> Reference:
    experiment, _, rest = text.partition("#")
    output = rest.removesuffix("[*]")
    if not experiment or not output or any(char in output for char in "#[]"):
        remedy = "write 'experiment#output', or 'experiment#output[*]' for all replicates"
        section.fail(f"{text!r} is no reference", alias, remedy=remedy)
    return Reference(experiment=experiment, output=output, gather=output != rest, line=section.line(alias))


def _steps(top: Section) -> tuple[StepEntry, ...]:
    items = top.items("steps")
    if not items:
        top.fail("there is no step", "steps", remedy="list at least one function of steps.py under 'steps:'")
    return tuple(_step(top, index, item) for index, item in enumerate(items))


def _step(top: Section, index: int, item: object) -> StepEntry:
    line = top.line("steps", index)
    if isinstance(item, str) and item:
        return StepEntry(name=item, params={}, line=line)
    if not isinstance(item, dict) or len(item) != 1:
        remedy = "write '- function', or '- function: {parameter: value}'"
        top.fail_type("a step", item, "steps", index, remedy=remedy)
    section = Section(top.document, ("steps", index), item)
    [name] = section.value
    return StepEntry(name=name, params=section.child(name).value, line=line)


def _outputs(top: Section) -> tuple[OutputEntry, ...]:
    section = top.child("outputs")
    entries = []
    for alias, _ in section:
        check_name("alias", alias, path=top.document.path, line=section.line(alias), key="outputs")
        entry = section.child(alias, _OUTPUT_KEYS)
        file_name = entry.text("file_name")
        entries.append(
            OutputEntry(
                alias=alias,
                file_name=_file_name(entry, alias if file_name is None else file_name),
                loader=entry.text("loader"),
                writer=entry.text("writer"),
                line=section.line(alias),
            )
        )
    names = [entry.file_name for entry in entries]
    check_distinct("artifact", names, path=top.document.path, line=top.line("outputs"), key="outputs")
    return tuple(entries)


def _file_name(entry: Section, name: str) -> str:
    key = entry.dotted("file_name")
    return check_name("artifact", name, path=entry.document.path, line=entry.line("file_name"), key=key)


def _treatments(top: Section) -> tuple[TreatmentEntry, ...]:
    section = top.child("treatments")
    entries: list[TreatmentEntry] = []
    for name, _ in section:
        line = section.line(name)
        check_name("condition", name, path=top.document.path, line=line, key="treatments")
        payload = section.child(name)
        for key, _ in payload:
            if key in _SET_BY_RUN:
                payload.fail("the run itself sets this key", key, remedy="give it another name")
        entries += _entries(payload, name, line)
    names = [BASELINE_CONDITION, *(entry.name for entry in entries if entry.name != BASELINE_CONDITION)]
    check_distinct("condition", names, path=top.document.path, line=top.line("treatments"), key="treatments")
    return tuple(entries)


def _entries(section: Section, name: str, line: int) -> Iterator[TreatmentEntry]:
    """The treatments that one entry means: itself, or one per combination of its ``grid``, or of its ``list``.

    Each has the sources under its ``datasource``, where that maps aliases to sources.
    """
    place: dict[str, Any] = {"path": section.document.path, "line": line, "key": section.dotted()}
    payload = dict(section.value)
    sources: tuple[SourceEntry, ...] = ()
    swapped, grid, listed = payload.get("datasource"), payload.get("grid"), payload.get("list")
    if isinstance(swapped, dict) and swapped and all(isinstance(target, str) for target in swapped.values()):
        del payload["datasource"]
        sources = tuple(_aliases(section.child("datasource")))
    if isinstance(grid, dict) and all(isinstance(values, list) for values in grid.values()):
        points = points_of_grid(name, payload.pop("grid"), **place)
    elif isinstance(listed, list) and all(isinstance(each, dict) for each in listed):
        points = points_of_list(name, payload.pop("list"), **place)
    else:
        yield TreatmentEntry(name=name, payload=payload, sources=sources, line=line)
        return
    if name == BASELINE_CONDITION:
        section.fail("the baseline is one condition, and no grid", remedy="call the treatments something else")
    for point in points:
        check_name("condition", point.name, **place)
        yield TreatmentEntry(name=point.name, payload={**payload, **point.values}, sources=sources, line=line)


def _hypotheses(top: Section) -> tuple[HypothesisEntry, ...]:
    entries = []
    for index, item in enumerate(top.items("hypotheses")):
        section = Section(top.document, ("hypotheses", index), item, _HYPOTHESIS_KEYS)
        verifier = section.text("verifier")
        if not verifier:
            section.fail("there is no verifier", remedy="write 'verifier: function' (of verifiers.py)")
        entries.append(
            HypothesisEntry(
                verifier=verifier,
                metrics=_metrics(section),
                name=section.text("name"),
                line=top.line("hypotheses", index),
            )
        )
    return tuple(entries)


def _metrics(section: Section) -> str | list[str] | list[list[str]] | None:
    value = section.value.get("metrics")
    if value is None or isinstance(value, str):
        return value
    groups = value if isinstance(value, list) else None
    if groups and all(isinstance(item, str) for item in groups):
        return groups
    nested = groups and all(
        isinstance(group, list) and group and all(isinstance(item, str) for item in group) for group in groups
    )
    if not nested:
        remedy = "write a metric, a list of metrics, or a list of such lists"
        section.fail_type("a choice of metrics", value, "metrics", remedy=remedy)
    return groups


def _cli(top: Section) -> CliBlock:
    section = top.child("cli", _CLI_KEYS)
    priority = section.integer("priority")
    return CliBlock(
        group=section.text("group"),
        priority=999 if priority is None else priority,
        icon=section.text("icon"),
        color=section.text("color"),
        hidden=section.flag("hidden"),
    )


def _lines(document: Document, steps: tuple[StepEntry, ...]) -> dict[str, int]:
    """Every entry by its dotted path, and steps by name as well (the first of equal ones)."""
    lines = {".".join(map(str, keys)): line for keys, line in document.lines.items()}
    for step in steps:
        lines.setdefault(f"steps.{step.name}", step.line)
    return lines
