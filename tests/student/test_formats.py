"""What is exported in a format and read back says what the student says, at other sizes than at export too."""

import dataclasses

import pytest
import torch
from transformers import BertTokenizerFast

from adabert_nni.data.batches import loader
from adabert_nni.data.embedded import generate
from adabert_nni.data.encoding import encode
from adabert_nni.data.tasks import Rows
from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import edge_names
from adabert_nni.model.pairs import LAYOUTS
from adabert_nni.student import onnx_graph
from adabert_nni.student.formats import FORMATS, get_format
from adabert_nni.student.parity import export_student, logits, made_up

PAIRS = [(False, "joint"), *((True, layout) for layout in LAYOUTS)]
SIZES = [(1, 9, 2), (3, 20, 5), (5, 31, 25)]  # rows, length, end of the first text of a pair


def exported(student, name, folder, batches=None):
    if name.startswith("onnx"):
        pytest.importorskip("onnxruntime")
    record = export_student(student, name, folder, batches or made_up(student.config))
    return record, get_format(name).read(folder / record["file"], student.config)


@pytest.mark.parametrize(("pair", "layout"), PAIRS)
@pytest.mark.parametrize("name", [name for name in FORMATS if name != "torch-export"])
def test_a_format_gives_the_students_logits(
    made_student, made_inputs, tmp_path, name, pair, layout
):
    student = made_student(seed=4, pair=pair, layout=layout)
    record, module = exported(student, name, tmp_path)
    form = FORMATS[name]
    assert record["largest_difference"] <= form.bound == record["bound"]
    for rows, length, cut in SIZES:
        ids, mask = made_inputs(rows, length, cut if pair else None, seed=length)
        with torch.inference_mode():
            wanted, found = student(ids, mask).logits, module(ids, mask).float()
        largest = max(1.0, float(wanted.abs().max()))
        assert float((found - wanted).abs().max()) <= form.bound * largest


@pytest.mark.slow
@pytest.mark.parametrize(("pair", "layout"), PAIRS)
def test_a_torch_program_gives_the_students_logits(
    made_student, made_inputs, tmp_path, pair, layout
):
    student = made_student(seed=4, depth=2, pair=pair, layout=layout)
    _, module = exported(student, "torch-export", tmp_path)
    for rows, length, cut in SIZES:
        ids, mask = made_inputs(rows, length, cut if pair else None, seed=length)
        with torch.inference_mode():
            assert torch.allclose(module(ids, mask), student(ids, mask).logits, atol=1e-5)


def test_onnx_does_not_read_padding(made_student, made_inputs, tmp_path):
    _, module = exported(made_student(seed=5), "onnx", tmp_path)
    ids, mask = made_inputs()
    wider = [torch.nn.functional.pad(one, (0, 9)) for one in (ids, mask)]
    assert torch.allclose(module(ids, mask), module(*wider), rtol=0, atol=1e-5)


@pytest.fixture(scope="module")
def learnt(made_student, tiny_tokenizer: BertTokenizerFast):
    """A student that has learnt ``mini-reviews`` a little, and batches of rows it has not seen."""
    parts = []
    for split, count in (("train", 600), ("validation", 300)):
        rows = generate("mini-reviews")[split][:count]
        texts, labels = [text for text, _ in rows], [label for _, label in rows]
        encoded = encode(Rows(texts, labels, list(range(count))), tiny_tokenizer, 40)
        parts.append(list(loader(encoded, 32, shuffle=False, seed=0)))
    edges = dict.fromkeys(edge_names(3), "std_conv_3")
    student = made_student(edges=edges, depth=1, dim=64, vocab_size=len(tiny_tokenizer)).train()
    optimizer = torch.optim.AdamW(student.parameters(), lr=3e-3)
    for _ in range(2):
        for batch in parts[0]:
            inputs = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
            optimizer.zero_grad()
            student(**inputs).loss.backward()
            optimizer.step()
    return student.eval(), parts[1]


def test_int8_answers_as_the_student_does_in_a_third_of_the_bytes(learnt, tmp_path):
    student, batches = learnt
    float_size = exported(student, "onnx", tmp_path)[0]["bytes"]
    record, module = exported(student, "onnx-int8", tmp_path, batches[:4])
    found = logits(module, batches).argmax(-1)
    wanted = logits(onnx_graph.Logits(student), batches).argmax(-1)
    assert float((found == wanted).float().mean()) >= 0.97
    assert record["agreement"] >= 0.97
    assert record["bytes"] < float_size / 3  # a quarter, and the graph itself


def test_bf16_takes_half_the_bytes(made_student, tmp_path):
    student = made_student(seed=4, vocab_size=2000)
    sizes = [exported(student, name, tmp_path)[0]["bytes"] for name in ("folded", "bf16")]
    assert sizes[1] < 0.6 * sizes[0]


def test_a_difference_beyond_the_bound_is_refused_and_leaves_no_file(
    made_student, tmp_path, monkeypatch
):
    monkeypatch.setitem(FORMATS, "bf16", dataclasses.replace(FORMATS["bf16"], bound=1e-6))
    with pytest.raises(AdaBertError, match=r"export bf16: a logit differs by .* 1e-06 is allowed"):
        exported(made_student(seed=4), "bf16", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_is_refused_with_the_known_ones():
    with pytest.raises(AdaBertError, match=r"onxx.*onnx-int8"):
        get_format("onxx")


def test_a_missing_package_is_told_in_one_sentence(made_student, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_graph, "find_spec", lambda package: None)
    with pytest.raises(AdaBertError, match=r"onnx is missing.*pip install 'adabert_nni\[onnx\]'"):
        export_student(made_student(seed=4), "onnx", tmp_path, made_up(made_student().config))


def test_made_up_pairs_have_two_texts_in_every_row(made_student):
    config = made_student(pair=True).config
    for batch in made_up(config, batches=2):
        ids, mask = batch["input_ids"], batch["attention_mask"]
        assert (ids == config.sep_token_id).sum(1).tolist() == [2] * len(ids)
        assert torch.equal(ids.masked_fill(mask == 1, 0), torch.zeros_like(ids))
        assert int(mask.sum(1).min()) < ids.shape[1]


class Shifted(torch.nn.Module):
    def __init__(self, module, by):
        super().__init__()
        self.module, self.by = module, by

    def forward(self, ids, mask):
        return self.module(ids, mask) + self.by


@pytest.mark.parametrize("by", [1.0, -1.0])
def test_a_file_whose_logits_are_higher_or_lower_is_refused(
    made_student, tmp_path, monkeypatch, by
):
    form = FORMATS["folded"]
    wrong = dataclasses.replace(form, read=lambda *given: Shifted(form.read(*given), by))
    monkeypatch.setitem(FORMATS, "folded", wrong)
    with pytest.raises(AdaBertError, match="a logit differs by"):
        exported(made_student(seed=4), "folded", tmp_path)
