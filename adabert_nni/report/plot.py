"""Draws the found cell: an SVG for pages (``cell_svg``), plain lines for terminals (``cell_text``).

It must not know how an architecture was found.
"""

from adabert_nni.model.architecture import Architecture
from adabert_nni.report.drawing import INPUTS, Drawing
from adabert_nni.report.families import FAMILIES, family_of


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
    live, drawing = _live(architecture), Drawing(architecture.nodes)
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
