"""A run that was started from a screen: it goes on in the bench's thread while screens come and go, and watch it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic

from crystallize.engine.interrupt import Interrupt
from crystallize.experiment.compiling.node import Node
from crystallize.experiment.reports.live import Failure, LiveRun
from crystallize.experiment.reports.opened import Choices, Opened
from crystallize.experiment.results.result import Result
from crystallize.session import Report
from crystallize.tui.logbook import Ear, Line, LogBook, listening

SWITCH_SECONDS = 0.0005
"""So long a step of pure Python may keep the screen's thread waiting, several times for each key; Python's own 5 ms are
felt."""


class Performance:
    """One run of the graph of one configuration. `perform` is called once, on the bench."""

    def __init__(self, config: Path, choices: Choices, ear: Ear) -> None:
        self.config = config
        self.choices = choices
        self.live = LiveRun()
        self.log = LogBook()
        self.opened: Opened | None = None
        """Once it is loaded."""
        self.nodes: Sequence[Node] = ()
        """What its experiments are like in this run; filled in by the time that `live` has begun."""
        self.results: Mapping[str, Result] = {}
        """When it is over."""
        self.report: Report | None = None
        self.over = False
        self.asked_to_stop = 0
        """How often."""
        self._ear = ear
        self._interrupt = Interrupt()

    def stop(self) -> None:
        """The first time nothing more is started; the second time what runs is broken off."""
        self.asked_to_stop += 1
        self._interrupt.ask(now=self.asked_to_stop > 1)

    def perform(self) -> None:
        """Loads the graph as its files are now and runs it to its end. Raises nothing: see `live.failures`."""
        self._ear.book = self.log
        self._ear.now = lambda: self.live.now()
        before = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_SECONDS)
        try:
            with listening(self._ear):
                self._perform()
        finally:
            sys.setswitchinterval(before)
            self.live.ended = self.live.ended or monotonic()
            self.over = True
            self.live.changes += 1

    def _perform(self) -> None:
        try:
            self.opened = Opened(self.config)
            for fault in self.opened.faults:
                self.log.add(Line("", fault))
            running = self.opened.running(self.choices, [self.live])
            self.nodes = running.nodes
            self.results = running.run(self._interrupt)
            self.report = running.report
        except KeyboardInterrupt:
            self.live.failures.append(Failure(self.config.parent.name, "stopped at once; what had finished is kept"))
        except BaseException as error:
            self.live.failures.append(Failure.of(self.config.parent.name, error))
