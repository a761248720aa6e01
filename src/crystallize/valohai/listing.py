"""The pipelines of a project as screens list them, also where their file cannot be read. Nothing is compiled."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from crystallize.errors import DefinitionError
from crystallize.valohai.document import FILE_NAME

GROUP, ICON = "Pipelines", "🔗"


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineItem:
    """One pipeline; or the file, where it cannot be read."""

    path: Path
    """The `valohai.yaml`, absolute."""
    name: str
    nodes: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    reuse: bool = False
    """Whether it lets earlier executions stand in."""
    asks: bool = False
    """Whether there is anything to give it before it runs."""
    error: DefinitionError | None = None

    @property
    def group(self) -> str:
        """The heading that it stands under."""
        return GROUP

    @property
    def icon(self) -> str:
        """One character."""
        return ICON

    @property
    def color(self) -> str | None:
        """It has none of its own."""
        return None


class PipelineListing:
    """The pipelines of the `valohai.yaml` in a folder or, nearest, above it; `top` is the last that is looked into."""

    def __init__(self, folder: Path, top: Path) -> None:
        folder = folder.resolve()
        above = [each for each in (folder, *folder.parents) if each.is_relative_to(top.resolve())]
        self._files = [each / FILE_NAME for each in above or [folder]]
        self._known: tuple[object, list[PipelineItem]] = (None, [])

    def scan(self) -> list[PipelineItem]:
        """What is there now, in the order of the file; read again only when it has changed."""
        file = next((file for file in self._files if file.is_file()), None)
        if file is None:
            return []
        stat = file.stat()
        stamp = (file, stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._known[0]:
            self._known = stamp, _read(file)
        return self._known[1]


def _read(file: Path) -> list[PipelineItem]:
    from crystallize.valohai.document import read_document
    from crystallize.valohai.form import fields_of

    try:
        document = read_document(file)
    except DefinitionError as error:
        return [PipelineItem(path=file, name=FILE_NAME, error=error)]
    return [
        PipelineItem(
            path=file,
            name=each.name,
            nodes=tuple(node.name for node in each.nodes),
            parameters=tuple(parameter.name for parameter in each.parameters),
            reuse=bool(each.reuse_executions),
            asks=bool(fields_of(document, each.name)),
        )
        for each in document.config.pipelines.values()
    ]
