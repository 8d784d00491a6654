"""A state that was saved beside more GPUs than there are now."""

import torch

from adabert_nni.states import restore, state_of


def test_the_generator_of_the_one_gpu_that_is_used_comes_back(monkeypatch):
    kept = {"now": torch.tensor([1, 2], dtype=torch.uint8)}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: kept["now"])
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state: kept.update(now=state))
    state = state_of({})
    kept["now"] = torch.tensor([9, 9], dtype=torch.uint8)
    restore({}, state)
    assert kept["now"].tolist() == [1, 2]
    of_two = {"cpu": torch.get_rng_state(), "cuda": [torch.zeros(2), torch.ones(2)]}
    restore({}, {"parts": {}, "random": of_two})  # as they were saved before
    assert kept["now"].tolist() == [0, 0]
