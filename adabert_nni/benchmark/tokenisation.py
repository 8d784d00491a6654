"""Times the tokenizer, apart from the models that it feeds. Shapes: B batch, L tokens."""

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from adabert_nni.benchmark.timing import Clock, random_ids, timing


def tokenisation(
    tokenizer: PreTrainedTokenizerBase,
    shapes: Sequence[tuple[int, int]],
    rounds: int,
    clock: Clock,
) -> list[dict[str, Any]]:
    """Time text to padded ids, with texts of random pieces.

    Args:
        tokenizer: a student's.
        shapes: B and L of each row of the table.
        rounds: calls of each, >= 1, after one that is not counted.
        clock: gives seconds.

    Returns:
        ``batch``, ``length``, ``ms`` (the median) and ``texts_per_s`` for each shape.
    """
    rows = []
    for batch, length in shapes:
        ids = random_ids(batch, length, tokenizer.vocab_size)
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True)
        times = []
        for _ in range(1 + rounds):
            start = clock()
            tokenizer(texts, padding=True, truncation=True, max_length=length, return_tensors="pt")
            times.append(1000 * (clock() - start))
        ms = timing(times[1:]).ms
        rows.append({"batch": batch, "length": length, "ms": ms, "texts_per_s": 1000 * batch / ms})
    return rows
