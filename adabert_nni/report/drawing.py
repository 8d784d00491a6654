"""Places the shapes of a drawn cell: plain SVG, written with no drawing library.

Every edge (i, j) owns a lane, and its label sits on that lane in the gap left of node j: no two labels share both,
so none can overlap. Edges of c_{k-2} run above everything, edges of c_{k-1} below, edges between nodes inside. The
layout follows the number of nodes alone, so that two cells side by side compare edge by edge.
"""

from math import cos, radians, sin
from xml.sax.saxutils import escape

from adabert_nni.report.families import FAMILIES, SCOPE, STYLE, family_of

RADIUS, LANE, PILL_HEIGHT = 18.0, 33.0, 23.0  # pixels, as all lengths here
FONT, CHAR = 12, 7.2  # CHAR: the advance of one letter
PILL_WIDTH = 13 * CHAR + 16  # room for the longest op name
GAP = PILL_WIDTH + 82  # from node centre to node centre
INPUTS = {0: "c_{k-2}", 1: "c_{k-1}"}
OUTPUT_LANE = -1


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


class Drawing:
    """Places and collects the shapes of one cell; all numbers are pixels, y grows downwards."""

    def __init__(self, nodes: int) -> None:
        """Lay out a cell of so many nodes."""
        self.last, self.lanes = nodes + 1, _lanes(nodes)
        self.lines, self.pills = list[str](), list[str]()  # labels are painted over all lines
        above, below = max(self.lanes.values()), -min(self.lanes.values())
        self.left, self.centre = 62.0, 70 + above * LANE
        self.first_x = self.left + 76 + (PILL_WIDTH + GAP) / 2  # leaves the inputs room to fan out
        self.right = self.x(self.last) + 112
        self.width, self.height = self.right + 62, self.centre + below * LANE + 76
        self.input_y = {0: self.y((1 + above) / 2), 1: self.y(-(1 + below) / 2)}

    def x(self, node: int) -> float:
        """The middle of a node."""
        return self.first_x + (node - 2) * GAP

    def y(self, lane: float) -> float:
        """The height of a lane."""
        return self.centre - lane * LANE

    def edge(self, i: int, j: int, op: str) -> None:
        """An arrow from state i to node j, with its op as a label."""
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
        """The line from node j to the output."""
        end, lane = self.right - 36, self.y(OUTPUT_LANE)
        path = f"M{self.x(j) + RADIUS:.1f} {self.centre:.1f} H{end:.1f}"
        if j < self.last:
            turn = self.x(self.last) + RADIUS + 8
            rise = _curve(end - 20, lane, turn + 20, self.centre, end, self.centre)
            path = f"{self._departure(j, lane)} H{turn:.1f}{rise}"
        self.lines.append(f'<path class="out" d="{path}"/>')

    def node(self, j: int, alive: bool) -> None:
        """A circle with its number; faint if no edge reaches it."""
        faint, x, y = "" if alive else " faint", self.x(j), self.centre
        self.pills.append(
            f'<circle class="node{faint}" cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}"/>'
            + _text(str(j), x, y, bold=True)
        )

    def terminal(self, x: float, y: float, subscript: str, alive: bool) -> None:
        """An input or the output, c with a subscript; faint if nothing reads or makes it."""
        faint = "" if alive else " faint"
        self.pills.append(
            f'<rect class="node{faint}" x="{x - 36:.1f}" y="{y - 17:.1f}" width="72" height="34" '
            f'rx="9"/><text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-size="15">c'
            f'<tspan font-size="11" dy="4">{subscript}</tspan></text>'
        )

    def finish(self, title: str, words: str, families: list[str]) -> str:
        """The whole picture: a title, ``words`` for who cannot see it, and a legend of ``families``."""
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
