"""Python's caches of compiled code: which of them may not be what their source says.

Python believes a cache whose source has the noted size and the noted time in whole seconds. So an edit of equal size
within one second of the last import goes unseen, for good: the old code would run under the new text. The time of a
source's last change against that of its cache tells; git calls such files racy, and does the same.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from crystallize.fingerprint.origin import is_installed_file

RACY_SECONDS = 2.0
"""A source changed no earlier than this before its cache was written may have changed while it was compiled."""


class RacyCacheError(OSError):
    """Raised where the import machinery opens a cache: it compiles the source then, as for one that is unreadable."""


def refuse_racy(cache: str) -> None:
    """Raises RacyCacheError when the source of a ``.pyc`` file of the project may have changed after it was compiled.

    Raises OSError or ValueError when the source or the cache is not there, or the file is no cache of a source.
    """
    if is_installed_file(cache):
        return
    source = Path(importlib.util.source_from_cache(cache)).stat()
    if max(source.st_mtime, source.st_ctime) + RACY_SECONDS > Path(cache).stat().st_mtime:
        raise RacyCacheError(f"{cache}: its source may have changed since; it is compiled anew")
