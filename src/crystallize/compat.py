"""The import paths of crystallize 0.27: former module → names. No such module is a file.

A finder at the end of `sys.meta_path` makes the former modules when they are imported, and they load each
name from where it lives now when it is asked for (after PEP 451 and PEP 562).
"""

from __future__ import annotations

import sys

from crystallize.homes import load

TYPE_CHECKING = False  # as in the package's own module
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_ERRORS = "ContextMutationError MissingMetricError PipelineExecutionError ValidationError"
_STRUCTURES = "AggregateData ExperimentMetrics HypothesisResult TreatmentMetrics"
_EXECUTION = "AsyncExecution ParallelExecution SerialExecution"
_REGISTRY = "clear_registry get_datasource list_datasources register_datasource unregister_datasource"

_FORMER = {
    "datasources": "Artifact ArtifactLog",
    "datasources.artifacts": "Artifact ArtifactLog default_loader default_writer",
    "datasources.datasource": "DataSource ExperimentInput MultiArtifactDataSource",
    "datasources.registry": _REGISTRY,
    "experiments": f"""BaseOptimizer Experiment ExperimentGraph Hypothesis Objective ReplicateResult Result
        Treatment {_STRUCTURES}""",
    "experiments.experiment": "Experiment",
    "experiments.experiment_builder": "ExperimentBuilder",
    "experiments.experiment_graph": "ExperimentGraph find_experiments_root",
    "experiments.hypothesis": "Hypothesis",
    "experiments.optimizers": "BaseOptimizer Objective",
    "experiments.result": "Result",
    "experiments.result_structs": _STRUCTURES,
    "experiments.run_results": "ReplicateResult",
    "experiments.treatment": "Treatment",
    "pipelines": "Pipeline PipelineStep",
    "pipelines.pipeline": "Pipeline",
    "pipelines.pipeline_step": "PipelineStep",
    "plugins": f"""ArtifactPlugin BasePlugin LoggingPlugin SeedPlugin {_EXECUTION} load_all_metrics
        load_metrics""",
    "plugins.artifacts": "load_all_metrics load_metrics",
    "plugins.execution": f"{_EXECUTION} VALID_EXECUTOR_TYPES",
    "plugins.plugins": "ArtifactPlugin BasePlugin LoggingPlugin SeedPlugin default_seed_function",
    "utils": f"""FrozenContext LoggingContext compute_hash inject_from_ctx load_cache store_cache
        {_ERRORS}""",
    "utils.cache": "compute_hash load_cache store_cache",
    "utils.constants": "BASELINE_CONDITION CONDITION_KEY METADATA_FILENAME REPLICATE_KEY SEED_USED_KEY",
    "utils.context": "ContextMetrics ContextMutationError FrozenContext LoggingContext",
    "utils.decorators": f"""Artifact ArtifactPlugin BasePlugin DataSource Experiment ExperimentGraph
        ExperimentInput FrozenContext Hypothesis LoggingPlugin Pipeline PipelineStep SeedPlugin Treatment
        {_EXECUTION} data_source hypothesis inject_from_ctx pipeline pipeline_step resource_factory treatment
        verifier""",
    "utils.exceptions": f"CrystallizeError {_ERRORS}",
    "utils.injection": "inject_from_ctx",
}

FORMER_MODULES = {f"crystallize.{module}": tuple(names.split()) for module, names in _FORMER.items()}
"""Former module → the names users import from it."""


class FormerModules:
    """Finds and makes the former modules; a finder and a loader of the import system."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of a former module; None for any other, as it is not ours to find."""
        if fullname not in FORMER_MODULES:
            return None
        from importlib.machinery import ModuleSpec

        loader: Any = FormerModules()
        return ModuleSpec(fullname, loader, is_package=fullname.count(".") == 1)

    def create_module(self, spec: ModuleSpec) -> None:
        """Leaves the making of the module object to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Let the module load its names one by one."""
        names = FORMER_MODULES[module.__name__]

        def load_name(name: str) -> object:
            if name not in names:
                raise AttributeError(f"module '{module.__name__}' has no attribute '{name}'")
            value = load(name)
            setattr(module, name, value)
            return value

        module.__doc__ = "A former module of crystallize; its names live elsewhere."
        module.__dict__.update(__getattr__=load_name, __dir__=lambda: sorted(names), __all__=sorted(names))


def install() -> None:
    """Make the former modules importable; a second call changes nothing."""
    if FormerModules not in sys.meta_path:
        sys.meta_path.append(FormerModules)
