"""Runs graphs of experiments and executes only what really changed.

The public names; each is imported when it is first asked for, so that importing crystallize costs next to
nothing.
"""

from __future__ import annotations

from crystallize import compat
from crystallize.homes import load

TYPE_CHECKING = False  # as type checkers know it; the module `typing` would be most of the import time

if TYPE_CHECKING:
    from crystallize.errors import (
        BlockedError,
        ContextMutationError,
        CrystallizeError,
        DefinitionError,
        DefinitionTypeError,
        GraphError,
        JobTimeoutError,
        MissingArtifactError,
        MissingFileError,
        MissingMetricError,
        NotReusableError,
        NotTransferableError,
        PinnedRecordGone,
        PipelineExecutionError,
        ReplicateMismatchError,
        StoreError,
        UnknownNameError,
        ValidationError,
        WorkerLostError,
    )
    from crystallize.experiment.experiment import Experiment, ExperimentBuilder
    from crystallize.experiment.graph import ExperimentGraph
    from crystallize.experiment.objects.artifact import Artifact
    from crystallize.experiment.objects.context import FrozenContext, standalone_context
    from crystallize.experiment.objects.datasource import (
        DataSource,
        data_source,
        get_datasource,
        list_datasources,
        register_datasource,
        unregister_datasource,
    )
    from crystallize.experiment.objects.execution import (
        AsyncExecution,
        ParallelExecution,
        RayExecution,
        SerialExecution,
    )
    from crystallize.experiment.objects.hypothesis import Hypothesis, hypothesis, verifier
    from crystallize.experiment.objects.injection import inject_from_ctx
    from crystallize.experiment.objects.inputs import ExperimentInput
    from crystallize.experiment.objects.limits import Limits
    from crystallize.experiment.objects.optimize import BaseOptimizer, Objective
    from crystallize.experiment.objects.pipeline import Pipeline, pipeline
    from crystallize.experiment.objects.plugins import ArtifactPlugin, BasePlugin, LoggingPlugin, SeedPlugin
    from crystallize.experiment.objects.quick import quick_experiment
    from crystallize.experiment.objects.resource import resource_factory
    from crystallize.experiment.objects.step import PipelineStep, pipeline_step
    from crystallize.experiment.objects.treatment import Treatment, treatment
    from crystallize.experiment.results.result import Result
    from crystallize.experiment.streaming import Stream, TrialResult
    from crystallize.fingerprint.values.canonical import register_encoder

    __version__: str

__all__ = [
    "Artifact",
    "ArtifactPlugin",
    "AsyncExecution",
    "BaseOptimizer",
    "BasePlugin",
    "BlockedError",
    "ContextMutationError",
    "CrystallizeError",
    "DataSource",
    "DefinitionError",
    "DefinitionTypeError",
    "Experiment",
    "ExperimentBuilder",
    "ExperimentGraph",
    "ExperimentInput",
    "FrozenContext",
    "GraphError",
    "Hypothesis",
    "JobTimeoutError",
    "Limits",
    "LoggingPlugin",
    "MissingArtifactError",
    "MissingFileError",
    "MissingMetricError",
    "NotReusableError",
    "NotTransferableError",
    "Objective",
    "ParallelExecution",
    "PinnedRecordGone",
    "Pipeline",
    "PipelineExecutionError",
    "PipelineStep",
    "RayExecution",
    "ReplicateMismatchError",
    "Result",
    "SeedPlugin",
    "SerialExecution",
    "StoreError",
    "Stream",
    "Treatment",
    "TrialResult",
    "UnknownNameError",
    "ValidationError",
    "WorkerLostError",
    "data_source",
    "get_datasource",
    "hypothesis",
    "inject_from_ctx",
    "list_datasources",
    "pipeline",
    "pipeline_step",
    "quick_experiment",
    "register_datasource",
    "register_encoder",
    "resource_factory",
    "standalone_context",
    "treatment",
    "unregister_datasource",
    "verifier",
]

compat.install()


def __getattr__(name: str) -> object:
    if name == "__version__":
        value: object = _version()
    elif name in __all__:
        value = load(name)
    else:
        raise AttributeError(f"module 'crystallize' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("crystallize-dag")
    except PackageNotFoundError:
        return "unknown"
