"""Facts of the cut: the student computes what the supernet computed, and carries nothing else."""

import pytest
import torch
from nni.nas.space import model_context

from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.model.modeling import AdaBertConfig
from adabert_nni.model.ops import OPS
from adabert_nni.search.evaluator import SearchModule
from adabert_nni.search.module import AdaBertModule
from adabert_nni.search.space import AdaBertSpace
from adabert_nni.search.strategy import AdaBertStrategy
from adabert_nni.student.derive import derive, factorise, keep_strongest, student_weights

DIM, NODES, DEEPEST, WORDS, SEP = 8, 3, 3, 40, 3
ALL_ZERO = dict.fromkeys(edge_names(NODES), "zero")
# Node 2 is empty: a skip out of it carries nothing, a convolution its BatchNorm's constant.
EMPTY_NODE = {
    "0_2": "zero",
    "1_2": "zero",
    "2_3": "skip_connect",
    "0_3": "std_conv_5",
    "1_3": "max_pool_3",
    "2_4": "dil_conv_3",
    "3_4": "avg_pool_3",
}
PATHS = [
    ({}, {}),
    ({}, {}),
    ({}, {}),
    ({}, {"sep_id": SEP}),
    ({"depth": 1}, {}),
    ({"depth": DEEPEST}, {"sep_id": SEP, "pair_layout": "separate"}),
    ({"depth": 2, "0_2": "zero", "2_3": "zero", "1_4": "zero", "3_4": "std_conv_7"}, {}),
    ({"depth": DEEPEST, **EMPTY_NODE}, {}),
    ({"depth": 2, **ALL_ZERO}, {}),
]


def space(settings):
    sizes = {"num_labels": 3, "vocab_size": WORDS, "max_length": 16, "dropout": 0.3}
    return AdaBertSpace(tuple(OPS), NODES, DEEPEST, DIM, **sizes, **settings)


def searched(seed, forced, settings):
    """A supernet as a search might leave it, fixed to its most probable path, and that path."""
    torch.manual_seed(seed)
    strategy = AdaBertStrategy()
    module = SearchModule(
        temperature=1.0,
        weight_optimizer="sgd",
        weight_lr=0.02,
        weight_lr_end=5e-4,
        weight_momentum=0.9,
        total_steps=1,
    )
    module.set_model(strategy.mutate_model(space(settings)))
    search = AdaBertModule(module, strategy).eval()
    for tensor in search.parameters():  # P_alpha too
        torch.nn.init.normal_(tensor, std=0.5)
    for name, tensor in search.named_buffers():
        if name.endswith(("mean", "var")):
            torch.nn.init.uniform_(tensor, 0.5, 1.5)
    sample = search.export()
    for (
        key,
        choice,
    ) in forced.items():  # also where no search would return the path, as with zeros only
        sample |= {"depth": [choice - 1]} if key == "depth" else {f"edge_{key}": choice}
    search.follow(sample)
    return search.model, sample


def student_of(supernet, sample):
    architecture = Architecture.from_sample(sample)
    config = AdaBertConfig(
        architecture.to_dict(),
        vocab_size=WORDS,
        hidden_size=DIM,
        max_position_embeddings=16,
        sep_token_id=supernet.body.sep_id,
        pair_layout=supernet.body.pair_layout,
        layer_probes=True,
        num_labels=3,
    )
    return derive(architecture, supernet.body.state_dict(), config).eval(), architecture


def batch():
    torch.manual_seed(7)
    ids, mask = torch.randint(5, WORDS, (4, 12)), torch.ones(4, 12, dtype=torch.long)
    ids[:, 5] = SEP
    mask[0, 9:] = 0
    return ids, mask


@torch.no_grad()
@pytest.mark.parametrize(("seed", "path"), list(enumerate(PATHS)))
def test_a_student_gives_the_logits_of_the_supernet_and_of_the_space_frozen_by_nni(seed, path):
    forced, settings = path
    supernet, sample = searched(seed, forced, settings)
    student, architecture = student_of(supernet, sample)
    found = {"depth": architecture.depth, **architecture.edges}
    assert {key: found[key] for key in forced} == forced
    with model_context(sample):
        frozen = space(settings).eval()
    weights = {}
    for name, value in supernet.body.state_dict().items():  # cells.<k>.edges.<i_j>.<op>.<rest>
        parts = name.split(".")
        if parts[2:3] != ["edges"]:
            weights[name] = value
        elif parts[4] == architecture.edges[parts[3]]:
            weights[".".join(parts[:4] + parts[5:])] = value
    frozen.body.load_state_dict(weights)
    logits = supernet(*batch())
    torch.testing.assert_close(student(*batch()).logits, logits, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(frozen(*batch()), logits, rtol=1e-4, atol=1e-5)
    # Were all logits alike, equality would say nothing; they are only where no edge carries anything.
    assert (logits.std(0).max() > 1e-3) == bool(architecture.live_edges())


def test_a_student_stores_only_live_edges_of_its_own_layers_with_the_supernets_values():
    supernet, sample = searched(0, {"depth": 2, **EMPTY_NODE}, {})
    student, architecture = student_of(supernet, sample)
    weights, theirs = student.body.state_dict(), supernet.body.state_dict()
    live = architecture.live_edges()
    assert live.keys() == architecture.edges.keys() - {"0_2", "1_2", "2_3"} - {
        edge for edge, op in architecture.edges.items() if op == "zero"
    }
    stored = {tuple(name.split(".")[1:4:2]) for name in weights if ".edges." in name}
    convolutions = [edge for edge, op in live.items() if OPS[op].size(DIM)]
    assert len(convolutions) >= 2
    assert stored == {(layer, edge) for layer in "01" for edge in convolutions}
    assert {name.split(".")[1] for name in weights if name.startswith("readouts")} == {"1", "2"}
    for layer, edge in stored:
        for part in ("conv.weight", "norm.weight", "norm.bias", "norm.running_var"):
            start = f"cells.{layer}.edges.{edge}"
            assert torch.equal(weights[f"{start}.{part}"], theirs[f"{start}.{live[edge]}.{part}"])


def test_what_is_cut_out_is_exactly_what_a_student_needs():
    supernet, sample = searched(1, {"depth": 1}, {})
    student, architecture = student_of(supernet, sample)
    cut = student_weights(architecture, supernet.body.state_dict())
    assert cut.keys() == student.body.state_dict().keys()
    in_edges = sum(p.numel() for n, p in student.body.named_parameters() if ".edges." in n)
    assert in_edges == sum(OPS[op].size(DIM) for op in architecture.live_edges().values())


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_each_node_keeps_its_strongest_incoming_edges_and_no_more(limit):
    edges = dict.fromkeys(edge_names(3), "std_conv_3") | {"0_3": "zero"}
    # Of a chosen op, not of the likeliest: skip_connect outweighs what 0_4 chose.
    strength = {"0_4": 0.2, "1_4": 0.4, "2_4": 0.1, "3_4": 0.3, "1_3": 0.5, "2_3": 0.6}
    probs = {f"edge_{edge}": {"std_conv_3": strength.get(edge, 0.7)} for edge in edges}
    probs["edge_0_4"]["skip_connect"] = 0.8
    probs["edge_0_3"]["zero"] = 1.0
    kept = keep_strongest(Architecture(2, 3, edges), probs, limit)
    order = {2: ["0_2", "1_2"], 3: ["2_3", "1_3"], 4: ["1_4", "3_4", "0_4", "2_4"]}
    want = {edge for ranked in order.values() for edge in ranked[:limit]}
    assert {edge for edge, op in kept.edges.items() if op != "zero"} == want
    assert all(kept.edges[edge] == "std_conv_3" for edge in want)
    assert kept.depth == 2


def test_an_edge_that_carries_the_text_is_kept_before_one_that_does_not():
    edges = {"0_2": "zero", "1_2": "zero", "0_3": "std_conv_3", "1_3": "zero", "2_3": "std_conv_5"}
    probs = {f"edge_{edge}": {op: 0.9 if edge == "2_3" else 0.3} for edge, op in edges.items()}
    kept = keep_strongest(Architecture(1, 2, edges), probs, 1)
    assert [edge for edge, op in kept.edges.items() if op != "zero"] == ["0_3"]


def test_without_a_limit_all_edges_stay():
    architecture = Architecture(2, 3, dict.fromkeys(edge_names(3), "max_pool_3"))
    assert keep_strongest(architecture, {}, None) == architecture


def tables(width=6):
    torch.manual_seed(0)
    scales = torch.arange(1.0, width + 1)  # singular values that differ
    return torch.randn(50, width) * scales, torch.randn(9, width)


def test_a_full_factorisation_keeps_all_inner_products_up_to_one_scale():
    before, after = torch.cat(tables()), torch.cat(factorise(*tables(), 6))
    scale = after.square().sum() / before.square().sum()
    torch.testing.assert_close(after @ after.T, scale * before @ before.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dim", [1, 3, 5, 6])
def test_a_truncated_factorisation_loses_the_dropped_singular_values_and_no_more(dim):
    words, positions = tables()
    short, places = factorise(words, positions, dim)
    assert (short.shape, places.shape) == ((50, dim), (9, dim))
    assert short.square().mean().item() == pytest.approx(1.0, abs=1e-5)
    back = torch.linalg.lstsq(short, words).solution  # the best map back to H
    dropped = torch.linalg.svdvals(words)[dim:].square().sum()  # Eckart-Young
    torch.testing.assert_close((words - short @ back).square().sum(), dropped, rtol=1e-3, atol=1e-3)


def test_the_one_direction_kept_is_that_of_the_longest_word():
    words, positions = torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.zeros(0, 2)
    # all of the first word's length, none of the second's; then unit mean square over both
    assert factorise(words, positions, 1)[0].flatten().tolist() == pytest.approx([2**0.5, 0.0])


def test_more_channels_than_the_teacher_has_are_filled_with_zeros():
    wide, full = factorise(*tables(), 10), factorise(*tables(), 6)
    for padded, table in zip(wide, full, strict=True):
        assert torch.equal(padded[:, :6], table)
        assert not padded[:, 6:].any()


def test_a_teacher_without_positions_gives_none():
    words, positions = tables()
    assert factorise(words, positions[:0], 4)[1].shape == (0, 4)
