"""The rows of all views that one run touches: read together, written together.

A row that says *complete* may wait for others: lost in a crash, it costs a look at the files, never a wrong result. A
row that says *open* must be committed before anything else happens, so it takes all waiting rows with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from crystallize.store.store import Store
from crystallize.store.views import View

WAITING_ROWS = 128
WAITING_FILES = 4096
"""Of all waiting rows; a condition with many replicates has many."""


class ViewRows:
    """The rows of one store during one run."""

    def __init__(self, store: Store, folders: Sequence[str]) -> None:
        self.store = store
        self._rows = store.views.of_many(folders)
        self._waiting: list[View] = []
        self._files = 0

    def take(self, folder: str) -> dict[str, View]:
        """Condition → row, as the run found it. They are the caller's from then on: a large plan has many."""
        return self._rows.pop(folder, {})

    def put_now(self, view: View) -> None:
        """Commits a row, and all that wait."""
        self._waiting.append(view)
        self.flush()

    def put_later(self, view: View) -> None:
        """Commits a row with others, at the latest when the run is over."""
        self._waiting.append(view)
        self._files += len(view.files)
        if len(self._waiting) >= WAITING_ROWS or self._files >= WAITING_FILES:
            self.flush()

    def remove(self, folder: str, condition: str) -> None:
        """Forgets a row, now."""
        self.flush()
        self.store.views.remove(folder, [condition])

    def flush(self) -> None:
        """Commits what waits."""
        if self._waiting:
            waiting, self._waiting, self._files = self._waiting, [], 0
            self.store.views.put(waiting)
