"""Retention: what older versions of a view keep. Touches only files that we wrote, and never the store's records."""

from __future__ import annotations

from crystallize.experiment.results.view_files import discard
from crystallize.store.store import Store
from crystallize.store.views import View, ViewFile

SPARED = ("results.json", "metadata.json", "_manifest.json")


def prune(store: Store, name: str, versions: list[int], *, keep: int, big_bytes: int) -> None:
    """Thins out the older version folders of an experiment after a run wrote a new one.

    Parameters
    ----------
    versions : all that exist.
    keep : the newest so many keep their artifacts, files over `big_bytes` only the newest; older ones keep
        `results.json` alone. 0 or less: nothing is removed.
    """
    if keep <= 0:
        return
    newest_first = sorted(versions, reverse=True)
    for rank, version in enumerate(newest_first[1:], start=1):
        for view in store.views.of(f"{name}/v{version}").values():
            if rank >= keep:
                _thin(store, view, [file for file in view.files if not file.path.endswith("/results.json")])
            else:
                big = [file for file in view.files if file.size_bytes > big_bytes and not file.path.endswith(SPARED)]
                _thin(store, view, big)


def _thin(store: Store, view: View, files: list[ViewFile]) -> None:
    if not files:
        return
    discard(store, store.root / view.folder, files)
    left = tuple(file for file in view.files if file not in files)
    if left:
        store.views.put([view._replace(state="open", files=left)])
    else:
        store.views.remove(view.folder, [view.condition])
