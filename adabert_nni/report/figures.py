"""Which charts a run has: turns its artefacts into figures with a title, a legend and a note.

It must not know how a page looks, and reads no files.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from adabert_nni.metrics import SHARES
from adabert_nni.report.charts import bar_chart, line_chart, share_chart
from adabert_nni.report.families import family_of
from adabert_nni.report.runs import Run
from adabert_nni.report.tables import amount

KERNELS = ("3", "5", "7")  # a larger kernel has a fuller colour
DEPTH = "depth"
INPUTS = {0: "cₖ₋₂", 1: "cₖ₋₁"}


@dataclass(frozen=True)
class Figure:
    """A chart and its words.

    Attributes:
        title: what it shows.
        svg: the chart.
        legend: (class, name) of every series, where there are several.
        note: how to read it.
    """

    title: str
    svg: Markup
    legend: list[tuple[str, str]] = field(default_factory=list)
    note: str = ""


def of_run(run: Run) -> dict[str, list[Figure]]:
    """Figures by section: ``search``, ``edges``, ``student``, ``knowledge``; a section may be empty."""
    return {
        "search": _search(run.search.get("epochs", []), run.metric),
        "edges": _edges(run.p_alpha),
        "student": _student(run.student.get("history", []), run.metric),
        "knowledge": _knowledge(run.evaluation.get("knowledge")),
    }


def edge_name(label: str) -> str:
    """``edge_0_2`` -> ``cₖ₋₂ → 2``, ``edge_2_3`` -> ``2 → 3``."""
    _, i, j = label.split("_")
    return f"{INPUTS.get(int(i), i)} → {j}"


def op_class(op: str) -> str:
    """The class of an op's colour: its family's, and how full it is."""
    return f"{family_of(op)} k{KERNELS.index(op[-1]) if op[-1] in KERNELS and 'conv' in op else 2}"


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def tick_of(metric: str) -> Callable[[float], str]:
    """How a score stands at an axis: short."""
    return _percent if metric in SHARES else amount


def _series(names: Sequence[str]) -> list[tuple[str, str]]:
    return [(f"c{number}", name) for number, name in enumerate(names)]


def _search(epochs: Sequence[Mapping[str, float]], metric: str) -> list[Figure]:
    """Curves over the epochs of the search; those of which ``search.json`` has no numbers are left out."""
    if not epochs:
        return []
    x = [epoch["epoch"] for epoch in epochs]

    def figure(title: str, keys: dict[str, str], show: Any, note: str) -> list[Figure]:
        lines = {name: [e[key] for e in epochs] for key, name in keys.items() if key in epochs[0]}
        if not lines:
            return []
        legend = _series(list(lines)) if len(lines) > 1 else []
        return [Figure(title, Markup(line_chart(x, lines, show)), legend, note)]

    found = figure(
        "Losses",
        {"loss_ce": "task, L_CE", "loss_kd": "knowledge, L_KD"},
        amount,
        "Means over an epoch's steps, each on a drawn student.",
    )
    found += figure(
        "Efficiency loss",
        {"loss_e": "L_E"},
        amount,
        "Size and FLOPs of the drawn student, equation (5), before beta weighs it.",
    )
    found += figure(
        f"Selection {metric}",
        {"default": metric},
        tick_of(metric),
        "Of the student that would be derived then, on rows set apart from the training split.",
    )
    found += figure(
        "Entropy of P_alpha",
        {"entropy": "nats"},
        amount,
        "Mean over the edges, in nats; it falls as the search decides.",
    )
    found += figure(
        "Expected depth", {"expected_depth": "cells"}, amount, "Mean of K under P_alpha, in cells."
    )
    return found + figure(
        "Share of skip and zero",
        {"free_share": "share"},
        _percent,
        "Of P_alpha, mean over the edges; near 100 % the cell would collapse.",
    )


def _edges(p_alpha: Mapping[str, Mapping[str, Sequence[float]]]) -> list[Figure]:
    """P_alpha of every edge over the epochs, as small charts with one legend."""
    found = []
    for label, shares in p_alpha.items():
        if label != DEPTH:
            classes = [op_class(op) for op in shares]
            chart = share_chart(shares, edge_name(label), classes)
            found.append(
                Figure(edge_name(label), Markup(chart), list(zip(classes, shares, strict=True)))
            )
    return found


def _student(history: Sequence[Mapping[str, float]], metric: str) -> list[Figure]:
    if len(history) < 2:
        return []
    scores = {metric: [epoch[f"selection_{metric}"] for epoch in history]}
    chart = line_chart([epoch["epoch"] for epoch in history], scores, tick_of(metric))
    found = [
        Figure(
            f"Selection {metric}",
            Markup(chart),
            note="Of the running mean of the weights; 0 is the student as it was derived.",
        )
    ]
    trained = [epoch for epoch in history if "loss" in epoch]
    chart = line_chart(
        [epoch["epoch"] for epoch in trained], {"loss": [e["loss"] for e in trained]}, amount
    )
    note = "Equation (1) without the efficiency term, mean over an epoch's steps."
    return [*found, Figure("Training loss", Markup(chart), note=note)]


def _knowledge(told: Mapping[str, Any] | None) -> list[Figure]:
    """What the teacher's layers know, and how much of it each student layer is taught."""
    if not told:
        return []
    layers = list(range(1, len(told["probes"]) + 1))
    chart = line_chart(
        layers,
        {"probe": told["probes"]},
        tick_of(told["metric"]),
        x_name="teacher layer",
        level=told["teacher"],
    )
    weights = {
        f"{number} ← teacher {layer}": weight
        for number, (layer, weight) in enumerate(
            zip(told["matched"], told["weights"], strict=True), start=1
        )
    }
    return [
        Figure(
            f"{told['metric'].capitalize()} of the probe on each teacher layer",
            Markup(chart),
            [("c0", "probe"), ("level", "the teacher itself")],
            "On rows that neither the teacher nor a probe was trained on.",
        ),
        Figure(
            "Weight of each student layer in L_KD",
            Markup(bar_chart(weights, _percent)),
            note="Equation (4), mean over the training rows; each layer learns from the teacher layer named.",
        ),
    ]
