"""A small logistic regression in plain Python.

Every trial draws from a generator of its own, made from the seed of its replicate. `ctx.rng` would do as well, but is
numpy's generator where numpy is installed and Python's where it is not; these numbers shall be the same everywhere.
"""

from math import exp
from random import Random

from crystallize import Artifact, FrozenContext, pipeline_step


@pipeline_step()
def split(data: dict, ctx: FrozenContext, *, share: float = 0.7) -> dict:
    """A random `share` of the samples to learn from, the others to be tested on."""
    features = data["features"]
    samples = list(zip(features["points"], features["malignant"], strict=True))
    Random(ctx["seed_used"]).shuffle(samples)
    cut = round(len(samples) * share)
    return {"known": samples[:cut], "unseen": samples[cut:]}


@pipeline_step()
def fit(data: dict, ctx: FrozenContext, *, rounds: int = 15, rate: float = 0.2) -> dict:
    """Weights by stochastic gradient descent, `rounds` times through the known samples in random order."""
    order = Random(ctx["seed_used"])
    known = list(data["known"])
    weights, bias = [0.0] * len(known[0][0]), 0.0
    for _ in range(rounds):
        order.shuffle(known)
        for point, malignant in known:
            step = rate * (malignant - probability(point, weights, bias))
            weights = [weight + step * value for weight, value in zip(weights, point, strict=True)]
            bias += step
    return {"weights": weights, "bias": bias, "unseen": data["unseen"]}


@pipeline_step()
def score(data: dict, ctx: FrozenContext, *, scores: Artifact, threshold: float = 0.5):
    """How often the diagnosis is right, and how many of the cancers are missed."""
    weights, bias = data["weights"], data["bias"]
    answers = [(probability(point, weights, bias) >= threshold, truth) for point, truth in data["unseen"]]
    on_cancers = [answer for answer, truth in answers if truth]
    found = {
        "accuracy": sum(answer == truth for answer, truth in answers) / len(answers),
        "missed": on_cancers.count(False) / len(on_cancers),
    }
    scores.write({"replicate": ctx["replicate"], **found})
    return data, found


def probability(point: list[float], weights: list[float], bias: float) -> float:
    return 1 / (1 + exp(-bias - sum(weight * value for weight, value in zip(weights, point, strict=True))))
