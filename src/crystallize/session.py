"""Sessions: open the stores and histories that a plan needs, run or foresee the plan, close everything again.

The one place where engine, store and history meet. Knows neither experiments nor pipelines.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from crystallize.engine.uncollected import collected_again, uncollected
from crystallize.fingerprint.digest import digest_bytes
from crystallize.history.history import History
from crystallize.history.watch import HistoryWatcher
from crystallize.plan import events
from crystallize.plan.plan import Plan
from crystallize.settings import Settings
from crystallize.store.mounts import is_read_only
from crystallize.store.store import DATABASE, FOLDER, Store

if TYPE_CHECKING:
    from crystallize.engine.foresee import Foreseen
    from crystallize.engine.interrupt import Interrupt
    from crystallize.engine.run import Driver
    from crystallize.history.live import Feed


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the user asked for, for the history."""

    targets: tuple[str, ...]
    strategy: str
    """``resume`` or ``rerun``."""
    what: str = "python"
    """Which front end: ``python``, ``cli``; ``pipeline`` where commands are executed, whoever asked."""
    jobs: int | None = None
    """At most so many jobs at a time; None: as each group says."""
    went_wrong: Callable[[], bool] = lambda: False
    """Whether something beside the jobs failed; asked when all of them are settled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a run as a whole."""

    run: int
    """Its number in the history of the plan's first root; 0 when nothing could be written there."""
    runs: Mapping[Path, int]
    """Artifact root → its number in the history there."""
    seconds: float
    would_reuse: int
    """Jobs that were forced although resume would have reused them."""
    would_save_seconds: float
    interrupted: bool


class Session:
    """Open stores, by artifact root. Use as a context manager; usable for any number of runs until closed.

    Parameters
    ----------
    write : False for a dry run: nothing is created or changed anywhere.
    aside : a temporary root that is written to all the same, for an audit.
    """

    def __init__(self, settings: Settings, *, write: bool = True, aside: Path | None = None) -> None:
        self.settings = settings
        self._write = write
        self._aside = aside
        self._stores: dict[Path, Store] = {}

    def store(self, root: Path) -> Store:
        """The store of an artifact root, opened once. Raises StoreError when it cannot be opened.

        One that is there and may not be written is only read: a run that reuses everything needs no more.
        """
        store = self._stores.get(root)
        if store is None:
            folder = self._folder_of(root)
            write = (self._write or root == self._aside) and not is_read_only((folder or root / FOLDER) / DATABASE)
            store = self._stores[root] = Store.open(root, folder=folder, write=write)
        return store

    def _folder_of(self, root: Path) -> Path | None:
        """Where the settings put the store of `root`; each root has one of its own. None: inside the root."""
        if self.settings.store is None or root == self._aside:
            return None
        return self.settings.store / f"{root.name}-{digest_bytes(str(root).encode()).hex()[:8]}"

    def history(self, root: Path) -> History:
        """The history that is kept in the store of `root`."""
        return History(self.store(root))

    def run(
        self,
        plan: Plan,
        request: Request,
        watchers: Sequence[events.Watcher],
        stop: Callable[[], bool] = lambda: False,
        interrupt: Interrupt | None = None,
    ) -> Report:
        """Brings `plan` about and returns when all of it is settled; once `stop` says so nothing more is started.

        Who asks `interrupt`, from whatever thread, stops the run as a user does.
        Raises RuntimeError inside a running event loop that is not a notebook's, naming `arun`; StoreError or OSError
        when the store cannot be written. Failures of jobs are told to the watchers and raise nothing.
        """
        in_notebook = refuse_running_loop()
        with self._running(plan, request, watchers, None, stop, interrupt) as (driver, feed, report):
            with uncollected(freeze=True):
                settled = driver.prepare()
            if not settled:
                with feed:
                    _run_to_end(driver, in_thread=in_notebook)
        return report()

    async def arun(
        self,
        plan: Plan,
        request: Request,
        watchers: Sequence[events.Watcher],
        checkpoint: Callable[[], Awaitable[None]] | None = None,
        *,
        gate: Callable[[], Awaitable[object]] | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Report:
        """As `run`, inside the caller's event loop; for `checkpoint` and `gate` see `Driver`."""
        with self._running(plan, request, watchers, checkpoint, stop, gate=gate) as (driver, feed, report):
            with uncollected(freeze=True):
                settled = driver.prepare()
            if not settled:
                with feed:
                    await driver.drive()
        return report()

    def foresee(self, plan: Plan) -> list[Foreseen]:
        """What `run` would do with each job of `plan`, in plan order. Writes nothing."""
        from crystallize.engine.foresee import foresee

        return foresee(plan, self._stores_of(plan))

    def close(self) -> None:
        """Closes every store."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()
        collected_again()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def _running(
        self,
        plan: Plan,
        request: Request,
        watchers: Sequence[events.Watcher],
        checkpoint: Callable[[], Awaitable[None]] | None,
        stop: Callable[[], bool] = lambda: False,
        interrupt: Interrupt | None = None,
        gate: Callable[[], Awaitable[object]] | None = None,
    ) -> Iterator[tuple[Driver, Feed, Callable[[], Report]]]:
        from crystallize.engine.executors import Executors
        from crystallize.engine.interrupt import Interrupt
        from crystallize.engine.leaving import told_exits
        from crystallize.engine.machine import Machine, devices
        from crystallize.engine.run import Driver
        from crystallize.history.live import Feed

        started = perf_counter()
        stores = self._stores_of(plan)
        histories = {
            root: HistoryWatcher(plan, root, History(store), request)
            for root, store in stores.items()
            if store.database.writable
        }
        runs = {root: histories[root].run if root in histories else 0 for root in stores}
        told: list[events.Watcher] = [*watchers, *histories.values()]
        with told_exits(lambda: driver.recorder.flush()), interrupt or Interrupt() as interrupt:
            driver = Driver(
                plan,
                stores=stores,
                runs=runs,
                watchers=told,
                stop_asked=lambda: interrupt.asked or stop(),
                checkpoint=checkpoint,
                gate=gate,
                executors=Executors(Machine(devices(self.settings.environ)), request.jobs),
            )
            lives = [History(stores[root]).live(watcher.run) for root, watcher in histories.items()]
            feed = Feed(lives, driver.pulse.now, interrupt.ask)
            try:
                yield driver, feed, lambda: _report(driver, runs, perf_counter() - started, interrupt.asked)
            finally:
                interrupted = (driver.interrupted and interrupt.asked) or not driver.finished
                cancelled = interrupted and interrupt.cancelled
                finished = events.RunFinished(interrupted, perf_counter() - started, cancelled)
                for watcher in told:
                    watcher(finished)

    def _stores_of(self, plan: Plan) -> dict[Path, Store]:
        return {root: self.store(root) for root in dict.fromkeys(group.root for group in plan.groups)}


def refuse_running_loop() -> bool:
    """Whether a notebook's event loop is running here; raises RuntimeError when any other one is."""
    import sys

    asyncio: Any = sys.modules.get("asyncio")
    if asyncio is None:
        return False
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    if in_notebook():
        return True
    raise RuntimeError("an event loop is already running here; use `await ….arun(...)` in place of `run(...)`")


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook."""
    import sys

    ipython: Any = sys.modules.get("IPython")
    return ipython is not None and type(ipython.get_ipython()).__name__ == "ZMQInteractiveShell"


def _run_to_end(driver: Driver, *, in_thread: bool) -> None:
    from crystallize.engine.loops import run_to_end

    if not in_thread:
        run_to_end(driver.drive())
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="crystallize-driver") as pool:
        pool.submit(run_to_end, driver.drive()).result()


def _report(driver: Driver, runs: Mapping[Path, int], seconds: float, asked: bool) -> Report:
    return Report(
        run=next(iter(runs.values()), 0),
        runs=runs,
        seconds=seconds,
        would_reuse=driver.spared.jobs,
        would_save_seconds=driver.spared.seconds,
        interrupted=driver.interrupted and asked,
    )
