"""Quick experiments: a function called for each configuration and replicate. No files, no reuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crystallize.experiment.objects.annotations import signature_of
from crystallize.experiment.objects.constants import BASELINE_CONDITION, CONDITION_KEY, REPLICATE_KEY
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.plugins import SeedPlugin


def quick_experiment(
    fn: Callable[..., Any],
    configs: Mapping[str, Any] | None = None,
    replicates: int = 1,
    *,
    seed: int | None = None,
    verbose: bool = False,
) -> dict[str, list[Any]]:
    """Configuration → what `fn` returned, one value per replicate.

    Parameters
    ----------
    fn : called with the configuration (unless that is None) and, when it has a parameter ``ctx`` or takes at least
        two, a context that holds ``replicate``, ``condition`` and ``seed``.
    configs : name → configuration; else the one configuration ``baseline``, which is None.
    replicates : how often each is called.
    seed : seeds `random` and numpy before each call, differently for each replicate; None leaves them alone.
    verbose : print each call.

    Examples
    --------
    >>> quick_experiment(lambda config, ctx: config * ctx["replicate"], {"one": 1, "ten": 10}, replicates=3)
    {'one': [0, 1, 2], 'ten': [0, 10, 20]}
    """
    names = configs if configs is not None else {BASELINE_CONDITION: None}
    results: dict[str, list[Any]] = {name: [] for name in names}
    for name, config in names.items():
        for replicate in range(replicates):
            if verbose:
                print(f"Running {name} replicate {replicate + 1}/{replicates}...")
            results[name].append(_call(fn, config, name, replicate, _planted(seed, replicate)))
    if verbose:
        print("Done!")
    return results


def _planted(seed: int | None, replicate: int) -> int | None:
    """The seed of a replicate, once the generators have it."""
    if seed is None:
        return None
    seeds = SeedPlugin(seed)
    seeds.plant(seeds.seed_for(replicate))
    return seeds.seed_for(replicate)


def _call(fn: Callable[..., Any], config: Any, name: str, replicate: int, seed: int | None) -> Any:
    ctx = FrozenContext({REPLICATE_KEY: replicate, CONDITION_KEY: name, "seed": seed})
    arguments = [] if config is None else [config]
    parameters = signature_of(fn).parameters
    if "ctx" in parameters:
        return fn(*arguments, ctx=ctx)
    return fn(*arguments, ctx) if len(parameters) >= 2 else fn(*arguments)
