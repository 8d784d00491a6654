"""A search that is killed after any step goes on to the same architecture, weights and numbers."""

import signal

import pytest
import torch
from safetensors.torch import load_file

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.config import SearchConfig
from adabert_nni.data.encoding import Encoded
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json
from adabert_nni.search.run import run_search
from adabert_nni.search.task import TaskShape
from adabert_nni.spaces import SpaceConfig

SPACE = SpaceConfig(
    ops=("std_conv_3", "max_pool_3", "skip_connect", "zero"), nodes=2, max_depth=2, dim=8
)
EPOCHS, STEPS = 3, 4  # 30 rows in batches of 8
ARTEFACTS = ("architecture.json", "sample.json", "search.json", "p_alpha.json")


def rows(count: int, seed: int) -> Encoded:
    generator = torch.Generator().manual_seed(seed)
    tokens = [
        torch.randint(1, 20, (3 + i % 5,), generator=generator, dtype=torch.int32)
        for i in range(count)
    ]
    labels = torch.tensor([int(t[0] % 2 == 0) for t in tokens])
    teacher = torch.rand(count, 3, 2, generator=generator).softmax(-1)
    return Encoded(tokens, None, labels, torch.arange(count), pad_id=0, teacher=teacher)


def search(folder, kept=None, report=None, held=(), **settings):
    """Run the same small search as ever."""
    folder.mkdir()
    generator = torch.Generator().manual_seed(4)
    words, positions = (torch.randn(n, 8, generator=generator) for n in (20, 16))
    defaults = {"search_epochs": EPOCHS, "search_batch": 8, "alpha_warmup": 1, "alpha_lr": 0.1}
    return run_search(
        SPACE,
        SearchConfig(**{**defaults, **settings}),
        TaskShape(2, None, 16, words, positions),
        rows(30, 1),
        rows(20, 2),
        seed=3,
        folder=folder,
        on_epoch=report,
        checkpoint=kept,
        held=held,
    )


@pytest.fixture(scope="module")
def left_alone(tmp_path_factory):
    """The folders of searches that nothing happened to, by the optimizer of their weights."""
    folder = tmp_path_factory.mktemp("searches")
    for name in ("sgd", "adamw"):
        search(folder / name, weight_optimizer=name)
    return {name: folder / name for name in ("sgd", "adamw")}


# In the warm-up, at its last step, at the first and last one after it, and at the very last.
@pytest.mark.parametrize("steps", [2, STEPS, STEPS + 1, 2 * STEPS, EPOCHS * STEPS])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_killed_search_goes_on_bit_by_bit(tmp_path, left_alone, kill_after, steps, optimizer):
    kill_after(steps)
    with pytest.raises(RuntimeError, match="killed"):
        search(tmp_path / "a", Checkpoint(tmp_path / "kept", {}), weight_optimizer=optimizer)
    saves, reported = kill_after(0), []
    search(
        tmp_path / "b",
        Checkpoint(tmp_path / "kept", {}),
        lambda epoch, numbers: reported.append({"epoch": epoch + 1, **numbers}),
        weight_optimizer=optimizer,
    )
    assert len(saves) == EPOCHS * STEPS - steps  # no step was done again
    for name in ARTEFACTS:
        assert read_json(tmp_path / "b" / name) == read_json(left_alone[optimizer] / name), name
    ours, theirs = (
        load_file(f / "supernet.safetensors") for f in (tmp_path / "b", left_alone[optimizer])
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    # Every epoch is reported by the process that ends the search, those of the killed one too.
    assert reported == read_json(tmp_path / "b" / "search.json")["epochs"]


def test_a_search_that_is_killed_again_and_again_still_ends_the_same(
    tmp_path, left_alone, kill_after
):
    for attempt in range(4):
        kill_after(2)
        with pytest.raises(RuntimeError, match="killed"):
            search(tmp_path / str(attempt), Checkpoint(tmp_path / "kept", {}))
    kill_after(0)
    search(tmp_path / "end", Checkpoint(tmp_path / "kept", {}))
    for name in (*ARTEFACTS, "supernet.safetensors"):
        assert (tmp_path / "end" / name).read_bytes() == (left_alone["sgd"] / name).read_bytes()


@pytest.mark.parametrize("steps", [2, STEPS, STEPS + 2])
def test_a_killed_search_with_rows_of_p_alpha_goes_on_bit_by_bit(tmp_path, kill_after, steps):
    held = range(14)  # 2 batches of 8, as the other 16 rows make: no step more than without
    kill_after(0)
    search(tmp_path / "whole", held=held)
    kill_after(steps)
    with pytest.raises(RuntimeError, match="killed"):
        search(tmp_path / "a", Checkpoint(tmp_path / "kept", {}), held=held)
    kill_after(0)
    search(tmp_path / "b", Checkpoint(tmp_path / "kept", {}), held=held)
    for name in (*ARTEFACTS, "supernet.safetensors"):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_saving_changes_nothing(tmp_path, left_alone, kill_after):
    kill_after(0)
    search(tmp_path / "saved", Checkpoint(tmp_path / "kept", {}))
    for name in (*ARTEFACTS, "supernet.safetensors"):
        assert (tmp_path / "saved" / name).read_bytes() == (left_alone["sgd"] / name).read_bytes()


def test_ctrl_c_ends_a_search_as_it_ends_all_else_and_the_checkpoint_stays(tmp_path, kill_after):
    def interrupt(*_):
        raise KeyboardInterrupt

    kill_after(0)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "a", Checkpoint(tmp_path / "kept", {}), interrupt)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # Lightning left it ignored
    assert Checkpoint(tmp_path / "kept", {}).load()["step"] == STEPS


def test_the_checkpoint_of_another_search_is_refused(tmp_path, kill_after):
    kill_after(1)
    with pytest.raises(RuntimeError, match="killed"):
        search(tmp_path / "a", Checkpoint(tmp_path / "kept", {"beta": 4.0}))
    with pytest.raises(AdaBertError, match=r"beta is 4\.0, wanted 8\.0"):
        search(tmp_path / "b", Checkpoint(tmp_path / "kept", {"beta": 8.0}))
