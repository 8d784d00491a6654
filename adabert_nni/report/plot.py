"""Draws the found cell: an SVG for pages (``cell_svg``), plain lines for terminals (``cell_text``).

The SVG is written by hand, with no drawing library. Every edge (i, j) owns a lane, and its label
sits on that lane in the gap left of node j: no two labels share both, so none can overlap. Edges of
c_{k-2} run above everything, edges of c_{k-1} below, edges between nodes inside. The layout follows
``nodes`` alone, so that two cells side by side compare edge by edge. It must not know how an
architecture was found.
"""

from dataclasses import dataclass
from math import cos, radians, sin
from xml.sax.saxutils import escape

from adabert_nni.model.architecture import Architecture

RADIUS, LANE, PILL_HEIGHT = 18.0, 33.0, 23.0  # pixels, as all lengths here
FONT, CHAR = 12, 7.2  # CHAR: the advance of one letter
PILL_WIDTH = 13 * CHAR + 16  # room for the longest op name
GAP = PILL_WIDTH + 82  # from node centre to node centre
INPUTS = {0: "c_{k-2}", 1: "c_{k-1}"}
OUTPUT_LANE = -1
MONO = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


@dataclass(frozen=True)
class Family:
    """Ops that share a colour: those whose name starts with one of ``prefixes``."""

    legend: str
    prefixes: tuple[str, ...]
    light: tuple[str, str]  # line and label background on a light page
    dark: tuple[str, str]


FAMILIES: dict[str, Family] = {  # the first that fits; the last fits every name
    "std": Family("convolution", ("std_",), ("#1f6fb5", "#e3f0fb"), ("#6cb6ff", "#12304d")),
    "dil": Family("dilated conv.", ("dil_",), ("#c2500a", "#fdebdd"), ("#ffa35c", "#472508")),
    "pool": Family("pooling", ("avg_", "max_"), ("#0b8063", "#ddf4ed"), ("#4fd1ab", "#0b3a2e")),
    "skip": Family("skip", ("skip",), ("#6b5aa8", "#eeeaf9"), ("#b7a6f5", "#2d2550")),
    "other": Family("other", ("",), ("#5b6470", "#eceff2"), ("#a9b4c0", "#2a3038")),
}


def cell_text(architecture: Architecture) -> str:
    """The cell in words, a line a node: ``node 2 = std_conv_3(c_{k-2}) + max_pool_3(c_{k-1})``."""
    live, summed = _live(architecture), []
    lines = [f"cell, {_repeated(architecture.depth)}"]
    for j in range(2, architecture.nodes + 2):
        into = {i: op for (i, to), op in live.items() if to == j}
        terms = [f"{op}({INPUTS.get(i, f'node {i}')})" for i, op in into.items()]
        lines.append(f"node {j} = {' + '.join(terms) or '0'}")
        summed += [f"node {j}"] if terms else []
    return "\n".join([*lines, f"c_k    = weighted sum of {', '.join(summed) or 'no node'}"])


def cell_svg(architecture: Architecture) -> str:
    """The cell as an SVG picture, readable on light and dark pages.

    Args:
        architecture: any cell. Edges that are ``zero`` or carry nothing are not drawn; nodes
            without an edge into them and inputs without one out of them are faint.

    Returns:
        One ``<svg>`` element, in which each live edge is one ``<path data-edge="i_j">``.
    """
    live, drawing = _live(architecture), _Drawing(architecture.nodes)
    sources, targets = {i for i, _ in live}, {j for _, j in live}
    for j in targets:
        drawing.output_line(j)
    for (i, j), op in live.items():
        drawing.edge(i, j, op)
    for i, name in INPUTS.items():
        drawing.terminal(drawing.left, drawing.input_y[i], name[3:-1], i in sources)
    for j in range(2, architecture.nodes + 2):
        drawing.node(j, j in targets)
    drawing.terminal(drawing.right, drawing.centre, "k", bool(targets))
    families = [name for name in FAMILIES if name in {family_of(op) for op in live.values()}]
    title = f"Cell, {_repeated(architecture.depth)}"
    return drawing.finish(title, cell_text(architecture), families)


def _live(architecture: Architecture) -> dict[tuple[int, int], str]:
    """Live edges (i, j) -> op in order of i, then j."""
    split = [(key.split("_"), op) for key, op in architecture.live_edges().items()]
    return dict(sorted(((int(i), int(j)), op) for (i, j), op in split))


def _repeated(depth: int) -> str:
    return "used once" if depth == 1 else f"repeated {depth} times"


def family_of(op: str) -> str:
    """The key of ``FAMILIES`` that gives an op its colour."""
    return next(name for name, family in FAMILIES.items() if op.startswith(family.prefixes))


def _lanes(nodes: int) -> dict[tuple[int, int], int]:
    """Lane of every possible edge: 0 is the centre line, positive lies above, negative below."""
    lanes = {(i, i + 1): 0 for i in range(2, nodes + 1)}
    taken = {(3, nodes + 2): OUTPUT_LANE}  # (first gap, last gap) -> lane
    for i, j in [(i, i + span) for span in range(2, nodes) for i in range(2, nodes + 2 - span)]:
        side, lane = (1 if i % 2 == 0 else -1), 1
        while any(at == side * lane and a <= j and i < b for (a, b), at in taken.items()):
            lane += 1
        lanes[i, j] = taken[i + 1, j] = side * lane
    for source, side in ((0, 1), (1, -1)):  # outside of all that the gap holds, so they never cross
        lane = 0
        for j in range(2, nodes + 2):
            lane = 1 + max([lane, *(side * at for (a, b), at in taken.items() if a <= j <= b)])
            lanes[source, j] = side * lane
    return lanes


def _text(content: str, x: float, y: float, *, anchor: str = "middle", bold: bool = False) -> str:
    """A line of text centred on height y; ``textLength`` keeps it in its box whatever the font."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y + 0.35 * FONT:.1f}" text-anchor="{anchor}" font-size="{FONT}"'
        f'{weight} textLength="{len(content) * CHAR:.1f}" lengthAdjust="spacingAndGlyphs">'
        f"{escape(content)}</text>"
    )


def _curve(*xy: float) -> str:
    return " C" + " ".join(f"{value:.1f}" for value in xy)


def _colours(ink: str, page: str, faint: str, dark: bool) -> dict[str, str]:
    rules = {"text": f"fill:{ink}", ".page": f"fill:{page}", ".node": f"fill:{page};stroke:{ink}"}
    rules[".out"] = f"stroke:{faint}"
    for name, family in FAMILIES.items():
        line, back = family.dark if dark else family.light
        rules[f".{name}"] = f"stroke:{line}"
        rules |= {f"polygon.{name}": f"fill:{line}", f"rect.{name}": f"fill:{back}"}
    return rules


def _css(rules: dict[str, str]) -> str:
    """Rules that hold inside this drawing only, since a page may hold it beside others."""
    return " ".join(f".{SCOPE} {selector}{{{rule}}}" for selector, rule in rules.items())


SCOPE = "adabert-cell"  # the class of the drawing
SHAPES = {
    "text": f"font-family:{MONO}",
    "path": "fill:none;stroke-width:1.8",
    ".node": "stroke-width:1.6",
    ".faint": "opacity:.35;stroke-dasharray:3 3",
}
LIGHT = _colours("#1b1f24", "#ffffff", "#8b949e", dark=False)
DARK = _colours("#e6edf3", "#0d1117", "#7d8590", dark=True)
STYLE = (
    f"<style>{_css(SHAPES)} {_css(LIGHT)} "
    f"@media (prefers-color-scheme:dark){{{_css(DARK)}}}</style>"
)


class _Drawing:
    """Places and collects the shapes of one cell; all numbers are pixels, y grows downwards."""

    def __init__(self, nodes: int) -> None:
        self.last, self.lanes = nodes + 1, _lanes(nodes)
        self.lines, self.pills = list[str](), list[str]()  # labels are painted over all lines
        above, below = max(self.lanes.values()), -min(self.lanes.values())
        self.left, self.centre = 62.0, 70 + above * LANE
        self.first_x = (
            self.left + 76 + PILL_WIDTH / 2 + GAP / 2
        )  # leaves the inputs room to fan out
        self.right = self.x(self.last) + 112
        self.width, self.height = self.right + 62, self.centre + below * LANE + 76
        self.input_y = {0: self.y((1 + above) / 2), 1: self.y(-(1 + below) / 2)}

    def x(self, node: int) -> float:
        return self.first_x + (node - 2) * GAP

    def y(self, lane: float) -> float:
        return self.centre - lane * LANE

    def edge(self, i: int, j: int, op: str) -> None:
        lane, kind = self.lanes[i, j], family_of(op)
        y, middle, half = self.y(lane), self.x(j) - GAP / 2, (len(op) * CHAR + 16) / 2
        # Edges from one side meet node j spread over 22 to 88 degrees, the outermost steepest.
        same = sorted(abs(at) for (_, to), at in self.lanes.items() if to == j and at * lane > 0)
        steep = 22 + 66 * (same.index(abs(lane)) + 1) / (len(same) + 1) if lane else 0.0
        angle = radians(steep if lane > 0 else -steep)
        dx, dy = -cos(angle), -sin(angle)  # from node j outwards, towards the edge
        x1, y1 = self.x(j) + (RADIUS + 8) * dx, self.centre + (RADIUS + 8) * dy
        pull, bend = max(8.0, abs(y1 - y) * 0.5), middle + PILL_WIDTH / 2
        path = f"{self._departure(i, y)} H{bend:.1f}"
        path += _curve(x1, y, x1 + dx * pull, y1 + dy * pull, x1, y1)
        head = ((-7, 0), (2, 4), (2, -4))  # the arrow, along and across the edge
        corners = [(x1 + dx * a - dy * b, y1 + dy * a + dx * b) for a, b in head]
        tip = " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
        self.lines.append(f'<path class="edge {kind}" data-edge="{i}_{j}" d="{path}"/>')
        self.lines.append(f'<polygon class="{kind}" points="{tip}"/>')
        self.pills.append(
            f'<rect class="{kind}" x="{middle - half:.1f}" y="{y - PILL_HEIGHT / 2:.1f}" '
            f'width="{2 * half:.1f}" height="{PILL_HEIGHT}" rx="{PILL_HEIGHT / 2}"/>'
            + _text(op, middle, y)
        )

    def _departure(self, i: int, y: float) -> str:
        """The path from input or node i to where the lane at height y meets the next labels."""
        if i in INPUTS:
            x0, y0 = self.left + 36, self.input_y[i]
            x1 = self.first_x - (GAP + PILL_WIDTH) / 2
            return f"M{x0:.1f} {y0:.1f}" + _curve(x0 + 34, y0, x1 - 34, y, x1, y)
        if y == self.centre:
            return f"M{self.x(i) + RADIUS:.1f} {y:.1f}"
        side = 1 if y > self.centre else -1
        x0, y0 = self.x(i) + RADIUS * 0.77, self.centre + side * RADIUS * 0.64
        x1 = self.x(i) + (GAP - PILL_WIDTH) / 2
        return f"M{x0:.1f} {y0:.1f}" + _curve(x0 + 8, y0 + side * 7, x0 + 8, y, x1, y)

    def output_line(self, j: int) -> None:
        end, lane = self.right - 36, self.y(OUTPUT_LANE)
        path = f"M{self.x(j) + RADIUS:.1f} {self.centre:.1f} H{end:.1f}"
        if j < self.last:
            turn = self.x(self.last) + RADIUS + 8
            rise = _curve(end - 20, lane, turn + 20, self.centre, end, self.centre)
            path = f"{self._departure(j, lane)} H{turn:.1f}{rise}"
        self.lines.append(f'<path class="out" d="{path}"/>')

    def node(self, j: int, alive: bool) -> None:
        faint, x, y = "" if alive else " faint", self.x(j), self.centre
        self.pills.append(
            f'<circle class="node{faint}" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>'
            + _text(str(j), x, y, bold=True)
        )

    def terminal(self, x: float, y: float, subscript: str, alive: bool) -> None:
        faint = "" if alive else " faint"
        self.pills.append(
            f'<rect class="node{faint}" x="{x - 36:.1f}" y="{y - 17:.1f}" width="72" height="34" '
            f'rx="9"/><text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-size="15">c'
            f'<tspan font-size="11" dy="4">{subscript}</tspan></text>'
        )

    def finish(self, title: str, words: str, families: list[str]) -> str:
        x, y, legend = 26.0, self.height - 26, []
        labels = {name: FAMILIES[name].legend for name in families}
        for name, label in {**labels, "out": "learned weighted sum"}.items():
            swatch = f'<path class="{name}" d="M{x:.1f} {y:.1f} h20"/>'
            legend.append(swatch + _text(label, x + 27, y, anchor="start"))
            x += 27 + len(label) * CHAR + 24
        width, height = f"{max(self.width, x):.0f}", f"{self.height:.0f}"
        start = (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{SCOPE}" role="img" '
            f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
            f"<title>{escape(title)}</title><desc>{escape(words)}</desc>{STYLE}"
            '<rect class="page" width="100%" height="100%" rx="10"/>'
        )
        heading = _text(title, 26, 26, anchor="start", bold=True)
        return "\n".join([start, heading, *self.lines, *self.pills, *legend, "</svg>\n"])
