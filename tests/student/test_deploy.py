"""Facts of an exported folder: what is in it, what it says, and what it refuses."""

import contextlib
import io
import json
import shutil
import zipfile
from dataclasses import replace

import pytest
import torch
from transformers import BertTokenizerFast

from adabert_nni.data.embedded import generate
from adabert_nni.data.tasks import Rows, Splits, get_task
from adabert_nni.errors import AdaBertError
from adabert_nni.files import read_json
from adabert_nni.folders import write_manifest
from adabert_nni.student import deploy as deploying
from adabert_nni.student.deploy import deploy
from adabert_nni.student.export import save_student
from adabert_nni.student.stored import load_export, load_student


@pytest.fixture(scope="module")
def folder(made_student, tiny_tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "student"
    folder.mkdir()
    names = get_task("mini-reviews").labels
    student = made_student(seed=1, vocab_size=len(tiny_tokenizer), names=names)
    save_student(student, tiny_tokenizer, folder, scores={}, history=[], seconds=0.0)
    return folder


def rows(split, count):
    found = generate("mini-reviews")[split][:count]
    return Rows([texts for texts, _ in found], [label for _, label in found], list(range(count)))


def splits():
    return Splits(
        get_task("mini-reviews"), rows("train", 40), rows("train", 60), rows("validation", 80)
    )


def test_an_export_is_read_back_with_its_tokenizer(folder, tmp_path):
    record = deploy(folder, "folded", tmp_path / "out")
    assert read_json(tmp_path / "out" / "export.json") == record
    student, tokenizer = load_student(folder)
    inputs = tokenizer(["the food was good ."], return_tensors="pt")
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    with torch.inference_mode():
        found = load_export(tmp_path / "out")(ids, mask)
        assert torch.allclose(found, student(ids, mask).logits, atol=1e-5)
    assert (tmp_path / "out" / "tokenizer.json").is_file()
    assert "auto_map" not in read_json(tmp_path / "out" / "config.json")  # no code lies beside it


class Touch:
    """Unpickled, it makes a file: the harmless kind of what a crafted one may do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def crafted(program, payload):
    """The same torch program, whose first weight is now said to be a pickle and is ``payload``."""
    with zipfile.ZipFile(program) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    listed = next(name for name in held if name.endswith("weights_config.json"))
    config = json.loads(held[listed])
    entry = next(iter(config["config"].values()))
    entry["use_pickle"] = True
    held[listed] = json.dumps(config).encode()
    weights = listed.rsplit("/", 1)[0]
    held[f"{weights}/{entry['path_name']}"] = payload
    with zipfile.ZipFile(program, "w") as archive:  # stored, as torch wants it
        for name, data in held.items():
            archive.writestr(name, data)


def test_a_torch_program_that_may_run_code_is_not_read(folder, tmp_path):
    deploy(folder, "torch-export", tmp_path / "out")
    buffer = io.BytesIO()
    torch.save(Touch(tmp_path / "ran"), buffer)
    crafted(tmp_path / "out" / "model.pt2", buffer.getvalue())
    with pytest.raises(AdaBertError, match="altered or damaged"):
        load_export(tmp_path / "out")
    write_manifest(tmp_path / "out", {})  # as whoever crafted it would
    with pytest.raises(AdaBertError, match="torch runs code of such a program as it reads it"):
        load_export(tmp_path / "out")
    assert not (tmp_path / "ran").exists()
    # There is something to fear: torch itself does run it, whatever it makes of the rest.
    with contextlib.suppress(Exception):
        torch.export.load(tmp_path / "out" / "model.pt2")
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize("record", ["[]", "{}", '{"format": []}', '{"format": "zip"}'])
def test_a_record_that_names_no_format_is_refused_by_its_path(tmp_path, record):
    (tmp_path / "export.json").write_text(record)
    with pytest.raises(AdaBertError, match=r"export.json: the format is .*, known are folded"):
        load_export(tmp_path)


def test_accuracy_stands_beside_the_students(folder, tmp_path):
    record = deploy(folder, "bf16", tmp_path / "out", splits())
    assert abs(record["accuracy"] - record["student_accuracy"]) <= 0.05
    assert record["bytes"] < record["student_bytes"]


@pytest.mark.parametrize(
    ("task", "told"),
    [
        (replace(get_task("mini-reviews"), labels=("positive", "negative")), "knows the classes"),
        (replace(get_task("mini-reviews"), labels=("negative", "neutral", "positive")), "neutral"),
        (replace(get_task("mini-reviews"), texts=("a", "b")), "reads one text a row, but .* pairs"),
    ],
)
def test_rows_of_another_task_tell_nothing_of_a_student(folder, tmp_path, task, told):
    with pytest.raises(AdaBertError, match=told):
        deploy(folder, "folded", tmp_path / "out", replace(splits(), task=task))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["folded.safetensors", "config.json"])
def test_a_flipped_bit_in_an_export_is_found(folder, tmp_path, name):
    deploy(folder, "folded", tmp_path / "out")
    data = bytearray((tmp_path / "out" / name).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "out" / name).write_bytes(data)
    with pytest.raises(AdaBertError, match=f"{name}: its sha256 is"):
        load_export(tmp_path / "out")


def test_a_pruned_vocabulary_needs_texts(folder, tmp_path):
    with pytest.raises(AdaBertError, match="add --task or --train"):
        deploy(folder, "folded", tmp_path / "out", prune=True)
    assert not (tmp_path / "out").exists()


def test_a_pruned_export_is_smaller_and_as_good(folder, tmp_path):
    whole = deploy(folder, "folded", tmp_path / "whole", splits())
    pruned = deploy(folder, "folded", tmp_path / "pruned", splits(), prune=True)
    assert pruned["vocabulary"] < whole["vocabulary"]
    assert pruned["bytes"] < whole["bytes"]
    assert pruned["student_accuracy"] == whole["student_accuracy"]


def test_a_folder_with_something_in_it_is_refused_and_kept(folder, tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(AdaBertError, match="something here already"):
        deploy(folder, "folded", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_folder_without_a_student_is_refused(tiny_teacher_dir, tmp_path):
    with pytest.raises(AdaBertError, match="no student can be read there"):
        load_student(tmp_path)
    with pytest.raises(AdaBertError, match="holds a BertForSequenceClassification, not a student"):
        load_student(tiny_teacher_dir)


@pytest.mark.parametrize("form", ["folded", "onnx"])
def test_a_student_that_was_saved_in_half_precision_is_exported(folder, tmp_path, form):
    student, tokenizer = load_student(folder)
    student.bfloat16().save_pretrained(tmp_path / "half")
    tokenizer.save_pretrained(tmp_path / "half")
    record = deploy(tmp_path / "half", form, tmp_path / "out")
    assert record["largest_difference"] <= record["bound"]


def test_weights_in_several_files_are_refused_at_the_start(folder, tmp_path):
    student, tokenizer = load_student(folder)
    student.save_pretrained(tmp_path / "parts", max_shard_size="2KB")
    tokenizer.save_pretrained(tmp_path / "parts")
    with pytest.raises(AdaBertError, match=r"not in one model\.safetensors"):
        deploy(tmp_path / "parts", "folded", tmp_path / "out")


def test_who_changes_a_student_is_told_of_its_manifest(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "mine")
    write_manifest(tmp_path / "mine", {})
    config = tmp_path / "mine" / "config.json"
    config.write_text(config.read_text().replace("negative", "bad"))
    with pytest.raises(AdaBertError, match=r"if you changed it yourself, delete .*manifest\.json"):
        load_student(tmp_path / "mine")
    (tmp_path / "mine" / "manifest.json").unlink()
    assert load_student(tmp_path / "mine")[0].config.id2label[0] == "bad"


def test_int8_takes_its_ranges_from_rows_to_select_by_and_a_vocabulary_from_all_but_validation(
    folder, tmp_path, monkeypatch
):
    seen, given = {}, splits()
    export, prune = deploying.export_student, deploying.prune_vocabulary

    def exported(student, name, place, batches):
        seen["ids"] = sorted(i for batch in batches for i in batch["ids"].tolist())
        return export(student, name, place, batches)

    def pruned(student, tokenizer, texts):
        seen["texts"] = list(texts)
        return prune(student, tokenizer, seen["texts"])

    monkeypatch.setattr(deploying, "export_student", exported)
    monkeypatch.setattr(deploying, "prune_vocabulary", pruned)
    selection = replace(given.selection, ids=list(range(1000, 1060)))
    deploy(folder, "folded", tmp_path / "out", replace(given, selection=selection), prune=True)
    assert seen["ids"] == list(range(1000, 1060))
    parts = (given.train, given.selection, given.unlabelled)
    assert seen["texts"] == [text for part in parts for (text,) in part.texts]


class Second(torch.nn.Module):
    """Says class 1 of every text."""

    def forward(self, input_ids, attention_mask):
        return torch.tensor([[0.0, 1.0]]).expand(len(input_ids), -1)


def test_the_accuracies_are_those_of_the_file_and_of_the_student_on_the_validation_rows(
    folder, tmp_path, monkeypatch
):
    form = replace(deploying.get_format("folded"), read=lambda path, config: Second())
    monkeypatch.setattr(deploying, "get_format", lambda name: form)
    given = splits()
    record = deploy(folder, "folded", tmp_path / "out", given)
    assert record["accuracy"] == sum(given.validation.labels) / 80
    student, tokenizer = load_student(folder)
    right = 0
    for (text,), label in zip(given.validation.texts, given.validation.labels, strict=True):
        with torch.inference_mode():
            right += int(student(**tokenizer(text, return_tensors="pt")).logits.argmax()) == label
    assert record["student_accuracy"] == right / 80


def answered(student, tokenizer, texts):
    inputs = (tokenizer(text, return_tensors="pt") for (text,) in texts)
    with torch.inference_mode():
        return torch.cat([student(**one).logits for one in inputs])


def test_a_pruned_export_is_compared_with_the_student_on_its_own_tokens(
    folder, tmp_path, monkeypatch
):
    """One whose pieces are all unknown agrees where the student says so of unknown pieces, too."""
    student, tokenizer = load_student(folder)
    given, encode = splits(), deploying.encode
    margins = answered(student, tokenizer, given.validation.texts).diff().squeeze(1)
    with torch.no_grad():  # so that it says both classes
        (readout,) = student.body.readouts.values()
        readout.head.bias[1] -= margins.median()
    student.save_pretrained(tmp_path / "both")
    tokenizer.save_pretrained(tmp_path / "both")

    def unknown(rows, spoken, length):
        encoded = encode(rows, spoken, length)
        if len(spoken) < len(tokenizer):  # the pruned one
            for ids in encoded.input_ids:
                ids[1:-1] = spoken.unk_token_id
        return encoded

    monkeypatch.setattr(deploying, "encode", unknown)
    record = deploy(tmp_path / "both", "folded", tmp_path / "out", given, prune=True)
    said = answered(student, tokenizer, given.validation.texts).argmax(-1)
    smaller = BertTokenizerFast.from_pretrained(tmp_path / "out")
    pieces = [len(smaller(text)["input_ids"]) - 2 for (text,) in given.validation.texts]
    words = [(" ".join(["[UNK]"] * count),) for count in pieces]
    same = (said == answered(student, tokenizer, words).argmax(-1)).float().mean()
    assert same < 1
    assert record["agreement"] == pytest.approx(float(same))
