"""The state of parts that learn, and of torch's generators, as plain data with tensors; and such data as JSON.

Nothing here reads or writes files (`checkpoint` does), or knows what a state means.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor


class Stateful(Protocol):
    """A module, an optimizer, a schedule of learning rates."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that changes in it."""

    def load_state_dict(self, state_dict: Any, /) -> Any:
        """Take that back."""


def state_of(parts: Mapping[str, Stateful]) -> dict[str, Any]:
    """The state of every part and of torch's own random generators."""
    # Of the one GPU that is used: another machine may have fewer.
    cuda = [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []
    return {
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
    }


def restore(parts: Mapping[str, Stateful], state: Mapping[str, Any]) -> None:
    """Put back, in place, what ``state_of`` took from parts of the same names and shapes."""
    for name, part in parts.items():
        part.load_state_dict(state["parts"][name])
    torch.set_rng_state(state["random"]["cpu"])
    if torch.cuda.is_available() and state["random"]["cuda"]:
        torch.cuda.set_rng_state(state["random"]["cuda"][0])


def pack(value: Any, tensors: dict[str, Tensor], known: dict[object, str]) -> Any:
    """A tree for JSON, in which containers are tagged and tensors are names in ``tensors``.

    Args:
        value: dicts, lists and tuples of tensors, numbers, text and None.
        tensors: gets every tensor of ``value``, on the CPU, by a number as its name.
        known: gets the names of memory that was met; a tensor that occurs twice is kept once.

    Returns:
        Plain JSON, which ``unpack`` makes ``value`` of, its tuples as lists.
    """
    if isinstance(value, Tensor):
        place = (value.data_ptr(), value.dtype, value.shape, value.stride())
        if not value.numel() or place not in known:
            known[place] = str(len(tensors))
            tensors[known[place]] = value.detach().cpu().contiguous()
        return {"tensor": known[place]}
    if isinstance(value, Mapping):  # pairs, since the keys of an optimizer's state are numbers
        return {"dict": [[key, pack(item, tensors, known)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list": [pack(item, tensors, known) for item in value]}
    return value


def unpack(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What ``pack`` made a tree of; KeyError, ValueError or TypeError if it is none."""
    if not isinstance(tree, dict):
        return tree
    ((kind, inner),) = tree.items()
    if kind == "tensor":
        return tensors[inner].clone()  # its own memory, aligned as that of any other tensor
    if kind == "dict":
        return {key: unpack(item, tensors) for key, item in inner}
    return [unpack(item, tensors) for item in inner]
