"""What ``--pin`` and ``--reuse-from`` mean: which experiment takes its results from which run."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from crystallize.errors import DefinitionError, UnknownNameError


def parse_pins(
    pins: Sequence[str] | None, reuse_from: Sequence[str] | None, experiments: Sequence[str]
) -> dict[str, int]:
    """Experiment → number of a run. What is pinned by name wins over a pattern, a later pattern over an earlier one.

    Parameters
    ----------
    pins : ``experiment=run`` each.
    reuse_from : ``run:glob`` each.
    experiments : names of those that take part.

    Raises DefinitionError for any other form, UnknownNameError for a pattern that no name fits.
    """
    found: dict[str, int] = {}
    for text in reuse_from or ():
        run, colon, pattern = text.partition(":")
        if not (run.isdecimal() and colon and pattern):
            raise _malformed(text, "--reuse-from", "run:glob", "3:'train*'")
        fitting = [name for name in experiments if fnmatchcase(name, pattern)]
        if not fitting:
            remedy = f"there are {', '.join(experiments)}"
            raise UnknownNameError(f"no experiment fits '{pattern}'", key="--reuse-from", remedy=remedy)
        found |= dict.fromkeys(fitting, int(run))
    for text in pins or ():
        name, equals, run = text.rpartition("=")
        if not (name and equals and run.isdecimal()):
            raise _malformed(text, "--pin", "experiment=run", "clean=3")
        found[name] = int(run)
    return found


def _malformed(text: str, option: str, form: str, example: str) -> DefinitionError:
    return DefinitionError(
        f"{text!r} is not of the form {form}", key=option, remedy=f"write for instance {option} {example}"
    )
