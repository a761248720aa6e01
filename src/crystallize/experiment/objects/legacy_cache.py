"""The step cache of crystallize 0.27, for programs that use its functions themselves.

crystallize no longer reads or writes it: results are reused through the store.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any


def compute_hash(obj: Any) -> str:
    """SHA-256, hexadecimal, of the pickle of `obj`; equal values may differ in it.

    Examples
    --------
    >>> len(compute_hash([1, 2])), compute_hash([1, 2]) == compute_hash([1, 3])
    (64, False)
    """
    import hashlib
    import pickle

    return hashlib.sha256(pickle.dumps(obj)).hexdigest()


def load_cache(step_hash: str, input_hash: str) -> Any:
    """What was stored under the two hashes.

    Raises FileNotFoundError when nothing was, OSError when it cannot be read. Unpickles a file of the user's own.

    Examples
    --------
    >>> store_cache("step", "input", [1, 2])
    >>> load_cache("step", "input")
    [1, 2]
    """
    import pickle

    path = _path(step_hash, input_hash)
    try:
        return pickle.loads(path.read_bytes())
    except FileNotFoundError:
        raise
    except Exception as error:
        raise OSError(f"{path}: the cached result cannot be read ({error}); remove the file") from error


def store_cache(step_hash: str, input_hash: str, data: Any) -> None:
    """Store `data` under the two hashes unless something is there. Raises OSError when it cannot be.

    The file is ``.cache/<step_hash>/<input_hash>.pkl``, below the working directory or ``CRYSTALLIZE_CACHE_DIR``.

    Examples
    --------
    >>> store_cache("step", "input", "first")
    >>> store_cache("step", "input", "second")
    >>> load_cache("step", "input")
    'first'
    """
    import pickle
    import tempfile

    path = _path(step_hash, input_hash)
    if path.exists():
        return
    try:
        contents = pickle.dumps(data)
    except Exception as error:
        raise OSError(f"{path}: the result cannot be stored ({error})") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(contents)
    Path(file.name).replace(path)


def _path(step_hash: str, input_hash: str) -> Path:
    from crystallize.settings import Settings

    folder = Settings.load().environ.get("CRYSTALLIZE_CACHE_DIR", ".cache")
    return Path(folder) / step_hash / f"{input_hash}.pkl"
