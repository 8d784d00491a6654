"""What ``adabert judge`` tells, as text. It must not know how it was found out."""

from collections.abc import Sequence
from typing import Any

from adabert_nni.report.tables import markdown_table, shown

KINDS = {"alike": "random, as deep and as large", "drawn": "drawn from P_alpha"}


def judged_text(found: dict[str, Any]) -> str:
    """A table of architectures, one of choices, how far the mean rank of the ops lies from chance, and gradients.

    Args:
        found: what ``pipeline.judge`` gives.

    Returns:
        Markdown.
    """
    metric, own = found["metric"], found["found"]
    columns = {"what": "", "loss": "loss", metric: metric, "beaten": "behind the found one"}
    rows = [{"what": "found", "loss": f"{own['loss']:.4f}", metric: shown(metric, own[metric])}]
    for kind, what in KINDS.items():
        mean, deviation = found[kind]["mean"], found[kind]["deviation"]
        rows.append(
            {
                "what": f"{what} ({found[kind]['count']})",
                "loss": f"{mean['loss']:.4f} ± {deviation['loss']:.4f}",
                metric: f"{shown(metric, mean[metric])} ± {shown(metric, deviation[metric])}",
                "beaten": f"{100 * found[kind]['beaten']:.0f} %",
            }
        )
    choices = [
        {
            "choice": name,
            "chosen": f"{choice['chosen']} ({choice['loss']:.4f})",
            "rank": f"{choice['rank']:g} of {choice['of']}",
            "best": f"{choice['best']} ({choice['best_loss']:.4f})",
        }
        for name, choice in found["choices"].items()
    ]
    names = {"choice": "choice", "chosen": "chosen", "rank": "rank", "best": "best there"}
    mean, luck = chance(found["ops"], len(choices) - 1)
    told = f"mean rank of the ops {found['rank']:.1f} of {found['ops']}; chance gives {mean:.1f} ± {luck:.1f}"
    parts = [markdown_table(rows, columns), markdown_table(choices, names), told]
    if "gradients" in found:
        parts.append(_gradients(found["gradients"]))
    return "\n\n".join(parts)


def _gradients(rows: Sequence[dict[str, Any]]) -> str:
    columns = {
        "relaxation": "relaxation",
        "tau": "tau",
        "correlation": "correlation with what ops are worth",
        "unseen": "on selection rows",
        "signal": "signal over noise of a step",
    }
    shown_rows = [
        {
            "relaxation": row["relaxation"],
            "tau": "" if row["tau"] is None else f"{row['tau']:.2f}",
            "correlation": f"{row['correlation']:.2f}",
            "unseen": f"{row['unseen']:.2f}",
            "signal": f"{row['signal']:.3f}",
        }
        for row in rows
    ]
    return markdown_table(shown_rows, columns)


def chance(candidates: int, choices: int) -> tuple[float, float]:
    """Mean and deviation of the mean rank of ``choices`` picks among ``candidates`` each, all by chance."""
    return (candidates + 1) / 2, ((candidates**2 - 1) / 12 / choices) ** 0.5
