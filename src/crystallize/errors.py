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
    ├── StoreError                      the store cannot be opened, read or written
    └── PinnedRecordGone                a pinned earlier result is no longer there

A message is place, fact, remedy, in that order, on one line.
"""

from __future__ import annotations

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


class StoreError(CrystallizeError):
    """The store cannot be opened, read or written."""


class PinnedRecordGone(CrystallizeError):
    """A pinned earlier result is no longer in the store, or lacks an output."""
