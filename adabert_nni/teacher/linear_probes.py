"""All probes of a teacher and all penalties tried, trained together as one batched linear layer.

It must not know teachers. Shapes: R rows, B batch, J layers, F features per layer, C classes, S penalties tried.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.problems import CLASSIFICATION, Problem
from adabert_nni.progress import progress
from adabert_nni.states import Stateful, restore, state_of

CHUNK = 1024  # rows per step of the probes
LEAST_STEPS = 300  # small data sets are gone through more often
LEARNING_RATE = 0.5  # over the root of F: a step moves logits as far however many features


class Probes:
    """S x J linear models, one for each penalty and layer, trained as one batched linear."""

    def __init__(
        self,
        features: Tensor,
        labels: Tensor,
        classes: int,
        tries: int,
        problem: Problem = CLASSIFICATION,
    ) -> None:
        """Measure mean and deviation of the features.

        Args:
            features: (R, J, F) float16, rows in random order.
            labels: (R,) class ids, in [0, classes), or values of about mean 0 and deviation 1.
            classes: C.
            tries: S.
            problem: the kind of problem.
        """
        self._features, self._labels, self._problem = features, labels, problem
        _, layers, width = features.shape
        total = torch.zeros(2, layers, width, dtype=torch.float64)
        for chunk in features.split(CHUNK):
            values = chunk.double()
            total += torch.stack([values.sum(dim=0), values.square().sum(dim=0)])
        mean, square = total / len(features)
        self._mean = mean.float()
        self._scale = (square - mean.square()).clamp(min=1e-8).sqrt().float()
        self._weight = torch.zeros(tries, layers, width, classes, requires_grad=True)
        self._bias = torch.zeros(tries, 1, layers, classes, requires_grad=True)

    def fit(
        self,
        penalties: Tensor,
        *,
        epochs: int,
        generator: torch.Generator,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        """Minimise each probe's mean cost + penalty / 2 * ||weight||^2 by Adam.

        The cost is the cross-entropy, or the squared error, which makes a ridge regressor.

        Args:
            penalties: (S, J), >= 0.
            epochs: passes over the rows.
            generator: of the order of the chunks.
            checkpoint: where the training keeps its state, and goes on from after a kill.
        """
        chunks = math.ceil(len(self._features) / CHUNK)
        steps = max(LEAST_STEPS, epochs * chunks)
        rate = LEARNING_RATE / math.sqrt(self._weight.shape[2])
        optimizer = torch.optim.Adam([self._weight, self._bias], lr=rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        passes = math.ceil(steps / chunks)
        order = torch.cat([torch.randperm(chunks, generator=generator) for _ in range(passes)])
        parts: dict[str, Stateful] = {"optimizer": optimizer, "schedule": schedule}
        done = 0
        if checkpoint and (saved := checkpoint.load()):
            restore(parts, saved)
            self._weight.data, self._bias.data = saved["weight"], saved["bias"]
            done = saved["step"]
        left = order[done:steps].tolist()
        for step, chunk in enumerate(progress(left, steps, "probes", first=done), start=done + 1):
            rows = slice(chunk * CHUNK, (chunk + 1) * CHUNK)
            outputs = self._linear(self._features[rows])  # (S, B, J, C)
            costs = self._problem.probe_costs(outputs, self._labels[rows]).mean(dim=1)  # (S, J)
            size = self._weight.square().sum(dim=(2, 3))
            # A sum, so that the gradient of a probe is not that of any other.
            loss = (costs + penalties / 2 * size).sum()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            if checkpoint and checkpoint.due():
                weights = {"weight": self._weight, "bias": self._bias}
                checkpoint.save({"step": step, **weights, **state_of(parts)})

    @torch.no_grad()
    def outputs(self, features: Tensor) -> Tensor:
        """Logits or values (S, R, J, C) for features (R, J, F)."""
        return torch.cat([self._linear(c) for c in features.split(CHUNK)], dim=1)

    def keep(self, best: Tensor, temperature: Tensor) -> Callable[[Tensor], Tensor]:
        """Features (R, J, F) to what the probes of the penalties ``best`` (J,) believe, (R, J, C).

        ``temperature`` (J,) divides their outputs.
        """
        layers = torch.arange(len(best))

        def believe(features: Tensor) -> Tensor:
            chunks = (self.outputs(c)[best, :, layers] for c in features.split(CHUNK))
            kept = torch.cat([chunk.transpose(0, 1) for chunk in chunks])
            return self._problem.beliefs(kept / temperature[:, None])

        return believe

    def _linear(self, features: Tensor) -> Tensor:
        inputs = (features.float() - self._mean) / self._scale
        return torch.einsum("bjf,sjfc->sbjc", inputs, self._weight) + self._bias
