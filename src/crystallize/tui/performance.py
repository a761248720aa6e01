"""A run that was started from a screen: it goes on in the bench's thread while screens come and go, and watch it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

from crystallize.engine.interrupt import Interrupt
from crystallize.experiment.reports.live import Failure, LiveRun
from crystallize.experiment.reports.opened import Choices
from crystallize.experiment.results.result import Result
from crystallize.history.live import log_of
from crystallize.tui.ear import Ear, listening
from crystallize.tui.logbook import Line, LogBook
from crystallize.tui.target import Concluded, Loaded, Outcome, Shown, Target


class Performance:
    """One run of a target. `perform` is called once, on the bench."""

    def __init__(self, target: Target, choices: Choices, ear: Ear) -> None:
        self.target = target
        self.choices = choices
        self.live = LiveRun()
        self.log = LogBook(self._log_file)
        self.opened: Loaded | None = None
        """Once it is loaded."""
        self.nodes: Sequence[Shown] = ()
        """What its experiments are like in this run; filled in by the time that `live` has begun."""
        self.outcome: Outcome | None = None
        """When it is over, if it came to its end."""
        self.over = False
        self.asked_to_stop = 0
        """How often."""
        self._ear = ear
        self._interrupt = Interrupt()

    @property
    def results(self) -> Mapping[str, Result]:
        """Of a graph, by experiment."""
        return self.outcome.results if isinstance(self.outcome, Concluded) else {}

    def stop(self) -> None:
        """The first time nothing more is started; the second time what runs is broken off."""
        self.asked_to_stop += 1
        self._interrupt.ask(now=self.asked_to_stop > 1)

    def perform(self) -> None:
        """Loads the graph as its files are now and runs it to its end. Raises nothing: see `live.failures`."""
        self._ear.book = self.log
        self._ear.now = lambda: self.live.now()
        try:
            with listening(self._ear):
                self._perform()
        finally:
            self.live.ended = self.live.ended or monotonic()
            self.over = True
            self.live.changes += 1

    def _perform(self) -> None:
        try:
            opened = self.target.load()
            for fault in opened.faults:
                self._say("", fault)
            self.opened = opened
            self.outcome = opened.perform(self.choices, self.live, self._say, self._interrupt, self._begin)
        except KeyboardInterrupt:
            self.live.failures.append(Failure(self.target.name, "stopped at once; what had finished is kept"))
        except BaseException as error:
            self.live.failures.append(Failure.of(self.target.name, error))

    def _log_file(self) -> Path | None:
        """Where what it prints is kept; known as soon as it has a number."""
        return log_of(self.opened.store_folder, self.live.number) if self.opened and self.live.number else None

    def _begin(self, nodes: Sequence[Shown]) -> None:
        self.nodes = nodes

    def _say(self, where: str, text: str) -> None:
        self.log.add(Line(where, text))
