"""Handlers for classes, functions and instances: everything that is told apart by code and fields.

Fails closed: an instance whose state lies in C, or whose class says by `__reduce__` that its fields are not
all of it, cannot be told apart. Knows no data packages.
"""

from __future__ import annotations

from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any

from crystallize.errors import NotReusableError
from crystallize.fingerprint.origin import installed_name, is_installed
from crystallize.fingerprint.values.encode_builtin import EXACT, by_attributes, index_place
from crystallize.fingerprint.values.encoder import REMEDY, Encoder, Handler, unclear
from crystallize.fingerprint.values.fields import fields_of, has_hidden_state


def instance(encoder: Encoder, value: object) -> bytes:
    """A plain instance: its class and its fields."""
    kind = type(value)
    if kind is object:
        raise unclear("a bare object(), which has no contents")
    if has_hidden_state(kind, object):
        return _importable(encoder, value)
    return encoder.framed(b"instance:", encoder.definition(kind) + encoder.fields(fields_of(value)))


def derived(base: type, write_base: Handler) -> Handler:
    """The handler of a subclass of `base`: its class, what `write_base` writes, and the fields it adds."""
    exact = EXACT.get(base)

    def write(encoder: Encoder, value: object) -> bytes:
        kind = type(value)
        if has_hidden_state(kind, base):
            return _importable(encoder, value)
        contents = write_base(encoder, value) if exact is None else encoder.encode(exact(value))
        fields = encoder.fields(fields_of(value))
        return encoder.framed(b"derived:", encoder.definition(kind) + contents + fields)

    return write


def registered(tell: Any) -> Handler:
    """The handler of a type whose user says by `tell` what tells its instances apart."""

    def write(encoder: Encoder, value: object) -> bytes:
        kind = type(value)
        try:
            told = tell(value)
        except NotReusableError:
            raise
        except Exception as error:
            what = f"an instance of {kind.__qualname__} whose encoder raised {type(error).__name__}: {error}"
            raise unclear(what, "mend the function given to register_encoder") from error
        return encoder.framed(b"registered:", _told_class(encoder, kind) + encoder.encode(told))

    return write


CONTENTS = "__crystallize_contents__"
"""Method of a class that says what tells its instances apart; counts for exactly the class that has it."""


def telling(encoder: Encoder, value: Any) -> bytes:
    """An instance whose own class says what tells it apart."""
    return encoder.framed(b"told:", encoder.encode(value.__crystallize_contents__()))


def _told_class(encoder: Encoder, kind: type) -> bytes:
    if is_installed(kind.__module__):
        return encoder.text(f"{kind.__module__}.{kind.__qualname__}")
    return encoder.definition(kind)


def _importable(encoder: Encoder, value: object) -> bytes:
    """An object of an installed package that its qualified name leads to, as a numpy ufunc; else an error."""
    name = installed_name(value)
    if name is not None:
        return encoder.framed(b"name:", name.encode())
    kind = type(value)
    raise unclear(f"an object of {kind.__module__}.{kind.__qualname__}, whose contents cannot be read")


def _class(encoder: Encoder, value: type) -> bytes:
    return encoder.framed(b"class:", encoder.definition(value))


def _function(encoder: Encoder, value: FunctionType) -> bytes:
    if not is_installed(value.__module__ or "") or installed_name(value) is not None:
        return encoder.framed(b"function:", encoder.definition(value))
    # An installed function that no name leads to: where it starts tells it apart, and what it closes over.
    code = value.__code__
    cells = zip(code.co_freevars, value.__closure__ or (), strict=True)
    held = {name: cell.cell_contents for name, cell in cells if cell != _EMPTY_CELL}
    parts = {
        " (its name)": f"{value.__module__}.{value.__qualname__}:{code.co_firstlineno}",
        ".__defaults__": value.__defaults__,
        ".__kwdefaults__": value.__kwdefaults__,
        " (its closure)": held,
    }
    return encoder.framed(b"inner function:", encoder.parts(parts))


_EMPTY_CELL = CellType()


def _method(encoder: Encoder, value: MethodType) -> bytes:
    parts = {".__func__": value.__func__, ".__self__": value.__self__}
    return encoder.framed(b"method:", encoder.parts(parts))


def _builtin_function(encoder: Encoder, value: BuiltinFunctionType) -> bytes:
    owner = value.__self__
    if owner is None or isinstance(owner, ModuleType):
        return encoder.framed(b"function:", encoder.text(f"{value.__module__}.{value.__qualname__}"))
    return encoder.framed(b"method:", encoder.text(value.__name__) + encoder.parts({".__self__": owner}))


def _slot_method(encoder: Encoder, value: Any) -> bytes:
    owner = encoder.definition(value.__objclass__)
    return encoder.framed(b"descriptor:", owner + encoder.text(value.__name__))


def _wrapped(encoder: Encoder, value: Any) -> bytes:
    return encoder.framed(b"wrapped:", encoder.parts({".__wrapped__": value.__wrapped__}))


def _module(encoder: Encoder, value: ModuleType) -> bytes:
    if not is_installed(value.__name__):
        raise unclear(f"the project module '{value.__name__}'", "pass the functions or values that are used of it")
    return encoder.framed(b"module:", encoder.text(value.__name__))


def _enum(encoder: Encoder, value: Any) -> bytes:
    member = encoder.parts({".name": value._name_, ".value": value._value_})
    return encoder.framed(b"enum:", encoder.definition(type(value)) + member)


def _exception(encoder: Encoder, value: BaseException) -> bytes:
    # The nearest builtin knows which of its C fields its arguments lack, such as the file name of an OSError.
    builtin: Any = next(
        base for base in type(value).__mro__ if base.__module__ == "builtins" and "__reduce__" in vars(base)
    )
    contents = encoder.each(list(builtin.__reduce__(value)[1:]), index_place)
    return encoder.framed(b"exception:", encoder.definition(type(value)) + b"".join(contents))


def _alias(encoder: Encoder, value: Any) -> bytes:
    names = ("__origin__", "__args__", "__metadata__")
    return encoder.framed(b"alias:", encoder.parts({f".{name}": getattr(value, name, None) for name in names}))


def _special_form(encoder: Encoder, value: object) -> bytes:
    return encoder.framed(b"typing:", encoder.text(repr(value)))


def _logger(encoder: Encoder, value: Any) -> bytes:
    # A logger is whatever stands under its name in the process; results do not depend on it.
    return encoder.framed(b"logger:", encoder.text(value.name))


def _pydantic(encoder: Encoder, value: Any) -> bytes:
    fields = fields_of(value)
    # Which fields were given and which defaulted does not make two models unequal.
    fields.pop("__pydantic_fields_set__", None)
    return encoder.framed(b"instance:", encoder.definition(type(value)) + encoder.fields(fields))


def _never(what: str, remedy: str = REMEDY) -> Handler:
    def write(encoder: Encoder, value: object) -> bytes:
        raise unclear(what, remedy)

    return write


FAMILIES: dict[str, Handler] = {
    "_io._IOBase": _never("an open file", "pass its path, or " + REMEDY),
    "_thread.RLock": _never("a lock"),
    "_thread._local": _never("thread-local storage"),
    "_thread.lock": _never("a lock"),
    "builtins.BaseException": _exception,
    "builtins.async_generator": _never("a generator", "pass the function that makes it, or a list"),
    "builtins.builtin_function_or_method": _builtin_function,
    "builtins.classmethod_descriptor": _slot_method,
    "builtins.coroutine": _never("a coroutine", "pass the function that makes it"),
    "builtins.function": _function,
    "builtins.generator": _never("a generator", "pass the function that makes it, or a list"),
    "builtins.method": _method,
    "builtins.method_descriptor": _slot_method,
    "builtins.module": _module,
    "builtins.type": _class,
    "builtins.wrapper_descriptor": _slot_method,
    "enum.Enum": _enum,
    "functools._lru_cache_wrapper": _wrapped,
    "logging.Logger": _logger,
    "pydantic.BaseModel": _pydantic,
    "socket.socket": _never("a socket"),
    "sqlite3.Connection": _never("a database connection", "pass the path of the database, or " + REMEDY),
    "subprocess.Popen": _never("a running process"),
    "threading.Thread": _never("a thread"),
    "types.GenericAlias": _alias,
    "types.UnionType": _alias,
    "typing._BaseGenericAlias": _alias,
    "typing._SpecialForm": _special_form,
    "typing.TypeVar": by_attributes(b"typevar:", "__name__", "__bound__", "__constraints__"),
    "typing.Union": _alias,
    "weakref.ReferenceType": _never("a weak reference", "hold the object itself, or " + REMEDY),
}
"""Types by top-level module and qualified name; one handler serves all subclasses."""
