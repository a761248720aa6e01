"""Every exception that crystallize raises.

    CrystallizeError
    ├── ContextMutationError            a context key or an artifact name was set twice
    ├── PipelineExecutionError          a step raised; carries the step's name and the original exception
    ├── MissingMetricError              a hypothesis asks for a metric that no replicate recorded
    ├── ValidationError                 what the user wrote cannot be run
    │   └── DefinitionError             ... with the place, the fact and the remedy (also a ValueError)
    │       ├── DefinitionTypeError     a value of the wrong type (also a TypeError)
    │       ├── UnknownNameError        a name that nothing defines (also an AttributeError)
    │       ├── MissingFileError        a file or folder that must exist (also a FileNotFoundError)
    │       ├── GraphError              experiments that form no graph: cycles, two producers, no name
    │       └── ReplicateMismatchError  replicate counts that cannot be paired
    ├── MissingArtifactError            a declared output was never written (also a FileNotFoundError)
    ├── BlockedError                    a job did not run because what it reads will never come
    ├── NotReusableError                a value that no fingerprint can tell apart from another
    ├── NotTransferableError            a result that cannot travel from a worker (also a TypeError)
    ├── WorkerLostError                 the process in which a job ran has ended (also a RuntimeError)
    ├── MachineError                    a machine of a cluster is not as the run needs it (also a RuntimeError)
    ├── CodeChangedError                the code is not what the run was planned with (also a RuntimeError)
    ├── JobTimeoutError                 a job or a step took longer than it may (also a TimeoutError)
    ├── ExecutionError                  the command of a step failed; carries the number of the execution
    ├── StoreError                      the store cannot be opened, read or written (also an OSError)
    └── PinnedRecordGone                a pinned earlier result is no longer there

A message is place, fact, remedy, in that order, on one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def message_of(error: BaseException) -> str:
    """The message of an exception, also of one of the user's whose `__str__` raises."""
    try:
        return str(error)
    except Exception as fault:
        return f"(its message cannot be told: {type(fault).__name__})"


def in_words(error: BaseException) -> str:
    """The message of an exception of ours; type and message of any other."""
    text = message_of(error)
    return text if isinstance(error, CrystallizeError) else f"{type(error).__name__}: {text}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A remedy that offers the names nearest to `name`, else all of them: ``did you mean 'scale'?``."""
    choices = sorted(set(known))
    close = close_to(name, choices)
    if close:
        return "did you mean " + " or ".join(repr(choice) for choice in close) + "?"
    return _listed(choices)


def nearest_of(name: str, known: Sequence[str]) -> str:
    """As `nearest`, without asking: ``nearest: scale, shift``."""
    return f"nearest: {', '.join(close_to(name, known) or known)}"


def close_to(name: str, known: Iterable[str], *, count: int = 3, cutoff: float = 0.6) -> list[str]:
    """At most `count` of the names, the nearest to `name` first; for `cutoff` see `difflib.get_close_matches`."""
    from difflib import get_close_matches

    return get_close_matches(name, list(known), n=count, cutoff=cutoff)


def _listed(choices: Sequence[str]) -> str:
    if not choices:
        return "none is defined"
    more = f", … {len(choices) - 12} more" if len(choices) > 12 else ""
    return "known: " + ", ".join(repr(choice) for choice in choices[:12]) + more


class CrystallizeError(Exception):
    """The root of the tree above."""


class ContextMutationError(CrystallizeError):
    """A key of a frozen context, or an artifact name in one step, was set a second time."""


class PipelineExecutionError(CrystallizeError):
    """A step raised.

    Parameters
    ----------
    step_name : class name of the step.
    original_exception : what the step raised, with its traceback.
    """

    def __init__(self, step_name: str, original_exception: BaseException) -> None:
        super().__init__(step_name, original_exception)
        self.step_name = step_name
        self.original_exception = original_exception

    def __str__(self) -> str:
        return f"step {self.step_name} failed: {in_words(self.original_exception)}"


class MissingMetricError(CrystallizeError):
    """A hypothesis asks for `metric`, which the baseline or a treatment did not record."""

    def __init__(self, metric: str) -> None:
        super().__init__(metric)
        self.metric = metric

    def __str__(self) -> str:
        return f"metric '{self.metric}' was recorded by no replicate that the hypothesis compares"


class ValidationError(CrystallizeError):
    """What the user wrote cannot be run."""


class DefinitionError(ValidationError, ValueError):
    """A definition that cannot be run, told as place, fact and remedy.

    Parameters
    ----------
    fact : what is wrong, with the user's own names in quotes.
    path, line, key : where; each is left out of the message when unknown. `line` counts from 1.
    remedy : what to do about it.
    """

    def __init__(
        self,
        fact: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        key: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(fact)
        self.fact, self.key, self.line, self.remedy = fact, key, line, remedy
        self.path = Path(path) if path is not None else None

    def __str__(self) -> str:
        place = "" if self.path is None else str(self.path) + (f":{self.line}" if self.line else "") + ": "
        where = f"{self.key}: " if self.key else ""
        return f"{place}{where}{self.fact}" + (f"; {self.remedy}" if self.remedy else "")


class DefinitionTypeError(DefinitionError, TypeError):
    """A value in a definition has the wrong type."""


class UnknownNameError(DefinitionError, AttributeError):
    """A name in a definition that nothing defines; the message offers the nearest ones."""


class MissingFileError(DefinitionError, FileNotFoundError):
    """A file or folder that a definition needs is not there."""


class GraphError(DefinitionError):
    """The experiments form no graph that can be run."""


class ReplicateMismatchError(DefinitionError):
    """Replicate counts of a node and of what it reads cannot be paired."""


class MissingArtifactError(CrystallizeError, FileNotFoundError):
    """An artifact that a job reads was declared and never written, or is gone."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class BlockedError(CrystallizeError, FileNotFoundError):
    """A job did not run: an upstream job failed, so what it reads will never come."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class NotReusableError(CrystallizeError):
    """A value cannot be told apart from another by its contents, so no result may be reused through it.

    Parameters
    ----------
    where : path to the value inside what was encoded, e.g. ``params.model.handle``.
    what : what it is, e.g. ``an open file``.
    remedy : what the user can do.
    """

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(where, what, remedy)
        self.where, self.what, self.remedy = where, what, remedy

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.remedy}"


class NotTransferableError(CrystallizeError, TypeError):
    """A result cannot travel from the worker process in which it was made.

    Parameters
    ----------
    place : ``step Train: ``, or empty.
    what : ``metric 'loss'``.
    value : what cannot travel; only its type is told.
    """

    def __init__(self, place: str, what: str, value: object, error: BaseException) -> None:
        super().__init__(
            f"{place}{what} holds a {type(value).__name__}, which cannot travel from a worker process "
            f"({in_words(error)}); record plain values, or run the experiment without worker processes"
        )


class WorkerLostError(CrystallizeError, RuntimeError):
    """The process in which a job ran has ended.

    Parameters
    ----------
    end : ``was ended by signal 9 (SIGKILL)``.
    attempts : how often the job was begun.
    """

    def __init__(self, end: str, attempts: int) -> None:
        often = "" if attempts == 1 else f", {attempts} times"
        ended = "signal" in end or "memory" in end
        remedy = (
            "if memory ran out, run fewer at once (-j) or give it less to hold"
            if ended
            else "raise an exception where it cannot go on"
        )
        super().__init__(f"its worker process {end}{often}; {remedy}")


class MachineError(CrystallizeError, RuntimeError):
    """A machine of a cluster lacks what the run needs, or has another version of it."""


class CodeChangedError(CrystallizeError, RuntimeError):
    """The code that a job would run is not what the run was planned with.

    Parameters
    ----------
    fact : which code.
    """

    def __init__(self, fact: str) -> None:
        super().__init__(fact)
        self.fact = fact

    def __str__(self) -> str:
        return f"code changed during the run: {self.fact}; nothing was recorded, run again in a new process"


class JobTimeoutError(CrystallizeError, TimeoutError):
    """A job, or a step of it, took longer than it may.

    Parameters
    ----------
    what : ``step Train``, or ``the job``.
    where : the stack at which it was ended.
    """

    def __init__(self, what: str, seconds: float, where: str) -> None:
        super().__init__(f"{what} took longer than {seconds:g} s; raise its timeout, or give it less to do")
        if where:
            self.add_note(where)


class ExecutionError(CrystallizeError):
    """The command of a step failed, was stopped, or could not be started.

    Parameters
    ----------
    place : what failed, as people call it.
    fact : how it ended.
    counter : number of the execution, whose log tells more; None when it was never started.
    """

    def __init__(self, place: str, fact: str, counter: int | None = None) -> None:
        super().__init__(place, fact, counter)
        self.place, self.fact, self.counter = place, fact, counter

    def __str__(self) -> str:
        more = "" if self.counter is None else f"; see: crystallize execution logs {self.counter}"
        return f"{self.place}: {self.fact}{more}"


class StoreError(CrystallizeError, OSError):
    """The store cannot be opened, read or written."""


class PinnedRecordGone(CrystallizeError):
    """A pinned earlier result is no longer in the store, or lacks an output."""
