"""How many times faster a student is than its teacher and BERT-base, at one size, for a run's report.

It must not know files or runs. Shapes: B batch, L tokens.
"""

import copy
import time
from collections.abc import Sequence

import torch
from torch import nn

from adabert_nni.benchmark.counting import count_params, setting
from adabert_nni.benchmark.peers import PEERS, build_peer
from adabert_nni.benchmark.timing import Clock, device_of, measure
from adabert_nni.errors import AdaBertError


def speedups(
    student: nn.Module,
    teacher: nn.Module,
    *,
    batch: int = 32,
    length: int = 128,
    repetitions: int = 5,
    seconds: float | None = None,
    turn_seconds: float = 0.3,
    threads: int | None = None,
    peers: Sequence[str] = ("bert-base",),
    clock: Clock = time.perf_counter,
) -> dict[str, float | int | str]:
    """How many times faster the student is than its teacher and ``PEERS``.

    Args:
        student: a classifier with a transformers config; all run on its device, in float32.
        teacher: likewise; left as it is.
        batch: rows B.
        length: tokens L, within what each model takes.
        repetitions: rounds; 2 or 3 will do where BERT-base takes seconds a pass.
        seconds: as in ``measure``.
        turn_seconds: as in ``measure``; lets the fast student pass often in few rounds.
        threads: as in ``measure``.
        peers: names in ``PEERS``.
        clock: gives seconds.

    Returns:
        Keys of ``metrics.json``: ``speedup_vs_<other>``; ``<model>_ms`` and ``<model>_ms_spread``
        of student, teacher and peers; ``<peer>_params``, with ``_`` for ``-`` in a peer's name; and
        the settings of the run.

    Raises:
        AdaBertError: if a peer is unknown or a model cannot take ``length`` tokens.
    """
    if unknown := [name for name in peers if name not in PEERS]:
        raise AdaBertError(f"benchmark: peers has {unknown}; give names among {', '.join(PEERS)}")
    built = {
        name.replace("-", "_"): build_peer(name, setting(student, "num_labels")) for name in peers
    }
    models = {"student": student, "teacher": teacher, **built}
    for name, model in models.items():
        limit = setting(model, "max_position_embeddings") or setting(model, "max_length", length)
        if length > limit:
            raise AdaBertError(
                f"benchmark: length is {length}; the {name} takes at most {limit}: lower it to that"
            )
    timings = measure(
        {name: _float32_on(device_of(student), model) for name, model in models.items()},
        batch=batch,
        length=length,
        vocab_size=min(setting(model, "vocab_size") for model in models.values()),
        sep_token_id=setting(student, "sep_token_id"),
        repetitions=repetitions,
        seconds=seconds,
        turn_seconds=turn_seconds,
        threads=threads,
        clock=clock,
    )
    others = [name for name in models if name != "student"]
    return {
        **{f"speedup_vs_{name}": timings[name].ms / timings["student"].ms for name in others},
        **{f"{name}_ms": timing.ms for name, timing in timings.items()},
        **{f"{name}_ms_spread": timing.spread for name, timing in timings.items()},
        **{f"{name}_params": count_params(model) for name, model in built.items()},
        **{"batch": batch, "length": length, "threads": threads or torch.get_num_threads()},
        **{"device": device_of(student).type, "dtype": "float32", "torch": str(torch.__version__)},
    }


def _float32_on(device: torch.device, model: nn.Module) -> nn.Module:
    """The model where it fits already, else a copy: the caller's stays as it is."""
    if all(
        p.device == device and p.dtype in (torch.float32, torch.int64) for p in model.parameters()
    ):
        return model
    return copy.deepcopy(model).to(device=device, dtype=torch.float32)
