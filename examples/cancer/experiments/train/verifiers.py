from itertools import product

from crystallize import verifier


@verifier
def differs_in_pairs(baseline: dict, treatment: dict) -> dict[str, float]:
    """The mean difference, and the share of all ways to swap the pairs that give one at least as large.

    Both conditions of a replicate have the same seed, so they are compared pair by pair.
    """
    [metric] = baseline
    differences = [after - before for before, after in zip(baseline[metric], treatment[metric], strict=True)]
    observed = abs(sum(differences))
    swaps = list(product((1, -1), repeat=len(differences)))
    as_large = sum(abs(signed_sum(differences, signs)) >= observed - 1e-12 for signs in swaps)
    return {"difference": sum(differences) / len(differences), "p_value": as_large / len(swaps)}


def signed_sum(values: list[float], signs: tuple[int, ...]) -> float:
    return sum(sign * value for sign, value in zip(signs, values, strict=True))
