"""Builders of experiments: the same constructor, one part at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

from crystallize.errors import DefinitionError
from crystallize.experiment.artifact import Artifact
from crystallize.experiment.datasource import DataSource
from crystallize.experiment.experiment import Experiment
from crystallize.experiment.hypothesis import Hypothesis
from crystallize.experiment.pipeline import Pipeline
from crystallize.experiment.plugins import BasePlugin
from crystallize.experiment.step import PipelineStep
from crystallize.experiment.treatment import Treatment


class ExperimentBuilder:
    """Collects the parts of an experiment; every method but `build` returns the builder. Lists replace earlier ones."""

    def __init__(self, name: str | None = None) -> None:
        self._parts: dict[str, Any] = {"name": name}
        self._steps: list[PipelineStep] = []

    def datasource(self, source: DataSource) -> Self:
        """What gives a trial its data."""
        return self._set("datasource", source)

    def pipeline(self, pipeline: Pipeline) -> Self:
        """The steps as a whole; wins over `add_step`."""
        return self._set("pipeline", pipeline)

    def add_step(self, step: PipelineStep) -> Self:
        """One more step."""
        self._steps.append(step)
        return self

    def plugins(self, plugins: Sequence[BasePlugin]) -> Self:
        """The plugins."""
        return self._set("plugins", plugins)

    def treatments(self, treatments: Sequence[Treatment]) -> Self:
        """The treatments."""
        return self._set("treatments", treatments)

    def hypotheses(self, hypotheses: Sequence[Hypothesis]) -> Self:
        """The hypotheses."""
        return self._set("hypotheses", hypotheses)

    def replicates(self, replicates: int) -> Self:
        """How often each condition runs."""
        return self._set("replicates", replicates)

    def description(self, description: str) -> Self:
        """What people are told about it."""
        return self._set("description", description)

    def initial_ctx(self, initial_ctx: Mapping[str, Any]) -> Self:
        """Keys and values that every trial's context starts with."""
        return self._set("initial_ctx", initial_ctx)

    def outputs(self, outputs: Sequence[Artifact]) -> Self:
        """The artifacts that the steps write."""
        return self._set("outputs", outputs)

    def build(self) -> Experiment:
        """The experiment. Raises DefinitionError (a ValueError) when it has no datasource or no steps."""
        if "datasource" not in self._parts:
            raise DefinitionError("a datasource must be provided", remedy="call .datasource(...) before .build()")
        pipeline = self._parts.get("pipeline") or Pipeline(self._steps)
        return Experiment(**{**self._parts, "pipeline": pipeline})

    def _set(self, part: str, value: Any) -> Self:
        self._parts[part] = value
        return self
