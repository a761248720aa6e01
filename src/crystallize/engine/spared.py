"""What a rerun does again although it need not: counted, to be told in one line."""

from __future__ import annotations

from crystallize.store.reuse import Hit, Question, Use, decide
from crystallize.store.store import Store


class Spared:
    """Forced jobs that resume would have reused."""

    def __init__(self) -> None:
        self.jobs = 0
        self.seconds = 0.0
        """That they took when they ran."""

    def note(self, question: Question, store: Store) -> None:
        """A job was forced: counts it if an earlier record would have served."""
        decision = decide(Question(question.manifest, Use(), question.label), store)
        if isinstance(decision, Hit):
            self.jobs += 1
            self.seconds += decision.record.seconds
