"""`crystallize store`: what the store holds, and taking care of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crystallize.cli.options import Output, OutputFormat

if TYPE_CHECKING:
    from crystallize.session import Session
    from crystallize.store.store import Store
    from crystallize.store.sweep import Sweeping

RESULTS_SHOWN = 20
"""Of those that a sweep removes, the largest first."""

HELP = """Take care of what is stored.

\b
Examples:
  crystallize store status
  crystallize store sweep --max-size 2GB
"""

store = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help=HELP)
Selection = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT[:CONDITION[:REPLICATE]]", help="An experiment, one condition of it, or one trial."
    ),
]


@store.command("status")
def status(form: OutputFormat = Output.text) -> None:
    """Say what the store holds and what each experiment takes.

    \b
    Examples:
      crystallize store status
    """
    from crystallize.cli import console, schema
    from crystallize.experiment.reports.lines import line, print_indented, table
    from crystallize.experiment.reports.status import Status
    from crystallize.words import duration, near, plural, size

    with _opened(write=False) as (_, opened):
        found = Status.of(opened)
    if form is Output.json:
        console.print_json(schema.status_document(found))
        return
    out = console.out()
    line(out, (near(found.folder), "bold"), (f"  {size(found.bytes)}", "bold"))
    line(out, f"  {plural(found.records, 'record')}, {plural(found.blobs, 'blob')} of {size(found.blob_bytes)}")
    made = table("experiment", "trials", "results", "took", "artifacts", "needed", numbers=("trials", "results"))
    for each in found.experiments:
        cells = (duration(each.seconds), size(each.bytes), size(each.needed_bytes))
        made.add_row(each.name, str(each.trials), str(each.results), *cells)
    if found.experiments:
        print_indented(out, made)
    if found.pinned:
        line(out, f"  pinned: {plural(found.pinned, 'result')}")
    if found.orphans:
        line(out, f"  nothing refers to {plural(found.orphans, 'blob')} of {size(found.orphan_bytes)}; ", _SWEEP)


_SWEEP = "remove with: crystallize store sweep --yes"


@store.command("sweep")
def sweep(
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Results at least so old: 12h, 30d, 2w.")
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="The cheapest results per byte, until no more is left: 500MB, 2GB."),
    ] = None,
    keep_last: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="All but the newest N results of each trial.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without, only say what would go.")] = False,
) -> None:
    """Remove artifacts that nobody needs; without a rule, what nothing refers to.

    Metrics and the reasons of results stay. What a version folder shows, what is pinned and the newest result of each
    trial stay too; `--keep-last` chooses another number for the last. With several rules `--keep-last` protects.

    \b
    Examples:
      crystallize store sweep
      crystallize store sweep --older-than 30d --keep-last 2
      crystallize store sweep --max-size 2GB --yes
    """
    from crystallize.store import sweep as sweeping
    from crystallize.words import parse_size, parse_time

    try:
        rules = sweeping.Rules(
            older_than_s=None if older_than is None else parse_time(older_than),
            max_bytes=None if max_size is None else parse_size(max_size),
            keep_last=keep_last,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    with _opened(write=yes) as (_, opened):
        found = sweeping.sweep(opened, rules) if yes else sweeping.plan_sweep(opened, rules)
    _print_sweeping(found, rules.max_bytes, done=yes)


def _print_sweeping(found: Sweeping, max_bytes: int | None, *, done: bool) -> None:
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import line, print_indented, table
    from crystallize.words import plural, size

    out = console.out()
    made = table("result", "of", "why", folded="why")
    for record, why in found.results[:RESULTS_SHOWN]:
        made.add_row(str(record.number), record.label, why)
    if found.results:
        print_indented(out, made)
    if len(found.results) > RESULTS_SHOWN:
        line(out, f"  and {plural(len(found.results) - RESULTS_SHOWN, 'more result')}")
    told = [f"the artifacts of {plural(len(found.results), 'result')}"] if found.results else []
    if found.memos:
        told.append(f"{plural(len(found.memos), 'step memo')}")
    if found.orphans:
        told.append(f"{plural(len(found.orphans), 'blob')} that nothing refers to")
    if found.left:
        told.append(f"{plural(len(found.left), 'temporary file')} of jobs that were killed")
    word = "removed" if done else "would remove"
    line(out, f"{word} {', '.join(told) or 'nothing'}: {size(found.freed_bytes)} of {size(found.before_bytes)}")
    if max_bytes is not None and found.after_bytes > max_bytes:
        left = f"{size(found.after_bytes)} stay: what is shown, pinned or newest, and the records themselves"
        line(out, ("note: ", "yellow"), left)
    if told and not done:
        line(out, "nothing was removed; do it with --yes")


@store.command("forget")
def forget(selection: Selection) -> None:
    """Drop recorded results, so that they run again; version folders stay as they are.

    \b
    Examples:
      crystallize store forget train
      crystallize store forget train:high_lr:3
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import line
    from crystallize.store.forget import forget as drop
    from crystallize.words import plural, size

    with _opened(write=True) as (_, opened):
        _check_known(opened, selection)
        found = drop(opened, selection)
    pinned = f", {found.pinned} of them pinned" if found.pinned else ""
    memos = f" and {plural(found.memos, 'memo')} of their steps" if found.memos else ""
    trials = f"{plural(found.records, 'result')} of {plural(len(found.labels), 'trial')}{pinned}{memos}"
    line(console.out(), f"forgot {trials}: {size(found.freed_bytes)} freed")


@store.command("verify")
def verify() -> None:
    """Read and hash everything again, mend what a version folder still shows; ends with 1 when something is lost.

    \b
    Examples:
      crystallize store verify
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import line
    from crystallize.store.verify import verify as check
    from crystallize.words import plural, size

    with _opened(write=True) as (_, opened):
        found = check(opened)
    out = console.out()
    line(out, f"{plural(found.records, 'record')}, {plural(found.blobs, 'blob')} of {size(found.bytes)} read")
    for name in found.mended:
        line(out, ("mended: ", "green"), name)
    for name in found.lost:
        line(out, ("lost: ", "bold red"), name, "; runs again when it is needed")
    for fault in found.faults:
        line(out, ("damaged: ", "bold red"), fault)
    if found.swept:
        line(out, f"{plural(found.swept, 'artifact')} swept before")
    if found.is_sound:
        line(out, ("everything is as it was written", "green"))
    raise typer.Exit(0 if found.is_sound else 1)


@store.command("export")
def export(
    selection: Selection,
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where to write it.")],
) -> None:
    """Write the results of an experiment, with all they wrote, to one file.

    \b
    Examples:
      crystallize store export train -o train.crystals
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import line
    from crystallize.store.export import export as write
    from crystallize.words import near, plural, size

    with _opened(write=True) as (_, opened):
        _check_known(opened, selection)
        found = write(opened, selection, output.absolute())
    contents = f"{plural(found.records, 'result')}, {plural(found.blobs, 'blob')}, {size(found.bytes)}"
    line(console.out(), f"{near(output.absolute())}: {contents}")
    if found.lacking:
        line(
            console.out(),
            ("note: ", "yellow"),
            f"{plural(len(found.lacking), 'artifact')} gone from the store, not in it",
        )


@store.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `crystallize store export` wrote.")],
    trust: Annotated[
        bool, typer.Option("--trust", help="Take metrics that are pickles too; loading one can run any code.")
    ] = False,
) -> None:
    """Add the results of a file to the store; what is there already is passed over.

    \b
    Examples:
      crystallize store import train.crystals
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import line
    from crystallize.history.history import GroupRow
    from crystallize.store.adopt import adopt
    from crystallize.words import plural

    with _opened(write=True) as (session, opened):
        history = session.history(opened.root)
        run = history.begin(targets=(file.name,), strategy="import", what="cli")
        history.finish(run, [], "failed", 0.0)  # no run may go on while records are adopted, and so not this one
        found = adopt(opened, file, run=run, trusted=trust)
        groups = dict.fromkeys(label.partition("/")[0] for label in found.labels)
        history.finish(run, [GroupRow(name) for name in groups], "ok", 0.0)
    out = console.out()
    line(out, f"added {plural(found.records, 'result')} and {plural(found.blobs, 'blob')}; {found.present} were there")
    if found.untrusted:
        line(
            out,
            ("note: ", "yellow"),
            f"{plural(found.untrusted, 'result')} left out: their metrics are pickles; if you trust who wrote "
            "the file, add --trust",
        )


@contextmanager
def _opened(*, write: bool) -> Iterator[tuple[Session, Store]]:
    """The store of the project around the working directory; without `write` nothing is created."""
    from crystallize.session import Session
    from crystallize.settings import Settings

    settings = Settings.load()
    with Session(settings, write=write) as session:
        yield session, session.store(settings.results_root)


def _check_known(opened: Store, selection: str) -> None:
    """Raises UnknownNameError when no record is of `selection`."""
    from crystallize.errors import UnknownNameError, nearest
    from crystallize.store.forget import labels_of

    if not labels_of(opened, selection):
        labels = opened.database.read("SELECT DISTINCT label FROM records")
        depth = selection.count(":") + 1
        known = {":".join(label.split("/")[:depth]) for (label,) in labels}
        raise UnknownNameError(
            f"there are no records of '{selection}'", path=opened.folder, remedy=nearest(selection, known)
        )
