"""Facts of the drawn cell, read back from the SVG itself."""

import itertools
import re
from xml.etree import ElementTree

import pytest

from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.report.families import FAMILIES, STYLE
from adabert_nni.report.plot import cell_svg, cell_text

SVG = "{http://www.w3.org/2000/svg}"
CONVOLUTIONS = [f"{kind}_conv_{size}" for kind in ("std", "dil") for size in (3, 5, 7)]
OPS = [*CONVOLUTIONS, "avg_pool_3", "max_pool_3", "skip_connect"]
Box = tuple[float, float, float, float]  # left, top, right, bottom


def complete(nodes: int, op: str | None = None) -> Architecture:
    """A cell with no zero edge: all of one op, or all ops in turn."""
    ops = itertools.cycle([op] if op else OPS)
    return Architecture(depth=4, nodes=nodes, edges=dict(zip(edge_names(nodes), ops, strict=False)))


def parse(architecture: Architecture) -> ElementTree.Element:
    return ElementTree.fromstring(cell_svg(architecture))


def edge_paths(root: ElementTree.Element) -> dict[str, str]:
    paths = [(path.get("data-edge"), path.get("d")) for path in root.iter(f"{SVG}path")]
    drawn = [(edge, d) for edge, d in paths if edge]
    assert len(drawn) == len(dict(drawn))
    return dict(drawn)


def text_box(text: ElementTree.Element) -> Box:
    x, y, size = (float(text.get(key)) for key in ("x", "y", "font-size"))
    content = "".join(text.itertext())
    width = float(text.get("textLength", 0.62 * size * len(content)))  # the node names have none
    left = x - width / 2 if text.get("text-anchor") == "middle" else x
    return left, y - 0.8 * size, left + width, y + 0.3 * size


def rect_box(rect: ElementTree.Element) -> Box:
    x, y, width, height = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
    return x, y, x + width, y + height


def circle_box(circle: ElementTree.Element) -> Box:
    x, y, r = (float(circle.get(key)) for key in ("cx", "cy", "r"))
    return x - r, y - r, x + r, y + r


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def points_of(path: str) -> list[tuple[float, float]]:
    """Points along a path of M, H and C commands, a few pixels apart."""
    points: list[tuple[float, float]] = []
    for command, text in re.findall(r"([MHC])([^MHC]*)", path):
        numbers = [float(number) for number in text.split()]
        if command == "M":
            points.append((numbers[0], numbers[1]))
            continue
        (x0, y0), steps = points[-1], [k / 100 for k in range(1, 101)]
        if command == "H":
            points += [(x0 + (numbers[0] - x0) * t, y0) for t in steps]
            continue
        xs, ys = (x0, *numbers[::2]), (y0, *numbers[1::2])
        weights = [((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3) for t in steps]
        points += [
            (sum(map(float.__mul__, w, xs)), sum(map(float.__mul__, w, ys))) for w in weights
        ]
    return points


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 5, 7])
def test_every_edge_of_a_complete_cell_is_one_path(nodes: int):
    assert set(edge_paths(parse(complete(nodes)))) == set(edge_names(nodes))


def test_zero_edges_and_edges_that_carry_nothing_are_not_drawn():
    edges = dict(complete(3).edges) | {"0_2": "zero", "1_2": "zero", "0_4": "zero"}
    edges |= {"2_3": "skip_connect", "2_4": "std_conv_3"}  # a skip out of an empty node is empty
    architecture = Architecture(depth=1, nodes=3, edges=edges)
    drawn = edge_paths(parse(architecture))
    assert set(drawn) == {"0_3", "1_3", "1_4", "2_4", "3_4"} == set(architecture.live_edges())


def test_a_cell_of_zeros_is_still_a_picture():
    root = parse(complete(3, "zero"))
    assert edge_paths(root) == {}
    assert len(root.findall(f"{SVG}circle[@class='node faint']")) == 3


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("op", [None, "skip_connect"])  # the longest name there is
def test_no_two_texts_overlap_and_all_lie_inside(nodes: int, op: str | None):
    root = parse(complete(nodes, op))
    boxes = {index: text_box(text) for index, text in enumerate(root.iter(f"{SVG}text"))}
    edges, names = nodes * (nodes + 3) // 2, nodes + 3  # 2 + 3 + ... + (nodes + 1) edges
    assert len(boxes) > edges + names  # and the title and the legend
    clashes = [pair for pair in itertools.combinations(boxes.values(), 2) if overlap(*pair)]
    assert not clashes
    _, _, width, height = map(float, root.get("viewBox").split())
    assert all(b[0] >= 0 and b[1] >= 0 and b[2] <= width and b[3] <= height for b in boxes.values())


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 5, 7])
def test_no_edge_runs_through_the_label_of_another_or_through_a_strange_node(nodes: int):
    root = parse(complete(nodes, "skip_connect"))
    rects = [rect for rect in root.iter(f"{SVG}rect") if rect.get("rx") != "10"]
    pills = [rect_box(rect) for rect in rects if "node" not in rect.get("class")]
    circles = [circle_box(circle) for circle in root.iter(f"{SVG}circle")]
    paths = edge_paths(root)
    assert len(pills) == len(paths)
    for edge, d in paths.items():
        i, j = map(int, edge.split("_"))
        points = points_of(d)
        hit = [box for box in pills if any(overlap(box, (x, y, x, y)) for x, y in points)]
        assert len(hit) == 1, edge  # its own
        passed = [
            number
            for number, (left, top, right, bottom) in enumerate(circles, start=2)
            if any(left + 1 < x < right - 1 and top + 1 < y < bottom - 1 for x, y in points)
        ]
        assert set(passed) <= {i, j}, edge


def test_two_cells_with_as_many_nodes_have_their_edges_in_the_same_places():
    first, second = parse(complete(3)), parse(complete(3, "max_pool_3"))
    where = [
        [(t.get("x"), t.get("y")) for t in root.iter(f"{SVG}text")] for root in (first, second)
    ]
    assert where[0][1:15] == where[1][1:15]  # after the title: 9 labels and 5 of the 6 names


@pytest.mark.parametrize(("depth", "words"), [(1, "used once"), (6, "repeated 6 times")])
def test_the_caption_says_how_often_the_cell_is_used(depth: int, words: str):
    architecture = Architecture(depth=depth, nodes=1, edges={"0_2": "zero", "1_2": "avg_pool_3"})
    assert words in "".join(parse(architecture).itertext())
    assert words in cell_text(architecture)


@pytest.mark.parametrize(
    ("op", "family"),
    [
        ("std_conv_5", "std"),
        ("dil_conv_3", "dil"),
        ("avg_pool_3", "pool"),
        ("skip_connect", "skip"),
        ("a<b&c", "other"),
    ],
)
def test_an_edge_has_the_colour_of_its_family_and_any_name_is_legal_xml(op: str, family: str):
    root = parse(complete(1, op))
    edge = next(path for path in root.iter(f"{SVG}path") if path.get("data-edge"))
    assert edge.get("class") == f"edge {family}"
    assert op in [text.text for text in root.iter(f"{SVG}text")]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_labels_have_a_readable_contrast_in_both_colour_schemes(theme: str):
    def luminance(colour: str) -> float:
        channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        red, green, blue = (
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    inks = re.findall(r"text\{fill:(#\w+)\}", STYLE)
    ink = luminance(inks[0 if theme == "light" else 1])
    for family in FAMILIES.values():
        back = luminance(getattr(family, theme)[1])
        contrast = (max(ink, back) + 0.05) / (min(ink, back) + 0.05)
        assert contrast >= 4.5  # WCAG AA
    assert "@media (prefers-color-scheme:dark)" in STYLE


def test_the_cell_in_words_names_every_live_edge_once():
    edges = {
        "0_2": "std_conv_3",
        "1_2": "skip_connect",
        "0_3": "zero",
        "1_3": "zero",
        "2_3": "zero",
    }
    assert cell_text(Architecture(depth=4, nodes=2, edges=edges)).splitlines() == [
        "cell, repeated 4 times",
        "node 2 = std_conv_3(c_{k-2}) + skip_connect(c_{k-1})",
        "node 3 = 0",
        "c_k    = weighted sum of node 2",
    ]
