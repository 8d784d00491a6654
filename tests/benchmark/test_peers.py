"""The peers have the sizes of their papers, and the BiLSTM does not read padding."""

import pytest
import torch

from adabert_nni.benchmark.counting import count_params
from adabert_nni.benchmark.peers import BiLstmSoft, build_peer


def test_bert_base_has_its_known_size_and_leaves_the_seed_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    model = build_peer("bert-base", num_labels=2)
    assert torch.equal(torch.rand(3), expected)
    embeddings = (30522 + 512 + 2) * 768 + 2 * 768
    layer = 4 * (768 * 768 + 768) + 2 * 768 * 3072 + 3072 + 768 + 4 * 768
    head = 768 * 768 + 768 + 768 * 2 + 2
    assert count_params(model) == embeddings + 12 * layer + head == 109_483_778


# Of 30522 WordPieces each. BERT: words, 512 positions, 2 segments and a norm; a layer is four width x width
# matrices, two of the feed-forward part, their biases and two norms; then pooler and head.
def bert(layers, width, inner):
    embeddings = (30522 + 512 + 2) * width + 2 * width
    layer = 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width
    return embeddings + layers * layer + width * width + width + width * 2 + 2


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("bert-pkd-6", bert(6, 768, 3072)),  # 67.0 M
        ("bert-pkd-3", bert(3, 768, 3072)),  # 45.7 M
        ("distilbert-4", bert(4, 768, 3072) - 2 * 768),  # no segments; its pooler is a layer too
        ("tinybert-4", bert(4, 312, 1200)),  # 14.35 M
        # two directions of 4 gates of 150, each with two biases; a layer of 200 above, and the head
        ("bilstm-soft", 30522 * 300 + 2 * 4 * 150 * (450 + 2) + 301 * 200 + 201 * 2),  # 9.76 M
    ],
)
def test_a_peer_has_its_published_size(name, size):
    assert count_params(build_peer(name, num_labels=2)) == size


def test_the_sizes_are_the_papers_in_millions():
    assert round(bert(12, 768, 3072) / 1e6, 2) == 109.48
    assert round(bert(4, 312, 1200) / 1e6, 2) == 14.35


def test_the_bilstm_reads_no_padding():
    model = BiLstmSoft(2, vocab_size=50, embedding=4, hidden=3, inner=5).eval()
    ids = torch.randint(1, 50, (2, 7))
    mask = torch.ones_like(ids)
    mask[1, 4:] = 0
    padded, short = model(ids, mask).logits[1], model(ids[1:, :4]).logits[0]
    assert torch.allclose(padded, short, atol=1e-6)


def test_the_bilstm_reads_where_either_direction_ends():
    model = BiLstmSoft(2, vocab_size=50, embedding=4, hidden=3, inner=5).eval()
    ids = torch.randint(1, 50, (2, 7))
    states, _ = model.lstm(model.words(ids))
    ends = torch.cat([states[:, -1, :3], states[:, 0, 3:]], -1)
    torch.testing.assert_close(model(ids).logits, model.head(ends))
