"""Files and memos: what a step is seen to read goes with its memo, and a memo never hides a read from its trial."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from crystallize.errors import NotReusableError
from crystallize.experiment.reads import TrialReads
from crystallize.fingerprint.reads.observations import Observation
from crystallize.fingerprint.reads.observe import PartObserver, observing


class PartReads:
    """What one step of a trial is seen to read; the trial is told of all of it."""

    def __init__(self, trial: TrialReads) -> None:
        self._trial = trial
        self._observer = PartObserver(trial.observer)

    @property
    def starts_processes(self) -> bool:
        """Whether it started a child process, which nobody watches."""
        return self._observer.starts_processes

    @contextmanager
    def charged(self) -> Iterator[None]:
        """The step runs inside."""
        try:
            with observing(self._observer):
                yield
        finally:
            self._observer.end()

    def written_paths(self) -> list[str]:
        """Absolute paths of the files that it opened for writing."""
        return self._observer.written()

    def concluded(self) -> tuple[Observation, ...]:
        """What its memo rests on.

        Raises NotReusableError when the step wrote a file that others may read, as no replay would write it, and
        when what it read has changed meanwhile.
        """
        written = self._trial.reads.names_counted(self.written_paths())
        if written:
            raise NotReusableError(written[0], "is written by the step", "write an artifact, or list it under ignore")
        concluded = self._trial.reads.conclude(self._trial._replace(observer=self._observer))
        if concluded.doubt is not None:
            raise NotReusableError("what it reads", concluded.doubt, "declare it with reads=[…]")
        return concluded.observations


def still_so(trial: TrialReads | None, observations: Sequence[Observation]) -> bool:
    """Whether all that was read is as it was; not known where nobody watches."""
    return not observations or (trial is not None and not trial.reads.changes(observations))


def charge(trial: TrialReads, observations: Iterable[Observation], starts_processes: bool) -> None:
    """Tells the trial of what a step read when its memo was made."""
    trial.reads.charge(trial.observer, observations)
    trial.observer.starts_processes |= starts_processes
