"""Running: a spec becomes a plan, the session brings it about, and what happens to nodes decides how it goes on.

`pipeline run`, `step run` and their dry runs all go through here. What is printed is not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from crystallize.engine.foresee import Foreseen
from crystallize.engine.interrupt import Interrupt
from crystallize.history.history import PIPELINE
from crystallize.plan import events
from crystallize.plan.job import Job
from crystallize.session import Report, Request, Session
from crystallize.settings import Settings
from crystallize.store.pins import Pin, keep_pins
from crystallize.store.store import Store
from crystallize.valohai.actions import Actions
from crystallize.valohai.compile import Compiled, Surroundings, compile_pipeline
from crystallize.valohai.container import is_alive
from crystallize.valohai.control import Control
from crystallize.valohai.execution import EXECUTION, ExecutionWork
from crystallize.valohai.ledger import ExecutionRow, Ledger
from crystallize.valohai.log import Listener
from crystallize.valohai.observed import Tree, source_notes
from crystallize.valohai.pinning import Pins
from crystallize.valohai.process import kill_marked
from crystallize.valohai.runtime import Runtime
from crystallize.valohai.runtimes import choose_runtime
from crystallize.valohai.source import Source
from crystallize.valohai.spec import PipelineSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the user asked of one run, beside the spec."""

    runtime: str | None = None
    """None: what the settings say, else what is there."""
    commit: str | None = None
    """Whose source tree runs; None: the working tree."""
    network: bool = True
    workers: int
    """How many executions at once."""
    pins: Pins = field(default_factory=Pins)


class PipelineRun:
    """One run of `spec`. Used once.

    Parameters
    ----------
    listener : told every line that a command writes.
    watchers : told every event.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        asked: Asked,
        settings: Settings,
        *,
        listener: Listener | None = None,
        watchers: Sequence[events.Watcher] = (),
    ) -> None:
        self.spec = spec
        self.settings = settings
        self.runtime: Runtime | None = None
        self.compiled: Compiled | None = None
        self.actions: Actions | None = None
        """What became of each node; None before it was compiled."""
        self._asked = asked
        self._listener = listener
        self._watchers = watchers
        self._control = Control()

    @property
    def root(self) -> Path:
        """The artifact root, whose store keeps what the executions leave."""
        return self.settings.results_root

    def run(self, on_runtime: Callable[[str], None] = lambda name: None, interrupt: Interrupt | None = None) -> Report:
        """Brings the pipeline about; `on_runtime` is told where it will run, before anything does.

        Who asks `interrupt`, from whatever thread, stops the run as a user does.
        """
        with Session(self.settings) as session:
            store = session.store(self.root)
            compiled = self._compile(session, store, dry=False)
            if self.runtime is not None:
                on_runtime(self.runtime.name)
            self._keep_pins(store)
            self._sweep(store)
            assert self.actions is not None, "it was compiled"
            watchers: list[events.Watcher] = [_Attach(store), self.actions, *self._watchers]
            return session.run(
                compiled.plan, self._request(), watchers, stop=lambda: self._control.stopped, interrupt=interrupt
            )

    @contextmanager
    def foreseen(self) -> Iterator[tuple[list[Foreseen], Store]]:
        """What `run` would do with each execution, and the store that it is asked of. Writes nothing."""
        with Session(self.settings, write=False) as session:
            store = session.store(self.root)
            yield session.foresee(self._compile(session, store, dry=True).plan), store

    def notes(self, foreseen: Foreseen) -> list[str]:
        """What else there is to say of a foreseen execution."""
        nodes = self.compiled.nodes.values() if self.compiled is not None else ()
        node = next((node for node in nodes if foreseen.job.index in node.jobs), None)
        return [] if node is None else list(source_notes(node.recipe, foreseen))

    def fetches(self, job: Job) -> bool:
        """Whether a job only downloads for others."""
        return self.compiled is not None and self.compiled.plan.groups[job.group].fetches_for is not None

    def _compile(self, session: Session, store: Store, *, dry: bool) -> Compiled:
        spec, asked, settings = self.spec, self._asked, self.settings
        runtime = choose_runtime(
            asked.runtime or settings.runtime, settings.environ, store.folder.as_posix(), network=asked.network
        )
        self.runtime = runtime
        asked.pins.apply(spec, store, session.history(self.root))
        if not dry:
            for image in dict.fromkeys(node.image for node in spec.nodes if node.image and not node.pinned):
                runtime.prepare(image)
        sources = self._sources(store)
        if None in sources:
            store.survey_with(Tree(sources[None]))
        around = Surroundings(
            store=store,
            runtime=runtime,
            sources=sources,
            environ=settings.environ,
            project=spec.path.parent,
            network=asked.network,
        )
        work = ExecutionWork(store, runtime, spec.path.parent.name, self._listener)
        self.compiled = compile_pipeline(spec, work, self._control, around, workers=asked.workers)
        self.actions = Actions(self.compiled, self._control)
        return self.compiled

    def _sources(self, store: Store) -> dict[str | None, Source]:
        root = self.spec.path.parent
        commits = {node.commit for node in self.spec.nodes if node.kind != "deployment"}
        sources: dict[str | None, Source] = {commit: Source.of_commit(root, commit) for commit in commits if commit}
        if self._asked.commit is not None:
            sources[None] = Source.of_commit(root, self._asked.commit)
        elif None in commits:
            sources[None] = Source.working(root, store, [*store.views.folders(), store.folder])
        return sources

    def _keep_pins(self, store: Store) -> None:
        pins = [
            Pin(f"{self.spec.name}/{node.name}", number, 0)  # no run was named, or its number stands in the reason
            for node in self.spec.nodes
            for number in node.pinned
        ]
        if pins:
            keep_pins(store.database, pins)

    def _sweep(self, store: Store) -> None:
        """Ends what runs that were killed have left."""
        ledger = Ledger(store)
        left = [row for row in ledger.running() if not is_alive(row.driver)]
        for row in left:
            kill_marked(f"VH_EXECUTION_ID={row.uuid}")
            _abandon(ledger, row)
        if self.runtime is not None:
            self.runtime.sweep()

    def _request(self) -> Request:
        strategy = "resume" if self.spec.reuse else "rerun"
        return Request(targets=(self.spec.name,), strategy=strategy, what=PIPELINE)


def _abandon(ledger: Ledger, row: ExecutionRow) -> None:
    detail = "the run that started it was killed"
    ledger.finish(row.counter, status="crashed", detail=detail, seconds=0.0, exit_code=None, datums=())


class _Attach:
    """Notes in the ledger which record each execution made."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._ledger = Ledger(store)

    def __call__(self, event: events.Event) -> None:
        record = None
        if isinstance(event, events.JobDone):
            record = event.record
        elif isinstance(event, events.JobFailed):
            record = self._store.last_of_label(event.job.label)
        counter = None if record is None or not record.number else record.facts.get(EXECUTION)
        if record is not None and counter is not None:
            self._ledger.attach(counter, record.number)
