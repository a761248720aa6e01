"""Draws docs/run.svg: what the demo prints after its first act, as it really ran. usage: make_picture.py [FILE]"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

REPOSITORY = Path(__file__).parents[1]
DEMO = REPOSITORY / "examples" / "demo.py"
PICTURE = REPOSITORY / "docs" / "run.svg"
WIDTH = 112
CHARACTER_WIDTH = 12.2
"""In the units of rich's drawings."""
FROM = "2. "
"""The first act is left out: it looks like the third."""

CALM = TerminalTheme(
    (250, 250, 248),
    (45, 49, 58),
    [
        (45, 49, 58),
        (178, 48, 48),
        (32, 122, 68),
        (158, 106, 3),
        (38, 91, 168),
        (128, 62, 148),
        (16, 118, 128),
        (97, 101, 110),
    ],
)


def main(picture: Path) -> None:
    """Run the demo and draw what it prints."""
    lines = demo_output().splitlines()
    start = next(number for number, line in enumerate(lines) if FROM in line)
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines[start:]:
        text = Text.from_ansi(line)
        if line.startswith(("$ ", "2. ", "3. ", "   ")) and not line.startswith("    "):
            text.stylize("bold")
        console.print(text)
    svg = console.export_svg(title="make demo", theme=CALM, unique_id="crystallize")
    picture.write_text(for_all_viewers(svg), encoding="utf-8")


def for_all_viewers(svg: str) -> str:
    """The drawing without fonts from elsewhere, and with indents as positions: some viewers drop leading spaces."""
    without_fonts = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    indented = re.compile(
        r'x="(?P<x>[\d.]+)" (?P<y>y="[\d.]+") textLength="(?P<length>[\d.]+)"(?P<rest>[^>]*>)(?P<indent>(&#160;)+)'
    )
    return indented.sub(_moved, without_fonts)


def _moved(match: re.Match[str]) -> str:
    indent = CHARACTER_WIDTH * match["indent"].count(";")
    x, length = float(match["x"]) + indent, float(match["length"]) - indent
    return f'x="{x:g}" {match["y"]} textLength="{length:g}"{match["rest"]}'


def demo_output() -> str:
    """What the demo prints, with its colours."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    with TemporaryDirectory() as folder:
        command = [sys.executable, str(DEMO), str(Path(folder) / "demo")]
        return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
