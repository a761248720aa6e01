"""`crystallize pipeline`: the pipelines of a `valohai.yaml`, run, foreseen and explained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystallize.cli.defined import DefinedGroup, DefinedOption, spelled
from crystallize.cli.options import Output, OutputFormat
from crystallize.cli.step import (
    OWN,
    Commit,
    DryRun,
    NoNetwork,
    OutputsTo,
    Runtime,
    Yaml,
    input_option,
    parameter_option,
)

if TYPE_CHECKING:
    from crystallize.valohai.document import Document
    from crystallize.valohai.pinning import Pins
    from crystallize.valohai.spec import PipelineSpec

Reuse = Annotated[
    bool | None,
    typer.Option("--reuse/--no-reuse", help="Let earlier executions stand in; default: what the pipeline says."),
]
ReuseFrom = Annotated[
    list[str] | None,
    typer.Option("--reuse-from", metavar="RUN:GLOB", help="Take nodes as they were in that run; repeatable."),
]
Pinned = Annotated[
    list[str] | None,
    typer.Option("--pin", metavar="NODE=EXECUTION", help="Take this execution for a node, unrun; repeatable."),
]


def pipeline_options(document: Document, name: str) -> Sequence[DefinedOption]:
    """One option for each parameter of a pipeline, and for each parameter and input of its nodes."""
    from crystallize.valohai.form import INPUTS
    from crystallize.valohai.wiring import step_of

    pipeline = document.pipeline(name)
    taken = {*OWN, "reuse-from", "pin", "file", "workers", "logs", "environment"}
    options = []
    for parameter in pipeline.parameters:
        names = spelled(parameter.name)
        default = f"[default: {parameter.default}]" if parameter.default is not None else ""
        options.append(
            DefinedOption(
                key=("parameter", parameter.name),
                names=names if taken.isdisjoint(names) else (f"parameter.{parameter.name}",),
                kind="value",
                several=isinstance(parameter.default, list),
                help=" ".join(filter(None, [parameter.description or "", default])),
            )
        )
        taken.update(options[-1].names)
    for node in pipeline.nodes:
        step = step_of(document, node)
        if step is None:
            continue
        prefix = f"{node.name}."
        for definition in step.parameters.values():
            options.append(parameter_option(("parameter", node.name, definition.name), definition, taken, prefix))
            taken.update(options[-1].names)
        for item in step.inputs.values():
            options.append(input_option(("input", node.name, INPUTS, item.name), item, taken, prefix))
            taken.update(options[-1].names)
    return options


class _Pipelines(DefinedGroup):
    """`crystallize pipeline`."""

    defined = ("run", "explain")
    instead = "--file"

    @staticmethod
    def options_of(document: Document, name: str) -> Sequence[DefinedOption]:
        return pipeline_options(document, name)

    @staticmethod
    def function(name: str) -> Callable[..., None]:
        return run_pipeline if name == "run" else explain_pipeline


pipeline = typer.Typer(
    cls=_Pipelines, add_completion=False, rich_markup_mode=None, help="Run the pipelines of a valohai.yaml."
)


@pipeline.command("list")
def list_pipelines(yaml: Yaml = None, form: OutputFormat = Output.text) -> None:
    """List the pipelines, with their nodes.

    \b
    Examples:
      crystallize pipeline list
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import table
    from crystallize.valohai.document import read_document
    from crystallize.valohai.project import find_file

    pipelines = read_document(find_file(yaml)).config.pipelines.values()
    if form is Output.json:
        rows = [
            {
                "name": each.name,
                "nodes": [{"name": node.name, "type": node.type} for node in each.nodes],
                "parameters": [parameter.name for parameter in each.parameters],
                "reuse_executions": bool(each.reuse_executions),
            }
            for each in pipelines
        ]
        console.print_json({"schema": 1, "command": "pipeline list", "pipelines": rows})
        return
    made = table("pipeline", "nodes", "parameters", "reuse")
    for each in pipelines:
        nodes = ", ".join(node.name for node in each.nodes)
        parameters = ", ".join(parameter.name for parameter in each.parameters)
        made.add_row(each.name, nodes, parameters, "on" if each.reuse_executions else "off")
    console.out().print(made)


def run_pipeline(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="The name of a pipeline.")] = None,
    reuse: Reuse = None,
    reuse_from: ReuseFrom = None,
    pin: Pinned = None,
    file: Annotated[
        Path | None, typer.Option("--file", metavar="JSON", help="Run what this payload of the platform's API says.")
    ] = None,
    environment: Annotated[str | None, typer.Option(metavar="NAME", help="For all nodes, over their own.")] = None,
    commit: Commit = None,
    runtime: Runtime = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Executions at a time; default: the processors.")
    ] = None,
    no_network: NoNetwork = False,
    logs: Annotated[bool, typer.Option("--logs", help="Print what commands write, as they write it.")] = False,
    outputs: OutputsTo = None,
    dry_run: DryRun = False,
    yaml: Yaml = None,
    form: OutputFormat = Output.text,
    given: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run a pipeline; reuse the executions of nodes that have not changed, where that is on.

    Its parameters are options, and so are those and the inputs of its nodes, as --node.name:
    crystallize pipeline run NAME --help lists them.

    \b
    Examples:
      crystallize pipeline run training --reuse
      crystallize pipeline run training --rows 5 --train.lr 0.1 --dry-run
      crystallize pipeline run training --pin preprocess=12 --reuse-from 3:'eval*'
      crystallize pipeline run --file payload.json
    """
    from crystallize.cli.pipeline_run import carry_out

    spec, asked = _asked(
        name, reuse, reuse_from, pin, file, environment, commit, runtime, workers, no_network, yaml, given
    )
    carry_out(spec, asked, "pipeline run", form=form, dry_run=dry_run, outputs=outputs, logs=logs)


def explain_pipeline(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of a pipeline.")],
    reuse: Reuse = None,
    reuse_from: ReuseFrom = None,
    pin: Pinned = None,
    commit: Commit = None,
    runtime: Runtime = None,
    yaml: Yaml = None,
    form: OutputFormat = Output.text,
    given: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Say why each node would run or be reused. Nothing runs and nothing is written.

    \b
    Examples:
      crystallize pipeline explain training
      crystallize pipeline explain training --train.lr 0.5
    """
    from crystallize.cli.pipeline_run import explain

    spec, asked = _asked(name, reuse, reuse_from, pin, None, None, commit, runtime, None, False, yaml, given)
    explain(spec, asked, form)


pipeline.command("run")(run_pipeline)
pipeline.command("explain")(explain_pipeline)


def _asked(
    name: str | None,
    reuse: bool | None,
    reuse_from: Sequence[str] | None,
    pin: Sequence[str] | None,
    file: Path | None,
    environment: str | None,
    commit: str | None,
    runtime: str | None,
    workers: int | None,
    no_network: bool,
    yaml: Path | None,
    given: object,
) -> tuple[PipelineSpec, Any]:
    import os

    from crystallize.errors import DefinitionError
    from crystallize.valohai.pinning import Pins, parse_pins
    from crystallize.valohai.project import document_at
    from crystallize.valohai.running import Asked

    document, of_payload = document_at(yaml, commit), Pins()
    if file is not None:
        spec, of_payload = _of_payload(document, file, name)
    elif name is None:
        names = ", ".join(document.config.pipelines) or "none is defined"
        raise DefinitionError("no pipeline was named", path=document.path, remedy=f"known: {names}")
    else:
        spec = _specified(document, name, given if isinstance(given, dict) else {})
    if reuse is not None:
        spec.reuse = reuse
    for node in spec.nodes:
        node.environment = environment or node.environment
    asked = Asked(
        runtime=runtime,
        commit=commit,
        network=not no_network,
        workers=workers or os.cpu_count() or 1,
        pins=of_payload.overlaid(parse_pins(pin or (), reuse_from or ())),
    )
    return spec, asked


def _of_payload(document: Document, file: Path, name: str | None) -> tuple[PipelineSpec, Pins]:
    from functools import partial

    from crystallize.valohai.payload import read_payload
    from crystallize.valohai.project import document_of_commit

    return read_payload(file, document, partial(document_of_commit, document.path), name=name)


def _specified(document: Document, name: str, given: Mapping[tuple[str, ...], Any]) -> PipelineSpec:
    from crystallize.valohai.form import specified

    return specified(document, name, {key[1:]: value for key, value in given.items()})
