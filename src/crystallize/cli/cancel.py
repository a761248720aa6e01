"""`crystallize cancel`: asks a run to stop, from another terminal."""

from __future__ import annotations

from typing import Annotated

import typer


def cancel(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The number of a run, or latest.")],
    now: Annotated[bool, typer.Option("--now", help="Stop at once; what runs now is lost.")] = False,
) -> None:
    """Ask a run to stop.

    Trials that run are finished, no others begin, and what is finished is kept.

    \b
    Examples:
      crystallize cancel 12
      crystallize cancel latest --now
    """
    from crystallize.errors import StoreError
    from crystallize.experiment.reports.archive import open_archive

    with open_archive() as archive:
        number = archive.run(run, running=True).number
        live = archive.history.live(number)
    try:
        live.ask_to_stop(now)
    except OSError as error:
        raise StoreError(f"{live.folder}: {error.strerror}; make the folder writable") from error
    if now:
        typer.echo(f"asked run {number} to stop at once")
    else:
        typer.echo(f"asked run {number} to stop: what runs now is finished first; crystallize cancel {number} --now")
