"""Charts as SVG text, written by hand: lines, stacked shares, bars and a scatter. No drawing library.

They take their colours from the page they are put into: series ``n`` has the class ``c<n>``. It must not know
runs; numbers and names come in, and every name is escaped. Lengths are pixels of the view box, y grows downwards;
a chart is as wide as its column.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from adabert_nni.report.axes import (
    HEIGHT,
    LEFT,
    RIGHT,
    WIDTH,
    Scale,
    Show,
    frame,
    nice_ticks,
    svg,
    text,
)


def line_chart(
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    show: Show,
    *,
    x_name: str = "epoch",
    level: float | None = None,
) -> str:
    """Lines over whole numbers, a dot a value.

    Args:
        x: N whole numbers, rising.
        lines: name -> N values; the n-th line has the class ``c<n>``.
        show: a value as text, for the axis and the dots' tooltips.
        x_name: what x counts.
        level: a value to draw as a dashed line across.

    Returns:
        One ``<svg>`` element.
    """
    values = [value for line in lines.values() for value in line]
    values += [level] if level is not None else []
    across, up, shapes = frame(x, values, show)
    if level is not None:
        shapes.append(f'<path class="level" d="M{LEFT} {up(level):.1f}H{WIDTH - RIGHT}"/>')
    for number, (name, line) in enumerate(lines.items()):
        points = [(across(at), up(value)) for at, value in zip(x, line, strict=True)]
        path = "L".join(f"{px:.1f} {py:.1f}" for px, py in points)
        shapes.append(f'<path class="line c{number}" d="M{path}"/>')
        for (px, py), at, value in zip(points, x, line, strict=True):
            told = escape(f"{name}, {x_name} {at:g}: {show(value)}")
            radius = 3.2 if len(x) <= 30 else 1.8
            shapes.append(
                f'<circle class="dot c{number}" cx="{px:.1f}" cy="{py:.1f}" r="{radius}">'
                f"<title>{told}</title></circle>"
            )
    return svg(shapes, ", ".join(lines), WIDTH, HEIGHT)


def share_chart(shares: Mapping[str, Sequence[float]], title: str, classes: Sequence[str]) -> str:
    """Shares of one distribution over N epochs, stacked from the bottom; a single epoch is drawn as a bar.

    Args:
        shares: name -> N shares; those of an epoch sum to 1.
        title: told to a screen reader.
        classes: the class of each name, which gives the colour.

    Returns:
        One ``<svg>`` element, smaller than the other charts.
    """
    width, height = 200, 96
    count = max(map(len, shares.values()))
    x = Scale(0, max(count - 1, 1), 0, width)
    y = Scale(0, 1, height, 0)
    bottom, shapes = [0.0] * count, list[str]()
    for (name, line), kind in zip(shares.items(), classes, strict=True):
        top = [low + value for low, value in zip(bottom, line, strict=True)]
        places = list(range(count)) if count > 1 else [0, 1]
        upper = [(x(at), y(min(top[min(at, count - 1)], 1))) for at in places]
        lower = [(x(at), y(bottom[min(at, count - 1)])) for at in reversed(places)]
        path = "L".join(f"{px:.1f} {py:.1f}" for px, py in upper + lower)
        told = escape(f"{name}: {100 * line[0]:.0f} % to {100 * line[-1]:.0f} %")
        shapes.append(f'<path class="area {kind}" d="M{path}Z"><title>{told}</title></path>')
        bottom = top
    return svg(shapes, title, width, height)


def bar_chart(bars: Mapping[str, float], show: Show) -> str:
    """Horizontal bars from 0, with name and value; values are >= 0."""
    row, left, right = 30, 112, 64
    width = Scale(0, max(*bars.values(), 1e-12), 0, WIDTH - left - right)
    shapes = list[str]()
    for number, (name, value) in enumerate(bars.items()):
        y, length = number * row + 6, max(width(value), 1)
        shapes.append(text(name, left - 10, y + 13, "end"))
        shapes.append(
            f'<rect class="bar c0" x="{left}" y="{y}" width="{length:.1f}" height="18" rx="3"/>'
        )
        shapes.append(text(show(value), left + length + 8, y + 13, "start"))
    return svg(shapes, ", ".join(bars), WIDTH, row * len(bars))


@dataclass(frozen=True)
class Point:
    """A student between speed and accuracy.

    Attributes:
        name: told on hovering.
        x: higher is better.
        y: higher is better.
        marked: drawn larger, in another colour.
    """

    name: str
    x: float
    y: float
    marked: bool = False


def front(points: Sequence[Point]) -> list[Point]:
    """The points that no other one equals or beats in both x and y, by rising x; of equal ones the first."""
    kept = list[Point]()
    for point in sorted(points, key=lambda p: (-p.x, -p.y)):
        if not kept or point.y > kept[-1].y:
            kept.append(point)
    return kept[::-1]


def scatter(
    points: Sequence[Point], show_x: Show, show_y: Show, x_name: str, level: float | None = None
) -> str:
    """Points, with a step line along their front.

    Args:
        points: at least one.
        show_x: x as text.
        show_y: y as text.
        x_name: what x is.
        level: a y to draw as a dashed line across.

    Returns:
        One ``<svg>`` element.
    """
    values = [p.y for p in points] + ([level] if level is not None else [])
    low, high = min(p.x for p in points), max(p.x for p in points)
    ticks = nice_ticks(
        min(low, 0.95 * high), high
    )  # names of nearly equal x would tell no difference
    across, up, shapes = frame(ticks, values, show_y, show_x)
    if level is not None:
        shapes.append(f'<path class="level" d="M{LEFT} {up(level):.1f}H{WIDTH - RIGHT}"/>')
    best = front(points)
    steps = f"M{across(best[0].x):.1f} {up(best[0].y):.1f}"
    steps += "".join(f"V{up(p.y):.1f}H{across(p.x):.1f}" for p in best[1:])
    shapes.append(f'<path class="line c0" d="{steps}"/>')
    for point in points:
        kind, radius = ("c1", 6) if point.marked else ("c0", 4)
        told = escape(f"{point.name}: {show_x(point.x)}, {show_y(point.y)}")
        shapes.append(
            f'<circle class="dot {kind}" cx="{across(point.x):.1f}" cy="{up(point.y):.1f}" '
            f'r="{radius}"><title>{told}</title></circle>'
        )
    return svg(shapes, x_name, WIDTH, HEIGHT)
