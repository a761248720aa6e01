"""Links: what an experiment reads of other experiments, found in its datasource. The edges of the graph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crystallize.experiment.objects.artifact import Artifact, GatheredArtifact
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.inputs import ArtifactPath, ExperimentInput
from crystallize.experiment.objects.treatment import Treatment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


READERS = (Artifact, GatheredArtifact, ArtifactPath, ExperimentInput)
"""Datasources over other experiments: their counts of replicates are those of what they read."""

WHOLE = "data"
"""The port of a datasource as a whole."""


@dataclass(frozen=True, slots=True)
class Link:
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


def links_of(datasource: DataSource | None, port: str = WHOLE) -> list[Link]:
    """The links of a datasource, or of the part of one that stands at `port`, in the order in which it reads them."""
    return list(_walk(port, datasource))


def links_of_all(datasource: DataSource | None, treatments: Iterable[Treatment]) -> list[Link]:
    """The links of an experiment: of its datasource, then of those that treatments put in its place."""
    return [
        *links_of(datasource),
        *(
            replace(link, treatment=treatment.name)
            for treatment in treatments
            if treatment.datasource is not None
            for link in links_of(treatment.datasource, f"{treatment.name}@{WHOLE}")
        ),
    ]


def volatile_sources(datasource: DataSource | None) -> dict[str, DataSource]:
    """Port → each source of outside state that a datasource is, or has among its inputs."""
    return dict(_walk_volatile(WHOLE, datasource))


def name_of(source: object) -> str:
    """What people call a datasource: its function, or its class."""
    return getattr(getattr(source, "definition", None), "__name__", None) or type(source).__name__


def _walk_volatile(port: str, source: Any) -> Iterator[tuple[str, DataSource]]:
    if getattr(source, "volatile", False):
        yield port, source
    elif isinstance(source, ExperimentInput):
        for alias, inner in source.inputs.items():
            yield from _walk_volatile(_inner(port, alias), inner)


def _inner(port: str, alias: str) -> str:
    return alias if port == WHOLE else f"{port}.{alias}"


def _walk(port: str, source: Any) -> Iterator[Link]:
    if isinstance(source, Artifact):
        yield Link(port, source, source.producer, source.name, None, None, False, source.loader)
    elif isinstance(source, GatheredArtifact):
        artifact = source.artifact
        yield Link(port, source, artifact.producer, artifact.name, None, None, True, artifact.loader)
    elif isinstance(source, ArtifactPath):
        yield Link(port, source, source.producer, source.name, source.step, source.condition, False, None)
    elif isinstance(source, ExperimentInput):
        for alias, inner in source.inputs.items():
            yield from _walk(_inner(port, alias), inner)
    else:
        for name, value in getattr(source, "__dict__", {}).items():
            if isinstance(value, (Artifact, GatheredArtifact, ArtifactPath)):
                yield from _walk(_inner(port, name), value)
