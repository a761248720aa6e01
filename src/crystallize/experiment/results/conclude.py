"""Concluding: what became of one experiment's trials → its view, its `Result`, its hypotheses, the `after_run` hooks.

Results are saved before anything of the user's is called again, so a failing verifier or hook loses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from crystallize.errors import in_words
from crystallize.experiment.compiling.node import Asked, Node
from crystallize.experiment.folders.user_code import user_traceback
from crystallize.experiment.objects.hypothesis import Hypothesis
from crystallize.experiment.results.collect import Collected, How, TrialEnd
from crystallize.experiment.results.making import Making
from crystallize.experiment.results.notices import Notices
from crystallize.experiment.results.result import Result
from crystallize.experiment.results.structs import HypothesisResult
from crystallize.plan import events
from crystallize.session import Session

logger = logging.getLogger("crystallize")


class Conclusion:
    """Follows one experiment through a run and ends with its result."""

    def __init__(self, node: Node, session: Session, asked: Asked) -> None:
        assert node.view is not None
        self._node = node
        self._view = node.view
        self._collected = Collected(node.conditions, node.replicates, node.first)
        self._store = session.store(node.root)
        self._asked = asked
        self._began = False

    def note(self, event: events.Event) -> None:
        """Follows one event about a trial of the experiment."""
        if isinstance(event, events.JobReused):
            self._collected.keep_record(event.job, event.record, reused=True)
        elif isinstance(event, events.JobStarted):
            self._began = True
            self._view.start(event.job.task.condition)
        elif isinstance(event, events.JobDone):
            self._collected.keep_record(event.job, event.record, why=event.miss.why, note=event.note)
            self._view.place(event.job.task, event.record.outputs)
        elif isinstance(event, events.JobFailed):
            self._view.start(event.job.task.condition)  # it may not even have been started
            self._collected.keep(event.job, TrialEnd(How(error=event.error, why=event.miss.why if event.miss else "")))
            logger.error("%s failed: %s", event.job.label, in_words(event.error).partition("\n")[0])
        elif isinstance(event, events.JobBlocked):
            self._view.open(event.job.task.condition)
            self._collected.keep(event.job, TrialEnd(How(error=event.error, blocked=True)))
        elif isinstance(event, events.Fetched):
            if event.record is not None and not event.shared:
                self._collected.fetches.append(event.record)
        elif isinstance(event, events.JobEmitted):
            self._pass_on(event)

    def settle(self, error: BaseException | None) -> tuple[Result, BaseException | None]:
        """Brings the view up to date, makes the result, and calls the plugins' `after_run`; the last thing asked.

        `error` is what setting up or tearing down raised. Returns the result and that, else the first thing that
        `after_run` raised.
        """
        experiment = self._node.experiment
        self._view.settle(self._collected)
        experiment.artifacts.version = self._view.version
        result = self._make_result()
        self._let_go()
        if error is not None:
            result.errors.setdefault("setup", _with_traceback(error))
        hypotheses = self._asked.hypotheses_of(experiment)
        if hypotheses:
            self._verify(result, hypotheses)
        for plugin in experiment.plugins if self._began else ():
            try:
                plugin.after_run(experiment, result)
            except Exception as raised:
                result.errors.setdefault("after_run", _with_traceback(raised))
                error = error or raised
        return result, error

    def _let_go(self) -> None:
        """Of what only trials and their result need: a large plan has many experiments."""
        self._node.view = None
        if self._node.work is not None:
            self._node.work.let_go()

    def _pass_on(self, event: events.JobEmitted) -> None:
        """Tells the plugins what a trial has to say."""
        for plugin in self._node.experiment.plugins:
            try:
                plugin.on_emit(self._node.experiment, event.job.task.condition, event.job.task.replicate, event.event)
            except Exception:
                logger.exception("plugin %s: on_emit failed", type(plugin).__name__)

    def _make_result(self) -> Result:
        node, collected = self._node, self._collected
        errors = {
            f"{condition}_rep_{replicate}": _with_traceback(end.how.error)
            for condition, replicate, end in collected.all()
            if end.how.error is not None
        }
        making = Making(
            collected,
            self._view.top,
            node.signature,
            None if node.pinned is None else node.pinned.run,
            len(collected.fetches),
            self._store.root,
            self._store.folder,
        )
        notices = Notices(node, collected, self._store, self._asked).told()
        return making.result(name=node.experiment.label, errors=errors, notices=notices)

    def _verify(self, result: Result, hypotheses: Sequence[Hypothesis]) -> None:
        """Design 5.9: a failing verifier is reported and costs nothing; pairs without a baseline are named."""
        metrics = result.metrics
        for hypothesis in hypotheses:
            outcomes: dict[str, Any] = {}
            for name, treatment in metrics.treatments.items():
                try:
                    outcomes[name] = hypothesis.verify(metrics.baseline.metrics, treatment.metrics)
                except Exception as error:
                    result.errors[f"hypothesis_{hypothesis.name}_{name}"] = _with_traceback(error)
                    logger.error("%s: hypothesis '%s' on '%s': %s", result.name, hypothesis.name, name, error)
            try:
                ranking = hypothesis.rank_treatments(outcomes)
            except Exception as error:
                result.errors[f"hypothesis_{hypothesis.name}_ranking"] = _with_traceback(error)
                ranking = {"best": None, "ranked": []}
            metrics.hypotheses.append(HypothesisResult(hypothesis.name, outcomes, ranking))


def _with_traceback(error: BaseException) -> BaseException:
    """The exception with the text of its traceback beside it, as `traceback_str`."""
    if not hasattr(error, "traceback_str"):
        with suppress(AttributeError):  # an exception with slots cannot carry it
            error.traceback_str = user_traceback(error)  # type: ignore[attr-defined]
    return error
