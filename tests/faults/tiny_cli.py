"""The command line with a small model in BERT-base's place and a save at every third step: for trials of tests.

It must not change anything else: what is tested is the command line itself.
"""

import itertools
import sys

from transformers import BertConfig, BertForSequenceClassification

from adabert_nni import cli
from adabert_nni.benchmark import peers
from adabert_nni.checkpoint import Checkpoint

if __name__ == "__main__":
    tiny = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2)
    calls = itertools.count(1)
    peers.PEERS["bert-base"] = lambda _: BertForSequenceClassification(tiny)
    Checkpoint.due = lambda self: next(calls) % 3 == 0  # type: ignore[method-assign]
    sys.exit(cli.main())
