"""`crystallize import`: adopts the metrics of a tree that crystallize 0.27 wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def import_(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A data folder, or that of one experiment in it.")],
) -> None:
    """Adopt the metrics of results of crystallize 0.27, for reading.

    They stand under names of their own, train@v3, in history and diff, and are never reused. The files stay as they
    are, and artifacts are only there: nobody could say what they depend on. What was adopted before is passed over.

    \b
    Examples:
      crystallize import data/
      crystallize diff train@v3:high_lr train:high_lr
    """
    from crystallize.cli import console
    from crystallize.experiment.reports.lines import line
    from crystallize.experiment.results.former import import_tree
    from crystallize.session import Session
    from crystallize.settings import Settings
    from crystallize.words import plural

    settings = Settings.load()
    with Session(settings) as session:
        root = settings.results_root
        found = import_tree(folder.resolve(), session.store(root), session.history(root))
    out = console.out()
    line(out, f"adopted the metrics of {plural(found.conditions, 'condition')}; {found.present} were there")
    for name in found.experiments:
        line(out, f"  {name}")
    if found.run:
        line(out, (f"see: crystallize show {found.run}", "dim"))
