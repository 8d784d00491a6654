"""Facts of the student: padding, company, pairs, saving, and loading without the package's searching half."""

import os
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from adabert_nni import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.model.architecture import Architecture, ArchitectureError, edge_names
from adabert_nni.model.cell import Readout
from adabert_nni.model.pairs import LAYOUTS, Embeddings, first_inputs

OPS_USED = [
    "std_conv_3",
    "max_pool_3",
    "dil_conv_5",
    "avg_pool_3",
    "skip_connect",
    "zero",
    "std_conv_7",
]


def mixed(depth=3):
    names = edge_names(3)
    return Architecture(
        depth, 3, {name: OPS_USED[i % len(OPS_USED)] for i, name in enumerate(names)}
    )


def student(**settings):
    torch.manual_seed(0)
    config = AdaBertConfig(
        mixed().to_dict(),
        vocab_size=50,
        hidden_size=8,
        max_position_embeddings=32,
        num_labels=3,
        **settings,
    )
    model = AdaBertForSequenceClassification(config)
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.5)  # so that no path is silent
    return model.eval()


@pytest.mark.parametrize(
    "settings", [{}, *({"sep_token_id": 3, "pair_layout": layout} for layout in LAYOUTS)]
)
def test_logits_do_not_depend_on_padding_or_company(settings):
    model = student(**settings)
    ids = torch.randint(5, 50, (4, 16))
    ids[:, 6] = 3
    mask = torch.ones(4, 16, dtype=torch.long)
    mask[0, 10:] = 0
    together = model(ids, mask).logits
    alone = model(ids[:1, :10], mask[:1, :10]).logits
    rubbish = ids.clone()
    rubbish[0, 10:] = 7  # what lies in the padding
    assert torch.allclose(together[:1], alone, atol=1e-5)
    assert torch.equal(together, model(rubbish, mask).logits)


@pytest.fixture
def embeddings():
    torch.manual_seed(0)
    made = Embeddings(vocab_size=50, dim=8, max_length=16, dropout=0.0)
    torch.nn.init.normal_(made.words.weight, std=5.0)  # so that unlike words are far apart
    return made.eval()


# [CLS] 7 8 [SEP] 9 [SEP] and padding
IDS, REAL = torch.tensor([[1, 7, 8, 3, 9, 3, 0, 0]]), torch.tensor([[1, 1, 1, 1, 1, 1, 0, 0]])


def test_word_dropout_leaves_words_out_in_training_alone_and_keeps_their_positions(embeddings):
    ids = torch.randint(5, 50, (64, 16))
    mask = torch.ones_like(ids)
    mask[:, 12:] = 0
    whole = embeddings(ids, mask)
    embeddings.word_dropout = 0.25
    assert torch.equal(embeddings(ids, mask), whole)
    found = embeddings.train()(ids, mask)
    empty = embeddings.norm(embeddings.positions.weight[:16]) * mask.unsqueeze(-1)
    left_out = (found == empty).all(-1)[:, :12]
    assert torch.equal(found[:, :12][~left_out], whole[:, :12][~left_out])
    assert 0.2 < left_out.float().mean() < 0.3  # 768 tokens: standard deviation 0.016


def test_words_that_are_left_out_are_still_compared(embeddings):
    whole = first_inputs(embeddings, IDS, REAL, 3, "aligned")
    embeddings.train().word_dropout = 1 - 1e-9
    found = first_inputs(embeddings, IDS, REAL, 3, "aligned")
    assert torch.equal(found.before, whole.before)
    empty = embeddings.norm(embeddings.positions.weight[:8])
    assert torch.equal(found.last, (empty * REAL.unsqueeze(-1)))


def occupied(state):
    return (state != 0).any(-1).long().tolist()


def test_joint_texts_stay_where_they_are_and_hide_each_other(embeddings):
    before, last, mask = first_inputs(embeddings, IDS, REAL, 3, "joint")
    assert occupied(before) == [[1, 1, 1, 1, 0, 0, 0, 0]]
    assert occupied(last) == [[0, 0, 0, 0, 1, 1, 0, 0]]
    assert torch.equal(mask, REAL)


def test_separate_texts_both_start_at_position_0(embeddings):
    before, last, mask = first_inputs(embeddings, IDS, REAL, 3, "separate")
    alone = torch.tensor([[9, 3, 0, 0]]), torch.tensor([[1, 1, 0, 0]])
    assert torch.equal(before, embeddings(IDS[:, :4], REAL[:, :4]))
    assert torch.equal(last, embeddings(*alone))
    assert mask.tolist() == [[1, 1, 1, 1]]


def test_aligned_words_vanish_where_the_other_text_has_them(embeddings):
    # Norms make each word's vector sqrt(D) long, so a word's product with itself is D and its score sqrt(D);
    # here the vectors are 20 times as long and that score 400 times as high: nothing else has a share.
    with torch.no_grad():
        embeddings.norm.weight.fill_(20.0)
    ids = torch.tensor([[1, 7, 8, 3, 8, 30, 3]])  # 8 and [SEP] are in both texts
    unlike, whole, _ = first_inputs(embeddings, ids, torch.ones_like(ids), 3, "aligned")
    shared = unlike.abs().amax(-1)[0] < 1e-3
    assert shared.tolist() == [False, False, True, True, True, False, True]
    assert torch.equal(whole, embeddings(ids, torch.ones_like(ids)))


def test_an_aligned_text_without_another_one_is_left_as_it_is(embeddings):
    ids = torch.tensor([[1, 7, 8, 3]])
    unlike, _, _ = first_inputs(embeddings, ids, torch.ones_like(ids), 3, "aligned")
    assert torch.equal(unlike, embeddings.norm(embeddings.words(ids)))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_both_texts_of_a_pair_change_the_logits(layout):
    model = student(sep_token_id=3, pair_layout=layout)
    ids = torch.tensor([[1, 7, 8, 3, 9, 10, 3]])
    base = model(ids).logits
    for position in (1, 4):
        other = ids.clone()
        other[0, position] = 20
        assert not torch.allclose(model(other).logits, base, atol=1e-4)


def test_only_live_edges_are_stored():
    model = student()
    assert set(model.body.cells[0].edges) == set(mixed().live_edges())
    assert not any("zero" in name for name in model.state_dict())


def test_saved_and_loaded_student_gives_equal_logits(tmp_path):
    model = student()
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    ids = torch.randint(5, 50, (2, 9))
    assert torch.equal(model(ids).logits, loaded(ids).logits)


def test_exported_student_has_one_readout_and_the_same_logits():
    model = student(layer_probes=True)
    exported = model.without_probes()
    ids = torch.randint(5, 50, (2, 9))
    assert list(exported.body.readouts) == ["3"]
    assert torch.equal(model(ids).logits, exported(ids).logits)


def test_too_long_input_is_cut_to_the_positions_there_are():
    model = student()
    ids = torch.randint(5, 50, (1, 60))
    assert torch.equal(model(ids).logits, model(ids[:, :32]).logits)


def test_a_config_with_an_unknown_op_is_refused():
    broken = mixed().to_dict()
    broken["edges"]["0_2"] = "conv9"
    with pytest.raises(ArchitectureError, match="conv9"):
        AdaBertConfig(broken)


def test_student_imports_neither_nni_nor_lightning():
    code = (
        "import sys; sys.modules['nni'] = sys.modules['pytorch_lightning'] = None\n"
        "import adabert_nni; print(sorted(n for n in sys.modules if n.split('.')[0] in ('nni', 'lightning')))"
    )
    env = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['nni']"


@pytest.mark.parametrize(
    "settings", [{}, *({"sep_token_id": 3, "pair_layout": layout} for layout in LAYOUTS)]
)
def test_a_student_in_float16_says_the_same_with_padding_too(settings):
    model = student(**settings)
    ids, mask = torch.randint(5, 50, (4, 16)), torch.ones(4, 16, dtype=torch.long)
    ids[:, 6], mask[0, 10:], mask[1, 7:] = 3, 0, 0
    with torch.inference_mode():
        wanted = model(ids, mask).logits
        found = model.half()(ids, mask).logits
    assert found.dtype == torch.float16
    assert torch.allclose(found.float(), wanted, rtol=0.02, atol=0.02 * wanted.abs().max())


def test_aligned_words_are_weighed_by_their_products_over_the_root_of_the_width(embeddings):
    ids = torch.tensor([[1, 7, 3, 9, 3]])
    unlike, _, _ = first_inputs(embeddings, ids, torch.ones_like(ids), 3, "aligned")
    words = embeddings.norm(embeddings.words(ids))[0]
    first, second = words[:3], words[3:]
    like = (first @ second.T / 8**0.5).softmax(-1) @ second
    torch.testing.assert_close(unlike[0, :3], first - like)


def test_in_training_embeddings_and_what_a_readout_reads_are_dropped_out():
    torch.manual_seed(0)
    ids = torch.randint(5, 50, (64, 16))
    embedded = Embeddings(50, 8, 16, dropout=0.25)
    readout = Readout(1000, 1000, dropout=0.25)
    torch.nn.init.eye_(readout.head.weight)
    torch.nn.init.ones_(readout.head.bias)
    state = torch.ones(4, 3, 1000), torch.ones(4, 3, 1)
    found = embedded(ids, torch.ones_like(ids)), readout(*state) - 1
    for dropped in found:
        assert (dropped == 0).float().mean() == pytest.approx(0.25, abs=0.03)
    assert (embedded.eval()(ids, torch.ones_like(ids)) != 0).all()
    assert (readout.eval()(*state) - 1 != 0).all()


def test_positions_that_the_teacher_lacks_start_far_below_its_words(embeddings):
    torch.nn.init.normal_(embeddings.positions.weight)
    words, known = torch.randn(50, 8), torch.randn(4, 8)
    embeddings.start_from(words, known)
    assert torch.equal(embeddings.words.weight, words)
    assert torch.equal(embeddings.positions.weight[:4], known)
    assert 0 < embeddings.positions.weight[4:].std() < 0.05
    embeddings.start_from(words, torch.randn(20, 8))  # more than there is room for
