"""A masked language model proposes words that fit into a text in the place of another.

It must not know where the model comes from or what the words are for. Shapes: M words of a text that are asked
for, L tokens, V vocabulary, W whole words in it, N proposals.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from transformers import BatchEncoding, PreTrainedTokenizerBase

from adabert_nni.data.augment import Asked
from adabert_nni.data.neighbours import whole_words
from adabert_nni.training import MODEL_INPUTS

TOKENS = 2048  # of one pass: the scores of 30,000 words take 250 MB for so many
LONGEST = 512  # tokens of a text and its masked copy together


class MaskedWords:
    """Proposes the likeliest words where a word that is one piece of the tokenizer is masked.

    The model reads the masked text beside the whole one, as in TinyBERT, and so prefers what is like the
    hidden word to anything that fits. A text has passes of its own: what else is asked changes nothing.
    """

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase, count: int) -> None:
        """Take the model as it is, on its device.

        Args:
            model: a masked language model in eval mode.
            tokenizer: its fast tokenizer, with a mask.
            count: N proposals a word.
        """
        words = whole_words(tokenizer)
        self._model, self._tokenizer, self._count = model, tokenizer, count
        self._words = list(words)
        self._ids = torch.tensor(list(words.values()), device=model.device)
        self._most = min(LONGEST, tokenizer.model_max_length)

    def __call__(self, asked: Sequence[Asked]) -> list[list[str]]:
        """The likeliest words for each; none for one of several pieces, or beyond what the model reads."""
        found: dict[Asked, list[str]] = {}
        for text, group in groupby(sorted(set(asked)), key=lambda word: word[0]):
            found |= self._of_text(text, list(group))
        return [found.get(word, []) for word in asked]

    @torch.no_grad()
    def _of_text(self, text: str, asked: list[Asked]) -> dict[Asked, list[str]]:
        row = self._tokenizer(text, text, truncation=True, max_length=self._most)
        places = {word: at for word in asked if (at := _only_piece(row, word)) is not None}
        if not places:
            return {}
        device = self._model.device
        inputs = {n: torch.tensor(row[n], device=device) for n in MODEL_INPUTS if n in row}
        size = max(1, TOKENS // len(inputs["input_ids"]))
        best: list[list[int]] = []
        for at in torch.tensor(list(places.values()), device=device).split(size):
            batch = {name: tensor.repeat(len(at), 1) for name, tensor in inputs.items()}  # (M, L)
            rows, hidden = torch.arange(len(at), device=device), inputs["input_ids"][at]
            batch["input_ids"][rows, at] = self._tokenizer.mask_token_id
            scores = self._model(**batch).logits[rows, at][:, self._ids].float()  # (M, W)
            scores[self._ids == hidden[:, None]] = -torch.inf
            best += scores.topk(min(self._count, len(self._ids) - 1), dim=1).indices.tolist()
        return {
            word: [self._words[index] for index in row]
            for word, row in zip(places, best, strict=True)
        }


def _only_piece(row: BatchEncoding, asked: Asked) -> int | None:
    """Where the token stands that is the word and nothing else, in the first of the two texts."""
    text, start, end = asked
    at: int | None = row.char_to_token(start, sequence_index=0)  # its annotation forgets the None
    span = None if at is None else row.token_to_chars(at)
    if span is None:
        return None
    return at if text[span.start : span.end].strip() == text[start:end] else None
