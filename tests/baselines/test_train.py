"""Facts of a baseline's training: who learns, what is looked at, which epoch is kept, and its folder."""

import copy
import dataclasses
import functools

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from adabert_nni.baselines import train as training
from adabert_nni.baselines.losses import View
from adabert_nni.baselines.run import run_baseline
from adabert_nni.baselines.store import load_baseline, save_baseline
from adabert_nni.baselines.table import BASELINES
from adabert_nni.baselines.train import attention_scores, current_loss, look, train_baseline
from adabert_nni.checkpoint import Checkpoint
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json


def run(name, teacher, rows, words, *, epochs=2, seed=0, **more):
    torch.manual_seed(seed)
    baseline = BASELINES[name]
    student = baseline.build(teacher, words)
    started = copy.deepcopy(student.state_dict())
    history = train_baseline(
        baseline,
        student,
        teacher,
        rows(24, 1),
        rows(12, 2),
        epochs=epochs,
        lr=baseline.lr,
        batch_size=8,
        seed=seed,
        **more,
    )
    return student, started, history


def counted(teacher, monkeypatch):
    """A list that grows by one with each pass of the teacher."""
    passes, forward = [], teacher.forward

    @functools.wraps(forward)
    def spy(*args, **inputs):
        passes.append(inputs["input_ids"].shape)
        return forward(*args, **inputs)

    monkeypatch.setattr(teacher, "forward", spy)
    return passes


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in other)


@pytest.mark.parametrize("name", BASELINES)
def test_training_changes_the_student_and_not_the_teacher(made_teacher, made_rows, words, name):
    teacher = made_teacher(4)
    before = copy.deepcopy(teacher.state_dict())
    student, started, history = run(name, teacher, made_rows, words)
    assert equal(teacher.state_dict(), before)
    assert not equal(student.state_dict(), started)
    assert [entry["epoch"] for entry in history] == [1, 2]


def test_a_teacher_of_logits_alone_runs_once_over_the_rows_and_teaches_the_same(
    made_teacher, made_rows, words, monkeypatch
):
    teacher = made_teacher(4)
    passes = counted(teacher, monkeypatch)
    student, _, history = run("bilstm-soft", teacher, made_rows, words, epochs=3)
    assert sum(shape[0] for shape in passes) == 24  # rows; the selection is the student's alone
    passes.clear()
    beside = dataclasses.replace(BASELINES["bilstm-soft"], sees="states")
    monkeypatch.setitem(BASELINES, "bilstm-soft", beside)
    other, _, again = run("bilstm-soft", teacher, made_rows, words, epochs=3)
    assert sum(shape[0] for shape in passes) == 3 * 24
    for one, two in zip(history, again, strict=True):
        assert one["loss"] == pytest.approx(two["loss"], rel=1e-4)
    for name, weight in other.state_dict().items():
        assert torch.allclose(student.state_dict()[name], weight, atol=1e-4)


@pytest.mark.parametrize("name", BASELINES)
def test_losses_are_float32_whatever_the_products_are(
    made_teacher, made_rows, words, name, monkeypatch
):
    seen = []

    def spied(loss):
        def call(found, known, labels):
            seen.extend(
                tensor.dtype
                for view in (found, known)
                for tensor in (view.logits, *view.states, *view.scores)
            )
            return loss(found, known, labels)

        return call

    own = BASELINES[name]
    spies = tuple(map(spied, own.losses))
    monkeypatch.setitem(BASELINES, name, dataclasses.replace(own, losses=spies))
    half, _, numbers = run(name, made_teacher(4), made_rows, words, precision="bf16")
    assert set(seen) == {torch.float32}
    assert {weight.dtype for weight in half.parameters()} == {torch.float32}
    whole, _, exact = run(name, made_teacher(4), made_rows, words)
    assert not equal(half.state_dict(), whole.state_dict())
    assert numbers[0]["loss"] == pytest.approx(exact[0]["loss"], rel=0.05)


def test_tinybert_learns_from_the_layers_first_and_then_from_the_logits():
    losses = BASELINES["tinybert"].losses
    assert [losses.index(current_loss(losses, epoch, 5)) for epoch in range(5)] == [0, 0, 1, 1, 1]
    assert current_loss(losses, 0, 1) is losses[-1]  # one epoch alone has to teach the head
    only = BASELINES["distilbert"].losses
    assert {current_loss(only, epoch, 3) for epoch in range(3)} == set(only)


def test_the_attention_scores_are_those_whose_softmax_bert_takes(made_teacher):
    teacher = made_teacher(3)
    teacher.set_attn_implementation("eager")  # which shows its probabilities
    ids = torch.randint(5, 30, (2, 6))
    output = teacher(input_ids=ids, output_hidden_states=True, output_attentions=True)
    found = attention_scores(teacher, output.hidden_states)
    assert len(found) == 3
    for ours, theirs in zip(found, output.attentions, strict=True):
        assert torch.allclose(ours.softmax(-1), theirs, atol=1e-6)


def test_a_view_has_the_embeddings_and_every_layer(made_teacher, words):
    teacher = made_teacher(6)
    ids = torch.randint(5, 30, (2, 6))
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    batch["token_type_ids"] = torch.zeros_like(ids)
    for name, layers in (("bert-pkd-half", 3), ("distilbert", 2)):
        view = look(BASELINES[name].build(teacher, words), batch)
        assert [state.shape for state in view.states] == [(2, 6, 12)] * (layers + 1)
        assert view.scores == ()
    assert look(BASELINES["bilstm-soft"].build(teacher, words), batch).states == ()


def test_the_epoch_that_is_best_on_selection_is_kept(made_teacher, made_rows, words, monkeypatch):
    accuracies, seen = iter([0.5, 0.9, 0.6]), []

    def fake(model, rows, metrics):
        seen.append(copy.deepcopy(model.model.state_dict()))
        return {"accuracy": next(accuracies)}

    monkeypatch.setattr(training, "evaluate", fake)
    student, _, history = run("bert-pkd-half", made_teacher(4), made_rows, words, epochs=3)
    assert [entry["selection_accuracy"] for entry in history] == [0.5, 0.9, 0.6]
    assert equal(student.state_dict(), seen[1])


def test_a_killed_training_goes_on_to_the_same_weights(
    made_teacher, made_rows, words, tmp_path, kill_after
):
    whole, _, _ = run("tinybert", made_teacher(4), made_rows, words)
    saves = kill_after(5)  # in the second epoch of three steps, where the second loss counts
    kept = {"folder": tmp_path / "state", "made_from": {}}
    with pytest.raises(RuntimeError, match="killed"):
        run("tinybert", made_teacher(4), made_rows, words, checkpoint=Checkpoint(**kept))
    assert len(saves) == 5
    saves.clear()
    again, _, _ = run("tinybert", made_teacher(4), made_rows, words, checkpoint=Checkpoint(**kept))
    assert equal(again.state_dict(), whole.state_dict())


@pytest.mark.parametrize("name", ["bert-pkd-half", "distilbert", "bilstm-soft"])
def test_a_saved_baseline_comes_back_with_equal_logits(
    made_teacher, words, tiny_tokenizer, tmp_path, name
):
    model = BASELINES[name].build(made_teacher(4), words).eval()
    save_baseline(model, tiny_tokenizer, tmp_path, {"validation": {"accuracy": 0.5}})
    ids = torch.randint(5, 30, (2, 6))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    assert torch.equal(load_baseline(tmp_path)(**inputs).logits, model(**inputs).logits)
    assert read_json(tmp_path / "scores.json")["validation"] == {"accuracy": 0.5}
    if name != "bilstm-soft":  # an ordinary folder for transformers
        read = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
        assert torch.equal(read(**inputs).logits, model(**inputs).logits)


def test_the_epoch_is_chosen_by_the_metric_that_is_asked_for(made_teacher, made_rows, words):
    _, _, history = run("bilstm-soft", made_teacher(2), made_rows, words, metric="f1")
    assert all(0 <= entry["selection_f1"] <= 1 for entry in history)
    assert not any("selection_accuracy" in entry for entry in history)


def test_a_model_that_cannot_be_stored_is_refused_before_it_is_trained(
    made_teacher, made_rows, words, tiny_tokenizer, tmp_path
):
    mine = dataclasses.replace(BASELINES["bilstm-soft"], build=lambda *_: torch.nn.Linear(2, 2))
    rows, nothing = made_rows(8, 1), {"epochs": 1, "lr": 0.1, "batch_size": 4, "seed": 0}
    with pytest.raises(AdaBertError, match="gives a Linear, which cannot be stored"):
        run_baseline(
            *(mine, made_teacher(2), tiny_tokenizer, rows, rows, rows),
            **nothing,
            words=words,
            metrics=("accuracy",),
            folder=tmp_path,
            checkpoint=Checkpoint(folder=tmp_path / "state", made_from={}),
        )


def test_the_loop_of_a_baseline_has_the_settings_that_are_told(
    made_teacher, made_rows, words, monkeypatch
):
    seen, real = [], training.fit

    def watched(trainee, train, step, optimizer, schedule, **more):
        (group,) = optimizer.param_groups
        seen.append((group["initial_lr"], group["weight_decay"], more))
        rates = [
            schedule.lr_lambdas[0](n) for n in range(31)
        ]  # 10 epochs of 3 steps, a tenth to warm up
        assert rates[:4] == pytest.approx([0, 1 / 3, 2 / 3, 1]) and rates[30] == 0
        real(trainee, train, step, optimizer, schedule, **more)

    monkeypatch.setattr(training, "fit", watched)
    run("bert-pkd-half", made_teacher(2), made_rows, words, epochs=10, seed=4)
    ((rate, decay, more),) = seen
    assert (rate, decay) == (1e-4, 0.01)
    assert more.items() >= {"epochs": 10, "batch_size": 8, "seed": 4, "clip_norm": 1.0}.items()


def test_the_seed_draws_the_projections_whatever_was_drawn_before(made_teacher, made_rows, words):
    teacher, baseline = made_teacher(4), BASELINES["tinybert"]
    start = baseline.build(teacher, words)
    settings = {"epochs": 2, "lr": 1e-3, "batch_size": 8}
    made = []
    for seed in (0, 0, 1):
        torch.rand(3)
        student = copy.deepcopy(start)
        rows = made_rows(24, 1), made_rows(12, 2)
        train_baseline(baseline, student, teacher, *rows, **settings, seed=seed)
        made.append(student.state_dict())
    assert equal(made[0], made[1])
    assert not equal(made[0], made[2])


@pytest.mark.parametrize("name", ["distilbert", "bilstm-soft"])
def test_a_teacher_that_comes_in_training_mode_teaches_without_dropout(
    made_teacher, made_rows, words, name
):
    teacher, modes = made_teacher(4).train(), set()
    teacher.register_forward_hook(lambda module, *_: modes.add(module.training))
    run(name, teacher, made_rows, words, epochs=1)
    assert modes == {False}


def test_what_is_reported_is_of_the_validation_rows(
    made_teacher, made_rows, words, tiny_tokenizer, tmp_path
):
    selection = made_rows(11, 2)
    turned = dataclasses.replace(selection, labels=1 - selection.labels)
    run_baseline(
        *(BASELINES["bilstm-soft"], made_teacher(2), tiny_tokenizer),
        *(made_rows(24, 1), selection, turned),
        **{"epochs": 2, "lr": 1e-3, "batch_size": 8, "seed": 0},
        words=words,
        metrics=("accuracy",),
        folder=tmp_path,
        checkpoint=Checkpoint(folder=tmp_path / "state", made_from={}),
    )
    told = read_json(tmp_path / "scores.json")
    best = max(entry["selection_accuracy"] for entry in told["history"])
    assert told["validation"]["accuracy"] == pytest.approx(1 - best)


def test_embeddings_and_layers_of_a_narrower_student_have_projections_of_their_own(
    made_teacher, words
):
    student = BASELINES["tinybert"].build(made_teacher(6), words)
    trainee = training.Trainee(student, 12)
    view = View(torch.zeros(1, 2), torch.ones(1, 3), tuple(torch.randn(3, 1, 3, 312)))
    found = trainee.project(view).states
    assert torch.equal(found[0], trainee.words(view.states[0]))
    assert all(torch.equal(found[i], trainee.states(view.states[i])) for i in (1, 2))
    assert not torch.equal(trainee.words.weight, trainee.states.weight)


def test_the_epoch_that_is_kept_is_the_best_by_the_metric_that_is_asked_for(
    made_teacher, made_rows, words, monkeypatch
):
    told, seen = iter([(0.9, 0.1), (0.5, 0.8), (0.7, 0.3)]), []

    def fake(model, rows, metrics):
        seen.append(copy.deepcopy(model.model.state_dict()))
        accuracy, f1 = next(told)
        return {name: {"accuracy": accuracy, "f1": f1}[name] for name in metrics}

    monkeypatch.setattr(training, "evaluate", fake)
    student, _, _ = run("bert-pkd-half", made_teacher(2), made_rows, words, epochs=3, metric="f1")
    assert equal(student.state_dict(), seen[1])
