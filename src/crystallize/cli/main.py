"""The command `crystallize`: its subcommands, and how whatever goes wrong is told.

Every fault ends as one line on stderr and an exit code: 0 ok, 1 something failed, 2 a wrong use or definition, 130
stopped by the user.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.core import TyperGroup

from crystallize.cli import (
    audit,
    cancel,
    diff,
    execution,
    explain,
    graph,
    history,
    import_,
    lint,
    new,
    pipeline,
    show,
    stats,
    step,
    store,
    tui,
    watch,
)
from crystallize.cli import run as run_command


class _Commands(TyperGroup):
    """Lists the commands in the order in which they are needed, and says what a stop means."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(self.commands)

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]
        """Runs the subcommand; a stop by the user says what holds then, which Typer would pass over in silence."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo(run_command.KEPT, err=True)
            raise typer.Exit(run_command.INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=False
)
app.command("new")(new.new)
app.command("run")(run_command.run)
app.command("explain")(explain.explain)
app.command("graph")(graph.graph)
app.command("show")(show.show)
app.command("history")(history.history)
app.command("diff")(diff.diff)
app.command("import")(import_.import_)
app.command("watch")(watch.watch)
app.command("cancel")(cancel.cancel)
app.command("audit")(audit.audit)
app.command("stats")(stats.stats)
app.command("lint")(lint.lint)
app.add_typer(step.step, name="step")
app.add_typer(pipeline.pipeline, name="pipeline")
app.add_typer(execution.execution, name="execution")
app.add_typer(store.store, name="store")
app.command("tui")(tui.tui)


def run() -> None:
    """The entry point: runs the command line of this process and exits."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    code = main(sys.argv[1:])
    from crystallize.engine.leaving import leave

    leave(code, *((0.1,) if code == run_command.INTERRUPTED else ()))


def main(arguments: Sequence[str]) -> int:
    """Runs one command line and returns its exit code."""
    from typer import Abort
    from typer.main import get_command

    from crystallize.errors import CrystallizeError
    from crystallize.settings import load_env_file

    try:
        load_env_file()
        code = get_command(app).main(list(arguments), prog_name="crystallize", standalone_mode=False)
    except (KeyboardInterrupt, Abort):
        typer.echo(run_command.KEPT, err=True)
        return run_command.INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 1
    except (CrystallizeError, OSError) as error:
        return tell_error(error)
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):
            error.show()
            return int(error.exit_code)
        raise
    return code if isinstance(code, int) else 0


def tell_error(error: Exception) -> int:
    """One line about a fault, below the traceback of the user's own code where that raised it; returns 2."""
    from crystallize.cli import console
    from crystallize.experiment.reports.summary import print_faults

    print_faults(console.err(), [error])
    return 2


def _forget_stdout() -> None:
    """The reader is gone (``crystallize run | head``): nothing may be flushed to it when the interpreter ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _show_version(wanted: bool) -> None:
    if wanted:
        from crystallize import __version__

        typer.echo(f"crystallize {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def crystallize(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Run graphs of experiments; execute only what really changed.

    \b
    Examples:
      crystallize new first --example
      crystallize run
      crystallize explain first
    """
    if ctx.invoked_subcommand is None:
        if sys.stdin.isatty() and sys.stdout.isatty():
            from crystallize.cli.tui import open_here

            open_here()
            raise typer.Exit
        typer.echo(ctx.get_help())
        raise typer.Exit(2)
