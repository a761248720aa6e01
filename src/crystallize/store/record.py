"""What the store keeps of a job that succeeded. Plain data; knows nothing of experiments or SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from crystallize.fingerprint.digest import Digest
from crystallize.fingerprint.manifest import Manifest
from crystallize.fingerprint.reads.observations import Observation


class Output(NamedTuple):
    """One file or folder that a job wrote, by its contents."""

    name: str
    """The file name as declared; unique per step, the last writer of a name wins for readers."""
    step: str
    """Class name of the step that wrote it; empty where there are no steps."""
    digest: Digest
    size_bytes: int
    """Of the file, or the sum over a folder's files."""
    is_tree: bool = False
    """True for a folder: the blob is then its listing (names and digests), each file a blob of its own."""


class NewRecord(NamedTuple):
    """A finished job on its way into the store; a first run makes one for every job. Its parts are given by name."""

    manifest: Manifest
    label: str
    metrics: Mapping[str, Sequence[Any]]
    """Name → values in the order they were recorded."""
    facts: Mapping[str, Any] = {}
    """JSON-able; what the front end needs beside metrics: seed, tags, notices."""
    provenance: Any = None
    """JSON-able; stored apart and read only when asked for."""
    outputs: tuple[Output, ...] = ()
    small_blobs: Mapping[Digest, bytes] = {}
    """Contents of those outputs (and tree members) that are kept in the database."""
    seconds: float = 0.0
    run: int = 0
    """Number of the run that made it."""
    observations: tuple[Observation, ...] = ()
    """What its job was seen to read: the record serves only while all of it is still so."""
    once: bool = False
    """True: kept for its artifacts and its history under a fingerprint nobody asks for, so never reused."""


class Record(NamedTuple):
    """A finished job as the store holds it. A tuple, because a run that reuses all reads one for every job."""

    number: int
    """Rises by recording order; the newest record is the one with the highest number. 0: ran but was not recorded."""
    fingerprint: Digest
    label: str
    kind: str
    metrics: dict[str, list[Any]]
    facts: dict[str, Any]
    outputs: tuple[Output, ...]
    seconds: float
    run: int
    created: float
    """Seconds since the epoch, for people only; nothing is decided by it."""

    def output(self, name: str, step: str | None = None) -> Output | None:
        """The output called `name` (written by `step`, when given); the last written of several."""
        for output in reversed(self.outputs):
            if output.name == name and (step is None or output.step == step):
                return output
        return None
