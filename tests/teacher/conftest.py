"""Tiny random checkpoints of encoder families, with tokenizers of their kinds, for the tests beside it.

All take texts of up to 16 tokens.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import (
    AlbertConfig,
    AutoModel,
    BertConfig,
    BertTokenizerFast,
    DebertaConfig,
    DebertaV2Config,
    DebertaV2TokenizerFast,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaTokenizerFast,
    XLMRobertaConfig,
)

WORDS = (
    *("the", "film", "is", "so", "good", "bad", "dull", "fine"),
    *("why", "and", "who", "says", "that", "it", "was", "not"),
)
LENGTH = 16
BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
ROBERTA_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "max_position_embeddings": LENGTH,
}


def wordpiece() -> BertTokenizerFast:
    """[PAD] is 0, pairs have token types, one [SEP] between them."""
    vocab = {word: i for i, word in enumerate((*BERT_TOKENS, *WORDS))}
    return BertTokenizerFast(vocab=vocab, model_max_length=LENGTH)


def byte_level() -> RobertaTokenizerFast:
    """<pad> is 1, no token types, two </s> between texts."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(ROBERTA_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([" ".join(WORDS)] * 3, trainer)
    core.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    core.decoder = decoders.ByteLevel()
    names = ("bos_token", "pad_token", "eos_token", "unk_token", "mask_token")
    special = dict(zip(names, ROBERTA_TOKENS, strict=True))
    special |= {"cls_token": "<s>", "sep_token": "</s>"}
    return RobertaTokenizerFast(tokenizer_object=core, model_max_length=LENGTH, **special)


def byte_level_with_sep() -> PreTrainedTokenizerFast:
    """ModernBERT's: byte-level BPE between [CLS] and [SEP], [PAD] last, no token types."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["[UNK]", "[CLS]", "[SEP]", "[MASK]", "[PAD]"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator([" ".join(WORDS)] * 3, trainer)
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    core.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        model_max_length=LENGTH,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name.lower()}_token": f"[{name}]" for name in ("UNK", "CLS", "SEP", "MASK", "PAD")},
    )


def unigram() -> DebertaV2TokenizerFast:
    """DeBERTa-v3's: a Unigram model, [CLS] and [SEP], token types."""
    tokens = ["[PAD]", "[CLS]", "[SEP]", "[UNK]"]
    pieces = [(token, 0.0) for token in tokens] + [("\u2581" + word, -3.0) for word in WORDS]
    pieces += [(letter, -9.0) for letter in "abcdefghijklmnopqrstuvwxyz\u2581"] + [("[MASK]", 0.0)]
    core = Tokenizer(models.Unigram(pieces, unk_id=3))
    core.normalizer = normalizers.NFKC()
    core.pre_tokenizer = pre_tokenizers.Metaspace()
    core.decoder = decoders.Metaspace()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    return DebertaV2TokenizerFast(tokenizer_object=core, model_max_length=LENGTH)


ROBERTA = {**SIZES, "max_position_embeddings": LENGTH + 2, "pad_token_id": 1}
RELATIVE = {
    **SIZES,
    "relative_attention": True,
    "pos_att_type": ["c2p", "p2c"],
    "position_biased_input": False,
    "type_vocab_size": 0,
}
FAMILIES: dict[str, tuple[Callable, Callable, dict]] = {
    "bert": (wordpiece, BertConfig, SIZES),
    "distilbert": (
        wordpiece,
        DistilBertConfig,
        {
            "dim": 16,
            "n_layers": 2,
            "n_heads": 2,
            "hidden_dim": 16,
            "max_position_embeddings": LENGTH,
        },
    ),
    "electra": (wordpiece, ElectraConfig, {**SIZES, "embedding_size": 8}),
    "albert": (wordpiece, AlbertConfig, {**SIZES, "embedding_size": 8}),
    "mpnet": (wordpiece, MPNetConfig, {**ROBERTA, "pad_token_id": 0}),
    "roberta": (byte_level, RobertaConfig, {**ROBERTA, "type_vocab_size": 1}),
    "xlm-roberta": (byte_level, XLMRobertaConfig, {**ROBERTA, "type_vocab_size": 1}),
    "deberta": (
        byte_level_with_sep,
        DebertaConfig,
        RELATIVE,
    ),
    "deberta-v2": (
        unigram,
        DebertaV2Config,
        RELATIVE,
    ),
    "modernbert": (
        byte_level_with_sep,
        ModernBertConfig,
        {
            **SIZES,
            "pad_token_id": 4,
            "bos_token_id": 1,
            "cls_token_id": 1,
            "eos_token_id": 2,
            "sep_token_id": 2,
        },
    ),
}


@pytest.fixture(scope="session", params=FAMILIES)
def family(request, tmp_path_factory) -> tuple[str, Path]:
    """The name of a family, and the folder of a tiny random encoder of it with its tokenizer."""
    folder = tmp_path_factory.mktemp(request.param)
    with torch.random.fork_rng():
        write_checkpoint(request.param, folder)
    return request.param, folder


def write_checkpoint(family: str, folder: Path) -> None:
    """Write a tiny random encoder of a family and its tokenizer into ``folder``."""
    make_tokenizer, make_config, sizes = FAMILIES[family]
    tokenizer = make_tokenizer()
    torch.manual_seed(0)
    AutoModel.from_config(make_config(vocab_size=len(tokenizer), **sizes)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
