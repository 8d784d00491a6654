"""Facts about the probes and the table of what each teacher layer believes."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from adabert_nni.checkpoint import Checkpoint
from adabert_nni.data.encoding import Encoded
from adabert_nni.errors import AdaBertError
from adabert_nni.losses import UNLABELLED
from adabert_nni.problems import REGRESSION
from adabert_nni.teacher import hidden, linear_probes
from adabert_nni.teacher.hidden import hidden_states, layer_features
from adabert_nni.teacher.probes import build_probes
from adabert_nni.teacher.probes import load_probes as load
from adabert_nni.training import predict


def make_rows(count: int, seed: int) -> Encoded:
    """Rows of 2 to 8 tokens with shuffled ids; the class is whether token 5 occurs."""
    generator = torch.Generator().manual_seed(seed)
    tokens = [
        torch.randint(4, 8, (2 + i % 7,), generator=generator, dtype=torch.int32)
        for i in range(count)
    ]
    labels = torch.tensor([int((t == 5).any()) for t in tokens])
    return Encoded(tokens, None, labels, torch.randperm(count, generator=generator) * 3, pad_id=0)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=10,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=16,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


def build(
    teacher: Path, folder: Path, labels: int = 2, seed: int = 0, kept: Checkpoint | None = None
) -> dict:
    folder.mkdir(exist_ok=True)
    train, selection = make_rows(200, 1), make_rows(80, 2)
    settings = {"labels": labels, "seed": seed, "folder": folder, "checkpoint": kept}
    return build_probes(teacher, train, selection, **settings)


def test_the_table_holds_every_training_row_by_its_id(teacher, tmp_path):
    report = build(teacher, tmp_path)
    table, train = load(tmp_path), make_rows(200, 1)
    assert torch.equal(table["ids"], train.ids)
    assert table["probs"].shape == (200, 3, 2)  # R, J, C
    torch.testing.assert_close(table["probs"].sum(-1), torch.ones(200, 3))
    right = (table["probs"].argmax(-1) == train.labels[:, None]).double().mean(0)
    assert report["train_accuracy"] == pytest.approx(right.tolist(), abs=1e-4)
    assert min(right) > 0.8  # were rows and ids out of step, it would be near chance


def test_the_teacher_column_is_the_softmax_of_its_own_head(teacher, tmp_path):
    build(teacher, tmp_path)
    model = BertForSequenceClassification.from_pretrained(teacher)
    torch.testing.assert_close(
        load(tmp_path)["teacher"], predict(model, make_rows(200, 1)).softmax(-1)
    )


def test_a_calibrated_table_is_the_plain_one_divided_by_the_temperatures(teacher, tmp_path):
    train, selection = make_rows(200, 1), make_rows(80, 2)
    selection.labels.copy_(selection.labels.roll(1))  # the probes are wrong of half of them
    tables = {}
    for calibrated in (True, False):
        folder = tmp_path / str(calibrated)
        folder.mkdir()
        settings = {"labels": 2, "seed": 0, "folder": folder, "calibrated": calibrated}
        report = build_probes(teacher, train, selection, **settings)
        tables[calibrated] = load(folder)
        if calibrated:
            sure = torch.tensor(report["temperature"])
    assert report["temperature"] == [1.0] * 4  # three layers and the head
    assert bool((sure[:3] > 1.5).all())
    for name, divisors in (("probs", sure[:3, None]), ("teacher", sure[3:])):
        plain, found = tables[False][name], tables[True][name]
        torch.testing.assert_close(found, (plain.log() / divisors).softmax(-1), atol=1e-4, rtol=0)


def test_the_report_is_saved_and_nothing_but_the_table_beside_it(teacher, tmp_path):
    report = build(teacher, tmp_path)
    assert json.loads((tmp_path / "probes.json").read_text()) == report
    assert {p.name for p in tmp_path.iterdir()} == {"probes.json", "probes.safetensors"}
    assert report["hidden_state_bytes"] == 200 * 3 * 32 * 2  # R * J * (2 * 16) * 2 bytes


def test_the_same_seed_gives_the_same_table_in_memory_and_on_disk(teacher, tmp_path, monkeypatch):
    build(teacher, tmp_path / "a")
    monkeypatch.setattr(hidden, "MEMORY_BYTES", 0)
    build(teacher, tmp_path / "b")
    first, again = ((tmp_path / n / "probes.safetensors").read_bytes() for n in "ab")
    assert first == again
    assert {p.name for p in (tmp_path / "b").iterdir()} == {"probes.json", "probes.safetensors"}


# The pass over 200 rows has 4 batches of 64, that over 80 has 2, and then come 30 steps.
@pytest.mark.parametrize("saves", [1, 3, 4, 5, 6, 7, 30])
def test_killed_probing_goes_on_to_the_same_table(
    teacher, tmp_path, monkeypatch, kill_after, saves
):
    monkeypatch.setattr(linear_probes, "LEAST_STEPS", 30)
    expected = build(teacher, tmp_path / "a")
    kill_after(saves)
    with pytest.raises(RuntimeError, match="killed"):
        build(teacher, tmp_path / "killed", kept=Checkpoint(tmp_path / "kept", {}))
    again, batches = kill_after(0), []
    monkeypatch.setattr(hidden, "to_device", lambda batch, _: batches.append(1) or batch)
    report = build(teacher, tmp_path / "b", kept=Checkpoint(tmp_path / "kept", {}))
    assert len(batches) == max(6 - saves, 0)  # no batch went through the teacher twice
    assert len(again) == 36 - saves
    tables = [(tmp_path / n / "probes.safetensors").read_bytes() for n in "ab"]
    assert tables[0] == tables[1]
    del expected["seconds"], report["seconds"]
    assert report == expected


def test_too_small_a_disk_is_an_error_before_anything_is_written(teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(hidden, "MEMORY_BYTES", 0)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(AdaBertError, match=r"hidden states: .* GB are needed"):
        build(teacher, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_teacher_of_another_task_is_refused(teacher, tmp_path):
    with pytest.raises(AdaBertError, match="has 2 classes, the data has 3"):
        build(teacher, tmp_path, labels=3)


def test_features_are_cls_beside_the_mean_over_real_tokens():
    layer = torch.tensor([[[1.0], [3.0], [100.0]]])  # B 1, L 3, H 1; the last token is padding
    features = layer_features([layer, -layer], torch.tensor([[1, 1, 0]]))
    assert features.tolist() == [[[1.0, 2.0], [-1.0, -2.0]]]  # mean of 1 and 3 is 2


def test_features_do_not_depend_on_the_company_in_the_batch(teacher, tmp_path):
    model = BertForSequenceClassification.from_pretrained(teacher).eval()
    rows = make_rows(70, 3)  # more than one batch of 64
    place = torch.randperm(70)
    together, _ = hidden_states(model, rows, place, tmp_path, "all")
    with torch.no_grad():
        for row in (0, 33, 69):
            tokens = rows.input_ids[row][None].long()
            layers = model(tokens, output_hidden_states=True).hidden_states[1:]
            alone = layer_features(layers, torch.ones_like(tokens))
            torch.testing.assert_close(together[place[row]], alone[0], atol=2e-3, rtol=2e-3)


def test_further_rows_get_beliefs_and_leave_those_of_the_others_as_they_are(teacher, tmp_path):
    build(teacher, tmp_path)
    alone = load(tmp_path)
    more = make_rows(70, 3)
    more.ids += 1000
    more.labels[:] = UNLABELLED
    (tmp_path / "with").mkdir()
    train, selection = make_rows(200, 1), make_rows(80, 2)
    settings = {"labels": 2, "seed": 0, "folder": tmp_path / "with"}
    build_probes(teacher, train, selection, **settings, more=more)
    table = load(tmp_path / "with")
    for name, tensor in alone.items():
        assert torch.equal(table[name][:200], tensor)
    assert torch.equal(table["ids"][200:], more.ids)
    torch.testing.assert_close(table["probs"][200:].sum(-1), torch.ones(70, 3))
    model = BertForSequenceClassification.from_pretrained(teacher)
    torch.testing.assert_close(table["teacher"][200:], predict(model, more).softmax(-1))


def test_a_training_row_given_as_a_further_one_gets_the_same_beliefs(teacher, tmp_path):
    train, selection = make_rows(200, 1), make_rows(80, 2)
    again = replace(train, ids=train.ids + 1000)
    build_probes(teacher, train, selection, labels=2, seed=0, folder=tmp_path, more=again)
    probs = load(tmp_path)["probs"]
    torch.testing.assert_close(probs[200:], probs[:200], atol=1e-3, rtol=1e-3)


def test_the_table_of_regression_is_in_units_of_the_labels(teacher, tmp_path):
    train, selection = (
        replace(rows, labels=50 + 20 * rows.labels.float())
        for rows in (make_rows(200, 1), make_rows(80, 2))
    )
    model = BertForSequenceClassification.from_pretrained(
        teacher, num_labels=1, ignore_mismatched_sizes=True
    )
    model.save_pretrained(tmp_path / "one")
    report = build_probes(
        tmp_path / "one",
        train,
        selection,
        labels=1,
        seed=0,
        folder=tmp_path,
        problem=REGRESSION,
        scale=(60.0, 10.0),  # 50 and 70 become -1 and 1
    )
    table = load(tmp_path)
    assert table["probs"].shape == (200, 3, 1)
    error = (table["probs"][:, :, 0] - (train.labels[:, None] - 60) / 10).square().mean(0)
    r2 = 1 - error / ((train.labels - 60) / 10).var(correction=0)
    assert r2.tolist() == pytest.approx(report["train_r2"], abs=1e-3)
    assert min(r2) > 0.5
    torch.testing.assert_close(table["teacher"], (predict(model, train) - 60) / 10)


def test_a_feature_too_large_for_half_precision_stays_finite():
    layer = torch.full((1, 2, 1), 1e6)
    assert bool(layer_features([layer], torch.ones(1, 2)).isfinite().all())


def test_the_penalty_of_a_layer_is_the_best_one_on_rows_that_no_probe_learnt_from(
    teacher, tmp_path
):
    train, selection = make_rows(200, 1), make_rows(80, 2)
    selection.labels.copy_(selection.labels.roll(1))  # what is learnt does not hold there
    settings = {"labels": 2, "seed": 0, "folder": tmp_path}
    assert build_probes(teacher, train, selection, **settings)["penalty"] == [1.0] * 3
    assert min(build(teacher, tmp_path)["penalty"]) < 1.0


def test_another_seed_gives_other_orders_of_the_rows(teacher, tmp_path, monkeypatch):
    monkeypatch.setattr(linear_probes, "CHUNK", 32)
    tables = []
    for seed in (0, 0, 1):
        build(teacher, tmp_path, seed=seed)
        tables.append(load(tmp_path)["probs"])
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])


def test_of_a_further_row_the_teacher_is_as_unsure_as_of_a_training_row(teacher, tmp_path):
    train, selection = make_rows(200, 1), make_rows(80, 2)
    selection.labels.copy_(selection.labels.roll(1))
    again = replace(train, ids=train.ids + 1000)
    settings = {"labels": 2, "seed": 0, "folder": tmp_path}
    report = build_probes(teacher, train, selection, **settings, more=again)
    assert report["temperature"][-1] > 1
    found = load(tmp_path)["teacher"]
    torch.testing.assert_close(found[200:], found[:200], atol=1e-5, rtol=1e-5)
