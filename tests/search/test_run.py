"""Facts of a search as it is run: its settings count, its rows are those given, its start is the teacher's."""

import pytest
import torch

from adabert_nni.config import SearchConfig
from adabert_nni.data.encoding import Encoded
from adabert_nni.search import run
from adabert_nni.search.module import AdaBertModule
from adabert_nni.search.task import TaskShape
from adabert_nni.spaces import SpaceConfig

SPACE = SpaceConfig(ops=("std_conv_3", "zero"), nodes=1, max_depth=2, dim=8)
STOPPED = "far enough"


def rows(count: int, first: int) -> Encoded:
    tokens = [torch.arange(1, 4 + i % 5, dtype=torch.int32) for i in range(count)]
    teacher = torch.full((count, 3, 2), 0.5)
    ids = torch.arange(first, first + count)
    return Encoded(tokens, None, ids % 2, ids, pad_id=0, teacher=teacher)


@pytest.fixture
def search(tmp_path):
    """Runs a small search on rows 0 to 29; those to select by have other ids."""

    def build(*, seed=0, held=(), costs=None, words=None, **settings):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        folder.mkdir()
        asked = {"search_epochs": 2, "search_batch": 8, **settings}
        words = torch.randn(20, 8) if words is None else words
        shape = TaskShape(2, None, 16, words, torch.randn(16, 8))
        given = SPACE, SearchConfig(**asked), shape, rows(30, 0), rows(20, 100)
        run.run_search(*given, seed=seed, folder=folder, held=held, costs=costs)

    return build


def test_the_strategy_has_every_setting_of_the_search(search, monkeypatch):
    own = {
        **{"gamma": 0.7, "beta": 3.0, "estimator": "sampled", "relaxation": "mean"},
        **{"tau_start": 0.9, "tau_end": 0.3, "clip_norm": 4.0},
        **{"alpha_lr": 0.02, "alpha_weight_decay": 0.002, "alpha_warmup": 1},
    }
    given, real = [], run.AdaBertStrategy
    monkeypatch.setattr(run, "AdaBertStrategy", lambda **told: given.append(told) or real(**told))
    costs = {"std_conv_3": 2.0, "zero": 1.0}
    search(seed=5, costs=costs, **own)
    assert given[0].items() >= {**own, "costs": costs, "seed": 5}.items()


@pytest.fixture
def steps(monkeypatch):
    """A list that gets, for each step, the ids of its rows, the depth that it drew, and whether they are held."""
    seen, step = [], AdaBertModule.training_step

    def watched(self, batch, batch_idx):
        loss = step(self, batch, batch_idx)
        held = bool(batch["held"].all()) if "held" in batch else None
        draws = tuple(choice.draw.index for choice in self.supernet_modules())
        seen.append((tuple(batch["ids"].tolist()), draws, held))
        return loss

    monkeypatch.setattr(AdaBertModule, "training_step", watched)
    return seen


def test_epochs_and_seeds_have_an_order_and_draws_of_their_own(search, steps):
    for seed in (0, 0, 1):
        search(seed=seed)
    first, again, other = (steps[start : start + 8] for start in (0, 8, 16))  # 2 epochs of 4 steps
    assert first == again
    for column in (0, 1):  # rows, draws
        epochs = [[step[column] for step in part] for part in (first[:4], first[4:], other[:4])]
        assert epochs[0] != epochs[1]
        assert epochs[0] != epochs[2]


def test_the_rows_of_p_alpha_are_those_that_are_told(search, steps):
    search(held=range(8))
    assert {i for ids, _, held in steps for i in ids if held} == set(range(8))
    assert {i for ids, _, held in steps for i in ids if not held} == set(range(8, 30))


def test_the_supernet_starts_from_the_teachers_words(search, monkeypatch):
    def look(self, batch, batch_idx):
        seen.append(self.model.body.embeddings.words.weight.detach().clone())
        raise RuntimeError(STOPPED)

    seen, words = [], torch.randn(20, 8)
    monkeypatch.setattr(AdaBertModule, "training_step", look)
    with pytest.raises(RuntimeError, match=STOPPED):
        search(words=words)
    assert torch.equal(seen[0], words)
