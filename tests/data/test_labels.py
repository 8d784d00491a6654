"""Facts about labels: kinds of problems, order of classes, values."""

import logging

import pytest

from adabert_nni.data.files_in import Table
from adabert_nni.data.labels import check_classes, in_order, kind_of, to_classes, to_values
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
