"""Concluding: what became of one experiment's trials → its view, its `Result`, its hypotheses, the `after_run` hooks.

Results are saved before anything of the user's is called again, so a failing verifier or hook loses nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from crystallize.errors import in_words
from crystallize.experiment.compiling.node import Asked, Node
from crystallize.experiment.folders.user_code import user_traceback
from crystallize.experiment.objects.constants import BASELINE_CONDITION
from crystallize.experiment.results.collect import Collected
from crystallize.experiment.results.notices import Notices
from crystallize.experiment.results.result import Result
from crystallize.experiment.results.structs import ExperimentMetrics, HypothesisResult, TreatmentMetrics
from crystallize.plan import events
from crystallize.session import Session
from crystallize.store.store import Store

logger = logging.getLogger("crystallize")


class Conclusion:
    """Follows one experiment through a run and ends with its `result`."""

    def __init__(self, node: Node, session: Session, asked: Asked) -> None:
        assert node.view is not None and node.collected is not None
        self._node = node
        self._view = node.view
        self._collected: Collected = node.collected
        self._store = session.store(node.root)
        self._asked = asked
        self._began = False
        self._hypotheses = asked.hypotheses_of(node.experiment)
        self._result: Result | None = None

    @property
    def result(self) -> Result:
        """What the experiment gave; an empty one until it is settled."""
        return Result(ExperimentMetrics(TreatmentMetrics({}), {}, [])) if self._result is None else self._result

    def note(self, event: events.Event) -> None:
        """Follows one event about a trial of the experiment."""
        if isinstance(event, events.JobEmitted):
            self._pass_on(event)
            return
        if isinstance(event, events.JobStarted):
            self._began = True
        if isinstance(event, (events.JobStarted, events.JobFailed)):  # one that failed may not even have been started
            self._view.start(event.job.task.condition)
        elif isinstance(event, events.JobBlocked):
            self._view.open(event.job.task.condition)
        self._collected.keep(event)
        if isinstance(event, events.JobDone):
            self._view.place(event.job.task, event.record.outputs)
        elif isinstance(event, events.JobFailed):
            self._log_failure(event.job.label, event.error)

    def settle(self, error: BaseException | None) -> BaseException | None:
        """Brings the view up to date, makes the result, and calls the plugins' `after_run`.

        `error` is what setting up or tearing down raised. Returns it, else the first thing that `after_run` raised.
        """
        self._view.settle(self._collected)
        self._node.experiment.artifacts.version = self._view.version
        self._result = result = self._make_result()
        self._let_go()
        if error is not None:
            result.errors.setdefault("setup", _with_traceback(error))
        self._verify(result)
        for plugin in self._node.experiment.plugins if self._began else ():
            try:
                plugin.after_run(self._node.experiment, result)
            except Exception as raised:
                result.errors.setdefault("after_run", _with_traceback(raised))
                error = error or raised
        return error

    def _let_go(self) -> None:
        """Of what only trials and their result need: a large plan has many experiments."""
        self._collected.forget()
        if self._node.work is not None:
            self._node.work.let_go()

    def _pass_on(self, event: events.JobEmitted) -> None:
        """Tells the plugins what a trial has to say."""
        for plugin in self._node.experiment.plugins:
            try:
                plugin.on_emit(self._node.experiment, event.job.task.condition, event.job.task.replicate, event.event)
            except Exception:
                logger.exception("plugin %s: on_emit failed", type(plugin).__name__)

    def break_off(self) -> None:
        """Makes the result of an experiment whose trials the user stopped before all were done."""
        if self._result is None:
            self.settle(None)

    def _make_result(self) -> Result:
        collected = self._collected
        treatments = {
            condition: _metrics_of(condition, collected)
            for condition in collected.conditions
            if condition != BASELINE_CONDITION
        }
        errors = {
            f"{condition}_rep_{replicate}": _with_traceback(end.error)
            for condition, replicate, end in collected.all()
            if end.error is not None
        }
        result = Result(
            ExperimentMetrics(_metrics_of(BASELINE_CONDITION, collected), treatments, []),
            artifacts=self._artifacts(),
            errors=errors,
            provenance=self._provenance(),
        )
        result.name = self._node.experiment.label
        result.pinned = None if self._node.pinned is None else self._node.pinned.run
        result.fetched = len(collected.fetches)
        result.notices.extend(Notices(self._node, collected, self._store, self._asked).told())
        for condition in collected.conditions:
            ends = [end for _, end in collected.of(condition)]
            result.reused[condition] = sum(1 for end in ends if end.reused)
            result.ran[condition] = sum(1 for end in ends if not end.reused and not end.blocked)
            result.memo_hits += sum(end.facts.get("memo_hits", 0) for end in ends if not end.reused)
        result.reasons = {
            f"{condition}_rep_{replicate}": end.why for condition, replicate, end in collected.all() if end.why
        }
        return result

    def _artifacts(self) -> dict[str, dict[str, Path]]:
        """File name → condition → path of the first replicate's file; of several steps that write it, the last's."""
        paths: dict[str, dict[str, Path]] = {}
        for condition in self._collected.conditions:
            known: set[str] = set()
            for replicate, end in self._collected.of(condition):
                written = {output.name: output.step for output in end.outputs}
                for name in [name for name in written if name not in known]:
                    known.add(name)
                    path = Path(f"{self._view.top}/replicate_{replicate}/{condition}/{written[name]}/{name}")
                    paths.setdefault(name, {})[condition] = path
        return paths

    def _provenance(self) -> dict[str, Any]:
        experiment, collected = self._node.experiment, self._collected
        seeds: dict[str, list[int | None]] = {}
        numbers: dict[str, dict[int, int]] = {}
        for condition in collected.conditions:
            for replicate, end in collected.of(condition):
                if end.succeeded:
                    seeds.setdefault(condition, []).append(end.seed)
                    numbers.setdefault(condition, {})[replicate] = end.number
        return {
            "pipeline_signature": experiment.pipeline.signature(),
            "replicates": collected.replicates,
            "seeds": seeds,
            "reused_from": {
                condition: {r: end.run for r, end in collected.of(condition) if end.reused}
                for condition in collected.conditions
            },
            "ctx_changes": ContextChanges(self._store.root, self._store.folder, numbers),
        }

    def _verify(self, result: Result) -> None:
        """Design 5.9: a failing verifier is reported and costs nothing; pairs without a baseline are named."""
        metrics = result.metrics
        for hypothesis in self._hypotheses:
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

    def _log_failure(self, label: str, error: BaseException) -> None:
        logger.error("%s failed: %s", label, in_words(error).partition("\n")[0])


class ContextChanges(Mapping[str, dict[int, Any]]):
    """Condition → replicate → provenance records of its steps; read from the store when first asked for."""

    def __init__(self, root: Path, folder: Path, numbers: Mapping[str, Mapping[int, int]]) -> None:
        self._root, self._folder, self._numbers = root, folder, numbers
        self._loaded: dict[str, dict[int, Any]] = {}

    def __getitem__(self, condition: str) -> dict[int, Any]:
        if condition not in self._loaded:
            store = Store.open(self._root, folder=self._folder, write=False)
            try:
                self._loaded[condition] = {
                    replicate: store.provenance_of(number) for replicate, number in self._numbers[condition].items()
                }
            finally:
                store.close()
        return self._loaded[condition]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)


def _metrics_of(condition: str, collected: Collected) -> TreatmentMetrics:
    return TreatmentMetrics(collected.metrics(condition), collected.tags(condition), collected.origins(condition))


def _with_traceback(error: BaseException) -> BaseException:
    """The exception with the text of its traceback beside it, as `traceback_str`."""
    if not hasattr(error, "traceback_str"):
        with suppress(AttributeError):  # an exception with slots cannot carry it
            error.traceback_str = user_traceback(error)  # type: ignore[attr-defined]
    return error
