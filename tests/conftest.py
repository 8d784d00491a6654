"""What all tests share: no network, one thread, the real data where it is, a tiny tokenizer and teacher."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import that reads it
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if (
    "ADABERT_GPU_TESTS" not in os.environ
):  # what the tests say of bits, forks and memory is of a CPU
    os.environ["CUDA_VISIBLE_DEVICES"] = ""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.embedded import generate

torch.set_num_threads(1)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
REAL_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _skip_without_a_gpu(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("there is no GPU here")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets; the test is skipped where there is none."""
    if not REAL_DATA.is_dir():
        pytest.skip("the real data sets are not here")
    return REAL_DATA


@pytest.fixture(scope="session")
def tiny_tokenizer() -> BertTokenizerFast:
    """WordPiece over the words of the embedded tasks, and letters for everything else."""
    words = set()
    for task in ("mini-reviews", "mini-claims"):
        for rows in generate(task).values():
            words.update(word for texts, _ in rows for text in texts for word in text.split())
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    pieces = [*letters, *(f"##{letter}" for letter in letters)]
    vocab = [*SPECIAL, *pieces, *sorted(words - set(pieces))]
    return BertTokenizerFast(
        vocab={word: i for i, word in enumerate(vocab)}, do_lower_case=True, model_max_length=128
    )


@pytest.fixture(scope="session")
def tiny_teacher_dir(tiny_tokenizer, tmp_path_factory) -> Path:
    """A folder with an untrained 3-layer, 32-wide classifier for the embedded tasks."""
    folder = tmp_path_factory.mktemp("tiny_teacher")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertForSequenceClassification(
            BertConfig(
                vocab_size=len(tiny_tokenizer),
                hidden_size=32,
                num_hidden_layers=3,
                num_attention_heads=2,
                intermediate_size=64,
                max_position_embeddings=128,
                num_labels=2,
            )
        )
    model.save_pretrained(folder)
    tiny_tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def kill_after(monkeypatch) -> Callable[[int], list]:
    """A function after which every step saves and the n-th save is the last thing that happens.

    It returns the list that all these saves go to.
    """
    save = Checkpoint.save
    monkeypatch.setattr(Checkpoint, "due", lambda self: True)

    def plan(last: int) -> list:
        saves = []

        def fatal(self, state):
            save(self, state)
            saves.append(None)
            if len(saves) == last:
                raise RuntimeError("killed")

        monkeypatch.setattr(Checkpoint, "save", fatal)
        return saves

    return plan
