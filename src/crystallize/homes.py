"""Where each name lives that users import from `crystallize`, or from one of its former modules.

Data only: nothing is imported before somebody asks for a name.
"""

from __future__ import annotations

_MODULES = {
    "errors": """BlockedError ContextMutationError CrystallizeError DefinitionError DefinitionTypeError GraphError
        JobTimeoutError MissingArtifactError MissingFileError MissingMetricError NotReusableError
        NotTransferableError PinnedRecordGone PipelineExecutionError ReplicateMismatchError StoreError
        UnknownNameError ValidationError WorkerLostError""",
    "experiment.objects.artifact": "Artifact default_loader default_writer",
    "experiment.objects.artifact_log": "ArtifactLog",
    "experiment.objects.constants": "BASELINE_CONDITION CONDITION_KEY METADATA_FILENAME REPLICATE_KEY SEED_USED_KEY",
    "experiment.objects.context": "ContextMetrics FrozenContext LoggingContext standalone_context",
    "experiment.objects.datasource": """DataSource clear_registry data_source get_datasource list_datasources
        register_datasource unregister_datasource""",
    "experiment.objects.execution": """AsyncExecution ParallelExecution RayExecution SerialExecution
        VALID_EXECUTOR_TYPES""",
    "experiment.experiment": "Experiment ExperimentBuilder",
    "experiment.graph": "ExperimentGraph",
    "experiment.objects.hypothesis": "Hypothesis hypothesis verifier",
    "experiment.objects.injection": "inject_from_ctx",
    "experiment.objects.inputs": "ExperimentInput MultiArtifactDataSource",
    "experiment.objects.limits": "Limits",
    "experiment.objects.legacy_cache": "compute_hash load_cache store_cache",
    "experiment.objects.optimize": "BaseOptimizer Objective",
    "experiment.objects.pipeline": "Pipeline pipeline",
    "experiment.objects.plugins": "ArtifactPlugin BasePlugin LoggingPlugin SeedPlugin default_seed_function",
    "experiment.objects.quick": "quick_experiment",
    "experiment.folders.references": "find_experiments_root",
    "experiment.objects.resource": "resource_factory",
    "experiment.results.result": "Result",
    "experiment.results.structs": "AggregateData ExperimentMetrics HypothesisResult ReplicateResult TreatmentMetrics",
    "experiment.results.saved_metrics": "load_all_metrics load_metrics",
    "experiment.objects.step": "PipelineStep pipeline_step",
    "experiment.objects.treatment": "Treatment treatment",
    "experiment.streaming": "Stream TrialResult",
    "fingerprint.values.canonical": "register_encoder",
}

HOMES = {name: f"crystallize.{module}" for module, names in _MODULES.items() for name in names.split()}
"""Name → the module that defines it."""


def load(name: str) -> object:
    """What `name` stands for; imports its module. Raises KeyError for a name that is not listed."""
    from importlib import import_module

    return getattr(import_module(HOMES[name]), name)
