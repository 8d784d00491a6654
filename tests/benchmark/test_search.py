"""Facts of the table of search: who is in it, under which keys, and what its ratios are ratios of."""

import json
from argparse import Namespace
from contextlib import contextmanager
from dataclasses import replace

import pytest

from adabert_nni.benchmark import search
from adabert_nni.benchmark.search import run_search_benchmark, timed
from adabert_nni.benchmark.search_sizes import BASE, GROWN, Case, cases
from adabert_nni.benchmark.workers import Worker
from adabert_nni.errors import AdaBertError
from adabert_nni.search.step_parts import StepSize
from adabert_nni.verbs.benchmark import BENCHMARKS

KEYS = {"model", "backend", "batch", "length", "max_depth", "ms", "peak_bytes", "floor_ms"}
# A step at depth 2 takes these ms, at depth 1 half of it; the peer knows one depth only.
FULL = {"nni-gumbel-darts": 120.0, "adabert-exact": 20.0, "adabert-sampled": 4.0}
PEAKS = {"nni-gumbel-darts": 800, "adabert-exact": 200, "adabert-sampled": 100}


class Fake:
    """A worker whose steps cost what ``FULL`` says, by the tokens of its size."""

    def __init__(self, row, size, clock):
        self.row, self.size, self.clock = row, size, clock
        self.passes = 2 if row == search.PEER else 1
        depths = [size.max_depth] if row == search.PEER else range(1, size.max_depth + 1)
        self.gflop = {depth: 2.0 * depth for depth in depths}

    def ms(self, depth):
        self.clock.log.append(self.row)
        took = FULL[self.row] * depth / 2 * self.size.batch / 4
        self.clock.now += took / 1000
        return took

    def peak_bytes(self):
        return PEAKS[self.row] * self.size.batch // 4


@pytest.fixture
def faked(monkeypatch, clock):
    """Workers that take no time, and a clock that tells what they say they took."""

    @contextmanager
    def working(rows, size, threads):
        yield [Fake(row, size, clock) for row in rows]

    monkeypatch.setattr(search, "working", working)
    told = {"device": "made up", "threads": 1, "peak_gflops": 100.0, "commit": None}
    monkeypatch.setattr(search, "surroundings", lambda: told)
    monkeypatch.setattr(search, "peak_gflops", lambda **_: 100.0)
    monkeypatch.setattr(search, "profile_search", lambda space: {"around_share": 0.01})
    return clock


SMALL = StepSize(batch=4, length=6, max_depth=2, dim=8, vocab_size=30)


def test_each_row_has_its_keys_and_is_compared_with_the_peer_of_its_size(faked):
    rows = {line["model"]: line for line in timed(Case(SMALL, 0.0), 100.0, faked)}
    assert list(rows) == list(FULL)
    assert all(set(line) >= KEYS for line in rows.values())
    exact = rows["adabert-exact"]
    assert (exact["ms"], exact["worst_ms"]) == (15.0, 20.0)  # depths 1 and 2: 10 and 20 ms
    assert exact["speedup_vs_nni"] == 8.0  # 120 / 15
    assert exact["speedup_per_pass"] == 4.0  # the peer makes two passes
    assert exact["worst_speedup_vs_nni"] == 6.0
    assert exact["memory_vs_nni"] == 0.25
    assert exact["gflop"] == 3.0
    assert exact["floor_ms"] == 30.0  # 3 GFLOP at 100 a second


def test_rows_take_turns_until_the_time_is_up(faked):
    # a round takes 120 + 30 + 6 ms, so that the third does not start after 0.3 s
    timed(Case(SMALL, 0.3, least=1), 100.0, faked)
    a_round = ["nni-gumbel-darts", *["adabert-exact"] * 2, *["adabert-sampled"] * 2]
    assert faked.log == 2 * a_round


def test_the_least_rounds_are_taken_however_long_they_take_and_never_more_than_the_most(faked):
    assert timed(Case(SMALL, 0.0, least=2), 100.0, faked)[0]["rounds"] == 2
    assert timed(Case(SMALL, 1e9), 100.0, faked)[0]["rounds"] == search.ROUNDS


def test_growth_says_what_a_larger_setting_multiplies(faked):
    found = run_search_benchmark(clock=faked)
    lines = {(line["model"], line["of"]): line for line in found["growth"]}
    assert set(lines) == {(model, key) for model in FULL for key in GROWN}
    assert found["around"] == {"around_share": 0.01}
    batch = lines["adabert-exact", "batch"]
    assert (batch["from"], batch["to"]) == (8, 32)
    assert (batch["ms"], batch["peak_bytes"]) == (4.0, 4.0)


def test_a_size_whose_worker_dies_is_left_out_and_the_others_stay(faked, monkeypatch):
    healthy = search.working

    @contextmanager
    def working(rows, size, threads):
        if size == GROWN["length"]:
            raise AdaBertError("memory ran out")
        with healthy(rows, size, threads) as workers:
            yield workers

    monkeypatch.setattr(search, "working", working)
    found = run_search_benchmark(clock=faked)
    assert len(found["left_out"]) == 1
    assert "length=128" in found["left_out"][0]
    assert "memory ran out" in found["left_out"][0]
    assert {line["of"] for line in found["growth"]} == {"batch", "max_depth"}


@pytest.mark.parametrize("native", [False, True])
def test_the_paper_s_size_comes_first_and_both_precisions_are_there(native):
    first, second, *rest = [case.size for case in cases(quick=False, native=native)]
    assert (first.batch, first.length, first.max_depth, first.nodes, first.dim) == (
        *(32, 128, 8),
        *(3, 128),
    )
    # Without bf16 products a large step would take minutes.
    large = [replace(size, precision="bf16") for size in ((first, second) if native else (BASE,))]
    assert [size for size in rest if size.precision == "bf16"] == large
    quick = [case.size for case in cases(quick=True, native=native)]
    assert quick == [BASE, replace(BASE, precision="bf16")]


@pytest.mark.slow
def test_a_worker_steps_in_a_process_of_its_own(monkeypatch):
    from adabert_nni.benchmark import workers

    with workers.working(["adabert-sampled"], SMALL, threads=1) as (worker,):
        assert isinstance(worker, Worker)
        assert set(worker.gflop) == {1, 2}
        assert worker.gflop[2] > worker.gflop[1] > 0
        assert worker.ms(2) > 0
        assert worker.peak_bytes() > 0
        with pytest.raises(AdaBertError, match=r"adabert-sampled.*--quick"):
            worker.peak_bytes()  # it ended with the first answer


def test_the_verb_writes_the_rows_as_json_and_a_table(faked, tmp_path):
    args = Namespace(quick=True, threads=None, output=tmp_path / "search.json")
    shown = BENCHMARKS["search"].run(args)
    rows = json.loads(args.output.read_text())["rows"]
    assert {(line["model"], line["backend"]) for line in rows} == {
        (model, backend) for model in FULL for backend in ("torch", "torch-bf16")
    }
    table = (tmp_path / "search.md").read_text()
    assert table.strip() in shown
    assert "| adabert-sampled | torch-bf16 | 8 | 32 | 2 |" in table
