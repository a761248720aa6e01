"""Nodes: what each experiment of a run is like in this run, and what the user asked of the run as a whole.

Plain data that compiling fills in, and that views and results read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crystallize.experiment.blueprint import Blueprint
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.hypothesis import Hypothesis
from crystallize.experiment.objects.inputs import ExperimentInput
from crystallize.experiment.objects.links import Link, links_of
from crystallize.experiment.objects.treatment import Treatment
from crystallize.experiment.pinning import PinnedTrials
from crystallize.experiment.results.view import ExperimentView
from crystallize.experiment.trial import TrialWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asked of one run."""

    strategy: str | None = None
    """For every node; None: as each defines."""
    default_strategy: str
    """For nodes that define none."""
    rerun: Collection[str] = ()
    """Experiments that run again whatever the strategy is."""
    treatments: Sequence[Treatment | str] | None = None
    """None: all that are defined. Names: baseline and these. Objects: given to every node, own ones winning."""
    beside: Sequence[Treatment] = ()
    """Known to every node like objects among `treatments`, but left out: what is shown of them stays."""
    hypotheses: Sequence[Hypothesis] | None = None
    """For every node; None: as defined."""
    replicates: int | None = None
    """For every node; None: as defined."""
    seed: int | None = None
    """Base seed for every node; None: as defined."""
    executor: str | None = None
    """For every node; None: as defined."""
    address: str | None = None
    """Of the Ray cluster, for every node that runs on Ray; None: as defined."""
    jobs: int | None = None
    """How many jobs may run at a time; None: as defined."""
    aside: Path | None = None
    """The artifact root of a run aside: all else is only read, in its first replicate. None: the run is a real one."""
    only: str | None = None
    """The one condition that runs, without the baseline; None: see `treatments`."""
    restore: bool = False
    """Missing markers are losses, not wishes: they are put back."""
    pin: Mapping[str, int] = field(default_factory=dict)
    """Experiment → the run whose trials it takes as they are."""
    switched_off: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Experiment → treatments that it leaves out where `treatments` does not choose."""

    def hypotheses_of(self, experiment: Blueprint) -> Sequence[Hypothesis]:
        """What is verified when the experiment has run."""
        return experiment.hypotheses if self.hypotheses is None else self.hypotheses

    def strategy_of(self, experiment: Blueprint) -> str:
        """``resume`` or ``rerun``."""
        if experiment.label in self.rerun:
            return "rerun"
        return self.strategy or experiment.defined_strategy or self.default_strategy


@dataclass(slots=True)
class Node:
    """One experiment in one run."""

    experiment: Blueprint
    links: list[Link]
    after: Sequence[Blueprint]
    """Experiments whose artifacts count as a whole."""
    runs: bool = True
    """False: an upstream of the run that is only read, as it was recorded last."""
    defined: tuple[str, ...] = ()
    """Baseline, own treatments and those of its ancestors."""
    conditions: tuple[str, ...] = ()
    """Those of them that this run is about."""
    switched: tuple[str, ...] = ()
    """What to tell of treatments that are switched off, a sentence each."""
    treatments: dict[str, Treatment] = field(default_factory=dict)
    """Condition → what this experiment itself applies in it."""
    sources: dict[str, DataSource] = field(default_factory=dict)
    """Condition → what gives its data, where a treatment has a datasource of its own."""
    replicates: int = 1
    runs_serially: bool = True
    """Whether its trials run in the driver itself, one by one."""
    is_far: bool = False
    """Whether its trials run on machines that share nothing with this one but the store's folder."""
    paired: bool = False
    """Whether each replicate reads one of its own of another experiment."""
    root: Path = Path()
    """Its artifact root."""
    group: int = 0
    volatile: dict[str, DataSource] = field(default_factory=dict)
    """Port → the source of outside state that is fetched anew for each of its trials."""
    fetch_group: int | None = None
    """Of the jobs that fetch; None: there are none."""
    fetches: dict[tuple[str, int], int] = field(default_factory=dict)
    """(condition, replicate) → index of the job that fetches for that trial; there is one for each trial whose data
    comes from the experiment's own datasource."""
    first: int = 0
    """Index of its first job; they follow replicate by replicate, condition by condition."""
    pinned: PinnedTrials | None = None
    """What it takes in place of its trials."""
    signature: str = ""
    """Of its pipeline, as it is in this run."""
    view: ExperimentView | None = None
    work: TrialWork | None = None
    loop_notices: Callable[[], Iterable[str]] = tuple
    """What to tell, after the run, of the plugin that ordered its replicates."""

    def job(self, condition: str, replicate: int) -> int:
        """Index of the job of one trial."""
        return self.first + replicate * len(self.conditions) + self.conditions.index(condition)

    def reads(self, link: Link, condition: str) -> bool:
        """Whether the trials of a condition read `link`."""
        return link.treatment == (condition if condition in self.sources else None)

    def holders(self) -> Iterator[object]:
        """What the user's own classes made that lives from trial to trial: steps, datasources, plugins."""
        wholes = [self.experiment.datasource, *self.sources.values()]
        sources = [
            part
            for whole in wholes
            for part in (whole.inputs.values() if isinstance(whole, ExperimentInput) else [whole])
        ]
        for each in (*self.experiment.pipeline.steps, *sources, *self.experiment.plugins):
            if not hasattr(each, "definition") and type(each).__module__.partition(".")[0] != "crystallize":
                yield each

    @property
    def fetch_links(self) -> list[Link]:
        """What its volatile sources read of other experiments."""
        return [link for port, source in self.volatile.items() for link in links_of(source, port)]

    @property
    def trial_links(self) -> list[Link]:
        """What its trials read of them."""
        if not self.volatile:
            return self.links
        fetched = {link.port for link in self.fetch_links}
        return [link for link in self.links if link.port not in fetched]


Nodes = Mapping[int, Node]
"""The nodes of a run, by the identity of their experiment."""


def upstream_of(node: Node, nodes: Nodes) -> list[Node]:
    """The nodes that `node` reads or waits for, each once."""
    producers = [*(link.producer for link in node.links), *node.after]
    return list({id(p): nodes[id(p)] for p in producers}.values())


def nodes_for(experiments: Sequence[Blueprint]) -> list[Node]:
    """Nodes of experiments that run, preceded by those they read and which only stand by with what they recorded."""
    nodes: dict[int, Node] = {}
    running = {id(experiment) for experiment in experiments}

    def visit(experiment: Blueprint) -> None:
        if id(experiment) in nodes:
            return
        runs = id(experiment) in running
        links = [link for link in experiment.links if runs and link.producer is not None]
        for link in links:
            visit(link.producer)
        nodes[id(experiment)] = Node(experiment, links, (), runs=runs)

    for experiment in experiments:
        visit(experiment)
    return list(nodes.values())
