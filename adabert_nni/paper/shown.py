"""What stands in a cell of a page: runs and numbers as text.

It must not know tables or tasks.
"""

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from adabert_nni.paper.records import Record
from adabert_nni.report.tables import millions

DASH = "-"


def average(values: Sequence[float]) -> str:
    """The mean of some scores in percent; a dash for none."""
    return decimals(statistics.fmean(values)) if values else DASH


def spread(values: Sequence[float], show: Callable[[float], str]) -> str:
    """Mean ± sample standard deviation (number of runs); a dash for none."""
    if not values:
        return DASH
    mean = show(statistics.fmean(values))
    if len(values) == 1:
        return mean
    return f"{mean} ± {show(statistics.stdev(values))} ({len(values)})"


def score_cell(records: Iterable[Record]) -> str:
    """All scores of a task's runs in percent: accuracy, then F1 where the task has it."""
    found = list(records)
    names = list(found[0]["scores"]) if found else []
    shown = [spread([100 * r["scores"][name] for r in found], decimals) for name in names]
    return " / ".join(shown) or DASH


def retention_cell(records: Iterable[Record]) -> str:
    """Share of the teacher's scores that is kept, in percent."""
    found = list(records)
    names = list(found[0]["scores"]) if found else []
    kept = [[100 * r["scores"][n] / r["teacher_scores"][n] for r in found] for n in names]
    return " / ".join(spread(values, decimals) for values in kept) or DASH


def with_params(records: Iterable[Record]) -> str:
    """All scores of a task's runs, and the size of what was found in brackets."""
    found = list(records)
    params = spread([r["params"] for r in found], in_millions)
    return f"{score_cell(found)} ({params})" if found else DASH


def ends(values: Sequence[float], show: Callable[[Any], str]) -> str:
    """The least and the greatest value, or the one that there is."""
    both = list(dict.fromkeys(show(end) for end in (min(values), max(values)))) if values else []
    return " to ".join(both) or DASH


def decimals(value: float) -> str:
    """88.70449 -> ``88.70``."""
    return f"{value:.2f}"


def digits(value: float) -> str:
    """2.0 -> ``2``; 0.70711 -> ``0.707``."""
    return f"{value:.3g}"


def in_millions(value: float) -> str:
    """5074824 -> ``5.07 M``."""
    return millions(round(value))


def times(value: float) -> str:
    """77.94 -> ``77.9x``."""
    return f"{value:.1f}x"
