"""Whether a finished search decided better than chance would have, told by its own supernet on the selection rows.

All architectures share the supernet's weights, so each is scored without any training; BatchNorm's statistics
alone are counted anew for each. It says whether P_alpha came to what the supernet holds to be good, not whether
that is good once it is trained.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from adabert_nni.checkpoint import read_tensors
from adabert_nni.config import Config
from adabert_nni.data.batches import loader
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json
from adabert_nni.metrics import score
from adabert_nni.model.architecture import Architecture
from adabert_nni.pipeline.limits import set_limits
from adabert_nni.pipeline.searching import Searched, reopen
from adabert_nni.pipeline.students import student_config
from adabert_nni.precision import device
from adabert_nni.progress import progress
from adabert_nni.settings import PAPER
from adabert_nni.student.derive import derive
from adabert_nni.student.draw import draw_alike, draw_from
from adabert_nni.student.recount import recount
from adabert_nni.training import predict, to_device

PATHS = 8  # for each step, to tell what ops are worth
BATCHES = 16  # which paths and steps share
ROWS = 256  # of a batch that is scored
COUNTED = 8  # batches that BatchNorm's statistics are taken from

Scores = dict[str, float]  # "loss", lower is better, and the task's first metric


def judge(
    searched: Path, draws: int, overrides: dict[str, Any], gradients: int | None = None
) -> dict[str, Any]:
    """Score what a search found, what chance gives, and every other candidate in place of each choice.

    Args:
        searched: folder of a search, or of the run that holds it.
        draws: random cells of the found one's depth and size, and as many drawn from P_alpha, >= 2.
        overrides: settings that differ from the search's, such as ``cache`` or ``threads``.
        gradients: steps, >= 2, whose gradients to P_alpha are judged too; None judges none.

    Returns:
        ``found``: its loss and metric; ``alike`` and ``drawn``, what ``field`` says of both kinds of draws;
        ``choices``, by edge and ``depth`` what ``placed`` says; ``rank``, the mean over edges; where they are
        asked for ``gradients``, a row each for relaxation and temperature: ``relaxation``, ``tau`` (None where
        there is none), and ``search.gradients.quality``.

    Raises:
        AdaBertError: if there is no finished search, or draws, steps or cells of the found one's size are too few.
    """
    for name, count in {"draws": draws, "gradients": gradients}.items():
        if count is not None and count < 2:
            raise AdaBertError(
                f"judge: {name} is {count}; it must be 2 or more, for there is a deviation to tell"
            )
    config, search = reopen(searched, overrides)
    told = _paths(config, search, draws)
    if gradients is None:
        return told
    return {**told, "gradients": _gradients(config, search, gradients)}


def _paths(config: Config, search: Searched, draws: int) -> dict[str, Any]:
    found = Architecture.load(search.folder / "architecture.json")
    record = read_json(search.folder / "search.json")
    weights = read_tensors(search.folder / "supernet.safetensors")
    rows, space, task = search.inputs.selection, search.space, search.inputs.splits.task
    seen = loader(search.inputs.searched, ROWS, shuffle=True, seed=config.run.seed)
    counted = [to_device(batch, device()) for batch in islice(seen, COUNTED)]

    def scores(candidate: Architecture) -> Scores:
        settings = student_config(candidate, space, search.inputs)
        student = derive(candidate, weights, settings).eval().without_probes().to(device())
        recount(student, counted)
        outputs, metrics = predict(student, rows, ROWS), task.metrics[:1]
        loss = float(task.problem.task_loss(outputs, rows.labels))
        return {"loss": loss, **score(metrics, task.problem.predictions(outputs), rows.labels)}

    alike = [draw_alike(found, space.ops, space.dim, seed) for seed in range(draws)]
    drawn = [draw_from(record["probs"], found, seed) for seed in range(draws)]
    instead = {
        **{edge: _ops_of(found, edge, space.ops) for edge in found.edges},
        "depth": {str(k): replace(found, depth=k) for k in range(1, space.max_depth + 1)},
    }
    chosen = {**found.edges, "depth": str(found.depth)}
    known: dict[Any, Scores] = {}
    wanted = [found, *alike, *drawn, *(c for some in instead.values() for c in some.values())]
    different = {_key(candidate): candidate for candidate in wanted}
    for key, candidate in progress(different.items(), len(different), "judge"):
        known[key] = scores(candidate)
    own = known[_key(found)]
    choices = {
        name: placed({which: known[_key(c)]["loss"] for which, c in some.items()}, chosen[name])
        for name, some in instead.items()
    }
    return {
        "metric": task.metrics[0],
        "depth": found.depth,
        "found": own,
        "alike": field(own, [known[_key(c)] for c in alike]),
        "drawn": field(own, [known[_key(c)] for c in drawn]),
        "choices": choices,
        "rank": fmean(choices[edge]["rank"] for edge in found.edges),
        "ops": len(space.ops),
    }


def _gradients(config: Config, search: Searched, steps: int) -> list[dict[str, Any]]:
    """Whether a step's gradient points to better ops; ``PATHS`` as many paths tell what ops are worth."""
    from adabert_nni.search.gradients import observe, quality, search_module

    settings, depth = config.search, Architecture.load(search.folder / "architecture.json").depth
    weights = read_tensors(search.folder / "supernet.safetensors")
    costs = None
    if settings.cost != PAPER:
        task = search.inputs.splits.task
        costs = set_limits(config, search.space, task, search.folder.parent).costs
    module = search_module(search.space, search.inputs.shape, settings, weights, depth, costs)
    module.to(device())
    seed, size = config.run.seed, settings.search_batch
    few, unseen = (
        [
            to_device(b, device())
            for b in islice(loader(rows, size, shuffle=True, seed=seed), BATCHES)
        ]
        for rows in (search.inputs.searched, search.inputs.selection)
    )
    seen = observe(module, few, unseen, paths=PATHS * steps, steps=steps, seed=seed)
    middle = (settings.tau_start * settings.tau_end) ** 0.5
    kinds = [("gumbel", tau) for tau in (settings.tau_start, middle, settings.tau_end)]
    return [
        {
            "relaxation": kind,
            "tau": tau,
            **quality(seen.gradient(kind, tau or 1.0), seen.effects, seen.unseen),
        }
        for kind, tau in [*kinds, ("mean", None)]
    ]


def field(found: Scores, others: Sequence[Scores]) -> dict[str, Any]:
    """``mean`` and ``deviation`` of the others' scores, and the share of them that ``found`` has ``beaten``."""
    columns = {name: [one[name] for one in others] for name in found}
    return {
        "count": len(others),
        "mean": {name: fmean(values) for name, values in columns.items()},
        "deviation": {name: stdev(values) for name, values in columns.items()},
        "beaten": fmean(loss > found["loss"] for loss in columns["loss"]),
    }


def placed(losses: Mapping[str, float], chosen: str) -> dict[str, Any]:
    """Where the chosen candidate of one choice stands.

    Args:
        losses: of every candidate, all other choices being the same.
        chosen: one of them.

    Returns:
        ``rank`` of the chosen one, from 1, equal ones sharing the mean of theirs; ``of`` how many; the ``best``
        one; both losses.
    """
    own = losses[chosen]
    better = sum(loss < own for loss in losses.values())
    equal = sum(loss == own for loss in losses.values())
    best = min(losses, key=losses.__getitem__)
    return {
        "chosen": chosen,
        "rank": better + (equal + 1) / 2,
        "of": len(losses),
        "best": best,
        "loss": own,
        "best_loss": losses[best],
    }


def _ops_of(found: Architecture, edge: str, ops: Sequence[str]) -> dict[str, Architecture]:
    return {op: replace(found, edges={**found.edges, edge: op}) for op in ops}


def _key(candidate: Architecture) -> tuple[Any, ...]:
    """What the scores depend on: equal for cells that differ in edges that carry nothing."""
    return candidate.depth, tuple(candidate.live_edges().items())
