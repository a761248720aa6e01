"""Step memos: what a cacheable step gave serves every call that begins alike (design 4, "Step memo").

A call is looked up before the step runs, replayed when it is found, and kept when it is not. What cannot be told apart,
or would not come back as it was, is never kept: the step then runs every time, and the trial says why. Knows no
conditions: those that differ only in what a step never looks at have the same keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from time import perf_counter
from typing import Any

from crystallize.errors import NotReusableError, StoreError
from crystallize.experiment.generators import moved_since, own_state
from crystallize.experiment.memo.contents import Contents, packed
from crystallize.experiment.memo.found import Found, candidates, second_key
from crystallize.experiment.memo.keys import StepKeys
from crystallize.experiment.memo.look import Beginning, Looking
from crystallize.experiment.memo.reads import PartReads, charge, still_so
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.reads import TrialReads
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.reads.observe import unobserved
from crystallize.plan.workspace import Workspace
from crystallize.store.intake import Kept
from crystallize.store.memo import Memo
from crystallize.store.placing import discard, place_file


class TrialMemo:
    """The memos of one trial's steps. Used by one trial only.

    Parameters
    ----------
    label : of the trial.
    reads : what the trial is seen to read; None: nobody watches.
    concurrent : other trials may move the global generators meanwhile.
    """

    def __init__(
        self, keys: StepKeys, workspace: Workspace, label: str, reads: TrialReads | None, *, concurrent: bool
    ) -> None:
        self.label = label
        self.keys = keys
        self.workspace = workspace
        self.memos = workspace.store.memos
        self.reads = reads
        self.concurrent = concurrent
        self.hits = 0
        self.notes: list[str] = []
        """Why calls were not kept, a sentence each."""
        self._folders = 0

    def call(self, step: Any, data: Any, ctx: FrozenContext) -> MemoCall | None:
        """The call of a cacheable step that is about to happen; None when it can be neither found nor kept."""
        try:
            with unobserved():
                inputs = self.workspace.inputs_digest()
                given = self.keys.digest(data)
                first = digest_of("first/1", self.keys.of(step), inputs, given)
                beginning = Beginning(ctx, self.keys.encode)
                found = self._find(step, first, beginning)
            return MemoCall(self, step, ctx, given, first, beginning, found)
        except (NotReusableError, StoreError, OSError) as error:
            self.note(step, f"is not kept, and runs every time: {error}")
            return None

    def note(self, step: Any, fact: str) -> None:
        """Says something of a step's memos, once per trial."""
        text = f"{type(step).__name__} is cacheable, but {fact}"
        if text not in self.notes:
            self.notes.append(text)

    def facts(self) -> dict[str, Any]:
        """What the record of the trial is told."""
        told = {"memo_hits": self.hits, "memo_notes": self.notes}
        return {name: value for name, value in told.items() if value}

    def new_folder(self) -> Path:
        """An empty folder, gone with the trial."""
        self._folders += 1
        return self.workspace.scratch("memos", str(self._folders))

    def _find(self, step: Any, first: Digest, beginning: Beginning) -> Found | None:
        for shape, key in candidates(self.memos, first, beginning, concurrent=self.concurrent):
            try:
                memo = next(filter(self._admits, self.memos.find(key)), None)
                if memo is not None:
                    return Found.load(self.memos, memo, shape, self.new_folder)
            except StoreError as error:
                self.note(step, f"what was kept of it is damaged and is made anew: {error}")
        return None

    def _admits(self, memo: Memo) -> bool:
        """Whether the policy of the trial's job, and what the step once read, let a memo serve."""
        if self.workspace.only_this_run and memo.run != self.workspace.run:
            return False
        return still_so(self.reads, memo.observations)


class MemoCall:
    """One call of one step: `replay` it when it was `found`, else run the step while `watching` and then `keep` it.

    Parameters
    ----------
    given : digest of the data that the step is given.
    first : the first key.
    """

    def __init__(
        self,
        trial: TrialMemo,
        step: Any,
        ctx: FrozenContext,
        given: Digest,
        first: Digest,
        beginning: Beginning,
        found: Found | None,
    ) -> None:
        self.found = found
        self.input_hash = given.hex()
        self._trial = trial
        self._step = step
        self._ctx = ctx
        self._first = first
        self._beginning = beginning
        if found is None:
            self._reads = None if trial.reads is None else PartReads(trial.reads)
            self._looking = Looking(ctx)
            self._started = perf_counter()

    def output_hash(self, data: Any) -> str | None:
        """Of what the step gave, as `input_hash` of what it was given; None when it cannot be told apart."""
        try:
            with unobserved():
                return self._trial.keys.digest(data).hex()
        except NotReusableError:
            return None

    def replay(self) -> Any:
        """Does what the step did, exactly once; its result."""
        assert self.found is not None, "replay follows a hit"
        self._trial.hits += 1
        data = self.found.replay(self._ctx)
        if self._trial.reads is not None:
            charge(self._trial.reads, self.found.memo.observations, self.found.contents.starts_processes)
        return data

    def watching(self) -> AbstractContextManager[None]:
        """The step runs inside."""
        return nullcontext() if self._reads is None else self._reads.charged()

    def keep(self, data: Any) -> None:
        """Keeps what the step did, given its result; says why when that cannot be."""
        seconds = perf_counter() - self._started
        try:
            names = self._looking.names() | self._trial.keys.always_read
            with unobserved():
                self._put(data, names, seconds)
        except (NotReusableError, StoreError, OSError) as error:
            self._trial.note(self._step, f"is not kept, and runs every time: {error}")

    def _put(self, data: Any, names: set[str], seconds: float) -> None:
        trial, beginning, ctx = self._trial, self._beginning, self._ctx
        self._check_untouched()
        moved, own = self._moved(), self._own_state(names)
        added, written = beginning.added(ctx), list(self._written())
        names |= moved.keys()
        names |= {f"key:{key}" for key, _ in added}
        names |= {f"artifact:{name}" for name, _ in written}
        observations = () if self._reads is None else self._reads.concluded()
        contents = Contents(
            data=data,
            added=added,
            recorded=beginning.recorded(ctx),
            folders=[isinstance(content, Path) for _, content in written],
            generators=moved,
            own_state=own,
            starts_processes=self._reads is not None and self._reads.starts_processes,
        )
        shape = sorted(names)
        key = second_key(self._first, shape, beginning)
        kept, small = trial.memos.keep_bytes("contents", packed(contents, self._passing(), ctx._plain._rng))
        artifacts = []
        for name, content in written:
            output, more = self._keep_artifact(name, content)
            artifacts.append(output)
            small |= more
        memo = Memo(
            contents=kept,
            artifacts=tuple(artifacts),
            observations=observations,
            seconds=seconds,
            run=trial.workspace.run,
            label=trial.label,
        )
        trial.memos.put(self._first, shape, key, memo, small)

    def _check_untouched(self) -> None:
        """Raises NotReusableError when what the first key stands for changed while the step ran."""
        self._trial.keys.of(self._step)
        changed = self._trial.workspace.changed_input()
        if changed is not None:
            raise NotReusableError("its input", changed, "run again when nothing writes it")

    def _moved(self) -> Mapping[str, Any]:
        """The global generators that moved → their states now."""
        before = self._beginning.generators
        moved = moved_since(before)
        if moved and self._trial.concurrent:
            raise NotReusableError(
                "a global random generator",
                "moved while other trials ran",
                "draw from ctx.rng, or run trials one by one",
            )
        if not moved.keys() <= before.keys():
            raise NotReusableError("numpy", "is imported by the step", "import it at the top of the module")
        return moved

    def _own_state(self, names: set[str]) -> Any:
        """The state of ctx.rng if the step drew from it, which `names` is then told; else None."""
        now = own_state(self._ctx._plain._rng)
        if now is None or ("rng" not in names and now == self._beginning.own_state):
            return None
        names.add("rng")
        return now

    def _passing(self) -> list[str]:
        """Where files lie that may be gone, or other ones, when the memo is replayed."""
        inputs = map(str, _flat(self._ctx._inputs.values()))
        return [str(self._trial.memos.folder), *inputs, *([] if self._reads is None else self._reads.written_paths())]

    def _written(self) -> Iterator[tuple[str, bytes | Path]]:
        for place, record in self._ctx.artifacts._records.copy().items():
            if place not in self._beginning.written:
                if isinstance(record.data, Path) and not record.data.exists():
                    remedy = "write it before the step returns"
                    raise NotReusableError(f"artifact '{record.name}'", "has a path and no contents", remedy)
                yield record.name, record.data

    def _keep_artifact(self, name: str, content: bytes | Path) -> Kept:
        if isinstance(content, bytes):
            return self._trial.memos.keep_bytes(name, content)
        # The trial goes on with its own file, so the memo gets a copy, which shares its blocks where it can.
        copy = self._trial.new_folder() / name
        _copy(content, copy)
        try:
            return self._trial.memos.keep_path(name, copy)
        finally:
            discard(copy)


def _flat(paths: Iterable[Path | list[Path]]) -> list[Path]:
    return [path for each in paths for path in (each if isinstance(each, list) else [each])]


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        place_file(source, target, link=False)
        return
    import shutil

    shutil.copytree(source, target, copy_function=lambda one, other: place_file(Path(one), Path(other), link=False))
