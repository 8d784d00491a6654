"""Facts of a student's training."""

import copy
import dataclasses
from dataclasses import replace

import pytest
import torch

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.config import StudentConfig
from adabert_nni.data.encoding import Encoded
from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.problems import CLASSIFICATION
from adabert_nni.student import train as training
from adabert_nni.student.train import evaluate, train_student
from adabert_nni.training import predict

OPS = ("std_conv_3", "max_pool_3", "dil_conv_3", "avg_pool_3", "skip_connect", "zero")
EDGES = {edge: OPS[i % len(OPS)] for i, edge in enumerate(edge_names(3))}


def student(vocab_size=20, **settings):
    torch.manual_seed(0)
    config = AdaBertConfig(
        Architecture(2, 3, EDGES).to_dict(),
        vocab_size=vocab_size,
        hidden_size=8,
        max_position_embeddings=32,
        **settings,
    )
    return AdaBertForSequenceClassification(config)


def rows(count, seed):
    """Rows of 4 to 8 random words from 7 to 19, but the third is 5 in class 0 and 6 in class 1."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    words = [
        torch.randint(7, 20, (4 + i % 5,), generator=generator, dtype=torch.int32)
        for i in range(count)
    ]
    for row, label in zip(words, labels.tolist(), strict=True):
        row[2] = 5 + label
    # Three teacher layers that are surer of the right class from layer to layer.
    right = torch.tensor([0.6, 0.8, 0.95]).view(1, 3, 1)
    is_class = torch.nn.functional.one_hot(labels, 2).view(count, 1, 2)
    teacher = is_class * right + (1 - is_class) * (1 - right)
    return Encoded(words, None, labels, torch.arange(count), pad_id=0, teacher=teacher)


def train(model, *, seed=0, epochs=2, gamma=0.8, selection=None, kept=None, problem=CLASSIFICATION):
    settings = StudentConfig(student_epochs=epochs, student_lr=1e-2, student_batch=8)
    chosen_on = rows(20, seed=9) if selection is None else selection
    return train_student(
        model,
        rows(40, seed=1),
        chosen_on,
        settings,
        gamma=gamma,
        temperature=1.0,
        seed=seed,
        checkpoint=kept,
        problem=problem,
    )


def test_the_same_seed_gives_the_same_weights_bit_by_bit_and_another_seed_others():
    first, again, other = (student(layer_probes=True) for _ in range(3))
    for model, seed in ((first, 5), (again, 5), (other, 6)):
        torch.rand(seed)  # the state of the global generator before must not matter
        train(model, seed=seed)
    theirs = again.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in first.state_dict().items())
    assert not torch.equal(first.body.embeddings.words.weight, other.body.embeddings.words.weight)


def test_the_running_mean_has_the_weights_of_its_steps():
    mean = {"w": torch.tensor([0.0]), "batches": torch.tensor(0)}
    # decay 0.5 caps step / (step + 9) from step 9 on; before that 1/10 and 2/11 of the mean stay
    training.average(mean, {"w": torch.tensor([1.0]), "batches": torch.tensor(1)}, 0.5, 1)
    assert mean["w"].item() == pytest.approx(0.9)
    training.average(mean, {"w": torch.tensor([2.0]), "batches": torch.tensor(2)}, 0.5, 2)
    assert mean["w"].item() == pytest.approx(0.9 * 2 / 11 + 2.0 * 9 / 11)
    assert mean["batches"].item() == 2
    training.average(mean, {"w": torch.tensor([4.0]), "batches": torch.tensor(3)}, 0.5, 99)
    assert mean["w"].item() == pytest.approx((0.9 * 2 / 11 + 2.0 * 9 / 11) / 2 + 2.0)


def test_decay_zero_is_the_last_step():
    mean = {"w": torch.tensor([0.3])}
    training.average(mean, {"w": torch.tensor([0.1])}, 0.0, 7)
    assert mean["w"].item() == torch.tensor(0.1).item()


@pytest.mark.parametrize("steps", [2, 8])  # of 5 in each of 2 epochs
def test_a_killed_training_goes_on_to_the_same_student(tmp_path, kill_after, steps):
    left_alone, again = student(layer_probes=True), student(layer_probes=True)
    expected = train(left_alone)
    kill_after(steps)
    with pytest.raises(RuntimeError, match="killed"):
        train(student(layer_probes=True), kept=Checkpoint(tmp_path, {}))
    saves = kill_after(0)
    history = train(again, kept=Checkpoint(tmp_path, {}))
    assert len(saves) == 10 - steps
    theirs = again.state_dict()
    assert all(torch.equal(value, theirs[n]) for n, value in left_alone.state_dict().items())
    for found, wanted in zip(history, expected, strict=True):
        assert {**found, "seconds": 0} == {**wanted, "seconds": 0}


@pytest.mark.gpu
def test_on_a_gpu_a_killed_training_goes_on_there(tmp_path, kill_after):
    kill_after(2)
    with pytest.raises(RuntimeError, match="killed"):
        train(student(layer_probes=True).cuda(), kept=Checkpoint(tmp_path, {}))
    kill_after(0)
    again = student(layer_probes=True).cuda()
    history = train(again, kept=Checkpoint(tmp_path, {}))
    assert {value.device.type for value in again.state_dict().values()} == {"cuda"}
    assert history[-1]["selection_accuracy"] > history[0]["selection_accuracy"]


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [
        ([0.5, 0.9, 0.6], 1),
        ([0.5, 0.4, 0.3], 0),  # training only harmed: the student as it was derived
        ([0.5, 0.8, 0.8], 2),  # of equals the one that was trained longer
    ],
)
def test_the_student_keeps_the_epoch_that_is_best_on_selection(monkeypatch, accuracies, best):
    selection, seen = rows(6, seed=2), []

    def measured(model, encoded, metrics, problem):
        assert encoded is selection  # no other rows may choose
        seen.append(copy.deepcopy(model.state_dict()))
        return {"accuracy": accuracies[len(seen) - 1]}

    monkeypatch.setattr(training, "evaluate", measured)
    model = student(layer_probes=True)
    history = train(model, selection=selection)
    assert [entry["selection_accuracy"] for entry in history] == accuracies
    assert [entry["epoch"] for entry in history] == [0, 1, 2]
    assert not torch.equal(*(s["body.embeddings.words.weight"] for s in seen[:2]))
    for name, value in model.state_dict().items():
        assert torch.equal(value, seen[best][name])


@pytest.mark.parametrize("gamma", [0.0, 0.8, 1.0])
def test_a_student_learns_separable_classes_from_labels_from_the_teacher_and_from_both(gamma):
    model, selection = student(layer_probes=True), rows(20, seed=9)
    history = train(model, epochs=8, gamma=gamma, selection=selection)
    assert history[-1]["loss"] < history[1]["loss"]
    best = max(entry["selection_accuracy"] for entry in history)
    assert best == evaluate(model, selection, ("accuracy",))["accuracy"]
    assert best >= 0.9  # chance is 0.5


def test_with_gamma_zero_the_teacher_does_not_matter(monkeypatch):
    models = student(layer_probes=True), student(layer_probes=True)
    train(models[0], gamma=0.0)
    other = replace(CLASSIFICATION, knowledge_loss=lambda logits, *_: logits[0].sum() * 0 + 7)
    train(models[1], gamma=0.0, problem=other)
    for one, other in zip(*(model.parameters() for model in models), strict=True):
        assert torch.equal(one, other)


def test_the_last_layer_alone_is_told_by_a_transfer_of_the_last():
    given = rows(40, seed=1)
    given.teacher = given.teacher[:, -1:]  # one layer of answers, as the teacher's own head gives
    grown = {}
    for transfer in ("last", "hierarchical"):
        model = student(layer_probes=True)
        settings = StudentConfig(
            student_epochs=1, student_batch=40, student_weight_decay=0, transfer=transfer
        )
        before = next(model.body.readouts["1"].parameters()).detach().clone()
        train_student(
            model,
            given,
            rows(20, seed=9),
            dataclasses.replace(settings, student_average=0),
            gamma=1.0,
            temperature=1.0,
            seed=0,
        )
        grown[transfer] = not torch.equal(next(model.body.readouts["1"].parameters()), before)
    assert grown == {"last": False, "hierarchical": True}


def test_word_dropout_is_part_of_training_and_not_of_what_is_kept():
    left = {}
    for share in (0.0, 0.5):
        model = student(layer_probes=True)
        settings = StudentConfig(student_epochs=1, student_batch=40, student_word_dropout=share)
        train_student(
            *(model, rows(40, seed=1), rows(20, seed=9), settings),
            **{"gamma": 0.8, "temperature": 1.0, "seed": 0},
        )
        left[share] = model.body.embeddings.words.weight.detach().clone()
        answers = [predict(model, rows(20, seed=9)) for _ in range(2)]
        assert torch.equal(*answers)
    assert not torch.equal(left[0.0], left[0.5])


def test_optimizer_schedule_and_loop_of_a_student_are_those_of_its_settings(monkeypatch):
    seen = []
    monkeypatch.setattr(training, "fit", lambda *given, **more: seen.append((given, more)))
    settings = StudentConfig(
        **{"student_epochs": 3, "student_lr": 0.03, "student_lr_end": 0.002},
        **{"student_weight_decay": 0.25, "student_batch": 16},
    )
    equation = {"gamma": 0.8, "temperature": 1.0}
    train_student(
        student(layer_probes=True), rows(40, 1), rows(20, 9), settings, **equation, seed=4
    )
    (((*_, optimizer, schedule), more),) = seen
    (group,) = optimizer.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.03, 0.25)
    assert (schedule.T_max, schedule.eta_min) == (9, 0.002)  # three epochs of 40 rows
    loop = {"epochs": 3, "batch_size": 16, "seed": 4, "clip_norm": 5.0}
    assert more.items() >= loop.items()


def test_the_knowledge_of_a_student_is_that_at_the_temperature_of_equation_3():
    seen = []

    def watched(layers, table, labels, temperature):
        seen.append(temperature)
        return CLASSIFICATION.knowledge_loss(layers, table, labels, temperature)

    problem, settings = (
        replace(CLASSIFICATION, knowledge_loss=watched),
        StudentConfig(student_epochs=1),
    )
    given = student(layer_probes=True), rows(40, seed=1), rows(20, seed=9), settings
    train_student(*given, gamma=0.8, temperature=3.0, seed=0, problem=problem)
    assert set(seen) == {3.0}


def test_what_is_scored_and_kept_is_the_running_mean_and_not_the_last_weights(monkeypatch):
    measured = []

    def look(model, *rest):
        measured.append(copy.deepcopy(model.state_dict()))
        return {"accuracy": len(measured)}  # the last one is the best

    monkeypatch.setattr(training, "evaluate", look)
    model, mean = student(layer_probes=True), student(layer_probes=True).state_dict()
    settings = StudentConfig(student_epochs=1, student_batch=20, student_average=0.9)
    moved, taken = training.average, []
    monkeypatch.setattr(
        training,
        "average",
        lambda kept, weights, *how: (
            taken.append(copy.deepcopy(weights)) or moved(kept, weights, *how)
        ),
    )
    train_student(model, rows(40, 1), rows(20, 9), settings, gamma=0.8, temperature=1.0, seed=0)
    for number, weights in enumerate(taken, start=1):
        moved(mean, weights, 0.9, number)
    for found in (measured[-1], model.state_dict()):
        assert all(torch.equal(found[name], value) for name, value in mean.items())
    assert not all(torch.equal(taken[-1][name], value) for name, value in mean.items())
