"""Artifacts: files and folders that an experiment writes and others read.

An `Artifact` is a declaration: a file name and how its contents become bytes and values. It knows nothing of
folders: while a trial runs, writing goes to the log of the trial's context, and reading to the path that the
runner laid out for it there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from crystallize.experiment.objects.artifact_log import ArtifactLog
from crystallize.experiment.objects.context import FrozenContext, current_context
from crystallize.experiment.objects.datasource import DataSource
from crystallize.experiment.objects.names import check_name
from crystallize.experiment.objects.portable import pack, unpack

Loader = Callable[[Path], Any]
Writer = Callable[[Any], "bytes | str"]


class Artifact(DataSource):
    """A file (or folder) that an experiment writes; also the datasource of whoever reads it.

    Two artifacts are equal when they are the same object: a graph connects experiments by it.

    Parameters
    ----------
    name : the file name. Raises DefinitionError (a ValueError) when no file may be called so.
    loader : path → value, for readers; else the bytes of the file, or the path of a folder.
    writer : value → bytes, for `write`; else bytes and text as they are.

    Examples
    --------
    >>> import json
    >>> squares = Artifact("squares.json", loader=lambda path: json.loads(path.read_text()), writer=json.dumps)
    >>> @data_source
    ... def numbers():
    ...     return [1, 2, 3]
    >>> @pipeline_step
    ... def square(data, squares: Artifact):
    ...     squares.write([value**2 for value in data])
    >>> @pipeline_step
    ... def total(data):
    ...     return data, {"total": sum(data)}
    >>> writer = Experiment(numbers(), Pipeline([square(squares=squares)]), name="writer", outputs=[squares])
    >>> reader = Experiment(squares, Pipeline([total()]), name="reader")
    >>> ExperimentGraph(writer, reader).run()["reader"].metrics.baseline.metrics
    {'total': [14]}
    """

    def __init__(self, name: str, loader: Loader | None = None, writer: Writer | None = None) -> None:
        self.name = check_name("artifact", name)
        self.loader: Loader = loader or default_loader
        self.writer: Writer = writer or default_writer
        self.replicates: int | None = None
        """How many replicates its producer had when it ran last, in this process; None before."""
        self.producer: Any = None
        """The experiment that lists it in `outputs`."""
        self._ctx: FrozenContext | None = None
        self._declared: Artifact = self

    def write(self, data: Any) -> None:
        """Write the artifact from inside a step. Raises RuntimeError elsewhere.

        Raises ContextMutationError when the step has written it already.
        """
        self._log().add(self.name, self.writer(data))

    def path(self) -> Path:
        """A path that the running step may write a file or a folder to; what is there becomes the artifact.

        Nothing is there yet, its folder exists. Raises RuntimeError outside of a step.
        """
        return self._log().path_for(self.name)

    def fetch(self, ctx: FrozenContext) -> Any:
        """The value that `loader` makes of this trial's file. Raises RuntimeError when nobody writes it."""
        path = ctx._inputs.get(id(self._declared))
        if not isinstance(path, Path):
            raise _without_producer(self)
        return self.loader(path)

    def gather(self) -> GatheredArtifact:
        """A datasource of the values of all replicates, as a list in order."""
        return GatheredArtifact(self._declared)

    def __crystallize_contents__(self) -> tuple[object, ...]:
        return ("artifact", self.name, self.loader, self.writer)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    def __deepcopy__(self, memo: object) -> Self:
        # A graph connects by identity, so the copy that a context hands out must be the artifact itself.
        return self

    def __getstate__(self) -> dict[str, Any]:
        callables = {"loader": pack(self.loader), "writer": pack(self.writer)}
        # The producer stays behind: it may hold anything, and a trial reads through its context.
        return {**self.__dict__, **callables, "producer": None, "_ctx": None, "_declared": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        callables = {"loader": unpack(state["loader"]), "writer": unpack(state["writer"])}
        self.__dict__.update({**state, **callables, "_declared": self})

    def _bound_to(self, ctx: FrozenContext) -> Artifact:
        """This artifact for a step of `ctx`: writes go there, from whatever thread."""
        if self._ctx is not None:
            return self
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__)
        bound._ctx = ctx
        return bound

    def _log(self) -> ArtifactLog:
        ctx = current_context.get() if self._ctx is None else self._ctx
        if ctx is None:
            raise RuntimeError(
                f"artifact '{self.name}' is written outside of a step; write it in a step, which has it as a "
                f"parameter '{self.name.partition('.')[0]}: Artifact' or as an attribute"
            )
        return ctx.artifacts


class GatheredArtifact(DataSource):
    """The values of an artifact in all replicates of its producer, as a list in order."""

    def __init__(self, artifact: Artifact) -> None:
        self.artifact = artifact

    def fetch(self, ctx: FrozenContext) -> list[Any]:
        """One value per replicate. Raises RuntimeError when nobody wrote the artifact."""
        paths = ctx._inputs.get(id(self))
        if not isinstance(paths, list):
            raise _without_producer(self.artifact)
        return [self.artifact.loader(path) for path in paths]

    def __repr__(self) -> str:
        return f"{self.artifact!r}.gather()"


def default_loader(path: Path) -> bytes | Path:
    """The bytes of a file; the path of a folder, as it is.

    Examples
    --------
    >>> from pathlib import Path
    >>> Path("note.txt").write_text("hello")
    5
    >>> default_loader(Path("note.txt"))
    b'hello'
    """
    return path if path.is_dir() else path.read_bytes()


def default_writer(data: bytes | str) -> bytes:
    """Bytes as they are, text as UTF-8. Raises TypeError for anything else.

    Examples
    --------
    >>> default_writer("5 µm")
    b'5 \\xc2\\xb5m'
    """
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    if isinstance(data, str):
        return data.encode()
    raise TypeError(f"a {type(data).__name__} is neither bytes nor text; give the artifact a writer")


def _without_producer(artifact: Artifact) -> RuntimeError:
    producer = getattr(artifact.producer, "name", None)
    if artifact.producer is None:
        fact, remedy = "has no producer", "list it in outputs= of the experiment that writes it"
    else:
        who = f"experiment '{producer}'" if producer else "an experiment without a name"
        fact, remedy = f"is written by {who}, which is not part of this run", "connect the two"
    return RuntimeError(f"artifact '{artifact.name}' {fact}; {remedy} and run both in an ExperimentGraph")
