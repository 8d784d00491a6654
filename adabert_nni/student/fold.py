"""Folds a finished student into the same function in fewer, wider steps: for use, never for training.

BatchNorm goes into the convolution before it; the convolutions into a node become one over
concatenated channels, which sums them as it multiplies; convolutions that read one tensor merge; a
node's share of the cell's output goes into its weights. It must not know files or formats.
Shapes: B batch, L tokens, D channels, C classes.
"""

import copy
from collections.abc import Sequence
from functools import cached_property, reduce

import torch
from torch import Tensor, nn

from adabert_nni.model.body import Body
from adabert_nni.model.cell import Cell
from adabert_nni.model.modeling import AdaBertForSequenceClassification
from adabert_nni.model.pairs import first_inputs
from adabert_nni.student.kernels import cell_edges
from adabert_nni.student.wide import WideConv, wide_convs

# Up to so many tokens a matrix product over gathered neighbours beats the convolution, which lays
# out its weights anew at every call.
FEW_TOKENS = 256
LEAST_SHARE = 1e-12  # of a node in the output of its cell; so that it can be undone


class State:
    """A state of a cell as it was summed, and its forms that are zero at padding, made when read."""

    def __init__(self, raw: Tensor, mask: Tensor | None = None) -> None:
        """Take ``raw``, (B, L, D), with anything finite at padding, and the mask, (B, L, 1).

        Without a mask, ``raw`` is zero at padding.
        """
        self.raw, self.mask = raw, mask

    @cached_property
    def masked(self) -> Tensor:
        """What pools and skips read, (B, L, D)."""
        return self.raw if self.mask is None else self.raw * self.mask

    @cached_property
    def active(self) -> Tensor:
        """What convolutions read, (B, L, D)."""
        active = torch.relu(self.raw)
        return active if self.mask is None else active.mul_(self.mask)


def fold(student: AdaBertForSequenceClassification) -> "FoldedStudent":
    """The student's function in inference; the student stays as it is, no weight is shared.

    Args:
        student: any student, in any mode; probes of layers but the last are left out.

    Returns:
        A module in eval mode whose logits differ from the student's by rounding only.
    """
    return FoldedStudent(student.body)


class FoldedStudent(nn.Module):
    """A plain module: ids and mask to logits."""

    def __init__(self, body: Body) -> None:
        """Fold ``body`` and copy its embeddings and last readout."""
        super().__init__()
        self.sep_id, self.pair_layout = body.sep_id, body.pair_layout
        self.few_tokens, self.trim = FEW_TOKENS, True
        self.embeddings = copy.deepcopy(body.embeddings)
        self.cells = nn.ModuleList(
            FoldedCell(cell, same_inputs=layer == 0 and body.sep_id is None)  # type: ignore[arg-type]
            for layer, cell in enumerate(body.cells)
        )
        self.readout = copy.deepcopy(body.readouts[str(len(body.cells))])
        self.eval().requires_grad_(False)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Classify.

        Args:
            input_ids: token ids, (B, L); what goes beyond the table of positions is cut.
            attention_mask: 1 at real tokens, (B, L); None means all are real.

        Returns:
            Logits (B, C).
        """
        limit = self.embeddings.positions.num_embeddings
        ids = input_ids[:, :limit]
        real = torch.ones_like(ids) if attention_mask is None else attention_mask[:, :limit].long()
        layout, trim = self.pair_layout, self.trim
        inputs = first_inputs(self.embeddings, ids, real, self.sep_id, layout, trim=trim)
        mask = inputs.mask.unsqueeze(-1).to(inputs.last.dtype)
        last = State(inputs.last)
        before = last if self.sep_id is None else State(inputs.before)
        few = self.few_tokens > 0 and mask.numel() <= self.few_tokens
        for cell in self.cells:
            before, last = last, cell(before, last, mask, few)
        logits: Tensor = self.readout(last.raw, mask)
        return logits


class FoldedCell(nn.Module):
    """A cell whose convolutions are wide ones; its pools and skips stay what they are."""

    shares: Tensor

    def __init__(self, cell: Cell, *, same_inputs: bool) -> None:
        """Fold ``cell``; ``same_inputs`` says that its two input states are one tensor."""
        super().__init__()
        kernels, plain = cell_edges(cell, same_inputs)
        shares = cell.node_logits.detach().softmax(0).clamp_min(LEAST_SHARE)
        self.targets = range(2, cell.nodes + 2)
        # ReLU commutes with a positive factor: a node that only convolutions touch carries its
        # share of the output in its own weights, and the weights that read it undo it.
        touched = {node for *ends, _ in plain for node in ends}
        carried = {
            n: share for n, share in zip(self.targets, shares, strict=True) if n not in touched
        }
        self.shared = tuple(node in carried for node in self.targets)
        self.register_buffer("shares", shares)
        self.wide = nn.ModuleList(wide_convs(kernels, carried))
        self.ends = [(source, target) for source, target, _ in plain]
        self.plain = nn.ModuleList(copy.deepcopy(op) for *_, op in plain)
        self.norm = copy.deepcopy(cell.norm)

    def forward(self, before: State, last: State, mask: Tensor, few: bool) -> State:
        """c_{k-2}, c_{k-1} and the mask, (B, L, 1), give c_k; ``few`` as in ``WideConv``."""
        states = [before, last]
        for target in self.targets:
            parts = [
                conv(_joined([states[source].active for source in conv.sources]), few)
                for conv in self.wide
                if isinstance(conv, WideConv) and conv.target == target
            ]
            parts += [
                op(states[source].masked, mask)
                for (source, into), op in zip(self.ends, self.plain, strict=True)
                if into == target
            ]
            states.append(State(_sum(parts, last.raw), mask))
        weighted = [
            state.raw if shared else state.raw * share
            for state, share, shared in zip(states[2:], self.shares, self.shared, strict=True)
        ]
        return State(self.norm(_sum(weighted, last.raw)), mask)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, -1)


def _sum(parts: Sequence[Tensor], like: Tensor) -> Tensor:
    """The sum of ``parts``, in one new tensor; zeros like ``like`` if there are none."""
    if len(parts) < 2:
        return parts[0] if parts else torch.zeros_like(like)
    return reduce(torch.Tensor.add_, parts[2:], parts[0] + parts[1])
