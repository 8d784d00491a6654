"""What must not change a search does not: loader workers, logging, threads of another rank."""

import hashlib
import logging
import multiprocessing
from pathlib import Path

import pytest
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from adabert_nni.config import SearchConfig
from adabert_nni.data.batches import loader
from adabert_nni.data.encoding import Encoded
from adabert_nni.errors import AdaBertError
from adabert_nni.losses import total_loss
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.search.module import AdaBertModule
from adabert_nni.search.run import run_search
from adabert_nni.search.strategy import AdaBertStrategy
from adabert_nni.search.task import TaskShape, build_space
from adabert_nni.spaces import SpaceConfig
from adabert_nni.training import check_finite, fit

FORK = multiprocessing.get_context("fork")
SPACE = SpaceConfig(ops=("std_conv_3", "max_pool_3", "zero"), nodes=2, max_depth=2, dim=8)
FILES = ("architecture.json", "search.json", "supernet.safetensors")
RANKS = 2


def rows(count: int, seed: int) -> Encoded:
    generator = torch.Generator().manual_seed(seed)
    tokens = [
        torch.randint(1, 19, (3 + i % 5,), generator=generator, dtype=torch.int32)
        for i in range(count)
    ]
    labels = torch.tensor([int(t[0] % 2 == 0) for t in tokens])
    teacher = torch.rand(count, 3, 2, generator=generator).softmax(-1)
    return Encoded(tokens, None, labels, torch.arange(count), pad_id=0, teacher=teacher)


def shape() -> TaskShape:
    generator = torch.Generator().manual_seed(4)
    words, positions = (torch.randn(n, 8, generator=generator) for n in (20, 16))
    return TaskShape(2, None, 16, words, positions)


def search(folder: Path, task: TaskShape | None = None, train: Encoded | None = None) -> dict:
    """Run a small search; the digest of each file that it leaves."""
    folder.mkdir()
    settings = SearchConfig(search_epochs=2, search_batch=8, alpha_lr=0.1)
    run_search(
        *(SPACE, settings, task or shape(), train or rows(30, 1), rows(20, 2)),
        seed=3,
        folder=folder,
    )
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in FILES}


def test_logging_and_what_ran_before_change_nothing(tmp_path, caplog):
    first = search(tmp_path / "first")
    torch.rand(7)  # other use of the global generators
    with caplog.at_level(logging.DEBUG):
        assert search(tmp_path / "second") == first
    assert "search: epoch 2/2" in caplog.text


@pytest.mark.parametrize("workers", [1, 2])
def test_loader_workers_change_no_batch(workers):
    own = loader(rows(30, 1), 8, shuffle=True, seed=3)
    helped = DataLoader(
        own.dataset,
        batch_sampler=own.batch_sampler,
        collate_fn=own.collate_fn,
        num_workers=workers,
        multiprocessing_context=FORK,
    )
    for epoch in (0, 1):
        own.batch_sampler.set_epoch(epoch)
        for mine, theirs in zip(own, helped, strict=True):
            assert mine.keys() == theirs.keys()
            assert all(torch.equal(mine[key], theirs[key]) for key in mine)


def on_ranks(body, folder: Path) -> None:
    """Run ``body(rank, folder)`` in two processes of one gloo group."""
    group = [FORK.Process(target=_rank, args=(body, rank, folder)) for rank in range(RANKS)]
    for process in group:
        process.start()
    for process in group:
        process.join(120)
    assert [process.exitcode for process in group] == [0] * RANKS


def _rank(body, rank: int, folder: Path) -> None:
    meeting = f"file://{folder / 'meeting'}"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=RANKS)
    try:
        body(rank, folder)
    finally:
        distributed.destroy_process_group()


def the_same_everywhere(values: torch.Tensor) -> bool:
    """Whether every rank holds these very numbers."""
    found = [torch.empty_like(values) for _ in range(RANKS)]
    distributed.all_gather(found, values)
    return all(torch.equal(values, other) for other in found)


def _search_on_rank(rank: int, folder: Path) -> None:
    torch.manual_seed(rank)
    digests = "".join(search(folder / f"rank{rank}").values())
    assert the_same_everywhere(torch.tensor([int(digit, 16) for digit in digests]))


def test_two_ranks_that_run_the_same_search_find_one_architecture(tmp_path):
    on_ranks(_search_on_rank, tmp_path)


class Loss(nn.Module):
    """Equation (1) as a module's output, which is what DDP averages the gradients of."""

    def __init__(self, module: AdaBertModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, batch):
        terms = self.module.loss_terms(batch)
        return total_loss(terms["loss_ce"], terms["loss_kd"], terms["loss_e"], 0.8, 4.0)


def _learn_on_rank(rank: int, folder: Path) -> None:
    torch.manual_seed(0)
    strategy = AdaBertStrategy(alpha_lr=0.1)
    module = SearchModule(
        temperature=1.0,
        weight_optimizer="sgd",
        weight_lr=0.02,
        weight_lr_end=5e-4,
        weight_momentum=0.9,
        total_steps=6,
    )
    module.set_model(strategy.mutate_model(build_space(SPACE, shape())))
    one_shot = AdaBertModule(module, strategy)
    strategy.sampler.generator.manual_seed(1)
    torch.manual_seed(rank)  # dropout, say
    loss = DistributedDataParallel(Loss(one_shot), find_unused_parameters=True)
    alphas = list(one_shot.alphas().values())
    start = torch.cat([alpha.detach().flatten() for alpha in alphas])
    optimizer = torch.optim.Adam(alphas, lr=0.1)
    for batch in loader(rows(24, 10 + rank), 4, shuffle=True, seed=rank):  # rows of its own
        one_shot.zero_grad()
        loss(batch).backward()
        optimizer.step()
    end = torch.cat([alpha.detach().flatten() for alpha in alphas])
    assert not torch.equal(start, end)
    assert the_same_everywhere(end)
    edges = [str(op) for op in one_shot.export().values()]
    assert the_same_everywhere(torch.tensor([ord(c) for c in "".join(edges)]))


def test_two_ranks_with_rows_of_their_own_draw_alike_and_find_one_architecture(tmp_path):
    on_ranks(_learn_on_rank, tmp_path)


def test_a_nan_in_the_probe_table_stops_the_search_before_anything_is_told(tmp_path):
    broken = rows(30, 1)
    broken.teacher[3] = float("nan")
    with pytest.raises(AdaBertError, match=r"search, epoch 0, step \d+: the loss is nan"):
        search(tmp_path / "run", train=broken)
    assert list((tmp_path / "run").iterdir()) == []


def test_a_weight_that_no_loss_sees_stops_the_search_all_the_same(tmp_path):
    task = shape()
    task.words[19] = float("inf")  # of a word that no row has
    with pytest.raises(AdaBertError, match=r"epoch 0: .*words.* not finite"):
        search(tmp_path / "run", task=task)
    assert list((tmp_path / "run").iterdir()) == []


class Root(nn.Module):
    """The root of a weight that is zero: its value is finite, its slope is not."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


def test_a_last_step_that_breaks_the_weights_is_found():
    model = Root()
    with pytest.raises(AdaBertError, match="epoch 1/1: weight holds numbers that are not finite"):
        fit(
            *(model, rows(4, 1), lambda batch: model.weight.sqrt().sum()),
            *(torch.optim.SGD(model.parameters(), lr=0.1), None),
            epochs=1,
            batch_size=4,
            seed=0,
            clip_norm=1.0,
        )
    check_finite(nn.Linear(2, 2), "here")
