"""The runs of Table 1 on a GPU, where there is one: teacher, search, student and baselines."""

import pytest
import torch

from adabert_nni.paper.cells import Asked
from adabert_nni.paper.run import run_cell
from adabert_nni.paper.tables import TABLES


@pytest.mark.gpu
def test_every_system_of_table_1_runs_on_a_gpu(tiny_settings, small_base, tmp_path):
    for cell in TABLES["table1"](Asked(tasks=["mini-claims"], overrides=tiny_settings)):
        torch.cuda.reset_peak_memory_stats()
        record = run_cell(cell, tmp_path / "runs", tmp_path / "results", {})
        assert 0 <= record["value"] <= 1
        assert torch.cuda.max_memory_allocated() > 0
