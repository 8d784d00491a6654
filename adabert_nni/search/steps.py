"""One training step of a supernet as a callable: ours, and that of NNI's own GumbelDARTS on the same space.

What is counted: a step moves the weights by B rows and P_alpha by B rows, that is forward, backward, clipping and
both optimizers. Ours does so from one draw in one pass over one batch (paper, section 2.5.2). ``GumbelDARTS`` does
one after the other, P_alpha on the rows it calls validation, then the weights on others: two passes, by NNI's own
``training_step``. All compute L_CE and L_KD on the logits of the same space; NNI's penalty, which has no gradient,
and all logging are left out. Must not know clocks and memory meters. Shapes: B batch, L tokens.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from nni.nas.oneshot.pytorch.base_lightning import BaseOneShotLightningModule
from nni.nas.oneshot.pytorch.strategy import GumbelDARTS
from torch import Tensor, nn

from adabert_nni.data.batches import Batch
from adabert_nni.losses import total_loss
from adabert_nni.precision import computing
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.search.gumbel import CERTAIN
from adabert_nni.search.module import AdaBertModule
from adabert_nni.search.space import DEPTH
from adabert_nni.search.step_parts import StepSize, batch_of, evaluator_of, made_ready, space_of
from adabert_nni.search.strategy import AdaBertStrategy

GAMMA, CLIP_NORM = 0.8, 5.0
NEVER = 10**9
STRIDE = 3  # from depth to depth; prime to the ten ops, so that each is left out once in a while


class PlainModule(SearchModule):
    """What NNI's strategies ask of an evaluator: a training step that returns its loss."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """L_CE and L_KD of the mixture of all layers' logits; the depth is mixed as the ops are."""
        layers = list(self.model.body.layer_logits(batch["input_ids"], batch["attention_mask"]))
        terms = self.loss_terms([*layers[:-1], self.model.depth(layers)], batch)
        nothing = torch.zeros((), device=layers[0].device)
        return total_loss(terms["loss_ce"], terms["loss_kd"], nothing, GAMMA, 0.0)


@dataclass(frozen=True)
class TrainingStep:
    """A step that can be taken again and again.

    Attributes:
        module: the Lightning module that takes it.
        batch: B rows; the same ones each time.
        passes: forward and backward passes that one step makes.
        depths: those whose mean is the cost of a step (``spread_depths``); one, where it does not depend on K.
        take: takes the step on a batch at a depth.
    """

    module: BaseOneShotLightningModule
    batch: Batch
    passes: int
    depths: tuple[int, ...]
    take: Callable[[Batch, int], object]

    def __call__(self, depth: int, rows: int | None = None) -> None:
        """Train once with ``depth`` layers drawn, on the first ``rows`` rows; None takes all."""
        self.take({name: tensor[:rows] for name, tensor in self.batch.items()}, depth)


def build_step(row: str, size: StepSize, device: torch.device | None = None) -> TrainingStep:
    """Build a supernet with random weights, its optimizers and a batch.

    Args:
        row: a key of ``STEPS``.
        size: how large.
        device: where to; None is the CPU.

    Returns:
        The step, which no call has warmed up.
    """
    return STEPS[row](size, device or torch.device("cpu"))


def _ours(estimator: str) -> Callable[[StepSize, torch.device], TrainingStep]:
    def build(size: StepSize, device: torch.device) -> TrainingStep:
        strategy = AdaBertStrategy(
            estimator=estimator, gamma=GAMMA, clip_norm=CLIP_NORM, precision=size.precision
        )
        evaluator = evaluator_of(SearchModule)
        evaluator.set_model(strategy.mutate_model(space_of(size)))
        module = made_ready(AdaBertModule(evaluator, strategy), device)

        def take(batch: Batch, depth: int) -> None:
            fix_draws(strategy.alphas, depth)
            module.training_step(batch, 0)

        return TrainingStep(module, batch_of(size, device), 1, spread_depths(size.max_depth), take)

    return build


def _nni(size: StepSize, device: torch.device) -> TrainingStep:
    strategy = GumbelDARTS(gradient_clip_val=CLIP_NORM, log_prob_every_n_step=NEVER)
    evaluator = evaluator_of(PlainModule)
    evaluator.set_model(strategy.mutate_model(space_of(size)))
    module = made_ready(strategy.configure_oneshot_module(evaluator), device)

    def take(batch: Batch, depth: int) -> None:
        with computing(size.precision, device):  # as Lightning's bf16-mixed does
            module.training_step({"train": batch, "val": batch}, 1)

    return TrainingStep(module, batch_of(size, device), 2, (size.max_depth,), take)


STEPS: dict[str, Callable[[StepSize, torch.device], TrainingStep]] = {
    "nni-gumbel-darts": _nni,
    "adabert-exact": _ours("exact"),
    "adabert-sampled": _ours("sampled"),
}


def spread_depths(max_depth: int) -> tuple[int, ...]:
    """At most four of the depths 1 to ``max_depth``, with the mean of all and both ends.

    A step's cost is a line in the depth drawn (every layer has the same ops), so these tell its mean too.
    """
    third = (max_depth - 1) // 3
    low = {1, 1 + third}
    few = sorted(low | {max_depth + 1 - depth for depth in low})
    return tuple(few) if max_depth > 4 else tuple(range(1, max_depth + 1))


@torch.no_grad()
def fix_draws(alphas: dict[str, nn.Parameter], depth: int) -> None:
    """Let the next draw be ``depth`` layers, and on the edges one op after the other.

    Nine edges then take nine of the ten ops, another one being left out at each depth: what a uniform draw
    costs on average, without its luck.

    Args:
        alphas: the logits by label, edges first.
        depth: 1 to K_max.
    """
    for place, (label, alpha) in enumerate(alphas.items()):
        index = depth - 1 if label == DEPTH else (place + STRIDE * depth) % len(alpha)
        alpha.zero_()
        alpha[index] = CERTAIN
