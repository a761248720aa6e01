"""What the user's code writes while it runs: its log lines are shown, its prints never spoil JSON on stdout."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from crystallize.fingerprint.origin import OWN_FOLDER

_OURS = f"{OWN_FOLDER}{os.sep}"


class _Handler(logging.Handler):
    """Writes what the user's code logs, and our warnings of what is not usual; the summary tells what failed."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one message to stderr, as it is at that moment: a progress bar may stand in for it."""
        is_ours = record.pathname.startswith(_OURS)
        if not is_ours or (record.levelno == logging.WARNING and not getattr(record, "is_usual", False)):
            sys.stderr.write(self.format(record) + "\n")


def quiet_logs() -> None:
    """Lets the logger of crystallize say only what the summary does not."""
    logger = logging.getLogger("crystallize")
    logger.addHandler(_Handler())
    logger.propagate = False


@contextmanager
def only_documents(wanted: bool) -> Iterator[None]:
    """While entered and `wanted`, what the user's code prints goes to stderr: stdout is for one JSON document."""
    if not wanted:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield
