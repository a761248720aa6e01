"""Executions: what the jobs of a pipeline do when they run. Implements the seam `Work`.

Lays out source, inputs and config, has a runtime start the command, follows it, and hands over what it left. Knows
neither pipelines nor schedules.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter
from typing import Any

from crystallize.errors import ExecutionError, MissingArtifactError, in_words
from crystallize.fingerprint.files import stat_key
from crystallize.plan.job import Outcome, Source
from crystallize.plan.workspace import Workspace
from crystallize.store.placing import discard, place_file
from crystallize.store.record import Output
from crystallize.store.store import Store
from crystallize.valohai.command import script_of
from crystallize.valohai.conditions import holds
from crystallize.valohai.container import driver_mark
from crystallize.valohai.job_files import Folders, Identity, InputFile, variables, write_config
from crystallize.valohai.ledger import Datum, ExecutionRow, Ledger, datum_id
from crystallize.valohai.log import Listener, Log
from crystallize.valohai.observed import Watch
from crystallize.valohai.outputs import Collected, collect, take_live
from crystallize.valohai.process import Ended, run_process
from crystallize.valohai.runtime import Launch, Runtime
from crystallize.valohai.task import File, LocalFile, Task

EXECUTION = "execution"
"""The fact of a record: number of the execution that made it."""
LIVE_SECONDS = 0.5
"""Between two looks for live outputs."""
IN_PASSING_BYTES = 1 << 25
"""More than this is copied and hashed beside the driver, which has other commands to follow."""
IN_PASSING_FILES = 200
"""Likewise."""
ENGINE_FAILED = (125, 126, 127)
"""Exit codes of podman and docker when the fault is theirs, or the shell cannot be started in the image."""

_PLATFORM_PATH = re.compile(r"(?<![\w./-])/valohai/")

logger = logging.getLogger("crystallize")


class ExecutionWork:
    """What the executions of one pipeline, or of one step, do.

    Parameters
    ----------
    project : its name, for the config folder.
    listener : told every line of every log.
    """

    def __init__(self, store: Store, runtime: Runtime, project: str, listener: Listener | None = None) -> None:
        self.ledger = Ledger(store)
        self._store = store
        self._runtime = runtime
        self._project = project
        self._listener = listener
        self._aside: Path | None = None

    def begin(self) -> None:
        """Makes the folder that sources are set aside in."""
        self._aside = Path(mkdtemp(prefix="source-", dir=self._store.scratch_folder()))

    def end(self) -> None:
        """Removes it."""
        if self._aside is not None:
            discard(self._aside)

    def missing(self, task: Task, source: Source, written: Sequence[Output]) -> Exception:
        """What a reader is told when this execution did not write what it reads."""
        names = ", ".join(output.name for output in written) or "nothing"
        return MissingArtifactError(f"{task.label} wrote no output '{source.output}'; it wrote {names}")

    async def run(self, task: Task, workspace: Workspace) -> Outcome:
        """Runs the command when it is its turn, again where it failed and may be tried again."""
        async with task.control.turn:
            return await self._run(task, workspace)

    async def _run(self, task: Task, workspace: Workspace) -> Outcome:
        outcome = await self._attempt(task, workspace)
        for _ in range(1, task.recipe.attempts):
            if outcome.error is None or task.control.stopped:
                break
            logger.warning("%s; tried again", in_words(outcome.error))
            workspace.restart()
            outcome = await self._attempt(task, workspace)
        return outcome

    async def _attempt(self, task: Task, workspace: Workspace) -> Outcome:
        if task.control.stopped:
            raise ExecutionError(task.label, f"was not started: {task.control.reason}")
        recipe = task.recipe
        script = script_of(recipe.command, recipe.parameters, task.values, recipe.source_path)
        row = self.ledger.begin(
            label=task.label,
            step=recipe.step,
            run=workspace.run,
            driver=driver_mark(),
            about=self._about(task, script),
        )
        running = _Running(task, row, started=perf_counter())
        try:
            with Log(self.ledger.logs / f"{row.counter}.jsonl", row.counter, self._listener) as log:
                return await self._carry_out(running, script, workspace, log)
        except BaseException as error:
            is_ours = isinstance(error, Exception)
            self._finish(running, "crashed" if is_ours else "stopped", in_words(error) if is_ours else "interrupted")
            raise
        finally:
            if not running.is_clean:
                await asyncio.to_thread(self._runtime.clean, row.uuid, well=False)

    async def _carry_out(self, running: _Running, script: str, workspace: Workspace, log: Log) -> Outcome:
        task, row = running.task, running.row
        folders, live = Folders.below(workspace.scratch("valohai")), workspace.scratch("live")
        await self._lay_out(task, row, folders, workspace)
        inside = self._runtime.inside(folders)
        watch = Watch(task.recipe, script, workspace, is_here=inside.repository == folders.repository)
        told = {**variables(self._identity(task, row), inside), **watch.variables(inside.repository)}
        launch = Launch(
            uuid=row.uuid,
            script=watch.script,
            folders=folders,
            environ={**task.recipe.environ, **told},
            image=task.recipe.image,
            mounts=(*task.recipe.mounts, *watch.mounts),
            resources=task.recipe.resources,
            network=task.recipe.network,
        )
        log.write("status", f"{row.step}: {script}")
        ended, condition_met = await self._follow(task, launch, live, log)
        await self._clean(running, well=ended == Ended(0, "exit"))
        found = collect(folders.outputs, live)
        await _hand_over(found, workspace)
        status, detail = self._verdict(task, ended, condition_met, log)
        log.write("status", f"{status}: {detail}")
        rule = watch.rule()
        notices = [*found.notices, *_changed(task.files)]
        datums = [
            Datum(datum_id(row.uuid, name), row.counter, name, found.metadata.get(name, {})) for name in found.files
        ]
        self._finish(running, status, detail, ended.code, datums)
        return Outcome(
            metrics=log.metadata,
            facts={
                EXECUTION: row.counter,
                "uuid": row.uuid,
                "status": status,
                "parameters": dict(task.values),
                "outputs": {name: said for name, said in found.metadata.items() if name in found.files},
                "notices": notices,
                **rule.facts,
            },
            observations=rule.observations,
            unrecordable=next(iter(_changed(task.files)), None),
            error=None if status == "complete" else ExecutionError(_place(task, row), detail, row.counter),
        )

    async def _clean(self, running: _Running, *, well: bool) -> None:
        if well:  # quick then, and a thread is not
            self._runtime.clean(running.row.uuid, well=True)
        else:
            await asyncio.to_thread(self._runtime.clean, running.row.uuid, well=False)
        running.is_clean = True

    async def _lay_out(self, task: Task, row: ExecutionRow, folders: Folders, workspace: Workspace) -> None:
        def lay() -> None:
            for folder in (folders.config, folders.inputs, folders.outputs, folders.repository):
                folder.mkdir(parents=True, exist_ok=True)
            recipe = task.recipe
            assert self._aside is not None, "begin was called"
            recipe.source.set_aside(self._aside / str(id(recipe.source)))
            recipe.source.lay(folders.repository, recipe.source_files)
            _lay_inputs(task.files, folders.inputs, workspace)
            inputs = [_told(file) for file in task.files]
            identity = self._identity(task, row)
            write_config(folders.config, identity, task.values, inputs, self._runtime.inside(folders))

        if sum(file.size_bytes for file in task.files) > IN_PASSING_BYTES:
            await asyncio.to_thread(lay)
        else:
            lay()

    async def _follow(self, task: Task, launch: Launch, live: Path, log: Log) -> tuple[Ended, bool]:
        """Runs the command to its end; also whether its stop condition was met."""
        condition, met = task.recipe.stop_condition, False
        fault: OSError | None = None
        with task.control.watched() as stop:

            def on_line(stream: str, text: str) -> None:
                nonlocal met, fault
                try:
                    is_point = log.write(stream, text)
                except OSError as error:  # whose log has gaps has metadata with gaps
                    fault = error
                    stop.set()
                    return
                if is_point and condition is not None and holds(condition, log.latest, task.values):
                    met = True
                    stop.set()

            started = self._runtime.start(launch)
            looking = asyncio.create_task(_look_for_live(launch.folders.outputs, live, log))
            try:
                ended = await run_process(
                    started.argv,
                    cwd=started.cwd,
                    environ=started.environ,
                    on_line=on_line,
                    limits=task.recipe.limits,
                    stop=stop,
                    end=lambda: self._runtime.end(launch.uuid),
                )
            except OSError as error:
                fact = f"{started.argv[0]} cannot be started: {error.strerror or error}"
                raise ExecutionError(task.label, fact) from error
            finally:
                looking.cancel()
                with suppress(asyncio.CancelledError):
                    await looking
        if fault is not None:
            raise ExecutionError(task.label, f"its log cannot be written: {fault.strerror or fault}") from fault
        return ended, met

    def _verdict(self, task: Task, ended: Ended, condition_met: bool, log: Log) -> tuple[str, str]:
        """Status of the execution, and a line about how it ended."""
        limits = task.recipe.limits
        if condition_met and ended.why == "stop":
            return "complete", f"stop condition met: {task.recipe.stop_condition}"
        if ended.why == "stop":
            return "stopped", f"stopped: {task.control.reason}"
        if ended.why == "time":
            return "error", f"it took longer than its time limit of {limits.time_s:g} s"
        if ended.why == "quiet":
            return "error", f"no output for {limits.quiet_s:g} s"
        if ended.code == 0:
            return "complete", "exit code 0"
        said = f": {log.last_words[-1]}" if log.last_words else ""
        if ended.code in ENGINE_FAILED and self._runtime.name != "local" and said.startswith(": Error"):
            return "crashed", f"{self._runtime.name} could not run it{said}"
        if _PLATFORM_PATH.search(said) and self._runtime.name == "local":
            said += (
                " (there is no /valohai without a container: scripts find their folders by $VH_OUTPUTS_DIR and so on)"
            )
        return "error", f"exit code {ended.code}{said}"

    def _finish(
        self, running: _Running, status: str, detail: str, code: int | None = None, datums: Sequence[Datum] = ()
    ) -> None:
        seconds = perf_counter() - running.started
        self.ledger.finish(
            running.row.counter, status=status, detail=detail, seconds=seconds, exit_code=code, datums=datums
        )

    def _identity(self, task: Task, row: ExecutionRow) -> Identity:
        return Identity(
            uuid=row.uuid,
            counter=row.counter,
            step=row.step,
            title=task.title or row.step,
            image=task.recipe.image,
            project=self._project,
            environment=task.recipe.environment,
            commit=task.recipe.source.name,
            created=datetime.fromtimestamp(row.created, UTC).isoformat(),
            pipeline=task.pipeline,
            node=task.node,
            run=row.run,
            task=task.node if task.child is not None else None,
        )

    def _about(self, task: Task, script: str) -> dict[str, Any]:
        recipe = task.recipe
        inputs: dict[str, list[str]] = {}
        for file in task.files:
            inputs.setdefault(file.input, []).append(file.uri)
        return {
            "command": script,
            "image": recipe.image,
            "environment": recipe.environment,
            "runtime": self._runtime.name,
            "parameters": dict(task.values),
            "inputs": inputs,
            "source": recipe.source.name,
            "title": task.title or recipe.step,
            "pipeline": task.pipeline,
            "node": task.node,
            "child": task.child,
        }


class _Running:
    """An execution that has begun."""

    def __init__(self, task: Task, row: ExecutionRow, started: float) -> None:
        self.task = task
        self.row = row
        self.started = started
        self.is_clean = False
        """Whether nothing of its command is left."""


def _place(task: Task, row: ExecutionRow) -> str:
    return f"{task.label} (execution #{row.counter})"


def _lay_inputs(files: Sequence[File], folder: Path, workspace: Workspace) -> None:
    for file in files:
        target = folder / file.input / file.name
        if isinstance(file.origin, Output):
            workspace.store.lay(file.origin, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            place_file(file.origin.path, target, link=False)


def _changed(files: Sequence[File]) -> list[str]:
    """Which of the user's own files are no longer what they were when they were hashed."""
    changed = []
    for file in files:
        if isinstance(file.origin, LocalFile):
            try:
                same = stat_key(file.origin.path, file.origin.path.stat()) == file.origin.seen
            except OSError:
                same = False
            if not same:
                changed.append(f"{file.origin.path} was changed while it was read")
    return changed


def _told(file: File) -> InputFile:
    return InputFile(
        input=file.input,
        name=file.name,
        size_bytes=file.size_bytes,
        digest=file.origin.digest.hex(),
        uri=file.uri,
        datum=file.datum,
        metadata=file.metadata,
    )


async def _look_for_live(outputs: Path, live: Path, log: Log) -> None:
    while True:
        await asyncio.sleep(LIVE_SECONDS)
        for name in take_live(outputs, live):
            log.write("status", f"live output {name}")


async def _hand_over(found: Collected, workspace: Workspace) -> None:
    def take() -> None:
        links = {name: path for name, path in found.files.items() if path.is_symlink()}
        for name, path in {**links, **found.files}.items():  # links first, while what they lead to is there
            workspace.take(name, "", path)

    is_many = len(found.files) > IN_PASSING_FILES
    if is_many or sum(path.stat().st_size for path in found.files.values()) > IN_PASSING_BYTES:
        await asyncio.to_thread(take)
    else:
        take()
