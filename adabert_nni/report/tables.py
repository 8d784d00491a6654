"""Numbers as text: what was gained, for the terminal, and tables for Markdown pages.

Reads the keys of ``metrics.json``. It must not know models, tasks or files.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from adabert_nni.metrics import METRICS, SHARES

COLUMNS = {"what": "", "teacher": "teacher", "student": "student", "gain": "gain"}


def percent(share: float) -> str:
    """0.9048 -> ``90.48 %``."""
    return f"{100 * share:.2f} %"


def points(difference: float) -> str:
    """-0.0231 -> ``-2.31 points``."""
    return f"{100 * difference:+.2f} points"


def plain(value: float) -> str:
    """0.90484 -> ``0.9048``."""
    return f"{value:.4f}"


def millions(count: int) -> str:
    """4481234 -> ``4.48 M``."""
    return f"{count / 1e6:.2f} M"


def megabytes(size: int) -> str:
    """17900000 -> ``17.9 MB``."""
    return f"{size / 1e6:.1f} MB"


def milliseconds(ms: float) -> str:
    """48.123 -> ``48.1 ms``."""
    return f"{ms:.1f} ms"


def amount(value: float) -> str:
    """4481234 -> ``4,481,234``, and 41.23456 -> ``41.23``."""
    return f"{value:,.0f}" if value >= 10_000 else f"{value:.4g}"


def ratio(value: float, more: str, less: str) -> str:
    """5.07 -> ``5.1x smaller``, and 0.5 -> ``2.0x larger``, in the words given."""
    return f"{value:.1f}x {more}" if value >= 1 else f"{1 / value:.1f}x {less}"


def shown(metric: str, value: float) -> str:
    """A score in its usual form: shares in percent, others as plain numbers."""
    return percent(value) if metric in SHARES else plain(value)


def difference(metric: str, value: float) -> str:
    """The difference of two scores: in points for shares."""
    return points(value) if metric in SHARES else f"{value:+.4f}"


def gain_rows(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """What student and teacher differ in, as rows of ``COLUMNS``.

    Args:
        metrics: keys of ``metrics.json``: ``<side>_<metric>``, ``<side>_params``,
            ``<side>_bytes``, ``<side>_ms`` with side teacher or student, ``batch``, ``length``,
            ``speedup_vs_teacher``, ``speedup_vs_bert_base``, ``targets``, ``exports``. A row that lacks a key
            is left out.

    Returns:
        One row a quantity; all cells are text.
    """

    def row(what: str, key: str, show: Callable[[Any], str], gain: str) -> list[dict[str, str]]:
        sides = [metrics[f"{side}_{key}"] for side in ("teacher", "student")]
        return [dict(zip(COLUMNS, (what, *map(show, sides), gain), strict=True))]

    def has(key: str) -> bool:
        return all(metrics.get(f"{side}_{key}") is not None for side in ("teacher", "student"))

    rows: list[dict[str, str]] = []
    for score in filter(has, METRICS):
        gained = metrics[f"student_{score}"] - metrics[f"teacher_{score}"]
        rows += row(score, score, partial(shown, score), difference(score, gained))
    for what, key, show in (
        ("parameters", "params", millions),
        ("size on disk", "bytes", megabytes),
    ):
        if has(key):
            shrunk = metrics[f"teacher_{key}"] / metrics[f"student_{key}"]
            rows += row(what, key, show, ratio(shrunk, "smaller", "larger"))
    if has("ms") and "speedup_vs_teacher" in metrics:
        what = "time per batch"
        if "batch" in metrics and "length" in metrics:
            what += f" of {metrics['batch']} x {metrics['length']} tokens"
        faster = ratio(metrics["speedup_vs_teacher"], "faster", "slower")
        rows += row(what, "ms", milliseconds, faster)
    if "speedup_vs_bert_base" in metrics:
        faster = ratio(metrics["speedup_vs_bert_base"], "faster", "slower")
        cells = ("student beside BERT-base", "", "", faster)
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows + _kept_rows(metrics) + _export_rows(metrics)


def _kept_rows(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row for each target that the search was given."""
    rows = []
    for key, target in metrics.get("targets", {}).items():
        got = amount(target.get("measured", target["predicted"]))
        kept = "kept" if target["met"] else "NOT KEPT"
        cells = (f"--{key.replace('_', '-')} {amount(target['limit'])}", "", got, kept)
        rows.append(dict(zip(COLUMNS, cells, strict=True)))
    return rows


def _export_rows(metrics: Mapping[str, Any]) -> list[dict[str, str]]:
    """One row for each format that the student was exported in: its scores and its size."""
    rows = []
    for name, record in metrics.get("exports", {}).items():
        scores = [shown(score, record[score]) for score in METRICS if score in record]
        told = ", ".join([*scores, megabytes(record["bytes"])])
        size = ratio(metrics["teacher_bytes"] / record["bytes"], "smaller", "larger")
        rows.append(dict(zip(COLUMNS, (f"as {name}", "", told, size), strict=True)))
    return rows


def gain_table(metrics: Mapping[str, Any]) -> str:
    """``gain_rows`` as aligned plain text, teacher beside student."""
    rows = [COLUMNS, *gain_rows(metrics)]
    width = {key: max(len(row[key]) for row in rows) for key in COLUMNS}
    lines = [
        f"{row['what']:<{width['what']}}  {row['teacher']:>{width['teacher']}}  "
        f"{row['student']:>{width['student']}}  {row['gain']}".rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def markdown_table(rows: Sequence[Mapping[str, object]], columns: Mapping[str, str]) -> str:
    """Rows as a Markdown table.

    Args:
        rows: key -> cell; a missing key or None gives an empty cell, a float four digits.
        columns: key -> header, in the order of the columns.

    Returns:
        Lines without a final line break. The first column is aligned left, the others right.
    """

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cells) + " |"

    rule = [":--"] + ["--:"] * (len(columns) - 1)
    body = [line([_cell(row.get(key)) for key in columns]) for row in rows]
    return "\n".join([line([_cell(header) for header in columns.values()]), line(rule), *body])


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")
