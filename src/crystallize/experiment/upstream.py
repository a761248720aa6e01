"""Upstream experiments that a run only reads: their last recorded trials stand in, and nothing of them runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crystallize.errors import MissingArtifactError
from crystallize.experiment.blueprint import Blueprint
from crystallize.plan.job import Outcome, Source
from crystallize.plan.workspace import Workspace
from crystallize.store.record import Output


class UpstreamWork:
    """The work of an experiment that is not part of the run: running it is an error."""

    def __init__(self, experiment: Blueprint) -> None:
        self._experiment = experiment

    def begin(self) -> None:
        """Raises MissingArtifactError: a trial was asked for that was never recorded."""
        raise never_recorded(self._experiment)

    async def run(self, task: Any, workspace: Workspace) -> Outcome:
        """Never called: `begin` always raises."""
        raise AssertionError("an upstream that is only read was run")

    def end(self) -> None:
        """Nothing to close."""

    def missing(self, task: Any, source: Source, written: Sequence[Output]) -> Exception:
        """What a reader is told when the recorded trial wrote no such artifact."""
        return MissingArtifactError(
            f"artifact '{source.output}' of experiment '{self._experiment.label}' was never written; "
            f"run that experiment again"
        )


def never_recorded(experiment: Blueprint) -> MissingArtifactError:
    """What to raise for a trial that is read and was never recorded."""
    return MissingArtifactError(
        f"experiment '{experiment.label}' has no recorded trial to read in {experiment.artifact_root}; run it first, "
        f"or run both in an ExperimentGraph"
    )
