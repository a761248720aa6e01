"""Links: what an experiment reads of other experiments, found in its datasource. The edges of the graph."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from crystallize.experiment.objects.artifact import Artifact, GatheredArtifact
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.inputs import ArtifactPath, ExperimentInput
from crystallize.experiment.objects.treatment import Treatment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


READS = (Artifact, GatheredArtifact, ArtifactPath)
"""Datasources that are an artifact of another experiment."""
READERS = (ExperimentInput, *READS)
"""Datasources over other experiments: their counts of replicates are those of what they read."""

WHOLE = "data"
"""The port of a datasource as a whole."""


class Link(NamedTuple):
    """One artifact of another experiment that a datasource reads."""

    port: str
    """Alias in the datasource; unique in the experiment."""
    source: DataSource
    """The object whose `fetch` reads it; the trial finds the file under its identity."""
    producer: Any
    """The experiment that writes it; None when the artifact belongs to none."""
    output: str
    """File name."""
    step: str | None
    """Class name of the step that must have written it; None: whichever wrote it last."""
    condition: str | None
    """Always this condition of the producer; None: the reader's own, else the baseline."""
    gather: bool
    loader: Callable[[Path], Any] | None
    """None: the reader gets the path itself."""
    treatment: str | None = None
    """The condition in which alone it is read, whose treatment has a datasource of its own; None: it is read in the
    others."""


def links_of(source: Any, port: str = WHOLE) -> list[Link]:
    """The links of a datasource, or of the part of one that stands at `port`, in the order in which it reads them."""
    if isinstance(source, Artifact):
        return [Link(port, source, source.producer, source.name, None, None, False, source.loader)]
    if isinstance(source, ExperimentInput):
        return [link for alias, inner in source.inputs.items() for link in links_of(inner, _inner(port, alias))]
    if isinstance(source, GatheredArtifact):
        artifact = source.artifact
        return [Link(port, source, artifact.producer, artifact.name, None, None, True, artifact.loader)]
    if isinstance(source, ArtifactPath):
        return [Link(port, source, source.producer, source.name, source.step, source.condition, False, None)]
    fields = getattr(source, "__dict__", {})
    return [
        link
        for name, field in fields.items()
        if isinstance(field, READS)
        for link in links_of(field, _inner(port, name))
    ]


def links_of_all(datasource: DataSource | None, treatments: Iterable[Treatment]) -> list[Link]:
    """The links of an experiment: of its datasource, then of those that treatments put in its place."""
    links = links_of(datasource)
    for treatment in treatments:
        if treatment.datasource is not None:
            swapped = links_of(treatment.datasource, f"{treatment.name}@{WHOLE}")
            links += [link._replace(treatment=treatment.name) for link in swapped]
    return links


def volatile_sources(source: Any, port: str = WHOLE) -> dict[str, DataSource]:
    """Port → each source of outside state that a datasource is, or has among its inputs."""
    if getattr(source, "volatile", False):
        return {port: source}
    found: dict[str, DataSource] = {}
    if isinstance(source, ExperimentInput):
        for alias, inner in source.inputs.items():
            found |= volatile_sources(inner, _inner(port, alias))
    return found


def name_of(source: object) -> str:
    """What people call a datasource: its function, or its class."""
    return getattr(getattr(source, "definition", None), "__name__", None) or type(source).__name__


def _inner(port: str, alias: str) -> str:
    return alias if port == WHOLE else f"{port}.{alias}"
