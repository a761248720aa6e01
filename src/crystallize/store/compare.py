"""Two outcomes of one job, compared bit by bit: what a run says of a fingerprint that yielded both, and what an audit
looks for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crystallize.errors import NotReusableError
from crystallize.store.codecs import encode_payload
from crystallize.store.record import NewRecord, Output, Record
from crystallize.store.store import Store

DIFFERS = "differs"
"""The fact of a record whose fingerprint has yielded another outcome before: a sentence for people."""

LOOKED_AT = 4
"""How many earlier records of a fingerprint are looked at, newest first, for one whose job read the same."""

LONGEST = 60
"""Characters of a metric's values in a sentence."""


def first_difference(
    old_outputs: Sequence[Output],
    old_metrics: Mapping[str, Sequence[Any]],
    new_outputs: Sequence[Output],
    new_metrics: Mapping[str, Sequence[Any]],
) -> str | None:
    """The first artifact, then the first metric, that differs, in a few words; None when all are the same bits."""
    before = {(each.step, each.name): each.digest for each in old_outputs}
    after = {(each.step, each.name): each.digest for each in new_outputs}
    for step, name in after | before:
        if before.get((step, name)) != after.get((step, name)):
            return f"artifact '{name}'" + (f" of step {step}" if step else "")
    if same_bits([old_metrics], [new_metrics]):
        return None
    for name in {**new_metrics, **old_metrics}:
        old, new = old_metrics.get(name), new_metrics.get(name)
        if not same_bits(old, new):
            return f"metric '{name}' ({_shown(old)} → {_shown(new)})"
    return None


def same_bits(old: Sequence[Any] | None, new: Sequence[Any] | None) -> bool:
    """Whether two series of values are kept as the same bytes; NaN equals NaN, 1 differs from 1.0."""
    if old is None or new is None:
        return old is new
    try:
        return encode_payload({"": old}, {}) == encode_payload({"": new}, {})
    except NotReusableError:
        return False


def compared(record: NewRecord, store: Store) -> NewRecord:
    """`record`, with the fact `DIFFERS` when its fingerprint has ever yielded another outcome in `store`.

    Records whose jobs read other files are no other outcome of the same.
    """
    for earlier in store.lookup.last(record.manifest.fingerprint, LOOKED_AT):
        if store.observations_of(earlier.number) == record.observations:
            said = _difference(earlier, record) or earlier.facts.get(DIFFERS)
            return record if said is None else record._replace(facts={**record.facts, DIFFERS: said})
    return record


def _difference(earlier: Record, record: NewRecord) -> str | None:
    what = first_difference(earlier.outputs, earlier.metrics, record.outputs, record.metrics)
    if what is None:
        return None
    return f"{what} came out differently in runs {earlier.run} and {record.run}, though nothing that counts changed"


def _shown(values: Sequence[Any] | None) -> str:
    if values is None:
        return "none"
    text = ", ".join(map(repr, values))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
