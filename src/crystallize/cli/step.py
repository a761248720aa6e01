"""`crystallize step`: the steps of a `valohai.yaml`, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crystallize.cli.defined import DefinedGroup, DefinedOption, spelled
from crystallize.cli.options import Output, OutputFormat

if TYPE_CHECKING:
    from crystallize.valohai.document import Document

Yaml = Annotated[
    Path | None, typer.Option("--yaml", metavar="PATH", help="The valohai.yaml; default: the nearest one upwards.")
]
Runtime = Annotated[
    str | None,
    typer.Option(metavar="podman|docker|local", help="Where commands run; default: the first of these that is there."),
]
Commit = Annotated[
    str | None, typer.Option(metavar="SHA", help="Run the source of this git commit, not the working tree.")
]
NoNetwork = Annotated[bool, typer.Option("--no-network", help="Give containers no network.")]
OutputsTo = Annotated[
    Path | None, typer.Option("--outputs", metavar="DIR", help="Copy what was written to this folder.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would run, and why; write nothing.")]
OWN = (
    "yaml",
    "runtime",
    "commit",
    "network",
    "outputs",
    "dry-run",
    "format",
    "help",
    "reuse",
    "no-reuse",
    "no-network",
)
"""Names that definitions cannot have as options."""


def step_options(document: Document, name: str) -> Sequence[DefinedOption]:
    """One option for each parameter and each input of a step."""
    step = document.step(name)
    taken = {*OWN, "image", "environment", "var", "title"}
    options = []
    for parameter in step.parameters.values():
        options.append(parameter_option(("parameter", parameter.name), parameter, taken))
        taken.update(options[-1].names)
    for item in step.inputs.values():
        options.append(input_option(("input", item.name), item, taken))
        taken.update(options[-1].names)
    return options


def parameter_option(key: tuple[str, ...], parameter: Any, taken: set[str], prefix: str = "") -> DefinedOption:
    """The option of a parameter; ``parameter.NAME`` where the plain name is taken."""
    names = tuple(prefix + each for each in spelled(parameter.name))
    about = [parameter.description or ""]
    if parameter.default is not None:
        about.append(f"[default: {parameter.default}]")
    if parameter.choices and parameter.type != "flag":
        about.append(f"[{'|'.join(map(str, parameter.choices))}]")
    return DefinedOption(
        key=key,
        names=names if taken.isdisjoint(names) else (f"{prefix}parameter.{parameter.name}",),
        kind=parameter.type,
        several=parameter.multiple is not None,
        help=" ".join(filter(None, about)),
    )


def input_option(key: tuple[str, ...], item: Any, taken: set[str], prefix: str = "") -> DefinedOption:
    """The option of an input; ``input.NAME`` where the plain name is taken."""
    names = tuple(prefix + each for each in spelled(item.name))
    default = item.default if isinstance(item.default, str) else ", ".join(item.default or ())
    return DefinedOption(
        key=key,
        names=names if taken.isdisjoint(names) else (f"{prefix}input.{item.name}",),
        kind="uri",
        several=True,
        help=" ".join(filter(None, [item.description or "", f"[default: {default}]" if default else ""])),
    )


class _Steps(DefinedGroup):
    """`crystallize step`."""

    @staticmethod
    def options_of(document: Document, name: str) -> Sequence[DefinedOption]:
        return step_options(document, name)

    @staticmethod
    def function(name: str) -> Callable[..., None]:
        return run_step


step = typer.Typer(cls=_Steps, add_completion=False, rich_markup_mode=None, help="Run the steps of a valohai.yaml.")


@step.command("list")
def list_steps(yaml: Yaml = None, form: OutputFormat = Output.text) -> None:
    """List the steps, with their parameters and inputs.

    \b
    Examples:
      crystallize step list
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import table
    from crystallize.valohai.document import read_document
    from crystallize.valohai.project import find_file

    document = read_document(find_file(yaml))
    steps = document.config.steps.values()
    if form is Output.json:
        rows = [
            {"name": each.name, "image": each.image, "parameters": list(each.parameters), "inputs": list(each.inputs)}
            for each in steps
        ]
        console.print_json({"schema": 1, "command": "step list", "steps": rows})
        return
    made = table("step", "image", "parameters", "inputs")
    for each in steps:
        made.add_row(each.name, each.image, ", ".join(each.parameters), ", ".join(each.inputs))
    console.out().print(made)


def run_step(
    name: Annotated[str, typer.Argument(metavar="STEP", help="The name of a step.")],
    image: Annotated[str | None, typer.Option(metavar="IMAGE", help="In place of the step's own.")] = None,
    environment: Annotated[str | None, typer.Option(metavar="NAME", help="In place of the step's own.")] = None,
    var: Annotated[
        list[str] | None, typer.Option("--var", "-v", metavar="NAME=VALUE", help="Environment variable; repeatable.")
    ] = None,
    reuse: Annotated[
        bool, typer.Option("--reuse/--no-reuse", help="Let an earlier execution of the same stand in; default: run.")
    ] = False,
    commit: Commit = None,
    runtime: Runtime = None,
    no_network: NoNetwork = False,
    outputs: OutputsTo = None,
    dry_run: DryRun = False,
    yaml: Yaml = None,
    form: OutputFormat = Output.text,
    given: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run one step.

    Its parameters and inputs are options: crystallize step run STEP --help lists them. An input takes files, globs,
    http(s)://, s3://, gs://, azure:// and datum:// references, and may be given several times.

    \b
    Examples:
      crystallize step run train --lr 0.1 --dataset data/train.csv
      crystallize step run train --reuse --outputs results
    """
    from crystallize.cli.pipeline_run import carry_out, variables
    from crystallize.valohai.project import document_at
    from crystallize.valohai.running import Asked
    from crystallize.valohai.specify import step_spec

    values: Mapping[tuple[str, ...], Any] = given if isinstance(given, dict) else {}
    document = document_at(yaml, commit)
    spec = step_spec(
        document,
        name,
        values={key[-1]: value for key, value in values.items() if key[0] == "parameter"},
        inputs={key[-1]: value for key, value in values.items() if key[0] == "input"},
    )
    node = spec.nodes[0]
    node.image = image or node.image
    node.environment = environment or node.environment
    node.environ |= variables(var or ())
    spec.reuse = reuse
    asked = Asked(runtime=runtime, commit=commit, network=not no_network, workers=1)
    carry_out(spec, asked, "step run", form=form, dry_run=dry_run, outputs=outputs, logs=True)


step.command("run")(run_step)
