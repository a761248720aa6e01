"""Values as canonical bytes: equal values give equal bytes, different ones different bytes, in every process.

The public face of encoding: it knows which handler serves which type (`encode_builtin`, `encode_object`,
`encode_data`) and turns what went wrong below into one message with its place. It fails closed: a value that
cannot be told apart is an error, never left out, and pickle bytes are never an identity.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from crystallize.errors import DefinitionTypeError, NotReusableError
from crystallize.fingerprint.digest import Digest, digest_of
from crystallize.fingerprint.origin import type_name
from crystallize.fingerprint.values import encode_builtin, encode_data, encode_object
from crystallize.fingerprint.values.encode_builtin import COMPOSITES, SCALARS
from crystallize.fingerprint.values.encoder import REMEDY, CodeOf, Cycle, Encoder, Handler, ValueTooLarge
from crystallize.fingerprint.values.preview import preview

__all__ = ["CodeOf", "ValueTooLarge", "digest_value", "encode", "preview", "register_encoder"]

T = TypeVar("T")

_NAMED = encode_builtin.NAMED | encode_data.NAMED
_FAMILIES = encode_object.FAMILIES | encode_data.FAMILIES
_REGISTERED: dict[type, Handler] = {}
"""Grows by `register_encoder` only; it is the process's, as `copyreg`'s table is, because types are too."""


def encode(
    value: object,
    code_of: CodeOf,
    *,
    root: Path | None = None,
    where: str = "value",
    limit: int | None = None,
) -> bytes:
    """The canonical bytes of `value`; digests of long parts stand for them, so the bytes stay short.

    Parameters
    ----------
    code_of : digest of a class or function of the project; asked for each instance, so it should remember.
    root : project folder as an absolute path; texts and paths below it are taken relative to it.
    where : what to call the value in a message: ``params.model``.
    limit : most bytes to read.

    Raises
    ------
    NotReusableError : a value in it cannot be told apart; `where` is the path to it: ``params.model.handle``.
    ValueTooLarge : it has more than `limit` bytes.
    """
    try:
        try:
            return _written(Encoder(SCALARS, _resolve, code_of, root=root, limit=limit), value, limit)
        except Cycle:
            numbered = Encoder(SCALARS, _resolve, code_of, root=root, limit=limit, numbered=True)
            return _written(numbered, value, limit)
    except RecursionError:
        raise NotReusableError(where, "a value nested too deeply", REMEDY) from None
    except NotReusableError as error:
        raise type(error)(where + error.where, error.what, error.remedy) from error.__cause__


def digest_value(value: object, code_of: CodeOf, *, root: Path | None = None, where: str = "value") -> Digest:
    """The digest of what `encode` gives; the same errors."""
    return digest_of("value/1", encode(value, code_of, root=root, where=where))


def register_encoder(type_: type[T], encode: Callable[[T], object]) -> None:
    """Tell instances of exactly `type_` apart by what `encode` returns for them, which must be encodable.

    A subclass needs its own registration, since it may hold more. Registering again replaces. Raises
    DefinitionTypeError (a TypeError) if `type_` is no class, or a builtin whose contents are known.

    Examples
    --------
    >>> class Model:
    ...     def __init__(self, weights):
    ...         self.weights = weights
    ...         self.lock = object()
    >>> register_encoder(Model, lambda model: model.weights)
    >>> treatment("fitted", {"model": Model([0.1, 0.2])})
    Treatment('fitted')
    """
    if not isinstance(type_, type):
        raise DefinitionTypeError(f"register_encoder was given {preview(type_)}", remedy="give it a class")
    if type_ in SCALARS or type_ in COMPOSITES:
        raise DefinitionTypeError(
            f"register_encoder was given '{type_.__name__}', which is told apart by its contents",
            remedy="register a class of your own",
        )
    _REGISTERED[type_] = encode_object.registered(encode)


def _written(encoder: Encoder, value: object, limit: int | None) -> bytes:
    written = encoder.encode(value)
    if limit is not None and encoder.written_bytes(written) > limit:
        raise encoder.too_large()
    return written


def _resolve(kind: type) -> Handler:
    handler = COMPOSITES.get(kind) or _REGISTERED.get(kind)
    if handler is not None:
        return handler
    if encode_object.CONTENTS in vars(kind):
        return encode_object.telling
    names = [type_name(base) for base in kind.__mro__]
    for name in names:
        if name in _FAMILIES:
            return _FAMILIES[name]
    for base, name in zip(kind.__mro__, names, strict=True):
        handler = SCALARS.get(base) or COMPOSITES.get(base) or _NAMED.get(name)
        if handler is not None:
            return handler if base is kind else encode_object.derived(base, handler)
    return encode_object.instance
