"""Hypotheses: verifiers compare the metrics of two conditions, and treatments rank by what they say.

Knows nothing of runs. Samples are dicts: metric → its values over the replicates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast, overload

from crystallize.errors import DefinitionTypeError, MissingMetricError
from crystallize.experiment.objects.factory import Factory, Parameters, make

Samples = Mapping[str, Sequence[Any]]
Verify = Callable[[Samples, Samples], Mapping[str, Any]]
Ranker = Callable[[Any], float]
Metrics = str | Sequence[str] | Sequence[Sequence[str]] | None


class Verifier:
    """Compares the samples of the baseline with those of a treatment.

    Attributes
    ----------
    definition : the function as the user wrote it.
    params : the parameters that were given.
    """

    def __init__(self, factory: VerifierFactory, params: Mapping[str, Any]) -> None:
        self.factory = factory
        self.params = dict(params)
        self.__name__ = factory.__name__

    @property
    def definition(self) -> Callable[..., Any]:
        """The function as the user wrote it."""
        return self.factory.definition

    def __call__(self, baseline: Samples, treatment: Samples) -> Mapping[str, Any]:
        result: Mapping[str, Any] = self.definition(baseline, treatment, **self.params)
        return result

    def __crystallize_contents__(self) -> tuple[object, ...]:
        return ("verifier", self.definition, self.params)

    def __repr__(self) -> str:
        return f"{self.__name__}({', '.join(f'{name}={value!r}' for name, value in self.params.items())})"

    def __reduce__(self) -> tuple[Any, ...]:
        return make, (self.factory, self.params)


class VerifierFactory(Factory[Verifier]):
    """A decorated function; called with all parameters that have no default it gives a `Verifier`."""

    def __init__(self, fn: Callable[..., Any], **settings: Any) -> None:
        super().__init__(fn, **settings)
        parameters = Parameters.of(fn)
        if len(parameters.positional) < 2 and not parameters.takes_any_position:
            raise DefinitionTypeError(
                "a verifier takes two samples by position",
                key=parameters.owner,
                remedy=f"write def {parameters.owner}(baseline, treatment, ...)",
            )
        self.parameters = parameters.without(*parameters.positional[:2])

    def _make(self, overrides: Mapping[str, Any]) -> Verifier:
        self.parameters.check_complete(overrides)
        return Verifier(self, overrides)


@overload
def verifier(fn: Callable[..., Any], /) -> VerifierFactory: ...


@overload
def verifier() -> Callable[[Callable[..., Any]], VerifierFactory]: ...


def verifier(
    fn: Callable[..., Any] | None = None, /
) -> VerifierFactory | Callable[[Callable[..., Any]], VerifierFactory]:
    """Turn ``fn(baseline, treatment, **params)`` into a factory of verifiers.

    Both samples are mappings: metric → its values over the replicates. The factory takes the parameters by name and
    raises TypeError for one that is missing or unknown.

    Examples
    --------
    >>> from statistics import mean
    >>> @verifier
    ... def gain(baseline, treatment, *, metric):
    ...     return {"gain": mean(treatment[metric]) - mean(baseline[metric])}
    >>> gain(metric="score")({"score": [1, 2]}, {"score": [3, 5]})
    {'gain': 2.5}
    """
    return VerifierFactory if fn is None else VerifierFactory(fn)


class Hypothesis:
    """A claim about metrics: what a verifier says of each treatment, and how treatments rank by it.

    Parameters
    ----------
    verifier : (baseline samples, treatment samples) → mapping.
    metrics : one metric; a list of them, compared together; a list of lists, compared group by group; None: all metrics
        of the baseline together.
    ranker : what the verifier says → a number, lower is better; else its ``p_value`` (of several groups, the
        largest), and 1 where there is none.
    name : else the ranker's.

    Examples
    --------
    >>> from statistics import mean
    >>> def saved(baseline, treatment):
    ...     return {"seconds": mean(baseline["seconds"]) - mean(treatment["seconds"])}
    >>> faster = Hypothesis(saved, metrics="seconds", ranker=lambda said: -said["seconds"], name="faster")
    >>> faster.verify({"seconds": [4, 6]}, {"seconds": [1, 3]})
    {'seconds': 3}
    >>> faster.rank_treatments({"cached": {"seconds": 3}, "inlined": {"seconds": 4}})
    {'best': 'inlined', 'ranked': [('inlined', -4), ('cached', -3)]}
    """

    def __init__(
        self, verifier: Verify, metrics: Metrics = None, ranker: Ranker | None = None, name: str | None = None
    ) -> None:
        if isinstance(verifier, VerifierFactory):
            raise DefinitionTypeError(
                f"verifier {verifier.__name__} is not called",
                key=f"hypothesis '{name}'" if name else "hypothesis",
                remedy=f"write verifier={verifier.__name__}()",
            )
        self.verifier = verifier
        self.metrics = metrics
        self.ranker: Ranker = ranker or _p_value
        self.name = name or getattr(ranker, "__name__", None) or "hypothesis"

    def verify(
        self, baseline_metrics: Samples, treatment_metrics: Samples
    ) -> Mapping[str, Any] | list[Mapping[str, Any]]:
        """What the verifier says; a list of it when there are several groups.

        Raises MissingMetricError when a metric is absent in one of the two.
        """
        groups = self._groups(baseline_metrics)
        said = [self.verifier(_chosen(baseline_metrics, group), _chosen(treatment_metrics, group)) for group in groups]
        return said if _is_grouped(self.metrics) else said[0]

    def rank_treatments(self, results: Mapping[str, Any]) -> dict[str, Any]:
        """``best``: a name or None; ``ranked``: (name, score), best first, scores that are NaN last."""
        scores = [(name, self.ranker(said)) for name, said in results.items()]
        ranked = sorted(scores, key=lambda pair: (math.isnan(pair[1]), pair[1]))
        best = next((name for name, score in ranked if not math.isnan(score)), None)
        return {"best": best, "ranked": ranked}

    def __repr__(self) -> str:
        return f"Hypothesis({self.name!r})"

    def _groups(self, baseline_metrics: Samples) -> list[list[str]]:
        if self.metrics is None:
            return [list(baseline_metrics)]
        if isinstance(self.metrics, str):
            return [[self.metrics]]
        if _is_grouped(self.metrics):
            return [list(group) for group in self.metrics]
        return [list(cast("Sequence[str]", self.metrics))]


def hypothesis(*, verifier: Verify, metrics: Metrics = None, name: str | None = None) -> Callable[[Ranker], Hypothesis]:
    """Turn a ranker ``fn(result) -> float`` into a `Hypothesis`, called after it unless `name` is given.

    Examples
    --------
    >>> @verifier
    ... def difference(baseline, treatment):
    ...     return {"difference": treatment["loss"][0] - baseline["loss"][0]}
    >>> @hypothesis(verifier=difference(), metrics="loss")
    ... def lower_loss(result):
    ...     return result["difference"]
    >>> lower_loss.name, lower_loss.verify({"loss": [3]}, {"loss": [2]})
    ('lower_loss', {'difference': -1})
    """
    return lambda ranker: Hypothesis(verifier, metrics, ranker, name)


def _is_grouped(metrics: Metrics) -> bool:
    return isinstance(metrics, (list, tuple)) and any(not isinstance(item, str) for item in metrics)


def _chosen(samples: Samples, names: Sequence[str]) -> dict[str, Sequence[Any]]:
    for name in names:
        if name not in samples:
            raise MissingMetricError(name)
    return {name: samples[name] for name in names}


def _p_value(said: Any) -> float:
    if isinstance(said, list):
        return max((_p_value(one) for one in said), default=1.0)
    return float(said.get("p_value", 1.0))
