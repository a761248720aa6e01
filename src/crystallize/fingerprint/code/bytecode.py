"""Code objects compared and written down without what only says where they stand.

Lines, columns, file names and docstrings do not count. Knows no source and no modules. The instructions are told by
`dis`, with constants and names in place of their indices, because a docstring shifts the indices.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import CodeType
from typing import Any

from crystallize.fingerprint.code.uses import Import, Use

_UNSEEN = frozenset({"__doc__", "__firstlineno__"})
"""What the body of a class stores without anybody having written it."""


def same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two code objects do the same, wherever they stand and whatever their docstrings say."""
    if one.co_qualname != other.co_qualname:
        return False
    return _shape(one, raw=True) == _shape(other, raw=True) or _shape(one) == _shape(other)


def code_text(code: CodeType) -> str:
    """The code object in one form; the same in every process of one minor version of Python."""
    return repr(_shape(code))


def code_uses(code: CodeType) -> list[Use]:
    """The global names that a code object and those inside it read, with the attributes asked of them."""
    uses: list[Use] = []
    for inner in _with_inner(code):
        chain: list[str] = []
        last: list[Any] = [None, None]
        for instruction in _instructions(inner):
            kind = instruction.opname
            if kind in ("LOAD_ATTR", "LOAD_METHOD") and chain:
                chain.append(instruction.argval)
                continue
            if chain:
                uses.append(_use(chain))
                chain = []
            if kind in ("LOAD_GLOBAL", "LOAD_NAME"):
                chain = [instruction.argval]
            elif kind == "IMPORT_NAME":
                uses.extend(_imported(instruction.argval, *last))
            last = [last[1], instruction.argval]
    return uses


def _use(chain: list[str], what: tuple[Import, ...] = ()) -> Use:
    return Use(chain[0], tuple(chain[1:]), (), what, None, False, True)


def _imported(module: str, level: object, names: object) -> Iterator[Use]:
    """What an import inside a function takes; a module that it takes whole counts whole."""
    depth = level if isinstance(level, int) else 0
    for name in names if isinstance(names, tuple) else ():
        yield _use([name], (Import(depth, module, name, f"{'.' * depth}{module}:{name}"),))
    if not names:
        yield _use([module], (Import(depth, module, None, module),))


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def _shape(code: CodeType, *, raw: bool = False) -> tuple[object, ...]:
    """What a code object is; `raw` is fast, and told apart by docstrings."""
    if raw:
        body: tuple[object, ...] = (
            code.co_code,
            code.co_names,
            tuple(_constant(constant, raw=True) for constant in code.co_consts),
        )
    else:
        body = tuple(_told(code))
    # 0x4000000: "has a docstring", since Python 3.13
    flags = code.co_flags & ~0x4000000
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount)
    names = (code.co_varnames, code.co_freevars, code.co_cellvars)
    return (code.co_name, flags, counts, names, body, code.co_exceptiontable if raw else b"")


def _told(code: CodeType) -> list[object]:
    import dis

    told: list[object] = []
    for instruction in _instructions(code):
        if instruction.opname == "STORE_NAME" and instruction.argval in _UNSEEN:
            told.pop()
            continue
        if instruction.opcode in dis.hasconst:
            told.append((instruction.opname, _constant(instruction.argval, raw=False)))
        elif instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            # relative, so that a constant less before it does not count
            told.append((instruction.opname, instruction.arg))
        else:
            told.append((instruction.opname, repr(instruction.argval)))
    return told


def _instructions(code: CodeType) -> Iterator[Any]:
    import dis  # imports a good deal, and is needed only when code and source differ

    return (i for i in dis.get_instructions(code) if i.opname not in ("EXTENDED_ARG", "CACHE", "NOP"))


def _constant(value: object, *, raw: bool) -> object:
    if isinstance(value, CodeType):
        return _shape(value, raw=raw)
    if isinstance(value, tuple):
        return ("tuple", *(_constant(item, raw=raw) for item in value))
    if isinstance(value, frozenset):
        return ("frozenset", *sorted(repr(_constant(item, raw=raw)) for item in value))
    # the type tells 1, 1.0 and True apart; hex because repr refuses integers of more than 4,300 digits
    return (type(value).__name__, hex(value) if type(value) is int else repr(value))
