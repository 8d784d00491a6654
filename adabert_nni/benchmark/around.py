"""What a search does beside its arithmetic: the profile of a short one, as a share of its time.

Everything runs as in a real search: loading and collation, Lightning's loop, NNI's experiment, log and files.
"""

import cProfile
import pstats
import tempfile
from pathlib import Path
from typing import Any, Literal

import torch

from adabert_nni.config import SearchConfig
from adabert_nni.data.encoding import Encoded
from adabert_nni.search.run import run_search
from adabert_nni.search.task import TaskShape
from adabert_nni.spaces import SpaceConfig

STEPS = 40  # of the epoch; a real one has hundreds, and starts but once too
SHORTEST, LONGEST = 4, 24  # tokens of a row, 14 on average, as in SST-2
VOCABULARY, TEACHER_LAYERS = 30522, 12
LOOP = ("loops/fit_loop.py", "run")
ARITHMETIC = {
    "training_step": ("search/module.py", "training_step"),
    "validation_step": ("search/module.py", "validation_step"),
}


def profile_search(
    space: SpaceConfig, estimator: Literal["exact", "sampled"] = "sampled", batch: int = 128
) -> dict[str, Any]:
    """Search for one epoch under Python's profiler, which makes all that is not arithmetic look slower.

    Args:
        space: the architecture space.
        estimator: the cheap one has the least arithmetic to hide the rest behind.
        batch: rows per step.

    Returns:
        Seconds of the loop over the epoch, of its steps, and ``around_share``, what is left of the loop.
    """
    rows = _rows(STEPS * batch, 0)
    task = TaskShape(2, None, 128, torch.randn(VOCABULARY, space.dim), torch.randn(128, space.dim))
    settings = SearchConfig(estimator=estimator, search_epochs=1, search_batch=batch)
    profiler = cProfile.Profile()
    with tempfile.TemporaryDirectory() as folder:
        profiler.runcall(
            run_search,
            space,
            settings,
            task,
            rows,
            _rows(batch, len(rows)),
            seed=0,
            folder=Path(folder),
        )
    loop = _seconds(profiler, *LOOP)
    parts = {name: _seconds(profiler, *where) for name, where in ARITHMETIC.items()}
    share = 1 - sum(parts.values()) / loop
    return {"estimator": estimator, "batch": batch, "loop": loop, **parts, "around_share": share}


def _rows(count: int, first: int) -> Encoded:
    """Rows of random words and labels, with ids from ``first``."""
    lengths = torch.randint(SHORTEST, LONGEST + 1, (count,)).tolist()
    return Encoded(
        input_ids=[torch.randint(1, VOCABULARY, (n,), dtype=torch.int32) for n in lengths],
        token_type_ids=None,
        labels=torch.randint(0, 2, (count,)),
        ids=torch.arange(first, first + count),
        pad_id=0,
        teacher=torch.rand(count, TEACHER_LAYERS, 2).softmax(-1),
    )


def _seconds(profiler: cProfile.Profile, file: str, function: str) -> float:
    """Time in functions of that name and all they call."""
    entries: dict[tuple[str, int, str], Any] = pstats.Stats(profiler).stats  # type: ignore[attr-defined]
    return float(
        sum(
            entry[3]
            for (path, _, name), entry in entries.items()
            if name == function and Path(path).as_posix().endswith(file)
        )
    )
