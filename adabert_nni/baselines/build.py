"""Baselines as they start: shapes from the teacher's, weights from its layers where the paper takes them there.

It must not know losses or loops. Shapes: V vocabulary, J teacher layers, K student layers.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from transformers import PreTrainedModel

from adabert_nni.benchmark.peers import TINY, BiLstmSoft, bert, distilbert
from adabert_nni.errors import AdaBertError
from adabert_nni.losses import matched_layers

Builder = Callable[[PreTrainedModel, Tensor], nn.Module]  # teacher, words (V, 300) -> classifier
WORDS = 300  # width of the BiLSTM's embedding
LAYER = "bert.encoder.layer."
# Names of BERT's parts in DistilBERT, the longer ones first. It has no segments, and its head is its own: a ReLU
# stands where BERT's pooler has a tanh, so the head starts afresh.
DISTILBERT_NAMES = {
    LAYER: "distilbert.transformer.layer.",
    "bert.embeddings": "distilbert.embeddings",
    "attention.self.query": "attention.q_lin",
    "attention.self.key": "attention.k_lin",
    "attention.self.value": "attention.v_lin",
    "attention.output.dense": "attention.out_lin",
    "attention.output.LayerNorm": "sa_layer_norm",
    "intermediate.dense": "ffn.lin1",
    "output.dense": "ffn.lin2",
    "output.LayerNorm": "output_layer_norm",
}


def shorter_bert(of: int) -> Builder:
    """BERT with ceil(J / ``of``) of the teacher's layers, evenly spread, its embeddings and its head."""

    def build(teacher: PreTrainedModel, words: Tensor) -> nn.Module:
        depth = _layers(teacher, of)
        student = bert(**_config(teacher, depth))(_classes(teacher))
        layers = matched_layers(depth, teacher.config.num_hidden_layers)
        student.load_state_dict(kept_layers(teacher.state_dict(), layers))
        return student

    return build


def shorter_distilbert(of: int) -> Builder:
    """DistilBERT with ceil(J / ``of``) of the teacher's layers, evenly spread, and its embeddings."""

    def build(teacher: PreTrainedModel, words: Tensor) -> nn.Module:
        depth, config = _layers(teacher, of), teacher.config
        student = distilbert(
            **_shared(teacher),
            dim=config.hidden_size,
            hidden_dim=config.intermediate_size,
            n_layers=depth,
            n_heads=config.num_attention_heads,
            activation=config.hidden_act,
        )(_classes(teacher))
        kept = kept_layers(teacher.state_dict(), matched_layers(depth, config.num_hidden_layers))
        named = {distilbert_name(name): value for name, value in kept.items()}
        own = student.state_dict()
        student.load_state_dict(own | {name: named[name] for name in own.keys() & named.keys()})
        return student

    return build


def tinybert(of: int) -> Builder:
    """BERT of ceil(J / ``of``) layers 312 wide, with as many heads as the teacher, random weights.

    The paper starts from a TinyBERT that was distilled from BERT on a large corpus before, which is not to be had
    from a fine-tuned teacher and a task's rows.
    """

    def build(teacher: PreTrainedModel, words: Tensor) -> nn.Module:
        sizes = {**_config(teacher, _layers(teacher, of)), **TINY}
        if TINY["hidden_size"] % sizes["num_attention_heads"]:
            raise AdaBertError(
                f"baseline tinybert: the teacher has {sizes['num_attention_heads']} heads, which do not "
                f"divide its {TINY['hidden_size']} channels; take a teacher with 12 heads"
            )
        return bert(**sizes)(_classes(teacher))

    return build


def bilstm(teacher: PreTrainedModel, words: Tensor) -> nn.Module:
    """The BiLSTM with ``words`` as embeddings, where the paper has word2vec's."""
    student = BiLstmSoft(_classes(teacher), vocab_size=len(words), embedding=words.shape[1])
    student.words.weight.data.copy_(words)
    return student


def kept_layers(weights: Mapping[str, Tensor], layers: Sequence[int]) -> dict[str, Tensor]:
    """A BERT classifier's weights with only these ``layers`` (from 1), numbered anew, and all else."""
    place = {str(layer - 1): number for number, layer in enumerate(layers)}
    kept: dict[str, Tensor] = {}
    for name, value in weights.items():
        if not name.startswith(LAYER):
            kept[name] = value
            continue
        number, _, part = name.removeprefix(LAYER).partition(".")
        if number in place:
            kept[f"{LAYER}{place[number]}.{part}"] = value
    return kept


def distilbert_name(name: str) -> str:
    """What a parameter of BERT is called in DistilBERT; names that it has not stay as they are."""
    for old, new in DISTILBERT_NAMES.items():
        name = name.replace(old, new)
    return name


def _layers(teacher: PreTrainedModel, of: int) -> int:
    if teacher.config.model_type != "bert":
        raise AdaBertError(
            f"baseline: the teacher is a {teacher.config.model_type}, and this baseline starts from the layers "
            "of a bert; take such a teacher, or the baseline bilstm-soft"
        )
    return math.ceil(teacher.config.num_hidden_layers / of)


def _classes(teacher: PreTrainedModel) -> int:
    return len(teacher.config.id2label or {})


def _config(teacher: PreTrainedModel, layers: int) -> dict[str, Any]:
    return {**teacher.config.to_diff_dict(), "num_hidden_layers": layers}


def _shared(teacher: PreTrainedModel) -> dict[str, Any]:
    """What every transformer takes over from its teacher, whatever its width."""
    keys = ("vocab_size", "max_position_embeddings", "pad_token_id", "id2label", "label2id")
    return {key: getattr(teacher.config, key) for key in keys}
