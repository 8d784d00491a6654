"""Facts of the tables, by hand-written numbers."""

import pytest

from adabert_nni.report.tables import gain_rows, gain_table, markdown_table

METRICS = {
    "teacher_accuracy": 0.9128,
    "student_accuracy": 0.8842,
    "teacher_params": 22_714_752,
    "student_params": 4_481_234,
    "teacher_bytes": 90_900_000,
    "student_bytes": 17_000_000,
    "teacher_ms": 812.44,
    "student_ms": 48.07,
    "batch": 32,
    "length": 128,
    "speedup_vs_teacher": 16.9,
    "speedup_vs_bert_base": 52.04,
}


def test_the_gain_is_what_the_metrics_say():
    assert gain_table(METRICS).splitlines() == [
        "                                    teacher  student  gain",
        "accuracy                            91.28 %  88.42 %  -2.86 points",
        "parameters                          22.71 M   4.48 M  5.1x smaller",  # 22.715 / 4.481
        "size on disk                        90.9 MB  17.0 MB  5.3x smaller",  # 90.9 / 17 = 5.35
        "time per batch of 32 x 128 tokens  812.4 ms  48.1 ms  16.9x faster",
        "student beside BERT-base                              52.0x faster",
    ]


def test_a_target_shows_its_limit_what_was_measured_and_whether_it_is_kept():
    targets = {
        "max_params": {"limit": 4_500_000.0, "predicted": 4_481_234.0, "met": True},
        "max_latency_ms": {"limit": 40.0, "predicted": 39.0, "measured": 41.2, "met": False},
    }
    rows = gain_rows({**METRICS, "targets": targets})[-2:]
    assert [tuple(row.values()) for row in rows] == [
        ("--max-params 4,500,000", "", "4,481,234", "kept"),
        ("--max-latency-ms 40", "", "41.2", "NOT KEPT"),
    ]


def test_an_export_shows_its_scores_and_size():
    exports = {"onnx-int8": {"accuracy": 0.8801, "student_accuracy": 0.8842, "bytes": 4_545_000}}
    (row,) = gain_rows({**METRICS, "exports": exports})[-1:]
    # 90.9 / 4.545 = 20
    assert tuple(row.values()) == ("as onnx-int8", "", "88.01 %, 4.5 MB", "20.0x smaller")


def test_a_loss_is_not_called_a_gain():
    rows = {row["what"]: row["gain"] for row in gain_rows({**METRICS, "speedup_vs_bert_base": 0.5})}
    assert rows["student beside BERT-base"] == "2.0x slower"
    rows = {
        row["what"]: row["gain"] for row in gain_rows({**METRICS, "student_bytes": 181_800_000})
    }
    assert rows["size on disk"] == "2.0x larger"


def test_rows_without_a_number_are_left_out():
    assert [row["what"] for row in gain_rows({"teacher_f1": 0.9, "student_f1": 0.8})] == ["f1"]
    assert gain_rows({"teacher_accuracy": None, "student_accuracy": 0.8}) == []


@pytest.mark.parametrize(
    ("cell", "shown"), [(0.123456, "0.1235"), (7, "7"), (None, ""), ("a|b\nc", "a\\|b c")]
)
def test_a_markdown_cell_never_breaks_its_table(cell: object, shown: str):
    table = markdown_table([{"a": "x", "b": cell}], {"a": "A", "b": "B"})
    assert table == f"| A | B |\n| :-- | --: |\n| x | {shown} |"
