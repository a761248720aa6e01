"""An experiment as its folder defines it: the names of a `config.yaml` turned into what they stand for.

Loads the user's modules and runs none of their steps. Knows nothing of other experiments: references stay
references.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from crystallize.experiment.folders.entries import (
    ExperimentConfig,
    HypothesisEntry,
    OutputEntry,
    Reference,
    SourceEntry,
    StepEntry,
    TreatmentEntry,
)
from crystallize.experiment.folders.user_objects import Place, UserObjects
from crystallize.experiment.folders.worlds import World
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.datasource import DataSource, SourceFactory
from crystallize.experiment.objects.factory import REQUIRED, Factory, Parameters
from crystallize.experiment.objects.hypothesis import Hypothesis
from crystallize.experiment.objects.injection import artifact_parameters
from crystallize.experiment.objects.step import PipelineStep
from crystallize.experiment.objects.treatment import Treatment


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """Everything an experiment is made of, ready to become one: its configuration, and the objects that this names."""

    config: ExperimentConfig
    root: Path
    """The project root."""
    world: World
    datasource: dict[str, DataSource | Reference]
    """Alias → source; never empty."""
    bare: bool
    """True: the value of the only source is the data; else the data is a dict by alias."""
    steps: list[PipelineStep]
    outputs: dict[str, Artifact]
    """Alias → artifact."""
    treatments: list[Treatment]
    swapped: dict[str, dict[str, DataSource | Reference]]
    """Treatment → alias → the source that stands in place of the one in `datasource`."""
    hypotheses: list[Hypothesis]
    notices: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the experiment is called."""
        return self.config.name

    @property
    def path(self) -> Path:
        """The `config.yaml`, absolute."""
        return self.config.path

    @property
    def folder(self) -> Path:
        """Where the experiment's files lie."""
        return self.path.parent

    @property
    def references(self) -> dict[str, Reference]:
        """Alias → what is read of other experiments, in whatever condition; of treatments as ``treatment.alias``."""
        found = {f"{t}.{a}": source for t, sources in self.swapped.items() for a, source in sources.items()}
        return {a: source for a, source in (self.datasource | found).items() if isinstance(source, Reference)}


def define(config: ExperimentConfig, root: Path) -> Definition:
    """The objects that `config` names, from a new world of its folder.

    Raises DefinitionError, or one of its kinds, with the place in the configuration or in the user's code.
    """
    user = UserObjects(config, World(config.path.parent, root))
    datasource = dict(_sources(user))
    outputs = {entry.alias: _output(user, entry) for entry in config.outputs}
    given = [_step_parameters(user, entry, outputs) for entry in config.steps]
    steps = [_step(user, entry, params) for entry, params in zip(config.steps, given, strict=True)]
    taken = [value for params in given for value in params.values()]
    return Definition(
        config=config,
        root=root,
        world=user.world,
        datasource=datasource,
        bare=len(datasource) == 1 and not any(isinstance(source, Reference) for source in datasource.values()),
        steps=steps,
        outputs=outputs,
        treatments=[Treatment(entry.name, entry.payload) for entry in config.treatments],
        swapped={entry.name: dict(_swapped(user, entry, datasource)) for entry in config.treatments if entry.sources},
        hypotheses=[_hypothesis(user, entry) for entry in config.hypotheses],
        notices=tuple(_notices(user, outputs, taken, steps)),
    )


def _sources(user: UserObjects) -> Iterator[tuple[str, DataSource | Reference]]:
    entries = user.config.sources
    if entries is None:
        alias, factory = _only_source(user)
        for other in user.config.source_params:
            if other != alias:
                fact = f"--set: there is no alias {other!r}"
                raise user.unknown(fact, user.place("datasource"), other, [alias])
        params = user.config.source_params.get(alias, {})
        yield alias, _source(user, factory, params, user.place(f"datasource.{alias}"))
        return
    for entry in entries:
        place = Place(f"datasource.{entry.alias}", entry.line)
        yield entry.alias, _target(user, entry, user.config.source_params.get(entry.alias, {}), place)


def _swapped(
    user: UserObjects, treatment: TreatmentEntry, known: Iterable[str]
) -> Iterator[tuple[str, DataSource | Reference]]:
    for entry in treatment.sources:
        place = Place(f"treatments.{treatment.name}.datasource.{entry.alias}", entry.line)
        if entry.alias not in known:
            raise user.unknown(f"the experiment has no datasource {entry.alias!r}", place, entry.alias, known)
        yield entry.alias, _target(user, entry, {}, place)


def _target(user: UserObjects, entry: SourceEntry, params: Mapping[str, Any], place: Place) -> DataSource | Reference:
    if isinstance(entry.target, Reference):
        return entry.target
    return _source(user, user.find("datasources", entry.target, place), params, place)


def _source(user: UserObjects, found: object, params: Mapping[str, Any], place: Place) -> DataSource:
    made: DataSource = user.make(found, params, DataSource, "@data_source", place)
    return made


def _only_source(user: UserObjects) -> tuple[str, SourceFactory]:
    """The single ``@data_source`` of `datasources.py`; those it imports count when it has none of its own."""
    place = user.place("datasource")
    if user.world.path_of("datasources") is None:
        remedy = "write 'datasource:' with 'alias: function' or 'alias: experiment#output'"
        raise user.fault("there is neither 'datasource:' nor a datasources.py", place, remedy)
    module = user.world.load("datasources")
    found = {name: value for name, value in vars(module).items() if isinstance(value, SourceFactory)}
    own = {name: value for name, value in found.items() if value.__module__ == module.__name__}
    names = {factory: name for name, factory in reversed((own or found).items())}
    if not names:
        remedy = "put @data_source above the function that gives the data"
        raise user.fault("there is no 'datasource:' and datasources.py has no @data_source", place, remedy)
    if len(names) > 1:
        listed = sorted(names.values())
        fact = f"datasources.py has {len(listed)} datasources: {', '.join(map(repr, listed))}"
        raise user.fault(fact, place, f"write 'datasource: {{{listed[0]}: {listed[0]}}}', or the one you mean")
    [(factory, name)] = names.items()
    return name, factory


def _output(user: UserObjects, entry: OutputEntry) -> Artifact:
    return Artifact(
        entry.file_name,
        loader=_function(user, entry.loader, f"outputs.{entry.alias}.loader"),
        writer=_function(user, entry.writer, f"outputs.{entry.alias}.writer"),
    )


def _function(user: UserObjects, name: str | None, key: str) -> Callable[..., Any] | None:
    if name is None:
        return None
    found = user.find("outputs", name, user.place(key))
    if not callable(found):
        raise user.fault(f"{name!r} in outputs.py is no function", user.place(key), "name a function")
    function: Callable[..., Any] = found
    return function


def _step(user: UserObjects, entry: StepEntry, params: Mapping[str, Any]) -> PipelineStep:
    place = Place(f"steps.{entry.name}", entry.line)
    found = user.find("steps", entry.name, place)
    made: PipelineStep = user.make(found, params, PipelineStep, "@pipeline_step()", place)
    return made


def _step_parameters(user: UserObjects, entry: StepEntry, outputs: Mapping[str, Artifact]) -> dict[str, Any]:
    """What the configuration gives the step, with artifacts where a parameter takes one.

    An alias given in the configuration comes first, then the parameter's own name.
    """
    place = Place(f"steps.{entry.name}", entry.line)
    params = dict(entry.params)
    function = _signed(user.find("steps", entry.name, place))
    if not callable(function):
        return params
    for name in artifact_parameters(function):
        alias = params.get(name)
        if isinstance(alias, str) and alias not in outputs:
            fact = f"parameter {name!r} names an output that is not declared: {alias!r}"
            raise user.unknown(fact, place, alias, outputs)
        if isinstance(alias, str) or (name not in params and name in outputs):
            params[name] = outputs[alias or name]
        elif name not in params and Parameters.of(function).defaults.get(name) is REQUIRED:
            fact = f"the step takes an artifact {name!r}, and no output has this alias"
            raise user.unknown(fact, place, name, outputs)
    return params


def _signed(found: Any) -> Any:
    """The function whose parameters a factory takes."""
    if isinstance(found, type):
        return vars(found).get("__init__", found)
    return found.definition if isinstance(found, Factory) else found


def _hypothesis(user: UserObjects, entry: HypothesisEntry) -> Hypothesis:
    place = Place("hypotheses", entry.line)
    found = user.find("verifiers", entry.verifier, place)
    verify = user.make(found, {}, Callable, "@verifier", place)
    return Hypothesis(verify, entry.metrics, name=entry.name or entry.verifier)


def _notices(
    user: UserObjects, outputs: Mapping[str, Artifact], taken: Iterable[object], steps: Iterable[PipelineStep]
) -> Iterator[str]:
    """What to say of outputs that are not among those `taken` by steps.

    Raises DefinitionError when no step can write them by other means.
    """
    known = set(map(id, taken))
    unused = {alias: artifact.name for alias, artifact in outputs.items() if id(artifact) not in known}
    if unused and not any(_uses_artifact_log(step) for step in steps):
        first, *others = unused
        listed = ", ".join(map(repr, unused))
        fact = f"outputs {listed} are used by no step" if others else f"output {listed} is used by no step"
        remedy = f"add a parameter '{first}: Artifact' to one, or remove it"
        raise user.fault(fact, user.place(f"outputs.{first}"), remedy)
    for alias, name in unused.items():
        yield f"output {alias!r} is no step's parameter; only ctx.artifacts.add({name!r}, ...) can write it"


def _uses_artifact_log(step: PipelineStep) -> bool:
    definition = getattr(step, "definition", type(step).__call__)
    return _mentions(getattr(definition, "__code__", None), "artifacts")


def _mentions(code: CodeType | None, attribute: str) -> bool:
    if code is None:
        return False
    inner = (constant for constant in code.co_consts if isinstance(constant, CodeType))
    return attribute in code.co_names or any(_mentions(each, attribute) for each in inner)
