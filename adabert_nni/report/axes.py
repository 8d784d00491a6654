"""What charts stand on: scales, round ticks, a frame with its grid, texts, the ``<svg>`` around them.

Lengths are pixels of the view box, y grows downwards. It must not know which charts there are.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 400, 190
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 12, 26
Show = Callable[[float], str]


@dataclass(frozen=True)
class Scale:
    """Maps values to pixels along one axis.

    Attributes:
        low: value at ``start``.
        high: value at ``end``, above ``low``.
        start: pixel.
        end: pixel.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers that enclose ``low`` to ``high``: at most ``most`` + 2 multiples of 1, 2 or 5 times 10^n."""
    span = high - low
    if span <= 1e-9 * abs(high):  # equal, but for rounding
        span = abs(high) or 1.0
    rough = span / (most - 1)
    digits = math.floor(math.log10(rough))
    step = next(m * 10.0**digits for m in (1, 2, 5, 10) if m * 10.0**digits >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:  # a multiple itself: go below it, as a share of 1 has nothing above
        first, last = (first - 1, last) if low > 0 else (first, last + 1)
    return [round(n * step, 2 - digits) for n in range(first, last + 1)]


def frame(
    x: Sequence[float], values: Sequence[float], show: Show, show_x: Show | None = None
) -> tuple[Scale, Scale, list[str]]:
    """Both scales, the grid and the axes' texts; without ``show_x``, x are whole numbers."""
    ticks = nice_ticks(min(values), max(values))
    up = Scale(ticks[0], ticks[-1], HEIGHT - BOTTOM, TOP)
    low, high = (x[0], x[-1]) if x[0] < x[-1] else (x[0] - 0.5, x[0] + 0.5)
    pad = 0.0 if show_x else 0.03 * (high - low)
    across = Scale(low - pad, high + pad, LEFT, WIDTH - RIGHT)
    shapes = list[str]()
    for tick in ticks:
        shapes.append(f'<path class="grid" d="M{LEFT} {up(tick):.1f}H{WIDTH - RIGHT}"/>')
        shapes.append(text(show(tick), LEFT - 8, up(tick) + 4, "end"))
    stride = 1 if show_x else math.ceil(len(x) / 8)
    named = x[::stride]
    for at in named:
        name = show_x(at) if show_x else f"{at:g}"
        ends = {0: "start", len(named) - 1: "end"} if show_x else {}
        anchor = ends.get(named.index(at), "middle")
        shapes.append(text(name, across(at), HEIGHT - BOTTOM + 16, anchor))
    return across, up, shapes


def text(content: str, x: float, y: float, anchor: str) -> str:
    """One ``<text>``, escaped; ``anchor`` is start, middle or end."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def svg(shapes: Sequence[str], label: str, width: float, height: float) -> str:
    """The ``<svg>`` around some shapes; ``label`` is told to a screen reader."""
    told = escape(label, quote=True)
    start = f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{told}">'
    return "\n".join([start, *shapes, "</svg>"])
