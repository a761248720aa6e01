"""What a step finds as it begins, under the names that read shapes are made of, and what it looked at of it.

A name is ``key:NAME`` (a key of the context, or its absence), ``keys`` (which keys there are, in order),
``metric:NAME`` and ``metrics`` (what earlier steps recorded), ``artifact:NAME`` (whether the step has written it
already), ``rng`` (the trial's own generator), ``random`` and ``numpy`` (the global ones). Knows nothing of stores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crystallize.errors import NotReusableError
from crystallize.experiment.generators import States, global_states, own_state
from crystallize.experiment.objects.constants import SEED_USED_KEY
from crystallize.experiment.objects.context import FrozenContext

Encode = Callable[[Any], bytes]
"""The canonical bytes of a value; raises NotReusableError."""

GLOBAL = ("random", "numpy")
"""Names of generators that belong to the process."""
ABSENT = "absent"


class Before:
    """What `ctx` and the generators hold now, to tell later what was added."""

    def __init__(self, ctx: FrozenContext) -> None:
        self._values = ctx._values.copy()
        self._metrics = {name: (entries, len(entries)) for name, entries in ctx.metrics._entries.copy().items()}
        self.written = frozenset(ctx.artifacts._records)
        """(step, name) of the artifacts so far."""
        self.generators: States = global_states()
        self.own_state = own_state(ctx._plain._rng)

    def added(self, ctx: FrozenContext) -> list[tuple[str, Any]]:
        """The keys and values that were added to `ctx` since."""
        return [(key, value) for key, value in ctx._values.copy().items() if key not in self._values]

    def recorded(self, ctx: FrozenContext) -> list[tuple[str, list[tuple[Any, Any]]]]:
        """Metric → the values and tags that were recorded since."""
        grown = []
        for metric, entries in ctx.metrics._entries.copy().items():
            count = self._metrics.get(metric, ((), 0))[1]
            if len(entries) > count:
                grown.append((metric, entries[count:]))
        return grown


class Beginning(Before):
    """The same, kept to be asked for by name."""

    def __init__(self, ctx: FrozenContext, encode: Encode) -> None:
        super().__init__(ctx)
        self._step = ctx.artifacts._step_name
        self._encode = encode
        self._known: dict[str, bytes] = {}

    def value(self, name: str) -> bytes:
        """The bytes that stand for what `name` is. Raises NotReusableError when it cannot be told apart."""
        if name not in self._known:
            try:
                self._known[name] = self._encode(self._contents(name))
            except NotReusableError as error:
                kind, _, rest = name.partition(":")
                where = f"ctx[{rest!r}]" if kind == "key" else name
                raise NotReusableError(where, error.what, error.remedy) from error
        return self._known[name]

    def _contents(self, name: str) -> Any:
        kind, _, rest = name.partition(":")
        match kind:
            case "key":
                return [self._values[rest]] if rest in self._values else ABSENT
            case "keys":
                return list(self._values)
            case "metric":
                return self._recorded(rest)
            case "metrics":
                return [(metric, self._recorded(metric)) for metric in self._metrics]
            case "artifact":
                return (self._step, rest) in self.written
            case "rng":
                return self.own_state or ("not drawn from", self._values.get(SEED_USED_KEY))
        return self.generators.get(kind, ABSENT)

    def _recorded(self, metric: str) -> Any:
        entries, count = self._metrics.get(metric, ((), 0))
        return [(value, dict(tags or {})) for value, tags in entries[:count]]


class Looking:
    """Tells what one step looks at: takes `ctx`'s notes of what was looked at before, and gives them back."""

    def __init__(self, ctx: FrozenContext) -> None:
        self._ctx = ctx
        # Emptied in place: whoever watches the context, and its metrics and artifacts, share these sets.
        self._asked, self._looked = set(ctx._asked), set(ctx._looked)
        ctx._asked.clear()
        ctx._looked.clear()

    def names(self) -> set[str]:
        """The names of what was looked at; from now on `ctx` knows of all of it again.

        Raises NotReusableError for what has no name.
        """
        ctx = self._ctx
        asked, looked = set(ctx._asked), set(ctx._looked)
        ctx._asked.update(self._asked)
        ctx._looked.update(self._looked)
        if "artifacts" in looked:
            raise NotReusableError("ctx.artifacts", "the step looks at what was written", "do so in a step of its own")
        if not all(isinstance(key, str) for key in asked):
            raise NotReusableError("ctx", "the step asks for a key that is no text", "use texts as keys")
        return {f"key:{key}" for key in asked} | looked
