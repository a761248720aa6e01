"""A result as values that JSON can show, and back."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from crystallize.errors import CrystallizeError, ValidationError, message_of
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.results.structs import ExperimentMetrics, HypothesisResult, TreatmentMetrics
from crystallize.store.codecs import plain


def told_of(
    name: str,
    metrics: ExperimentMetrics,
    artifacts: Mapping[str, Mapping[str, Path]],
    errors: Mapping[str, BaseException],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """What `Result.to_dict` gives."""
    from datetime import UTC, datetime

    told = {
        "name": name,
        "timestamp": datetime.now(UTC).isoformat(),
        "metrics": {
            "baseline": metrics.baseline.metrics,
            "treatments": {name: each.metrics for name, each in metrics.treatments.items()},
        },
        "tags": {condition: part.tags for condition, part in metrics.parts() if part.tags},
        "replicates": {condition: part.replicates for condition, part in metrics.parts() if part.replicates},
        "hypotheses": [
            {"name": each.name, "results": each.results, "ranking": each.ranking} for each in metrics.hypotheses
        ],
        "artifacts": list(artifacts),
        "artifact_paths": {
            name: {condition: str(path) for condition, path in paths.items()} for name, paths in artifacts.items()
        },
        "errors": {key: message_of(error) for key, error in errors.items()},
        "error_types": {key: type(error).__name__ for key, error in errors.items()},
        "provenance": provenance,
    }
    return {key: plain(value) for key, value in told.items()}


def parts_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """What `told_of` was given, by name. Raises ValidationError where it told of something else."""
    try:
        types = told.get("error_types", {})
        paths = told.get("artifact_paths", {})
        return {
            "name": told.get("name", ""),
            "metrics": _metrics(told),
            "artifacts": {
                name: {c: Path(path) for c, path in by_condition.items()} for name, by_condition in paths.items()
            },
            "errors": {key: _error(types.get(key, ""), text) for key, text in told["errors"].items()},
            "provenance": _provenance(told.get("provenance", {})),
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValidationError("this is no result that to_dict or to_json gave") from error


def _metrics(told: Mapping[str, Any]) -> ExperimentMetrics:
    tags, replicates = told.get("tags", {}), told.get("replicates", {})

    def part(condition: str, metrics: Mapping[str, Any]) -> TreatmentMetrics:
        return TreatmentMetrics(dict(metrics), dict(tags.get(condition, {})), dict(replicates.get(condition, {})))

    return ExperimentMetrics(
        part(BASELINE_CONDITION, told["metrics"]["baseline"]),
        {name: part(name, metrics) for name, metrics in told["metrics"]["treatments"].items()},
        [HypothesisResult(each["name"], each["results"], _ranking(each["ranking"])) for each in told["hypotheses"]],
    )


def _ranking(ranking: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no tuples."""
    return {**ranking, "ranked": [tuple(each) for each in ranking.get("ranked", ())]}


def _error(name: str, text: str) -> BaseException:
    """An exception that reads alike: of its own type where that is Python's, else of one of the same name."""
    known = getattr(builtins, name, None)
    if isinstance(known, type) and issubclass(known, Exception):
        for argument in (text, text[1:-1]):  # a KeyError shows its key in quotes
            with suppress(Exception):
                if message_of(known(argument)) == text:
                    return known(argument)
    kind: type[CrystallizeError] = type(name or "CrystallizeError", (CrystallizeError,), {})
    return kind(text)


def _provenance(told: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no numbers as keys; replicates are."""
    numbered = {
        name: {condition: _numbered(replicates) for condition, replicates in told[name].items()}
        for name in ("ctx_changes", "reused_from")
        if name in told
    }
    return {**told, **numbered}


def _numbered(replicates: Mapping[str, Any]) -> dict[int, Any]:
    return {int(replicate): value for replicate, value in replicates.items()}
