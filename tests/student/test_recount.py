"""Facts of the recount: what a path computes afterwards is what it computed in training; no weight moves."""

import torch

from adabert_nni.model.architecture import Architecture
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.student.recount import recount

CELL = Architecture(2, 1, {"0_2": "std_conv_3", "1_2": "dil_conv_5"})


def student_and_batch():
    torch.manual_seed(0)
    config = AdaBertConfig(
        CELL.to_dict(),
        vocab_size=50,
        hidden_size=8,
        max_position_embeddings=12,
        hidden_dropout_prob=0.0,
    )
    student = AdaBertForSequenceClassification(config).eval()
    mask = torch.ones(256, 10, dtype=torch.long)
    mask[::2, 6:] = 0
    return student, {"input_ids": torch.randint(5, 50, (256, 10)), "attention_mask": mask}


def test_after_the_recount_a_path_answers_as_it_did_in_training():
    student, batch = student_and_batch()
    with torch.no_grad():
        stale = student(**batch).logits
        in_training = student.train()(**batch).logits
    recount(student.eval(), [batch])
    assert not student.training
    with torch.no_grad():
        counted = student(**batch).logits
    # running variances are the unbiased ones: 2,048 tokens of 2,047
    assert torch.allclose(counted, in_training, atol=1e-3)
    assert not torch.allclose(stale, in_training, atol=1e-1)


def test_the_recount_forgets_what_was_counted_before_and_moves_no_weight():
    (student, batch), (other, _) = student_and_batch(), student_and_batch()
    before = [weight.clone() for weight in student.parameters()]
    for name, buffer in other.named_buffers():
        if name.endswith("running_mean"):
            buffer.fill_(7.0)
    recount(student, [batch])
    recount(other, [batch])
    for one, two in zip(student.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    assert all(map(torch.equal, before, student.parameters()))


def test_what_is_counted_is_the_mean_over_all_batches():
    student, batch = student_and_batch()
    halves = [
        {name: rows[start : start + 128] for name, rows in batch.items()} for start in (0, 128)
    ]
    halves[1]["input_ids"] = halves[1]["input_ids"].clamp(max=7)  # other words, so other means
    norm = next(m for m in student.modules() if isinstance(m, torch.nn.BatchNorm1d))
    found = []
    for batches in ([halves[0]], [halves[1]], halves):
        recount(student, batches)
        found.append(norm.running_mean.clone())
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    torch.testing.assert_close(found[2], (found[0] + found[1]) / 2)
