"""Curves on logarithmic axes as SVG, in panels side by side. Knows nothing of what is shown.

Written out by hand: a plotting library would be the largest dependency of the whole project.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from math import ceil, floor, log10

Curve = Sequence[tuple[float, float]]
"""(nodes, seconds), by rising nodes."""

WIDTH, HEIGHT = 400, 320
"""Of one panel, in pixels, axes included."""
LEFT, TOP, RIGHT, BOTTOM = 52, 34, 12, 44
LEGEND_WIDTH = 170
COLORS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22")


def drawn(panels: Mapping[str, Mapping[str, Curve]]) -> str:
    """The picture: title → name → curve. Axes are those that hold all curves of all panels."""
    points = [point for curves in panels.values() for curve in curves.values() for point in curve]
    names = list(dict.fromkeys(name for curves in panels.values() for name in curves))
    scale = _Scale(points)
    width = WIDTH * len(panels) + LEGEND_WIDTH
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, (title, curves) in enumerate(panels.items()):
        lines.append(f'<g transform="translate({number * WIDTH} 0)">')
        lines.append(f'<text x="{LEFT}" y="20" font-weight="bold">{escape(title)}</text>')
        lines += scale.axes()
        for name, curve in curves.items():
            lines += scale.curve(curve, COLORS[names.index(name) % len(COLORS)])
        lines.append("</g>")
    for number, name in enumerate(names):
        x, y = WIDTH * len(panels) + 10, TOP + 10 + 20 * number
        color = COLORS[number % len(COLORS)]
        lines.append(f'<line x1="{x}" y1="{y}" x2="{x + 20}" y2="{y}" stroke="{color}" stroke-width="2"/>')
        lines.append(f'<text x="{x + 26}" y="{y + 4}">{escape(name)}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"


class _Scale:
    """Where points lie in a panel: whole powers of ten at the ends of both axes."""

    def __init__(self, points: Curve) -> None:
        self._x = _powers([x for x, _ in points])
        self._y = _powers([y for _, y in points])

    def axes(self) -> Iterator[str]:
        """Grid, ticks and what the axes show."""
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        for power in range(self._x[0], self._x[1] + 1):
            x = self._at(10.0**power, self._x, LEFT, right)
            yield f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>'
            yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{10**power:,}</text>'
        for power in range(self._y[0], self._y[1] + 1):
            y = self._at(10.0**power, self._y, bottom, TOP)
            yield f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="#ddd"/>'
            yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} s</text>'
        yield f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 8}" text-anchor="middle">nodes</text>'

    def curve(self, curve: Curve, color: str) -> Iterator[str]:
        """A line with a dot at each point."""
        bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        places = [(self._at(x, self._x, LEFT, right), self._at(y, self._y, bottom, TOP)) for x, y in curve]
        listed = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<polyline points="{listed}" fill="none" stroke="{color}" stroke-width="2"/>'
        yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in places)

    def _at(self, value: float, powers: tuple[int, int], start: float, end: float) -> float:
        return start + (log10(value) - powers[0]) / (powers[1] - powers[0]) * (end - start)


def _powers(values: Sequence[float]) -> tuple[int, int]:
    """The powers of ten around `values`, at least one apart."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return low, max(high, low + 1)
