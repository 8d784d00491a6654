"""The paper's own figures (arXiv:2001.04246), as printed; tables by number, systems by our names.

Percent without the sign. None of it is ours, and nothing here is computed.
"""

from typing import TypedDict

_SIX = ("sst2", "mrpc", "qqp", "mnli", "qnli", "rte")
_FOUR = ("sst2", "mrpc", "qnli", "rte")


class Printed(TypedDict):
    """A row of table 1 beside its six accuracies."""

    name: str
    params: str
    speedup: str
    scores: dict[str, str]


def _row(tasks: tuple[str, ...], cells: str) -> dict[str, str]:
    return dict(zip(tasks, cells.split(" | "), strict=True))


def _table1(name: str, params: str, speedup: str, cells: str) -> Printed:
    row = _row((*_SIX, "average"), cells)
    return {"name": name, "params": params, "speedup": speedup, "scores": row}


# GLUE's test server; MRPC and QQP are F1, as in Devlin et al. (2019), whose BERT-base row the table repeats.
TABLE1: dict[str, Printed] = {
    "teacher": _table1("BERT12-T", "109M", "1x", "93.3 | 88.7 | 71.1 | 84.8 | 90.4 | 66.1 | 82.4"),
    "adabert": _table1(
        "AdaBERT",
        "6.4M ~ 9.5M",
        "12.7x ~ 29.3x",
        "91.8 | 85.1 | 70.7 | 81.6 | 86.8 | 64.4 | 80.1",
    ),
    "bert-pkd-half": _table1(
        "BERT6-PKD", "67.0M", "1.9x", "92.0 | 85.0 | 70.7 | 81.5 | 89.0 | 65.5 | 80.6"
    ),
    "bert-pkd-quarter": _table1(
        "BERT3-PKD", "45.7M", "3.7x", "87.5 | 80.7 | 68.1 | 76.7 | 84.7 | 58.2 | 76.0"
    ),
    "distilbert": _table1(
        "DistilBERT4", "52.2M", "3.0x", "91.4 | 82.4 | 68.5 | 78.9 | 85.2 | 54.1 | 76.8"
    ),
    "tinybert": _table1(
        "TinyBERT4", "14.5M", "9.4x", "92.6 | 86.4 | 71.3 | 82.5 | 87.7 | 62.9 | 80.6"
    ),
    "bilstm-soft": _table1("BiLSTM-soft", "10.1M", "7.6x", "90.7 | - | 68.2 | 73.0 | - | - | -"),
}
TABLE2: dict[str, dict[str, str]] = {
    "sst2": {"depth": "3", "params": "6.4M", "speedup": "29.3x"},
    "mrpc": {"depth": "4", "params": "7.5M", "speedup": "19.2x"},
    "qqp": {"depth": "5", "params": "8.2M", "speedup": "16.4x"},
    "mnli": {"depth": "7", "params": "9.5M", "speedup": "12.7x"},
    "qnli": {"depth": "5", "params": "7.9M", "speedup": "18.1x"},
    "rte": {"depth": "6", "params": "8.6M", "speedup": "15.5x"},
}
TABLE3: dict[str, dict[str, str]] = {
    "adabert:sst2": _row(_SIX, "91.9 | 78.1 | 58.6 | 64.0 | 74.1 | 53.8"),
    "adabert:mrpc": _row(_SIX, "81.5 | 84.7 | 68.9 | 75.9 | 82.2 | 60.3"),
    "adabert:qqp": _row(_SIX, "81.9 | 84.1 | 70.5 | 76.3 | 82.5 | 60.5"),
    "adabert:mnli": _row(_SIX, "82.1 | 81.5 | 66.8 | 81.3 | 86.1 | 63.2"),
    "adabert:qnli": _row(_SIX, "81.6 | 82.3 | 67.7 | 79.2 | 87.2 | 62.9"),
    "adabert:rte": _row(_SIX, "82.9 | 81.1 | 66.5 | 79.8 | 86.0 | 64.1"),
    "random": {},  # as deep and as large as the task's own: ours alone
    "uniform": _row(
        _SIX, "80.4 ± 4.3 | 79.2 ± 2.8 | 61.8 ± 4.9 | 69.7 ± 6.7 | 78.2 ± 5.5 | 55.3 ± 4.1"
    ),
}
TABLE4: dict[str, dict[str, str]] = {
    "base-kd": _row(_FOUR, "86.6 | 77.2 | 82.0 | 56.7"),
    "+probe": _row(_FOUR, "88.4 | 78.7 | 83.3 | 58.1"),
    "+da": _row(_FOUR, "91.4 | 83.9 | 86.5 | 63.2"),
    "+ce": _row(_FOUR, "91.9 | 84.7 | 87.2 | 64.1"),
}
TABLE5: dict[str, dict[str, str]] = {
    "beta-0": _row(_FOUR, "91.8 (7.5M) | 84.5 (7.8M) | 87.1 (8.3M) | 63.9 (9.1M)"),
    "beta-4": _row(_FOUR, "91.9 (6.4M) | 84.7 (7.5M) | 87.2 (7.9M) | 64.1 (8.6M)"),
    "beta-8": _row(_FOUR, "91.3 (5.3M) | 84.2 (6.4M) | 86.4 (7.1M) | 63.3 (7.8M)"),
}
