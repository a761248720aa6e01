"""Parcels: jobs on their way to another process, and on their way back what became of them: results, or exceptions.

Pickled by name where that is possible, so that a class is the same one on both sides; by value (cloudpickle) elsewhere.
Exceptions travel with their tracebacks (tblib).
"""

from __future__ import annotations

import json
import pickle
from typing import Any

from crystallize.errors import CrystallizeError, NotTransferableError, message_of
from crystallize.plan.job import Outcome
from crystallize.plan.workspace import Workspace
from crystallize.store.codecs import to_json

Delivered = tuple[Outcome, Workspace]


def packed_job(task: Any, workspace: Workspace) -> bytes:
    """What a worker is told of a job."""
    return _packed((task, workspace))


def packed_result(outcome: Outcome, workspace: Workspace) -> bytes:
    """The result of a job that succeeded. Raises NotTransferableError, which names the step and the metric."""
    outcome.provenance = json.loads(to_json(outcome.provenance))  # as it is kept: it may hold anything
    try:
        return _packed((outcome, workspace.left(sendable)))
    except Exception as error:
        raise _culprit(outcome, error) from error


def packed_error(error: BaseException) -> bytes:
    """An exception of the user's; one that no pickle can hold is told in its words."""
    from tblib import pickling_support

    pickling_support.install(error)
    try:
        data = _packed(error)
        pickle.loads(data)
    except Exception:
        told = CrystallizeError(f"{type(error).__name__}: {message_of(error)}")
        told.__traceback__ = error.__traceback__
        pickling_support.install(told)
        return _packed(told)
    return data


def unpacked(data: bytes) -> Delivered:
    """The result that was packed; raises the exception that was packed."""
    content = pickle.loads(data)
    if isinstance(content, BaseException):
        raise content
    delivered: Delivered = content
    return delivered


def packed_event(job: int, event: Any) -> bytes:
    """The job and what it emitted, or its text where that cannot travel."""
    try:
        return _packed((job, event))
    except Exception:
        return _packed((job, str(event)))


def sendable(event: Any) -> Any:
    """What a job emitted, or its text where that cannot travel."""
    return event if _travels(event) else str(event)


def _packed(content: object) -> bytes:
    try:
        return pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:
        import cloudpickle

        data: bytes = cloudpickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)
        return data


def _culprit(outcome: Outcome, error: Exception) -> NotTransferableError:
    for name, values in outcome.metrics.items():
        for value in values:
            if not _travels(value):
                step = outcome.recorded_by.get(name, "")
                return NotTransferableError(f"step {step}: " if step else "", f"metric '{name}'", value, error)
    return NotTransferableError("", "the result", outcome.facts, error)


def _travels(value: Any) -> bool:
    try:
        _packed(value)
    except Exception:
        return False
    return True
