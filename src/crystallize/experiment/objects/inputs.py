"""Datasources over what other experiments write: several at once, and files by step and name.

Knows nothing of how experiments are connected; the runner reads the attributes and lays out the paths.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crystallize.errors import DefinitionError, DefinitionTypeError, ReplicateMismatchError
from crystallize.experiment.objects.artifact import Artifact
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.datasource import DataSource, data_of
from crystallize.experiment.objects.factory import Factory


class ExperimentInput(DataSource):
    """Several datasources at once; the data is a dict by alias.

    Raises ValueError without inputs, TypeError for an input that is no datasource, ReplicateMismatchError (a
    ValueError) when inputs have counts of replicates that cannot be paired (each is 1 or the same number).

    Examples
    --------
    >>> @data_source
    ... def numbers(*, upto=3):
    ...     return list(range(upto))
    >>> ExperimentInput(train=numbers(), test=numbers(upto=1)).fetch(standalone_context())
    {'train': [0, 1, 2], 'test': [0]}
    """

    def __init__(self, **inputs: DataSource) -> None:
        if not inputs:
            raise DefinitionError("ExperimentInput has no inputs", remedy="give it at least one: alias=source")
        for alias, source in inputs.items():
            _check_source(alias, source)
        self.inputs: Mapping[str, DataSource] = inputs
        self._check_replicates()

    @property
    def required_outputs(self) -> list[Artifact]:
        """The inputs that are artifacts of other experiments."""
        return [source for source in self.inputs.values() if isinstance(source, Artifact)]

    @property
    def replicates(self) -> int | None:
        """The count that the inputs share, 1 aside; None when no input knows its own yet."""
        return max(self._counts().values(), default=None)

    def fetch(self, ctx: FrozenContext) -> dict[str, Any]:
        """Alias → data, in the order the inputs were given."""
        return {alias: data_of(source, ctx) for alias, source in self.inputs.items()}

    def __repr__(self) -> str:
        return f"ExperimentInput({', '.join(f'{alias}={source!r}' for alias, source in self.inputs.items())})"

    def _counts(self) -> dict[str, int]:
        return {
            alias: source.replicates
            for alias, source in self.inputs.items()
            if isinstance(source, (Artifact, ArtifactPath)) and source.replicates is not None
        }

    def _check_replicates(self) -> None:
        counts = self._counts()
        if len(set(counts.values()) - {1}) > 1:
            listed = ", ".join(f"{alias}={count}" for alias, count in counts.items())
            raise ReplicateMismatchError(
                f"Conflicting replicates among inputs: {listed}",
                remedy="give the producers 1 replicate or the same number, or read with artifact.gather()",
            )


MultiArtifactDataSource = ExperimentInput
"""The former name of `ExperimentInput`.

Examples
--------
>>> MultiArtifactDataSource is ExperimentInput
True
"""


class ArtifactPath(DataSource):
    """The path of a file that a step of another experiment writes; found when the trial runs.

    Attributes
    ----------
    producer : the experiment that writes it.
    step, name : class name of the step, and the file name.
    condition : the producer's condition to read; None follows the reader's.
    replicates : the producer's count, once that is known.
    """

    def __init__(
        self,
        producer: Any,
        step: str,
        name: str = "data.json",
        condition: str | None = None,
    ) -> None:
        self.producer = producer
        self.step = step
        self.name = name
        self.condition = condition
        self.replicates: int | None = None

    def fetch(self, ctx: FrozenContext) -> Path:
        """The path, for this trial. Raises RuntimeError when the producer is not part of the run."""
        path = ctx._inputs.get(id(self))
        if not isinstance(path, Path):
            who = getattr(self.producer, "name", None) or "without a name"
            raise RuntimeError(
                f"file '{self.name}' of step {self.step} is written by experiment {who}, which is not part "
                f"of this run; run both in an ExperimentGraph"
            )
        return path

    def __getstate__(self) -> dict[str, Any]:
        # The producer stays behind: it may hold anything, and a trial reads through its context.
        return {**vars(self), "producer": None}

    def __repr__(self) -> str:
        return f"ArtifactPath({getattr(self.producer, 'name', None)!r}, {self.step!r}, {self.name!r})"


def _check_source(alias: str, source: object) -> None:
    if callable(getattr(source, "fetch", None)) and not isinstance(source, type):
        return
    is_uncalled = isinstance(source, (Factory, type))
    name = getattr(source, "__name__", type(source).__name__)
    remedy = f"call it: {alias}={name}()" if is_uncalled else "give it an object with a method fetch(ctx)"
    raise DefinitionTypeError(f"input '{alias}' is no datasource but {source!r}", remedy=remedy)
