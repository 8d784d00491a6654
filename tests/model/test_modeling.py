"""Facts of the student: padding, company, pairs, saving, and loading without the package's searching half."""

import os
import subprocess
import sys

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from adabert_nni import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.model.architecture import Architecture, ArchitectureError, edge_names
from adabert_nni.model.body import split_pair

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
    "settings", [{}, {"sep_token_id": 3}, {"sep_token_id": 3, "pair_layout": "separate"}]
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


def test_pair_is_split_at_the_first_separator_and_moved_to_the_front_in_the_separate_layout():
    ids = torch.tensor([[1, 7, 8, 3, 9, 3, 0, 0]])  # [CLS] 7 8 [SEP] 9 [SEP] and padding
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 0, 0]])
    _, of_a, _, of_b = split_pair(ids, mask, 3, "joint")
    assert of_a.tolist() == [[1, 1, 1, 1, 0, 0, 0, 0]]
    assert of_b.tolist() == [[0, 0, 0, 0, 1, 1, 0, 0]]
    ids_a, of_a, ids_b, of_b = split_pair(ids, mask, 3, "separate")
    assert (ids_a * of_a).tolist() == [[1, 7, 8, 3]]
    assert (ids_b * of_b).tolist() == [[9, 3, 0, 0]]


def test_both_texts_of_a_pair_change_the_logits():
    model = student(sep_token_id=3)
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
