"""The sizes at which a step of the search is timed: the paper's, a real one, and a base that grows three ways."""

from dataclasses import dataclass, replace

from adabert_nni.search.step_parts import StepSize

PAPER, REAL = StepSize(), StepSize(batch=128, length=16)  # of SST-2, a batch's mean length is 14
BASE = StepSize(batch=8, length=32, max_depth=2)
GROWN = {
    "batch": replace(BASE, batch=32),
    "length": replace(BASE, length=128),
    "max_depth": replace(BASE, max_depth=8),
}


@dataclass(frozen=True)
class Case:
    """One size, and when to stop: after ``seconds`` no round starts but the first ``least``."""

    size: StepSize
    seconds: float
    least: int = 3


def cases(*, quick: bool, native: bool) -> list[Case]:
    """What is timed.

    Args:
        quick: two small sizes.
        native: whether bf16 products are; else a large step takes minutes in it, and a small one is timed.

    Returns:
        The first one is what is talked about.
    """
    if quick:
        return [Case(BASE, 8.0), Case(replace(BASE, precision="bf16"), 8.0)]
    halves = [replace(size, precision="bf16") for size in ((PAPER, REAL) if native else (BASE,))]
    grown = [Case(size, 6.0) for size in GROWN.values()]
    first = [Case(PAPER, 60.0, least=2), Case(REAL, 20.0, least=2), Case(BASE, 4.0)]
    return [*first, *grown, *(Case(half, 6.0, least=2) for half in halves)]
