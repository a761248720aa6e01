import math
import pickle
from typing import Any

import pytest

from crystallize.errors import MissingMetricError
from crystallize.experiment.objects.hypothesis import Hypothesis, hypothesis, verifier


@verifier
def difference(baseline: Any, treatment: Any, *, scale: float = 1.0) -> dict[str, Any]:
    """Means apart."""
    return {
        "p_value": scale * sum(sum(treatment[key]) - sum(baseline[key]) for key in baseline),
        "keys": list(baseline),
    }


BASELINE = {"a": [1.0], "b": [2.0]}
TREATMENT = {"a": [2.0], "b": [4.0]}


@pytest.mark.contract("1.6.1")
def test_a_verifier_is_a_factory_of_named_comparisons() -> None:
    assert difference(scale=2.0)({"a": [1.0]}, {"a": [2.0]})["p_value"] == 2.0
    assert difference().__name__ == "difference"


@pytest.mark.contract("1.6.2")
def test_unknown_and_missing_parameters_of_a_verifier_are_refused() -> None:
    @verifier()
    def strict(baseline_samples: Any, treatment_samples: Any, alpha: float) -> dict[str, Any]:
        return {"alpha": alpha}

    with pytest.raises(TypeError, match="did you mean 'scale'"):
        difference(scael=1)
    with pytest.raises(TypeError, match="strict: missing parameter 'alpha'"):
        strict()
    assert strict(alpha=0.1)({}, {}) == {"alpha": 0.1}


def test_a_verifier_needs_two_samples() -> None:
    def lonely(samples: Any) -> dict[str, Any]:
        return {}

    with pytest.raises(TypeError, match="lonely"):
        verifier(lonely)


@pytest.mark.contract("1.6.1")
def test_a_verifier_is_picklable() -> None:
    assert pickle.loads(pickle.dumps(difference(scale=3.0)))({"a": [1.0]}, {"a": [2.0]})["p_value"] == 3.0


@pytest.mark.contract("1.6.5")
@pytest.mark.parametrize(
    ("metrics", "expected"), [(None, ["a", "b"]), ("a", ["a"]), (["b"], ["b"]), (["b", "a"], ["b", "a"])]
)
def test_one_group_of_metrics_gives_one_outcome(metrics: Any, expected: list[str]) -> None:
    said = Hypothesis(difference(), metrics).verify(BASELINE, TREATMENT)

    assert isinstance(said, dict)
    assert expected == said["keys"]


@pytest.mark.contract("1.6.5")
def test_several_groups_give_an_outcome_each() -> None:
    said = Hypothesis(difference(), [["a"], ["b"]]).verify(BASELINE, TREATMENT)

    assert isinstance(said, list)
    assert [one["keys"] for one in said] == [["a"], ["b"]]


@pytest.mark.contract("1.6.6")
@pytest.mark.parametrize("samples", [({"a": [1]}, {}), ({}, {"a": [1]})])
def test_a_metric_that_one_side_lacks_is_named(samples: tuple[Any, Any]) -> None:
    with pytest.raises(MissingMetricError, match="'a'"):
        Hypothesis(difference(), "a").verify(*samples)


@pytest.mark.contract("1.6.7", "1.6.9")
def test_treatments_rank_by_p_value_unless_a_ranker_is_given() -> None:
    results = {"x": {"p_value": 0.5}, "y": {"p_value": 0.1}, "z": {}}

    assert Hypothesis(difference()).rank_treatments(results) == {
        "best": "y",
        "ranked": [("y", 0.1), ("x", 0.5), ("z", 1.0)],
    }
    assert Hypothesis(difference(), ranker=lambda said: -len(said) or -9).rank_treatments(results)["best"] == "z"


@pytest.mark.contract("1.6.9")
def test_scores_that_are_no_numbers_come_last_and_are_never_best() -> None:
    ranking = Hypothesis(difference()).rank_treatments({"x": {"p_value": math.nan}, "y": {"p_value": 0.9}})
    nothing = Hypothesis(difference()).rank_treatments({"x": {"p_value": math.nan}})

    assert (ranking["best"], [name for name, _ in ranking["ranked"]]) == ("y", ["y", "x"])
    assert nothing["best"] is None
    assert Hypothesis(difference()).rank_treatments({}) == {"best": None, "ranked": []}


@pytest.mark.contract("1.6.7")
def test_of_several_groups_the_largest_p_value_counts() -> None:
    said = {"x": [{"p_value": 0.1}, {"p_value": 0.6}], "y": [{"p_value": 0.3}, {"p_value": 0.4}]}

    assert Hypothesis(difference(), [["a"], ["b"]]).rank_treatments(said)["best"] == "y"


@pytest.mark.contract("1.6.8")
def test_a_hypothesis_is_called_after_its_ranker() -> None:
    @hypothesis(verifier=difference(), metrics="a")
    def by_size(result: Any) -> float:
        return float(result["p_value"])

    assert (by_size.name, by_size.metrics) == ("by_size", "a")
    assert Hypothesis(difference()).name == "hypothesis"
    assert Hypothesis(difference(), ranker=by_size.ranker, name="given").name == "given"


def test_an_uncalled_verifier_is_refused_with_the_remedy() -> None:
    uncalled: Any = difference

    with pytest.raises(TypeError, match=r"write verifier=difference\(\)"):
        Hypothesis(uncalled)
