"""Facts of the charts, read back from their SVG."""

import itertools
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adabert_nni.report.axes import nice_ticks
from adabert_nni.report.charts import (
    Point,
    bar_chart,
    front,
    line_chart,
    scatter,
    share_chart,
)


def numbers(path):
    return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path)]


def test_ticks_by_hand():
    assert nice_ticks(0.83, 0.87) == [0.83, 0.84, 0.85, 0.86, 0.87]
    assert nice_ticks(0, 7) == [0, 2, 4, 6, 8]  # 7 / 4 = 1.75 is rounded up to 2
    assert nice_ticks(5, 5) == [4, 6]  # a span of 5 is assumed: steps of 2
    assert nice_ticks(1.2e-6, 1.2e-6) == [1e-6, 1.5e-6]  # 0.3e-6 is rounded up to 0.5e-6
    assert nice_ticks(1, 1) == [0.5, 1]  # steps of 0.5, and a share has nothing above 1
    assert nice_ticks(0, 0) == [0, 0.5]  # a span of 1: 0.25 is rounded up to 0.5


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_enclose_the_values_and_rise_evenly(low, span):
    ticks = nice_ticks(low, low + span)
    slack = 1e-6 * max(abs(low), span)
    assert ticks[0] <= low + slack and low + span <= ticks[-1] + slack
    assert 2 <= len(ticks) <= 7
    assert ticks == sorted(ticks)


def test_a_line_rises_as_its_values_do_and_tells_them():
    root = ElementTree.fromstring(line_chart([1, 2, 3], {"a<b": [0.1, 0.3, 0.2]}, "{:.1f}".format))
    (path,) = [p for p in root.iter("path") if "line" in p.get("class")]
    _, first, _, second, _, third = numbers(path.get("d"))
    assert second < third < first  # y grows downwards
    told = [title.text for title in root.iter("title")]
    assert told == ["a<b, epoch 1: 0.1", "a<b, epoch 2: 0.3", "a<b, epoch 3: 0.2"]


@pytest.mark.parametrize("count", [1, 4])
def test_stacked_shares_fill_the_chart_without_gaps(count):
    shares = {"a": [0.25] * count, "b": [0.75] * count}
    root = ElementTree.fromstring(share_chart(shares, "edge", ["std k0", "skip k2"]))
    height = float(root.get("viewBox").split()[3])
    low, high = (numbers(path.get("d")) for path in root.iter("path"))
    assert {max(low[1::2]), min(high[1::2])} == {height, 0}
    assert min(low[1::2]) == max(high[1::2]) == 0.75 * height


def test_bars_are_as_long_as_their_values():
    root = ElementTree.fromstring(bar_chart({"a": 0.2, "b": 0.6}, str))
    first, second = (float(rect.get("width")) for rect in root.iter("rect"))
    assert second == pytest.approx(3 * first, abs=0.2)


def test_the_front_by_hand():
    fast, good, both, lost = (
        Point("fast", 9, 1),
        Point("good", 1, 9),
        Point("both", 5, 5),
        Point("lost", 4, 4),
    )
    assert front([lost, good, both, fast]) == [good, both, fast]
    assert front([fast, fast]) == [fast]


coordinates = st.integers(0, 5)


@given(st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=12))
def test_every_point_is_on_the_front_or_beaten_by_one_that_is(places):
    points = [Point(str(number), *place) for number, place in enumerate(places)]
    best = front(points)
    for point in points:
        assert any(one.x >= point.x and one.y >= point.y for one in best)
    for one, other in itertools.combinations(best, 2):
        assert one.x < other.x and one.y > other.y


def test_a_scatter_has_a_dot_for_every_student_and_marks_one():
    points = [Point("a", 10, 0.8), Point("b", 20, 0.7, marked=True)]
    root = ElementTree.fromstring(scatter(points, str, str, "speed"))
    dots = list(root.iter("circle"))
    assert [dot.get("class") for dot in dots] == ["dot c0", "dot c1"]
    assert float(dots[0].get("cx")) < float(dots[1].get("cx"))
    assert float(dots[0].get("cy")) < float(dots[1].get("cy"))


@pytest.mark.parametrize("other", [281.4, 281.402, 300.0])
def test_the_ticks_of_a_scatter_can_be_told_apart_however_near_its_points_are(other):
    points = [Point("a", 281.4, 0.8), Point("b", other, 0.7)]
    root = ElementTree.fromstring(scatter(points, "{:.4g}x".format, str, "speed"))
    names = [told.text for told in root.iter("text") if told.text.endswith("x")]
    assert len(names) == len(set(names)) >= 2
    assert max(map(len, names)) <= len("282.5x")  # as wide as there is room for
