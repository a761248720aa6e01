"""`crystallize execution`: what was executed, with its log, its outputs and its metadata."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystallize.cli.options import Output, OutputFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crystallize.store.store import Store
    from crystallize.valohai.ledger import ExecutionRow, Ledger

POLL_SECONDS = 0.2
"""Between two looks at a log that is followed."""

Number = Annotated[str, typer.Argument(metavar="NUMBER", help="The number of an execution, or latest.")]

execution = typer.Typer(add_completion=False, rich_markup_mode=None, help="Look at what was executed.")


@execution.command("list")
def list_executions(
    step: Annotated[str | None, typer.Option(metavar="STEP", help="Only those of this step.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, newest first.")] = 20,
    form: OutputFormat = Output.text,
) -> None:
    """List the last executions.

    \b
    Examples:
      crystallize execution list
      crystallize execution list --step train -n 5
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import table
    from crystallize.words import ago, duration

    with _open() as (ledger, _):
        rows = ledger.executions(limit, step)
    if form is Output.json:
        console.print_json({"schema": 1, "command": "execution list", "executions": [_entry(row) for row in rows]})
        return
    made = table("execution", "step", "status", "took", "when", "of", folded="of")
    for row in rows:
        made.add_row(
            f"#{row.counter}", row.step, row.status, duration(row.seconds), ago(row.created, time.time()), row.label
        )
    console.out().print(made)


@execution.command("show")
def show_execution(number: Number, form: OutputFormat = Output.text) -> None:
    """Show one execution: command, parameters, inputs, how it ended.

    \b
    Examples:
      crystallize execution show latest
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import line
    from crystallize.words import ago, duration

    with _open() as (ledger, store):
        row = _find(ledger, number)
        outputs = _outputs(row, ledger, store)
    if form is Output.json:
        console.print_json({"schema": 1, "command": "execution show", **_entry(row), "outputs": outputs})
        return
    out = console.out()
    when = f"  {ago(row.created, time.time())} · {duration(row.seconds)} · run {row.run}"
    line(out, (f"#{row.counter}  {row.step}", "bold"), f"  {row.status}", (when, "dim"))
    line(out, ("  how      ", "dim"), row.detail)
    for key in ("command", "image", "environment", "runtime", "source"):
        if row.about.get(key):
            line(out, (f"  {key.ljust(8)} ", "dim"), str(row.about[key]))
    for name, value in row.about.get("parameters", {}).items():
        line(out, ("  parameter ", "dim"), f"{name} = {value}")
    for name, uris in row.about.get("inputs", {}).items():
        for uri in uris:
            line(out, ("  input    ", "dim"), f"{name}: {uri}")
    for each in outputs:
        line(out, ("  output   ", "dim"), f"{each['name']} ({each['size']:,} bytes)")


@execution.command("logs")
def show_logs(
    number: Number,
    stream: Annotated[bool, typer.Option("--stream", help="Go on until the execution has ended.")] = False,
) -> None:
    """Print what the command of an execution wrote.

    \b
    Examples:
      crystallize execution logs 12
      crystallize execution logs latest --stream
    """
    from crystallize.valohai.log import read_log

    with _open() as (ledger, _):
        row = _find(ledger, number)
        printed = 0
        while True:
            is_final = _find(ledger, str(row.counter)).status != "started"
            for index, line in enumerate(read_log(ledger.logs / f"{row.counter}.jsonl")):
                if index >= printed:
                    target = sys.stdout if line.stream == "stdout" else sys.stderr
                    target.write(f"{line.message}\n")
                    printed = index + 1
            sys.stdout.flush()
            if not stream or is_final:
                return
            time.sleep(POLL_SECONDS)


@execution.command("outputs")
def show_outputs(
    number: Number,
    download: Annotated[Path | None, typer.Option("--download", "-d", metavar="DIR", help="Copy them there.")] = None,
    form: OutputFormat = Output.text,
) -> None:
    """List what an execution wrote, or copy it.

    \b
    Examples:
      crystallize execution outputs 12
      crystallize execution outputs 12 --download results
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import table

    with _open() as (ledger, store):
        row = _find(ledger, number)
        outputs = _outputs(row, ledger, store)
        record = None if row.record is None else store.record(row.record)
        for output in record.outputs if record is not None and download is not None else ():
            assert download is not None, "nothing is copied without it"
            store.lay(output, download / output.name)
    if form is Output.json:
        console.print_json({"schema": 1, "command": "execution outputs", "outputs": outputs})
        return
    made = table("output", "bytes", "datum", "alias", numbers=["bytes"])
    for each in outputs:
        made.add_row(each["name"], f"{each['size']:,}", f"datum://{each['datum']}", ", ".join(each["aliases"]))
    console.out().print(made)


@execution.command("metadata")
def show_metadata(number: Number, form: OutputFormat = Output.text) -> None:
    """Print the metadata of an execution: each line of JSON that its command wrote.

    \b
    Examples:
      crystallize execution metadata latest --format json
    """
    import json

    from crystallize.cli import console
    from crystallize.cli.schema import exact
    from crystallize.valohai.log import metadata_of, read_log

    with _open() as (ledger, _):
        row = _find(ledger, number)
        lines = [line for line in read_log(ledger.logs / f"{row.counter}.jsonl") if line.stream == "stdout"]
    points = [{**point, "_time": line.time} for line in lines if (point := metadata_of(line.message)) is not None]
    latest = {key: value for point in points for key, value in point.items() if key != "_time"}
    if form is Output.json:
        document = {"schema": 1, "command": "execution metadata", "points": points, "latest": latest}
        console.print_json(exact(document))
        return
    for point in points:
        typer.echo(json.dumps(point, ensure_ascii=False))


def _open() -> Any:
    from contextlib import contextmanager

    from crystallize.session import Session
    from crystallize.settings import Settings
    from crystallize.valohai.ledger import Ledger

    @contextmanager
    def opened() -> Iterator[tuple[Ledger, Store]]:
        settings = Settings.load()
        with Session(settings, write=False) as session:
            store = session.store(settings.results_root)
            yield Ledger(store), store

    return opened()


def _find(ledger: Ledger, number: str) -> ExecutionRow:
    from crystallize.errors import UnknownNameError

    wanted = number.lstrip("#")
    row = None
    if wanted == "latest":
        row = next(iter(ledger.executions(1)), None)
    elif wanted.isdecimal():
        row = ledger.execution(int(wanted))
    if row is None:
        last = next(iter(ledger.executions(1)), None)
        remedy = "there were none yet" if last is None else f"the last one is {last.counter}"
        raise UnknownNameError(f"there is no execution {number}", remedy=remedy)
    return row


def _outputs(row: ExecutionRow, ledger: Ledger, store: Store) -> list[dict[str, Any]]:
    from crystallize.valohai.ledger import datum_id

    record = None if row.record is None else store.record(row.record)
    aliases: dict[str, list[str]] = {}
    for alias, datum in ledger.aliases():
        aliases.setdefault(datum, []).append(alias)
    return [
        {
            "name": output.name,
            "size": output.size_bytes,
            "datum": datum_id(row.uuid, output.name),
            "aliases": aliases.get(datum_id(row.uuid, output.name), []),
        }
        for output in (record.outputs if record is not None else ())
    ]


def _entry(row: ExecutionRow) -> dict[str, Any]:
    from crystallize.cli.schema import exact

    told = ("command", "image", "environment", "runtime", "parameters", "inputs")
    return {
        "execution": row.counter,
        "id": row.uuid,
        "label": row.label,
        "step": row.step,
        "status": row.status,
        "detail": row.detail,
        "created": row.created,
        "seconds": row.seconds,
        "exit_code": row.exit_code,
        "record": row.record,
        "run": row.run,
        **{key: exact(row.about.get(key)) for key in told},
    }
