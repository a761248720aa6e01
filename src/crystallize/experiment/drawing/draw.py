"""Drawings of graphs of experiments: shown in a notebook, written to a file elsewhere.

Needs none of the user's code: configurations are enough. Without the `dot` program the Mermaid text stands in.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crystallize.errors import CrystallizeError, DefinitionError
from crystallize.experiment.drawing.draw_dot import to_digraph
from crystallize.experiment.drawing.draw_text import to_mermaid, to_text
from crystallize.experiment.drawing.outline import Outline, outline_of_experiments, outline_of_path, with_outcomes
from crystallize.session import in_notebook

if TYPE_CHECKING:
    from crystallize.experiment.experiment import Experiment
    from crystallize.experiment.results.result import Result

FORMATS = {
    ".svg": "svg",
    ".png": "png",
    ".pdf": "pdf",
    ".dot": "dot",
    ".gv": "dot",
    ".mmd": "mermaid",
    ".mermaid": "mermaid",
    ".txt": "text",
}
"""Suffix of a file → what is written to it."""
_TEXTS: Mapping[str, Callable[[Outline], str]] = {
    "dot": lambda outline: str(to_digraph(outline).source),
    "mermaid": to_mermaid,
    "text": to_text,
}


class NoGraphvizError(CrystallizeError):
    """The `dot` program, which draws pictures, is not installed."""

    def __str__(self) -> str:
        return "pictures need the program 'dot'; install Graphviz (apt-get install graphviz, brew install graphviz)"


class Drawing:
    """A drawing of an outline, made when it is asked for. Shows itself in a notebook."""

    def __init__(self, outline: Outline) -> None:
        self.outline = outline

    def render(self, form: str) -> bytes:
        """The drawing as svg, png, pdf, dot, mermaid or text.

        Raises NoGraphvizError when Graphviz has to draw it and is not installed.
        """
        if form in _TEXTS:
            return _TEXTS[form](self.outline).encode()
        from graphviz import ExecutableNotFound

        graph = to_digraph(self.outline)
        if form == "png":
            graph.attr(dpi="144")
        try:
            data: bytes = graph.pipe(format=form)
        except ExecutableNotFound as error:
            raise NoGraphvizError from error
        return data

    def write(self, path: Path, form: str | None = None) -> None:
        """Writes the drawing to `path`, as `form` or else as its suffix says.

        Raises DefinitionError for an unknown suffix, else as `render`.
        """
        data = self.render(form or format_of(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def __str__(self) -> str:
        return to_text(self.outline)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        shown = {"text/plain": to_text(self.outline)}
        try:
            shown["image/svg+xml"] = self.render("svg").decode()
        except NoGraphvizError:
            shown["text/vnd.mermaid"] = to_mermaid(self.outline)
        return shown


def visualize(path: Path, output: Path | None, results: Mapping[str, Result] | None) -> Drawing:
    """Draws what the configuration or folder at `path` defines, and shows it.

    In a notebook the drawing shows itself. Elsewhere, or when `output` is given, it is written to a file (`output`, by
    default ``<folder>.svg`` in the working directory) whose path is printed; without the `dot` program the Mermaid text
    is printed instead, with a message. Experiments of the folder that cannot be read are left out, with a message each.

    Parameters
    ----------
    results : name → result of the last run, to be told by the nodes.

    Raises DefinitionError for a configuration that is wrong, and for an output of an unknown kind.
    """
    outline, faults = outline_of_path(path)
    for fault in faults:
        print(f"left out: {fault}", file=sys.stderr)
    drawing = Drawing(with_outcomes(outline, results or {}))
    if output is not None or not in_notebook():
        show(drawing, output or Path(f"{target_name(path)}.svg"))
    return drawing


def draw_graph(
    experiments: Mapping[str, Experiment],
    upstreams: Mapping[str, Sequence[str]],
    results: Mapping[str, Result] | None = None,
) -> Drawing:
    """A drawing of experiments in memory; `upstreams`: name → names of what it reads or waits for."""
    return Drawing(with_outcomes(outline_of_experiments(experiments, upstreams), results or {}))


def show(drawing: Drawing, output: Path, form: str | None = None) -> bool:
    """Writes the drawing and prints its path; without `dot` prints the Mermaid text, says why, and returns False."""
    try:
        drawing.write(output, form)
    except NoGraphvizError as error:
        print(f"{error}; here is the same as Mermaid text", file=sys.stderr)
        print(to_mermaid(drawing.outline), end="")
        return False
    print(output)
    return True


def target_name(path: Path) -> str:
    """What the drawing of `path` is called: the folder, also where `path` is its `config.yaml`."""
    path = path.resolve()
    return path.parent.name if path.is_file() else path.name


def format_of(path: Path) -> str:
    """The form that a file's suffix names. Raises DefinitionError for an unknown one."""
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise DefinitionError(
            f"a drawing cannot be written as '{path.name}'", remedy=f"end the name in {', '.join(FORMATS)}"
        )
    return form
