"""Facts about students: who of them cannot see one text of a pair."""

import pytest
import torch

from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.pipeline.students import reads_one_text

SEP = 3
PAIR, OTHER_A, OTHER_B = (
    [1, 5, 6, SEP, 7, 8, SEP],
    [1, 9, 6, SEP, 7, 8, SEP],
    [1, 5, 6, SEP, 7, 9, SEP],
)


def student_config(edges, depth, layout, sep=SEP):
    cell = Architecture(depth, 2, dict.fromkeys(edge_names(2), "zero") | edges)
    return AdaBertConfig(
        cell.to_dict(), vocab_size=12, hidden_size=8, sep_token_id=sep, pair_layout=layout
    )


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("layout", ["joint", "separate", "aligned"])
@pytest.mark.parametrize(
    "edges",
    [
        {"0_2": "std_conv_3"},
        {"1_2": "std_conv_3", "2_3": "skip_connect"},
        {"0_2": "std_conv_3", "1_3": "std_conv_3"},
    ],
    ids=["first input", "second input", "both"],
)
def test_a_student_reads_one_text_where_another_one_changes_nothing(edges, layout, depth):
    config = student_config(edges, depth, layout)
    torch.manual_seed(0)
    model = AdaBertForSequenceClassification(config).eval()
    with torch.no_grad():
        pair, *others = model(torch.tensor([PAIR, OTHER_A, OTHER_B])).logits
    seen = [not torch.equal(pair, other) for other in others]
    assert reads_one_text(config) == (sum(seen) == 1)
    assert any(seen)


def test_single_texts_are_read_whatever_the_cell():
    assert not reads_one_text(student_config({"0_2": "std_conv_3"}, 1, "joint", sep=None))
