"""A line chart as SVG: axes with names and round numbers, a legend, nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 900, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 66, 56
COLOURS = ("#1b5e9b", "#c2410c", "#4d7c0f")
"""Told apart by everyone; the lines differ in their dashes too."""
DASHES = ("none", "9 5", "2 4")

Points = Sequence[tuple[float, float]]


def chart(title: str, x_name: str, y_name: str, lines: Mapping[str, Points]) -> str:
    """The lines, by their names, over axes that begin at 0."""
    x_most = max(x for points in lines.values() for x, _y in points) or 1.0
    y_ticks = _ticks(max(y for points in lines.values() for _x, y in points) or 1.0)
    x_ticks = [tick for tick in _ticks(x_most) if tick <= x_most]
    across, down = (WIDTH - LEFT - RIGHT) / x_most, (HEIGHT - TOP - BOTTOM) / y_ticks[-1]

    def place(x: float, y: float) -> tuple[float, float]:
        return round(LEFT + x * across, 1), round(HEIGHT - BOTTOM - y * down, 1)

    parts = [f'<text x="{LEFT}" y="24" font-size="17" font-weight="bold">{escape(title)}</text>']
    for tick in y_ticks:
        _x, y = place(0, tick)
        parts.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="#d4d4d4"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{tick:,g}</text>')
    for tick in x_ticks:
        x, y = place(tick, 0)
        parts.append(f'<path d="M{x} {y}v5" stroke="#555"/>')
        parts.append(f'<text x="{x}" y="{y + 20}" text-anchor="middle">{tick:,g}</text>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(x_name)}</text>'
    )
    parts.append(f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{escape(y_name)}</text>')
    for n, (name, points) in enumerate(lines.items()):
        look = f'stroke="{COLOURS[n]}" stroke-width="2" stroke-dasharray="{DASHES[n]}" fill="none"'
        legend = LEFT + n * 200
        parts.append(f'<path d="M{legend} 46h34" {look}/><text x="{legend + 42}" y="50">{escape(name)}</text>')
        parts.append(f'<path d="M{" ".join("{} {}".format(*place(*point)) for point in points)}" {look}/>')
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="13" fill="#222">\n<title>{escape(title)}</title>\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _ticks(most: float) -> list[float]:
    """Round numbers from 0 to the first that is not below `most`: about five steps."""
    rough = most / 5
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [round(n * step, 10) for n in range(math.ceil(most / step) + 1)]
