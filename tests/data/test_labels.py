"""Facts about labels: kinds of problems, order of classes, values."""

import logging

import pytest

from adabert_nni.data.files_in import Table
from adabert_nni.data.labels import (
    check_classes,
    in_order,
    kind_of,
    names_or_ids,
    to_classes,
    to_values,
)
from adabert_nni.errors import AdaBertError
from adabert_nni.losses import UNLABELLED

PRICES = [f"{i + 0.5}" for i in range(11)]


def table(labels):
    return Table("rows.csv", [("text",)] * len(labels), labels, list(range(2, 2 + len(labels))))


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (PRICES, "regression"),
        ([*PRICES[:10]] * 2, "classification"),  # ten different ones may be classes
        ([*PRICES, "3"], "regression"),  # one may be whole
        (["3", *PRICES], "regression"),  # the first one too
        ([str(i) for i in range(100)], "classification"),  # no fraction
        ([*PRICES, "unknown"], "classification"),  # no number
        (["0.0", "1.0"], "classification"),
    ],
)
def test_auto_is_regression_only_for_many_numbers_with_fractions(labels, found, caplog):
    with caplog.at_level(logging.INFO):
        assert kind_of("auto", labels, "rows.csv") == found
    assert f"rows.csv: taken as {found}" in caplog.text


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_what_is_asked_for_is_taken(kind):
    assert kind_of(kind, PRICES, "rows.csv") == kind


def test_the_order_of_a_data_set_is_kept_and_else_numbers_count():
    assert in_order({"b", "a"}, ["b", "c", "a"]) == ("b", "a")
    assert in_order({"b", "a"}, ["b"]) == ("a", "b")  # it does not know them all
    assert in_order({"10", "9.5", "-1"}) == ("-1", "9.5", "10")


def test_rows_without_a_label_carry_the_mark():
    assert to_classes(table(["b", None, "a"]), ("a", "b")).labels == [1, UNLABELLED, 0]
    assert to_values(table(["1.5", None])).labels == [1.5, UNLABELLED]


def test_a_value_that_equals_the_mark_stays_a_label():
    (value,) = to_values(table([str(float(UNLABELLED))])).labels
    assert value != UNLABELLED
    assert value == pytest.approx(UNLABELLED, rel=1e-6)


@pytest.mark.parametrize("label", ["many", "inf", "NaN", "1e999"])
def test_a_label_that_is_no_finite_number_is_named_with_its_line(label):
    with pytest.raises(
        AdaBertError, match=rf"rows\.csv line 3: got label '{label}', allowed are fin"
    ):
        to_values(table(["1", label]))


def test_a_label_for_nearly_every_row_is_no_class():
    with pytest.raises(AdaBertError, match=r"8 rows have 5 different labels.*--problem-type regr"):
        check_classes("rows.csv", ["a", "b", "c", "d", "e", "a", "b", "c"])
    check_classes("rows.csv", ["a", "b", "c", "d", "a", "b", "c", "d"])


STARS = ("1", "2", "3")
BY_ID, BY_NAME = {"0": 0, "1": 1, "2": 2}, {"1": 0, "2": 1, "3": 2}


@pytest.mark.parametrize(
    ("names", "labels", "ids_first", "known"),
    [
        (("no", "yes"), {"0", "yes"}, False, {"no": 0, "yes": 1, "0": 0, "1": 1}),  # either
        (STARS, {"0", "1", "2"}, False, BY_ID),  # 0 is no name
        (STARS, {"1", "2", "3"}, True, BY_NAME),  # 3 is no id
        (STARS, {"1", "2"}, False, BY_NAME),
        (STARS, {"1", "2"}, True, BY_ID),
        (STARS, {"0", "3"}, False, BY_NAME),  # no reading knows both: the error tells the names
        (("0", "1"), {"1"}, False, {"0": 0, "1": 1}),  # both say the same
    ],
)
def test_a_column_is_read_by_names_or_by_ids_and_never_by_both_where_they_differ(
    names, labels, ids_first, known
):
    assert names_or_ids(labels, names, ids_first=ids_first) == known


@pytest.mark.parametrize(
    ("known", "label", "found"),
    [
        (("0", "1"), "1.0", 1),  # as pandas writes a column of numbers with an empty cell
        (("0.0", "1.0"), "1", 1),
        (("1", "1.0"), "1.0", 1),  # two classes, each by its own name
        (("1", "1.0"), "1", 0),
    ],
)
def test_a_whole_number_is_a_class_with_and_without_its_fraction(known, label, found):
    assert list(to_classes(table([label]), known).labels) == [found]


@pytest.mark.parametrize("label", ["1.5", "2.0", "v1.0", "01"])
def test_no_other_label_is_taken_for_a_class(label):
    with pytest.raises(AdaBertError, match="allowed are the training classes 0, 1, v1"):
        to_classes(table([label]), ("0", "1", "v1"))
