"""Commands whose options are defined by the user: a step's parameters and inputs, a pipeline's parameters and nodes.

The options are known once the name is: the arguments are looked through for it, the `valohai.yaml` is read, and the
command is made with an option for each definition, so that typing, repetition and ``--help`` are those of any option.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from crystallize.valohai.document import Document

GIVEN = "given"
"""The parameter of a command's function that receives what was given for the defined options: key → value."""
FILE, COMMIT = "--yaml", "--commit"
"""Say where the definitions are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinedOption:
    """One option that a definition asks for."""

    key: tuple[str, ...]
    """What it is about: (``parameter``, name), (``input``, name), each with the node before the name in pipelines."""
    names: tuple[str, ...]
    """Without dashes: ``batch-size``, ``train.lr``."""
    kind: str
    """What is shown for a value; ``flag`` for one that takes none."""
    several: bool = False
    help: str = ""


Options = Callable[["Document", str], Sequence[DefinedOption]]
"""The options of the definition that has this name."""


class DefinedGroup(TyperGroup):
    """A group some of whose commands get options from definitions. Subclasses say how."""

    defined: tuple[str, ...] = ("run",)
    """Those commands."""
    instead: str | None = None
    """An option that says all that definitions would."""

    @staticmethod
    def options_of(document: Document, name: str) -> Sequence[DefinedOption]:
        """The options for the definition called `name`."""
        raise NotImplementedError

    @staticmethod
    def function(name: str) -> Callable[..., None]:
        """What carries a command out."""
        raise NotImplementedError

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that `args` begin with, with the options of what it is about."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in self.defined:
            options = self._options(command, rest)
            if options:
                command = _command(name, self.function(name), options)
        return name, command, rest

    def _options(self, command: Any, args: Sequence[str]) -> Sequence[DefinedOption]:
        from crystallize.errors import DefinitionError
        from crystallize.valohai.project import document_at

        target, values = look_through(args, _flags(command))
        if target is None or (self.instead is not None and any(arg.split("=")[0] == self.instead for arg in args)):
            return ()
        try:
            file = values.get(FILE)
            return self.options_of(document_at(None if file is None else Path(file), values.get(COMMIT)), target)
        except DefinitionError:
            if "--help" in args:
                return ()
            raise


def look_through(args: Sequence[str], flags: Mapping[str, bool]) -> tuple[str | None, dict[str, str]]:
    """The first argument that is no option, None where there is none, and the values of those that say where to look.

    Parameters
    ----------
    flags : option → whether it takes no value.
    """
    target: str | None = None
    values: dict[str, str] = {}
    waiting: str | None = None
    for arg in args:
        if waiting is not None:
            values[waiting], waiting = arg, None
        elif arg.startswith("-") and len(arg) > 1:
            option, equals, value = arg.partition("=")
            if equals:
                values[option] = value
            elif not flags.get(option, target is not None):
                waiting = option
        elif target is None:
            target = arg
    return target, {option: value for option, value in values.items() if option in (FILE, COMMIT)}


def _flags(command: Any) -> dict[str, bool]:
    return {
        option: bool(getattr(parameter, "is_flag", False))
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    } | {"--help": True}


def _command(name: str, function: Callable[..., None], options: Sequence[DefinedOption]) -> Any:
    """The command of `function`, with `options` beside its own."""
    hints = get_type_hints(function, include_extras=True)
    own = [each for each in inspect.signature(function).parameters.values() if each.name != GIVEN]
    variables = {f"defined_{number}": option for number, option in enumerate(options)}

    def call(**arguments: Any) -> None:
        values = {option.key: arguments.pop(variable) for variable, option in variables.items()}
        function(**arguments, **{GIVEN: {key: value for key, value in values.items() if value not in (None, [])}})

    added = [
        inspect.Parameter(variable, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(option))
        for variable, option in variables.items()
    ]
    own = [each.replace(annotation=hints[each.name], kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
    call.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in (*own, *added)}
    call.__doc__ = function.__doc__
    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(name)(call)
    return typer.main.get_command(app)


def _annotation(option: DefinedOption) -> Any:
    declared = [f"--{name}" for name in option.names]
    if option.kind == "flag":
        both = [f"--{name}/--no-{name}" for name in option.names]
        return Annotated[bool | None, typer.Option(*both, help=option.help)]
    kind = list[str] if option.several else str
    return Annotated[kind | None, typer.Option(*declared, metavar=option.kind.upper(), help=option.help)]


def spelled(name: str) -> tuple[str, ...]:
    """An option's name, and with hyphens where it has underscores."""
    hyphens = name.replace("_", "-")
    return (hyphens,) if hyphens == name else (hyphens, name)
