"""Resources: clients, models, connections that a thread makes once and many trials use.

Knows nothing of experiments. A resource travels between processes as the recipe, never as the thing itself.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Hashable
from typing import Any, Self

from crystallize.experiment.objects.annotations import signature_of
from crystallize.experiment.objects.context import FrozenContext
from crystallize.experiment.objects.portable import pack, unpack
from crystallize.fingerprint.reads.observe import Seen, readers

_MADE = threading.local()
"""`made`: identity of a recipe → (recipe, resource, its reads, the keys it asked for). Per thread: many clients may not
be shared."""


class Resource:
    """Gives the resource of the calling thread, made when it is first asked for.

    Attributes
    ----------
    definition : the function as the user wrote it.
    key : resources with one key are one; without a key those of one function (and one closure) are.
    """

    def __init__(self, fn: Callable[..., Any], key: Hashable | None = None) -> None:
        functools.update_wrapper(self, fn)
        self.definition = fn
        self.key = key

    def __call__(self, ctx: FrozenContext) -> Any:
        made: dict[Hashable, tuple[Callable[..., Any], Any, Seen, set[str]]] = _MADE.__dict__.setdefault("made", {})
        identity = _identity(self.definition) if self.key is None else ("key", self.key)
        reads: Seen = made[identity][2] if identity in made else {}
        # What a resource was made of, and what it has loaded since, counts for every trial that uses it.
        for observer in readers():
            observer.share(reads)
        if identity not in made:
            arguments = (ctx,) if signature_of(self.definition).parameters else ()
            with ctx._asking() as asked:
                resource = self.definition(*arguments)
            # The function is kept with the resource: an identity may hold ids of what its closure holds.
            made[identity] = (self.definition, resource, reads, asked)
        # Whoever uses a resource depends on what it was made of, whoever was first to ask for it.
        ctx._asked.update(made[identity][3])
        return made[identity][1]

    def __crystallize_contents__(self) -> tuple[object, ...]:
        return ("resource", self.definition, self.key)

    def __repr__(self) -> str:
        return f"resource_factory({getattr(self.definition, '__qualname__', self.definition)!s})"

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _revive, (pack(self.definition), self.key)


def resource_factory(fn: Callable[..., Any], *, key: Hashable | None = None) -> Resource:
    """Make ``fn(ctx)`` the recipe of a resource that each thread makes once.

    Put it into `initial_ctx`, a treatment or the context of `setup`, and name it as a parameter of a step.
    `key` joins resources of different functions, and of closures that are made anew.

    Examples
    --------
    >>> connect = resource_factory(lambda ctx: {"connected to": ctx["host"]})
    >>> @pipeline_step
    ... def ask(data, *, client):
    ...     return client
    >>> ctx = standalone_context({"host": "localhost", "client": connect})
    >>> ask()("question", ctx)
    {'connected to': 'localhost'}
    >>> ask()("another", ctx) is ask()("question", ctx)
    True
    """
    return Resource(fn, key)


def _identity(fn: Callable[..., Any]) -> Hashable:
    """Equal for functions that are the same code over the same names and values."""
    code = getattr(fn, "__code__", None)
    if code is None:
        return _token(fn)
    cells = tuple(_cell_token(cell) for cell in fn.__closure__ or ())
    defaults = tuple(map(_token, fn.__defaults__ or ()))
    named = tuple((k, _token(v)) for k, v in (fn.__kwdefaults__ or {}).items())
    owner = id(getattr(fn, "__self__", None))
    return code, id(fn.__globals__), owner, cells, defaults, named


def _cell_token(cell: Any) -> Hashable:
    try:
        return _token(cell.cell_contents)
    except ValueError:
        return "empty"


def _token(value: object) -> Hashable:
    """The value with its type (1, True and 1.0 are equal), or its id where it has no hash."""
    try:
        hash(value)
    except TypeError:
        return id(value)
    return type(value), value


def _revive(fn: bytes, key: Hashable | None) -> Resource:
    return Resource(unpack(fn), key)
