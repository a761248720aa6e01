"""The pane beside the list: one experiment, what it last gave, and what `resume` would run now, and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from rich.console import Console
from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from crystallize.errors import in_words
from crystallize.experiment.folders.entries import ExperimentConfig, Reference
from crystallize.experiment.folders.listing import Item
from crystallize.experiment.folders.switches import read_switches
from crystallize.experiment.reports.dry_run import LEAST_SECONDS, reason_parts
from crystallize.experiment.reports.lines import line
from crystallize.experiment.reports.opened import Known
from crystallize.experiment.reports.summary import print_metrics
from crystallize.history.stats import share_reused
from crystallize.tui.rendering import recorded
from crystallize.tui.target import Foresight, Loaded, Target
from crystallize.valohai.listing import PipelineItem
from crystallize.words import ago, duration, near

MOST_REASONS = 4
"""Told of one experiment; the run screen has them all."""


@dataclass(frozen=True, slots=True)
class Look:
    """What loading an experiment has shown."""

    target: Target
    outlook: Foresight | None = None
    known: Known | None = None
    opened: Loaded | None = None
    fault: BaseException | None = None
    """Why it cannot be loaded."""


class Details(VerticalScroll):
    """Says what is known of one experiment."""

    can_focus = True

    def compose(self) -> Iterator[Static]:
        yield Static(id="about")
        yield Static(id="outlook")

    def clear(self) -> None:
        """There is nothing to show."""
        self._put("#about", Text())
        self._put("#outlook", Text())

    def show(self, item: Item | PipelineItem) -> None:
        """What the configuration says."""
        self._put("#about", self._recorded(lambda console: _print_about(console, item)))
        waiting = Text() if item.error is not None else Text("\nlooking what a run would do …", style="dim")
        self._put("#outlook", waiting)

    def show_fault(self, fault: BaseException) -> None:
        """Why it cannot be loaded."""
        hint = ("e shows file, line and traceback", "dim")
        text = Text.assemble("\n", ("cannot be loaded  ", "bold red"), hint, "\n")
        text.append(in_words(fault))
        self._put("#outlook", text)

    def complete(self, look: Look) -> None:
        """What the code and the history say."""
        if look.fault is not None:
            self.show_fault(look.fault)
        else:
            self._put("#outlook", self._recorded(lambda console: _print_look(console, look)))

    def _recorded(self, show: Callable[[Console], None]) -> Text:
        return recorded(self.scrollable_content_region.width - 1, show)

    def _put(self, where: str, text: Text) -> None:
        self.query_one(where, Static).update(text)


def _print_about(console: Console, item: Item | PipelineItem) -> None:
    if isinstance(item, PipelineItem):
        line(console, f"{item.icon} ", (item.name, "bold"), (f"  pipeline · {near(item.path)}", "dim"))
        console.print()
        reuse = "on: earlier executions stand in for nodes that have not changed" if item.reuse else "off"
        about = {"nodes": " · ".join(item.nodes), "parameters": ", ".join(item.parameters), "reuse": reuse}
        for heading, said in about.items():
            if said:
                console.print(Text.assemble((heading.ljust(12), "dim"), said))
        return
    kind = "graph" if item.is_graph else "experiment"
    line(console, f"{item.icon} ", (item.name, "bold"), (f"  {kind} · {near(item.path)}", "dim"))
    config = item.config
    if config is None:
        return
    if config.description:
        console.print(config.description.strip())
    console.print()
    for heading, told in _facts(config):
        parts: list[str | tuple[str, str]] = [(heading.ljust(12), "dim"), *told]
        console.print(Text.assemble(*parts), soft_wrap=False)


def _facts(config: ExperimentConfig) -> Iterator[tuple[str, list[str | tuple[str, str]]]]:
    yield "steps", [" → ".join(step.name for step in config.steps)]
    inputs = [
        f"{entry.target} as {entry.alias}" if isinstance(entry.target, Reference) else entry.alias
        for entry in config.sources or ()
    ]
    if inputs:
        yield "inputs", [", ".join(inputs)]
    if config.outputs:
        yield "outputs", [", ".join(f"{output.alias} ({output.file_name})" for output in config.outputs)]
    if config.treatments:
        off = read_switches(config.path).off
        told: list[str | tuple[str, str]] = []
        for treatment in config.treatments:
            is_off = treatment.name in off
            told += [", " if told else "", (treatment.name + " (off)" * is_off, "dim strike" if is_off else "")]
        yield "treatments", told
    if config.replicates is not None:
        yield "replicates", [str(config.replicates)]
    if config.hypotheses:
        yield "hypotheses", [", ".join(entry.name or entry.verifier for entry in config.hypotheses)]


def _print_look(console: Console, look: Look) -> None:
    console.print()
    _print_known(console, look.known)
    if look.outlook is not None:
        _print_outlook(console, look.outlook)
    for fault in look.opened.faults if look.opened is not None else ():
        line(console, ("note: ", "yellow"), fault)


def _print_known(console: Console, known: Known | None) -> None:
    if known is None:
        line(console, ("last run    ", "dim"), "never")
        return
    run, group = known.run, known.group
    told = f"run {run.number} · {ago(run.started, time.time())} · "
    state = {"ok": "green", "failed": "red"}.get(run.state, "yellow")
    share = None if group is None else share_reused(group)
    reused = "" if share is None else f" · {share:.0%} reused"
    line(console, ("last run    ", "dim"), told, (run.state, state), f"{reused} · {duration(run.seconds)}")
    print_metrics(console, known.metrics.items())


def _print_outlook(console: Console, outlook: Foresight) -> None:
    console.print()
    last = f" · about {duration(outlook.seconds)}" if outlook.seconds >= LEAST_SECONDS else ""
    line(console, (f"{outlook.strategy} would now", "bold"), (last, "dim"))
    for experiment, group in groupby(outlook.explanations, key=lambda each: each.experiment):
        alike = list(group)
        line(console, f"  {experiment}")
        for each in alike[:MOST_REASONS]:
            line(console, "    ", *reason_parts(each))
        if len(alike) > MOST_REASONS:
            line(console, (f"    and {len(alike) - MOST_REASONS} more reasons", "dim"))
    for node in outlook.nodes:
        for notice in node.switched:
            line(console, ("  note: ", "yellow"), f"{node.experiment.label}: {notice}")
