"""Cuts a student's vocabulary to the pieces of its task, which is most of what it stores.

A word whose pieces were dropped falls back to shorter ones, down to its letters. It must not know files'
formats or where texts come from. Shapes: V vocabulary, D channels.
"""

import copy
import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from adabert_nni.errors import AdaBertError
from adabert_nni.files import write_json
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification

TOKENIZER = "tokenizer.json"


def prune_vocabulary(
    student: AdaBertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    texts: Iterable[str],
) -> tuple[AdaBertForSequenceClassification, PreTrainedTokenizerBase]:
    """A student and its tokenizer that know the pieces of ``texts``, all characters and the specials.

    A text of kept pieces is split as before and gets the same logits. No word that was spelt from known
    characters becomes unknown.

    Args:
        student: left as it is.
        tokenizer: its tokenizer, a fast one whose model is WordPiece; left as it is.
        texts: what the task's texts are like, best all of its training texts.

    Returns:
        The smaller student and its tokenizer; ids are numbered anew, in their old order.

    Raises:
        AdaBertError: if the tokenizer is not WordPiece.
    """
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        path = Path(folder, TOKENIZER)
        settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        kind = settings.get("model", {}).get("type")
        if kind != "WordPiece":
            raise AdaBertError(
                f"vocabulary: the tokenizer's model is {kind}, only WordPiece falls back to single "
                "characters; export without pruning the vocabulary"
            )
        used = {id_ for ids in tokenizer(list(texts), verbose=False)["input_ids"] for id_ in ids}
        kept = _kept(settings, used)
        write_json(path, _renumbered(settings, {old: new for new, old in enumerate(kept)}))
        smaller = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    return _with_rows(student, kept), smaller


def _kept(settings: dict[str, Any], used: set[int]) -> list[int]:
    """Old ids, ascending, of what is used, added or as short as a piece can be."""
    model = settings["model"]
    prefix = model["continuing_subword_prefix"]
    short = {id_ for piece, id_ in model["vocab"].items() if len(piece.removeprefix(prefix)) == 1}
    added = {token["id"] for token in settings["added_tokens"]}
    return sorted(used | short | added | {model["vocab"][model["unk_token"]]})


def _renumbered(settings: dict[str, Any], new: dict[int, int]) -> dict[str, Any]:
    """The tokenizer's settings with the kept ids only, each replaced by its new number."""
    changed = copy.deepcopy(settings)
    vocabulary = settings["model"]["vocab"]
    changed["model"]["vocab"] = {piece: new[i] for piece, i in vocabulary.items() if i in new}
    for token in changed["added_tokens"]:
        token["id"] = new[token["id"]]
    processor = changed.get("post_processor") or {}
    for token in processor.get("special_tokens", {}).values():  # TemplateProcessing
        token["ids"] = [new[i] for i in token["ids"]]
    for name in ("cls", "sep"):  # BertProcessing
        if name in processor:
            processor[name] = [processor[name][0], new[processor[name][1]]]
    return changed


def _with_rows(
    student: AdaBertForSequenceClassification, kept: list[int]
) -> AdaBertForSequenceClassification:
    """The student with these rows of its word embeddings."""
    settings = {**student.config.to_dict(), "vocab_size": len(kept)}
    for name in ("sep_token_id", "pad_token_id"):
        if settings.get(name) is not None:
            settings[name] = kept.index(settings[name])
    smaller = AdaBertForSequenceClassification(AdaBertConfig.from_dict(settings))
    weights = student.state_dict()
    name = "body.embeddings.words.weight"
    smaller.load_state_dict({**weights, name: weights[name][torch.tensor(kept)]})
    return smaller.train(student.training)
