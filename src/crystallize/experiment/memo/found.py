"""A memo that serves in place of a call, with all that it left in hand, so that replaying it cannot fail halfway."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from crystallize.errors import NotReusableError
from crystallize.experiment.memo.contents import Contents, unpacked
from crystallize.experiment.memo.look import GLOBAL, Beginning
from crystallize.experiment.objects.context import FrozenContext, LoggingContext
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.store.memo import Memo, Memos
from crystallize.store.record import Output


class Found(NamedTuple):
    """What a step did when it ran with all that it looked at being the same."""

    memo: Memo
    contents: Contents
    artifacts: tuple[bytes | Path, ...]
    shape: Sequence[str]

    @classmethod
    def load(cls, memos: Memos, memo: Memo, shape: Sequence[str], new_folder: Callable[[], Path]) -> Found:
        """Reads all of a memo. Raises StoreError when anything of it is gone or damaged."""

        def content(output: Output, has_path: bool) -> bytes | Path:
            if not has_path:
                return memos.read(output)
            path = new_folder() / output.name
            memos.lay(output, path)
            return path

        contents = unpacked(memos.read(memo.contents))
        return cls(memo, contents, tuple(map(content, memo.artifacts, contents.folders)), shape)

    def replay(self, ctx: FrozenContext) -> Any:
        """Does to `ctx`, and to generators, what the step did, once; its result."""
        self._touch(ctx)
        contents = self.contents
        contents.replay(ctx)
        for output, data in zip(self.memo.artifacts, self.artifacts, strict=True):
            ctx.artifacts._append(output.name, data)
        return contents.data

    def _touch(self, ctx: FrozenContext) -> None:
        """Lets the context know what the step looked at, as if it had run."""
        for name in self.shape:
            kind, _, key = name.partition(":")
            if kind == "key" and isinstance(ctx, LoggingContext):
                ctx.get(key)
            elif kind == "key":
                ctx._asked.add(key)


def second_key(first: Digest, shape: Sequence[str], beginning: Beginning) -> Digest:
    """The key of a memo, given what the step looks at. Raises NotReusableError when that cannot be told apart."""
    return digest_of("memo/1", first, *(piece for name in shape for piece in (name.encode(), beginning.value(name))))


def candidates(
    memos: Memos, first: Digest, beginning: Beginning, *, concurrent: bool
) -> Iterator[tuple[Sequence[str], Digest]]:
    """The read shapes that may fit, newest first, each with its second key.

    Parameters
    ----------
    concurrent : global generators belong to nobody here, so no step that moved one can be replayed.
    """
    for shape in memos.shapes(first):
        if concurrent and not set(shape).isdisjoint(GLOBAL):
            continue
        try:
            yield shape, second_key(first, shape, beginning)
        except NotReusableError:
            continue  # a value that cannot be told apart is none that a memo was made with
