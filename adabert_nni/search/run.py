"""Run one search: space, strategy and evaluator through an NNI experiment in this process.

Reads tokenised rows joined with the probe table; writes ``architecture.json``, ``sample.json`` (NNI's flat
form), ``supernet.safetensors``, ``search.json`` (numbers per epoch) and ``p_alpha.json``. Knows no teacher.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import cast

import torch
from nni.nas.evaluator.pytorch import Lightning, Trainer

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.config import SearchConfig
from adabert_nni.data.encoding import Encoded
from adabert_nni.model.architecture import Architecture
from adabert_nni.precision import device
from adabert_nni.progress import progress
from adabert_nni.search.evaluator import SearchData, SearchModule
from adabert_nni.search.experiment import InProcessExperiment
from adabert_nni.search.history import PROBS, tell, write_history
from adabert_nni.search.module import AdaBertModule
from adabert_nni.search.outcome import keep, save
from adabert_nni.search.resume import Resume
from adabert_nni.search.strategy import AdaBertStrategy
from adabert_nni.search.targets import Target
from adabert_nni.search.task import TaskShape, build_space
from adabert_nni.spaces import SpaceConfig

logger = logging.getLogger(__name__)
for _host in ("nni", "pytorch_lightning"):  # they reset their levels when they are imported
    logging.getLogger(_host).setLevel(logging.ERROR)

EpochReport = Callable[[int, dict[str, float]], None]


def run_search(
    space: SpaceConfig,
    settings: SearchConfig,
    task: TaskShape,
    train: Encoded,
    selection: Encoded,
    *,
    seed: int,
    folder: Path,
    costs: Mapping[str, float] | None = None,
    targets: Sequence[Target] = (),
    measured: Callable[[Architecture], float] | None = None,
    on_epoch: EpochReport | None = None,
    checkpoint: Checkpoint | None = None,
    precision: str = "float32",
    held: Sequence[int] = (),
) -> Architecture:
    """Search and write what was found into ``folder``.

    Args:
        space: the architecture space.
        settings: the search's settings.
        task: sizes and initial embeddings.
        train: rows that move weights and P_alpha, joined with the probe table.
        selection: rows that only measure.
        seed: seeds everything random.
        folder: existing folder for the artefacts.
        costs: of each op in equation (5); None takes SIZE + FLOPs.
        targets: what the student must keep to.
        measured: gives a student's ms, to check the target of latency by what was found; None trusts the
            target's own costs.
        on_epoch: called with (epoch, metrics) after each epoch, also, at once, for those that were
            done before a kill: NNI counts what a process reports, so its curve would lack them.
        checkpoint: where the search keeps its state, and goes on from after a kill.
        precision: one of ``PRECISIONS``: what the ops compute in.
        held: ids of the rows of ``train`` that move P_alpha alone, the others then moving the weights alone;
            none: all rows move both.

    Returns:
        The architecture of the most probable choices.
    """
    torch.manual_seed(seed)
    supernet = build_space(space, task)
    supernet.body.embeddings.start_from(task.words, task.positions)
    data = SearchData(train, selection, settings.search_batch, seed, held)
    steps = len(data.train_dataloader())
    resume = Resume(checkpoint)
    history, (first, _) = resume.history, resume.start
    losses = [0.0]
    total, done = settings.search_epochs * steps, first * steps + resume.start[1]
    ticks = progress(
        range(done, total), total, "search", lambda: f"loss {losses[-1]:.4f}", first=done
    )
    if on_epoch is not None:
        for epoch in history:
            numbers = {name: value for name, value in epoch.items() if name not in ("epoch", PROBS)}
            on_epoch(int(epoch["epoch"]) - 1, numbers)

    def after_epoch(epoch: int, metrics: dict[str, float]) -> None:
        now = cast(AdaBertModule, strategy.oneshot_module).export_probs()
        history.append({"epoch": epoch + 1, **metrics, PROBS: now})
        write_history(folder, history)
        tell(epoch + 1, settings.search_epochs, metrics)
        if on_epoch is not None:
            on_epoch(epoch, metrics)

    def after_step(loss: float | None) -> None:
        losses[0] = losses[0] if loss is None else loss
        next(ticks)

    strategy = AdaBertStrategy(
        gamma=settings.gamma,
        beta=settings.beta,
        estimator=settings.estimator,
        relaxation=settings.relaxation,
        tau_start=settings.tau_start,
        tau_end=settings.tau_end,
        alpha_lr=settings.alpha_lr,
        alpha_weight_decay=settings.alpha_weight_decay,
        alpha_warmup=settings.alpha_warmup,
        clip_norm=settings.clip_norm,
        precision=precision,
        costs=costs,
        targets=targets,
        seed=seed,
        start=resume.start,
        on_epoch=after_epoch,
        on_step=after_step,
    )
    module = SearchModule.of(settings, total, task.problem)
    logger.info(
        "search: %d epochs of %d steps; weights and P_alpha move on %s, P_alpha from epoch %d",
        settings.search_epochs,
        steps,
        f"rows of their own, {len(held)} for P_alpha" if held else "the same train batches",
        settings.alpha_warmup + 1,
    )
    evaluator = _evaluator(module, data, settings.search_epochs - first, resume)
    experiment = InProcessExperiment(supernet, evaluator, strategy)
    try:
        experiment.start()
    except SystemExit:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt from None
    ticks.close()
    sample = experiment.export_top_models(formatter="dict")[0]
    experiment.stop()
    found = cast(AdaBertModule, strategy.oneshot_module)
    sample, kept = keep(found, sample, measured)
    write_history(folder, history, probs=found.export_probs(), targets=kept)
    return save(folder, sample, strategy)


def _evaluator(module: SearchModule, data: SearchData, epochs: int, resume: Resume) -> Lightning:
    trainer = Trainer(
        max_epochs=epochs,
        callbacks=[resume],
        accelerator=device().type,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    return Lightning(module, trainer, datamodule=data)
