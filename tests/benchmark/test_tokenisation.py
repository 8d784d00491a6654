"""Facts of the times of a tokenizer, by a clock that it moves itself."""

from adabert_nni.benchmark.tokenisation import tokenisation


class Slow:
    """Takes 2, 1, 3, 10 seconds, and so on anew."""

    vocab_size = 50

    def __init__(self) -> None:
        self.now, self.asked = 0.0, []

    def batch_decode(self, ids, skip_special_tokens):
        return [" ".join(map(str, row.tolist())) for row in ids]

    def __call__(self, texts, **how):
        self.now += (2.0, 1.0, 3.0, 10.0)[len(self.asked) % 4]
        self.asked.append((len(texts), len(texts[0].split()), how["max_length"]))


def test_the_median_is_of_the_calls_after_the_first():
    slow = Slow()
    rows = tokenisation(slow, [(2, 4), (3, 8)], rounds=3, clock=lambda: slow.now)
    assert [(row["batch"], row["length"]) for row in rows] == [(2, 4), (3, 8)]
    assert [row["ms"] for row in rows] == [3000.0, 3000.0]  # the middle of 1, 3, 10 s
    assert [row["texts_per_s"] for row in rows] == [2 / 3, 1.0]
    assert slow.asked == [(2, 4, 4)] * 4 + [(3, 8, 8)] * 4
