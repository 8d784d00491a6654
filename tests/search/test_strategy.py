"""Facts of the search step: who gets a gradient, what the flat sample means, what is reported."""

from types import SimpleNamespace

import pytest
import torch
from nni.nas.evaluator.pytorch.lightning import ClassificationModule
from nni.nas.space import model_context

from adabert_nni.errors import AdaBertError
from adabert_nni.losses import efficiency_loss, knowledge_loss, task_loss
from adabert_nni.model.architecture import Architecture
from adabert_nni.model.ops import cost_vector
from adabert_nni.search.gumbel import anneal
from adabert_nni.search.module import AdaBertModule
from adabert_nni.search.strategy import AdaBertStrategy


def plain_terms(search, batch, draws):
    """The three losses with every op and every layer in the graph, weighted one-hot forward, soft backward."""
    space = search.model
    for module in search.supernet_modules():
        if hasattr(module, "names"):
            weights = draws[module.label].straight_through()
            module.forward = lambda x, mask, m=module, w=weights: sum(
                w[i] * m[name](x, mask) for i, name in enumerate(m.names)
            )
    logits = list(space.body.layer_logits(batch["input_ids"], batch["attention_mask"]))
    depth = draws["depth"]
    chosen = sum(
        weight * layer for weight, layer in zip(depth.straight_through(), logits, strict=True)
    )
    layers = [*logits[: depth.index], chosen]
    edges = torch.stack([draws[f"edge_{edge}"].straight_through() for edge in space.edges])
    return {
        "loss_ce": task_loss(chosen, batch["labels"]),
        "loss_kd": knowledge_loss(layers, batch["teacher"], batch["labels"]),
        "loss_e": efficiency_loss(
            edges, cost_vector(space.ops, space.dim).to(edges), depth.straight_through()
        ),
    }


def test_equation_1_is_weighed_and_a_further_term_counts_as_it_is(make_search):
    search = make_search()
    search.settings.gamma, search.settings.beta = 0.8, 4.0
    numbers = {"loss_ce": 1.0, "loss_kd": 2.0, "loss_e": 3.0, "loss_own": 5.0}
    terms = {name: torch.tensor(value) for name, value in numbers.items()}
    # 0.2 * 1 + 0.8 * 2 + 4 * 3 + 5
    assert search.weighed(terms).item() == pytest.approx(18.8)


@pytest.mark.parametrize("seed", [0, 1, 5])
def test_a_whole_exact_step_equals_the_plain_formula(make_search, batch, seed):
    results = []
    for exact in (True, False):
        search = make_search().double()
        probes = {**batch, "teacher": batch["teacher"].double()}
        search.settings.sampler.generator.manual_seed(seed)
        terms = (
            search.loss_terms(probes) if exact else plain_terms(search, probes, search.resample())
        )
        (terms["loss_ce"] + 2 * terms["loss_kd"] + 3 * terms["loss_e"]).backward()
        grads = {
            name: p.grad
            for name, p in search.named_parameters()
            if p.grad is not None and p.grad.any()
        }
        results.append((terms, grads))
    (ours, our_grads), (formula, formula_grads) = results
    assert ours["loss_kd"].item() == pytest.approx(formula["loss_kd"].item(), abs=1e-10)
    # with the whole graph, layers after the drawn one get zero gradients, which count as none
    assert our_grads.keys() == {n for n, g in formula_grads.items() if g.abs().max() > 1e-12}
    for name, grad in our_grads.items():
        assert torch.allclose(grad, formula_grads[name], atol=1e-8), name
    assert "depth" in " ".join(our_grads)


def test_layers_after_the_drawn_depth_get_no_weight_gradient(make_search, batch):
    search = make_search()
    for seed in range(20):
        search.zero_grad()
        search.settings.sampler.generator.manual_seed(seed)
        terms = search.loss_terms(batch)
        drawn = search.model.depth.draw.index
        terms["loss_ce"].backward()
        for layer, cell in enumerate(search.model.body.cells):
            touched = any(
                p.grad is not None and p.grad.any()
                for n, p in cell.named_parameters()
                if "alpha" not in n
            )
            assert touched == (layer <= drawn)


def test_efficiency_gradient_reaches_p_alpha_and_lowers_dear_ops(make_search, batch):
    search = make_search()
    total = torch.zeros(10)
    for seed in range(200):
        search.zero_grad()
        search.settings.sampler.generator.manual_seed(seed)
        search.loss_terms(batch)["loss_e"].backward()
        total += search.alphas()["edge_0_2"].grad
    by_name = dict(zip(search.model.ops, total.tolist(), strict=True))
    assert (
        by_name["std_conv_7"] > 0 > by_name["zero"]
    )  # descent moves weight from the dear to the free


def test_sampled_estimator_runs_no_layer_after_the_drawn_one(make_search, batch):
    search = make_search(estimator="sampled")
    ran = []
    for layer, cell in enumerate(search.model.body.cells):
        cell.register_forward_hook(lambda *_, layer=layer: ran.append(layer))
    search.loss_terms(batch)
    assert ran == list(range(search.model.depth.draw.index + 1))


def test_flat_sample_round_trips_through_nni_and_depth_is_never_zero(make_search, make_space):
    search = make_search()
    for alpha in search.alphas().values():
        torch.nn.init.normal_(alpha)
    sample = search.export()
    architecture = Architecture.from_sample(sample)
    assert architecture.to_sample() == sample
    assert architecture.depth >= 1
    with model_context(sample):
        fixed = make_space()
    assert not list(fixed.simplify())
    op = architecture.edges["1_3"]
    assert type(fixed.body.cells[0].edges["1_3"]) is type(
        search.model.body.cells[0].edges["1_3"][op]
    )


def test_depth_one_is_exported_when_it_is_the_most_probable(make_search):
    search = make_search()
    with torch.no_grad():
        search.alphas()["depth"][0] = 5.0
    assert search.export()["depth"] == [0]
    assert Architecture.from_sample(search.export()).depth == 1


def test_exported_probabilities_have_no_noise(make_search):
    search = make_search()
    with torch.no_grad():
        search.alphas()["edge_0_2"].copy_(torch.arange(10.0))
    first, second = search.export_probs(), search.export_probs()
    assert first == second
    assert list(first["edge_0_2"].values()) == pytest.approx(torch.arange(10.0).softmax(0).tolist())


def test_temperature_anneals_exponentially():
    assert anneal(1.0, 0.2, 0.0) == 1.0
    assert anneal(1.0, 0.2, 1.0) == pytest.approx(0.2)
    assert anneal(1.0, 0.25, 0.5) == pytest.approx(0.5)  # halfway of two halvings


@pytest.mark.parametrize(("warmup", "progress"), [(0, [0, 4 / 9, 5 / 9, 1]), (1, [0, 0, 0, 1])])
def test_the_temperature_falls_while_p_alpha_moves(make_search, monkeypatch, warmup, progress):
    search = make_search(alpha_warmup=warmup)  # 10 steps, two epochs of 5
    found = []
    for epoch in range(2):
        trainer = SimpleNamespace(num_training_batches=5, current_epoch=epoch)
        monkeypatch.setattr(AdaBertModule, "trainer", trainer)
        found += [search.schedule.progress(search.epoch, step) for step in (0, 4)]
    assert found == pytest.approx(progress)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"estimator": "exakt"}, r"'exakt'.*exact, sampled"),
        ({"relaxation": "gumble"}, r"'gumble'.*gumbel, mean"),
        ({"precision": "fp8"}, r"'fp8'.*float32, bf16"),
    ],
)
def test_an_unknown_choice_is_refused(given, told):
    with pytest.raises(AdaBertError, match=told):
        AdaBertStrategy(**given)


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("gamma", 1.5, "from 0 to 1"),
        ("gamma", float("nan"), "from 0 to 1"),
        ("beta", -1.0, "0 or more"),
        ("tau_start", 0.0, "above 0"),
        ("tau_end", -0.2, "above 0"),
        ("alpha_warmup", -1, "0 or more"),
        ("clip_norm", 0.0, "above 0"),
    ],
)
def test_a_number_outside_its_range_is_refused_by_its_name(key, value, allowed):
    with pytest.raises(AdaBertError, match=f"{key} is {value}; it must be {allowed}"):
        AdaBertStrategy(**{key: value})


def test_the_module_of_another_evaluator_is_refused():
    with pytest.raises(AdaBertError, match=r"module is a ClassificationModule; .* SearchModule"):
        AdaBertStrategy().configure_oneshot_module(ClassificationModule(num_classes=2))
