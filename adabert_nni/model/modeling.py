"""The student as a Hugging Face model: loads with transformers alone, with or without this package.

The architecture lies in ``config.json`` as a plain dict. Exported folders carry a copy of this folder's
modules, so ``AutoModelForSequenceClassification.from_pretrained(dir, trust_remote_code=True)`` works where
the package is not installed. Shapes: B batch, L tokens, C classes.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import logging

# transformers 4 copies beside a student's code only what this file itself imports.
from . import convolution, pairs  # noqa: F401
from .architecture import Architecture
from .body import build_body
from .cell import Cell
from .ops import OPS, check_ops

logger = logging.get_logger(__name__)


def _of_classes(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels.view(-1))


def _of_values(values: Tensor, labels: Tensor) -> Tensor:
    return functional.mse_loss(values.view(-1), labels.view(-1).to(values.dtype))


def _of_several_classes(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))


LOSSES = {  # by ``problem_type``
    None: _of_classes,
    "single_label_classification": _of_classes,
    "multi_label_classification": _of_several_classes,
    "regression": _of_values,
}


class AdaBertConfig(PretrainedConfig):
    """Settings of a student: its architecture and the sizes around it."""

    model_type = "adabert"

    def __init__(
        self,
        architecture: dict[str, Any] | None = None,
        vocab_size: int = 30522,
        hidden_size: int = 128,
        max_position_embeddings: int = 128,
        hidden_dropout_prob: float = 0.1,
        sep_token_id: int | None = None,
        pair_layout: str = "joint",
        layer_probes: bool = False,
        **kwargs: Any,
    ) -> None:
        """Store the settings; ``**kwargs`` goes to ``PretrainedConfig``, as transformers asks for.

        Args:
            architecture: ``Architecture.to_dict()``; None only for a config that transformers builds empty.
            vocab_size: number of WordPieces V.
            hidden_size: channels D.
            max_position_embeddings: longest input in tokens; what goes beyond is cut.
            hidden_dropout_prob: share of activations dropped in training, [0, 1).
            sep_token_id: separator of a text pair; None for single texts.
            pair_layout: of text pairs, a key of ``pairs.LAYOUTS``.
            layer_probes: keep a probe on every layer, as distillation needs; an exported student has only the
                last one, its classifier.
            **kwargs: settings of ``PretrainedConfig``, such as ``id2label``.

        Raises:
            ArchitectureError: if ``architecture`` is malformed or names an unknown op.
        """
        if architecture is not None:
            check_ops(
                Architecture.from_dict(architecture).edges.values(), "config.json: architecture"
            )
        self.architecture = architecture
        self.vocab_size = vocab_size
        self.hidden_size = hidden_size
        self.max_position_embeddings = max_position_embeddings
        self.hidden_dropout_prob = hidden_dropout_prob
        self.pair_layout = pair_layout
        self.layer_probes = layer_probes
        self.sep_token_id = sep_token_id
        super().__init__(**kwargs)


class AdaBertForSequenceClassification(PreTrainedModel):
    """A stack of K copies of one convolutional cell over factorised word embeddings, with a linear head."""

    config: AdaBertConfig
    config_class = AdaBertConfig
    base_model_prefix = "body"

    def __init__(self, config: AdaBertConfig) -> None:
        """Build the model of ``config.architecture``; only its live edges are built."""
        super().__init__(config)
        architecture = Architecture.from_dict(config.architecture)
        live = architecture.live_edges()
        depth = architecture.depth
        self.body = build_body(
            vocab_size=config.vocab_size,
            dim=config.hidden_size,
            max_length=config.max_position_embeddings,
            dropout=config.hidden_dropout_prob,
            depth=depth,
            num_labels=int(config.num_labels or 0),
            build_cell=lambda: Cell(
                architecture.nodes,
                config.hidden_size,
                {name: OPS[op].build(config.hidden_size) for name, op in live.items()},
            ),
            readout_layers=list(range(1, depth + 1)) if config.layer_probes else [depth],
            sep_id=config.sep_token_id,
            pair_layout=config.pair_layout,
        )
        self._has_weights = (
            True  # PyTorch's own, which is not so while transformers fills a folder's in
        )
        self.post_init()
        self._has_weights = False

    def _init_weights(self, module: nn.Module) -> None:
        """Leave PyTorch's own initialisation, but start embeddings small; a head that a folder lacks has none."""
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        elif isinstance(module, nn.Linear) and not self._has_weights:
            module.reset_parameters()

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        return_dict: bool | None = None,
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """Classify.

        Args:
            input_ids: token ids, (B, L).
            attention_mask: 1 at real tokens, (B, L); None means all are real.
            token_type_ids: accepted because tokenizers give them; pairs are split at the separator.
            labels: class ids, (B,), give a cross-entropy loss; values, in regression, a mean squared error; for
                several classes a row, 0 or 1 each, (B, C).
            return_dict: False gives a tuple; None asks the config.

        Returns:
            Logits (B, C) of the last layer, and the loss if labels are given.
        """
        length, longest = input_ids.shape[1], self.config.max_position_embeddings
        if not torch.compiler.is_compiling() and length > longest:
            logger.warning_once(
                f"a row has {length} tokens, and what is beyond {longest} is cut off, of a pair the second text; "
                "give truncation=True to the tokenizer or the pipeline, which cuts the longer text"
            )
        *_, logits = self.body.layer_logits(input_ids, attention_mask)
        loss = None if labels is None else LOSSES[self.config.problem_type](logits, labels)
        if not (self.config.return_dict if return_dict is None else return_dict):
            return (logits,) if loss is None else (loss, logits)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def without_probes(self) -> "AdaBertForSequenceClassification":
        """A copy that keeps the last layer's readout only: the student that is exported."""
        config = AdaBertConfig.from_dict({**self.config.to_dict(), "layer_probes": False})
        student = type(self)(config)
        kept = student.state_dict()
        student.load_state_dict(
            {name: value for name, value in self.state_dict().items() if name in kept}
        )
        return student.train(self.training)


# With these, ``save_pretrained`` also writes this folder's modules and their ``auto_map``, wherever it is called.
AdaBertConfig.register_for_auto_class("AutoConfig")
AdaBertForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
AutoConfig.register("adabert", AdaBertConfig, exist_ok=True)
AutoModelForSequenceClassification.register(
    AdaBertConfig, AdaBertForSequenceClassification, exist_ok=True
)
