"""Facts about the training and prediction loops."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.batches import Batch
from adabert_nni.data.encoding import Encoded
from adabert_nni.errors import AdaBertError
from adabert_nni.training import fit, predict


class Bag(nn.Module):
    """Mean of word vectors -> dropout -> logits; (B, L) -> (B, 2)."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.words, self.drop, self.head = nn.Embedding(20, 4), nn.Dropout(0.5), nn.Linear(4, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> SimpleNamespace:
        mask = attention_mask[..., None].float()
        mean = (self.words(input_ids) * mask).sum(1) / mask.sum(1)
        return SimpleNamespace(logits=self.head(self.drop(mean)))


def rows(count: int = 30) -> Encoded:
    """Rows of 1 to 7 tokens, ids in descending steps of 10, label = first token is even."""
    generator = torch.Generator().manual_seed(0)
    tokens = [
        torch.randint(1, 20, (1 + i % 7,), generator=generator, dtype=torch.int32)
        for i in range(count)
    ]
    labels = torch.tensor([int(t[0] % 2 == 0) for t in tokens])
    return Encoded(tokens, None, labels, torch.arange(count - 1, -1, -1) * 10, pad_id=0)


def train(
    model: nn.Module,
    *,
    seed: int,
    epochs: int = 2,
    clip_norm: float = 1.0,
    checkpoint: Checkpoint | None = None,
) -> list[dict]:
    memory: dict[str, list[dict]] = {"measured": []}

    def step(batch: Batch) -> Tensor:
        logits = model(batch["input_ids"], batch["attention_mask"]).logits
        return nn.functional.cross_entropy(logits, batch["labels"])

    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.5)
    fit(
        model,
        rows(),
        step,
        optimizer,
        torch.optim.lr_scheduler.StepLR(optimizer, 5, gamma=0.8),
        epochs=epochs,
        batch_size=8,
        seed=seed,
        clip_norm=clip_norm,
        after_epoch=lambda epoch, values: memory["measured"].append({"epoch": epoch, **values}),
        checkpoint=checkpoint,
        memory=memory,
    )
    return memory["measured"]


def flat(model: nn.Module) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in model.parameters()])


def test_prediction_comes_in_row_order_whatever_the_batch_size():
    model, encoded = Bag().eval(), rows()
    alone = torch.cat(
        [model(t[None].long(), torch.ones(1, len(t))).logits for t in encoded.input_ids]
    )
    for batch_size in (1, 7, 64):
        torch.testing.assert_close(predict(model, encoded, batch_size), alone)


def test_prediction_has_no_dropout_and_leaves_the_model_training():
    model = Bag().train()
    assert torch.equal(predict(model, rows()), predict(model, rows()))
    assert model.training


def test_the_same_seed_gives_the_same_weights_bit_by_bit_and_another_seed_others():
    first, again, other = Bag(), Bag(), Bag()
    for model, seed in ((first, 5), (again, 5), (other, 6)):
        torch.rand(seed)  # the state of the global generator before must not matter
        train(model, seed=seed)
    assert torch.equal(flat(first), flat(again))
    assert not torch.equal(flat(first), flat(other))


@pytest.mark.parametrize("steps", [1, 3, 4, 5, 12])
def test_a_killed_training_goes_on_bit_by_bit_from_any_step(tmp_path, kill_after, steps):
    left_alone, first, second = Bag(), Bag(), Bag()
    expected = train(left_alone, seed=5, epochs=3)  # of 4 steps: 4 and 12 are last ones of an epoch
    kill_after(steps)
    with pytest.raises(RuntimeError, match="killed"):
        train(first, seed=5, epochs=3, checkpoint=Checkpoint(tmp_path, {}))
    saves = kill_after(0)
    done = train(second, seed=5, epochs=3, checkpoint=Checkpoint(tmp_path, {}))
    assert len(saves) == 12 - steps  # no step was done again
    assert torch.equal(flat(second), flat(left_alone))
    assert [(e["epoch"], e["loss"]) for e in done] == [(e["epoch"], e["loss"]) for e in expected]


def test_an_epoch_reports_its_mean_loss():
    model = Bag()
    model.head.weight.data.zero_()
    model.head.bias.data.zero_()
    (epoch,) = train(model, seed=0, epochs=1, clip_norm=1e-9)  # clipped to nothing: no learning
    assert epoch["epoch"] == 0
    assert epoch["loss"] == pytest.approx(0.6931, abs=1e-3)  # ln 2: two classes, equal logits


def test_the_step_is_no_longer_than_the_clip_norm_allows():
    model = Bag()
    before = flat(model)
    train(model, seed=0, epochs=1, clip_norm=0.01)
    # 30 rows in batches of 8 are 4 steps, each at most lr * clip_norm = 0.1 * 0.01 long, and as much
    # again by all the momentum of 0.5 that may follow.
    assert 0 < (flat(model) - before).norm().item() <= 2 * 4 * 0.1 * 0.01 + 1e-6


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_stops_and_names_epoch_and_step(broken):
    model = Bag()
    before, calls = flat(model), iter([1.0, broken])
    with pytest.raises(AdaBertError, match=r"pet epoch 1/1, step 2: the loss is (nan|inf)"):
        fit(
            model,
            rows(),
            lambda batch: model.head.bias.sum() * 0 + next(calls),
            torch.optim.SGD(model.parameters(), lr=0.1),
            None,
            epochs=1,
            batch_size=8,
            seed=0,
            clip_norm=1.0,
            label="pet",
        )
    assert torch.equal(flat(model), before)  # step 1 had no gradient, step 2 was not taken


def test_each_epoch_has_an_order_and_random_numbers_of_its_own():
    model, seen = Bag(), []

    def step(batch: Batch) -> Tensor:
        seen.append((batch["ids"].tolist(), torch.rand(1).item()))
        return model(batch["input_ids"], batch["attention_mask"]).logits.sum()

    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    settings = {"epochs": 3, "batch_size": 8, "seed": 0, "clip_norm": 1.0}
    fit(model, rows(), step, optimizer, None, **settings)
    for column in zip(*seen, strict=True):  # of 4 steps an epoch
        assert len({str(column[start : start + 4]) for start in (0, 4, 8)}) == 3
