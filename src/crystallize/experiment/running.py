"""Running: one run of one or several experiments, from nodes to results.

Compiles a plan, has the session bring it about, and turns its events into views, results and the plugins' `after_run`.
`Experiment`, `ExperimentGraph` and the command line all run through here.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crystallize.engine.uncollected import uncollected
from crystallize.experiment.compile import compile_graph
from crystallize.experiment.compiling.node import Asked, Node
from crystallize.experiment.parts import Surroundings
from crystallize.experiment.reports.bar import ReplicateBars
from crystallize.experiment.results.conclude import Conclusion
from crystallize.experiment.results.result import Result
from crystallize.fingerprint.left import LEFT
from crystallize.plan import events
from crystallize.plan.plan import Plan
from crystallize.session import Report, Request, Session, refuse_running_loop
from crystallize.settings import Settings
from crystallize.store.pins import keep_pins

if TYPE_CHECKING:
    from crystallize.engine.foresee import Foreseen
    from crystallize.engine.interrupt import Interrupt
    from crystallize.experiment.results.audit import Audit


class Running:
    """One run of `nodes`, which come in topological order. Used once.

    Parameters
    ----------
    raise_setup_errors : what `before_run` or `setup` raised is raised again when everything is settled.
    watchers : told every event after the views and results have been brought up to date.
    incomplete : something that was asked for cannot run, so the run as a whole fails.
    """

    def __init__(
        self,
        nodes: Sequence[Node],
        asked: Asked,
        *,
        raise_setup_errors: bool = False,
        watchers: Sequence[events.Watcher] = (),
        settings: Settings | None = None,
        what: str = "python",
        incomplete: bool = False,
    ) -> None:
        self.nodes = list(nodes)
        self.asked = asked
        self.report: Report | None = None
        self._settings = settings or Settings.load()
        self._raise_setup_errors = raise_setup_errors
        self._watchers = [*watchers, *ReplicateBars(self.nodes).watchers]
        self._what = what
        self._incomplete = incomplete
        self._plan = Plan()
        self._shown = [node for node in self.nodes if node.runs]
        self._results: dict[int, Result] = {}
        """By group, of experiments that are settled."""
        self._errors: list[BaseException] = []

    def run(self, interrupt: Interrupt | None = None) -> dict[str, Result]:
        """Name → result, one per experiment that runs, in topological order; `interrupt` stops it from any thread."""
        refuse_running_loop()
        with self._session() as session:
            self._compile(session)
            self._keep_pins(session)
            watchers = [self._watch, *self._watchers]
            report = session.run(self._plan, self._request(), watchers, interrupt=interrupt)
            return self._conclude(report)

    async def arun(
        self,
        checkpoint: Callable[[], Awaitable[None]] | None = None,
        *,
        gate: Callable[[], Awaitable[object]] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> dict[str, Result]:
        """As `run`, inside a running event loop; once `stop` says so nothing more is started.

        For `checkpoint` and `gate` see `Driver`.
        """
        with self._session() as session:
            self._compile(session)
            self._keep_pins(session)
            watchers = [self._watch, *self._watchers]
            report = await session.arun(self._plan, self._request(), watchers, checkpoint, gate=gate, stop=stop)
            return self._conclude(report)

    def foresee(self) -> list[Foreseen]:
        """What `run` would do with each trial, in plan order. Writes nothing, not even a store."""
        with Session(self._settings, write=False) as session:
            self._compile(session)
            foreseen = session.foresee(self._plan)
        shown = {node.group for node in self._shown}
        return [each for each in foreseen if each.job.group in shown]

    def audit(self, each: int | None) -> Audit:
        """Runs what would be reused again, aside, and compares; see `audit.audit`. Writes nothing that lasts."""
        from tempfile import TemporaryDirectory

        from crystallize.experiment.results.audit import audit

        with TemporaryDirectory(prefix="crystallize-audit-") as folder:
            aside = Path(folder).resolve()
            with Session(self._settings, write=False, aside=aside) as session:
                self._compile(session)
                shown = {node.group for node in self._shown}
                return audit(self._plan, shown, session, aside, each, self._watchers)

    def only(self, results: Mapping[str, Result]) -> Result:
        """The result of a run of a single experiment."""
        return results[self._shown[-1].experiment.label]

    def shows(self, event: events.Event) -> bool:
        """Whether the event, which is told just now, is about a trial of an experiment that runs."""
        return isinstance(event, events.Settled) and event.job.group in self._conclusions

    def _session(self) -> Session:
        return Session(self._settings, write=self.asked.aside is None, aside=self.asked.aside)

    def _leave(self) -> None:
        """What experiments and code were told of the run holds no more."""
        LEFT.leave()
        for node in self.nodes:
            node.experiment.run_replicates = None

    def _compile(self, session: Session) -> None:
        LEFT.begin()
        around = Surroundings(self._settings.root, self._settings.environ)
        with uncollected(freeze=True):
            self._plan, self._view_rows = compile_graph(self.nodes, self.asked, session, around)
            self._conclusions = {node.group: Conclusion(node, session, self.asked) for node in self._shown}

    def _keep_pins(self, session: Session) -> None:
        for node in self.nodes:
            if node.pinned is not None:
                pins = [node.pinned.pin(c, r) for c in node.conditions for r in range(node.replicates)]
                keep_pins(session.store(node.root).database, pins)

    def _request(self) -> Request:
        names = tuple(node.experiment.label for node in self._shown)
        strategies = sorted({self.asked.strategy_of(node.experiment) for node in self._shown})
        return Request(
            targets=names,
            strategy=" and ".join(strategies),
            what=self._what,
            jobs=self.asked.jobs,
            went_wrong=self._went_wrong,
        )

    def _went_wrong(self) -> bool:
        """Whether something beside the trials failed: what the command line ends with 1 for."""
        return self._incomplete or any(result.errors for result in self._results.values())

    def _watch(self, event: events.Event) -> None:
        if isinstance(event, events.GroupSettled):
            conclusion = self._conclusions.pop(event.group, None)
            if conclusion is not None:
                self._results[event.group], error = conclusion.settle(event.error)
                if error is not None:
                    self._errors.append(error)
        elif isinstance(event, events.RunFinished):
            self._flush()
        elif not isinstance(event, (events.RunStarted, events.PlanGrew)):
            group = self._plan.groups[event.job.group].fetches_for
            conclusion = self._conclusions.get(event.job.group if group is None else group)
            if conclusion is not None:
                conclusion.note(event)

    def _flush(self) -> None:
        for rows in self._view_rows:
            rows.flush()

    def _conclude(self, report: Report) -> dict[str, Result]:
        self.report = report
        self._leave()
        for group, conclusion in self._conclusions.items():  # whose trials were stopped before all were done
            self._results[group], _ = conclusion.settle(None)
        self._flush()
        results = {node.experiment.label: self._results[node.group] for node in self._shown}
        for node in self._shown:
            results[node.experiment.label].run = report.runs[node.root]
            for artifact in node.experiment.outputs.values() if self.asked.aside is None else ():
                artifact.replicates = node.replicates
        if report.would_reuse:
            self._tell_would_reuse(report, results)
        if self._raise_setup_errors and self._errors:
            raise self._errors[0]
        return results

    def _tell_would_reuse(self, report: Report, results: Mapping[str, Result]) -> None:
        total = sum(len(node.conditions) * node.replicates for node in self._shown)
        line = (
            f"rerun: resume would have reused {report.would_reuse} of {total} trials "
            f"and saved {report.would_save_seconds:.1f} s"
        )
        logging.getLogger("crystallize").info(line)
        for result in results.values():
            result.notices.append(line)
