"""ONE table of the formats a student is exported in: how each is written and read back, and how far it may stray.

Every format holds the folded student. A format is added by one entry in ``FORMATS``. It must not know tasks or
where rows come from. Shapes: B rows of a batch, L tokens, C classes.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from adabert_nni.data.batches import Batch
from adabert_nni.errors import AdaBertError
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.student.fold import FoldedStudent, fold
from adabert_nni.student.onnx_graph import OnnxModel, need_onnx, write_onnx

EXACT = 1e-4  # what the order of float32 sums may change
ROUNDED = 0.1


@dataclass(frozen=True)
class Format:
    """A way to store a folded student.

    Attributes:
        file: name of the one file that is written.
        bound: the most that a logit may differ from the student's, as a share of the largest logit
            or of 1 if that is larger.
        write: folded student, path and batches to take ranges from -> nothing.
        read: path and the student's config -> module of ids and mask (B, L) to logits (B, C).
        runs_code: reading such a file may run code that it holds, so only what was just written is read.
    """

    file: str
    bound: float
    write: Callable[[FoldedStudent, Path, Sequence[Batch]], None]
    read: Callable[[Path, AdaBertConfig], nn.Module]
    runs_code: bool = False


def get_format(name: str) -> Format:
    """The format of that name; AdaBertError lists the known ones."""
    if name not in FORMATS:
        raise AdaBertError(f"format: got {name!r}, known are {', '.join(FORMATS)}")
    return FORMATS[name]


def check_formats(names: Iterable[str]) -> None:
    """Refuse unknown formats, and those of ONNX where its packages are missing, before any work."""
    for name in names:
        if get_format(name).file.endswith(".onnx"):
            need_onnx()


def _weights(dtype: torch.dtype) -> tuple[Any, Any]:
    """Writer and reader of plain safetensors in ``dtype``."""

    def write(folded: FoldedStudent, path: Path, batches: Sequence[Batch]) -> None:
        state = folded.state_dict().items()
        save_file({name: value.to(dtype).contiguous() for name, value in state}, path)

    def read(path: Path, config: AdaBertConfig) -> nn.Module:
        folded = fold(AdaBertForSequenceClassification(config)).to(dtype)
        folded.load_state_dict(load_file(path))
        return folded

    return write, read


def _write_program(folded: FoldedStudent, path: Path, batches: Sequence[Batch]) -> None:
    longest = folded.embeddings.positions.num_embeddings
    free = {0: torch.export.Dim("batch", min=1), 1: torch.export.Dim("length", min=2, max=longest)}
    one_way = _unbranched(folded)
    one_way.trim = False
    program = torch.export.export(
        one_way,
        _example(folded),
        dynamic_shapes={"input_ids": free, "attention_mask": free},
    )
    torch.export.save(program, path)


def _read_program(path: Path, config: AdaBertConfig) -> nn.Module:
    return torch.export.load(path).module()


def _write_onnx(folded: FoldedStudent, path: Path, batches: Sequence[Batch]) -> None:
    write_onnx(_unbranched(folded), path, _example(folded))


def _write_onnx_int8(folded: FoldedStudent, path: Path, batches: Sequence[Batch]) -> None:
    need_onnx()
    import onnx

    from adabert_nni.student.onnx_int8 import quantise

    _write_onnx(folded, path, batches)
    names = ("input_ids", "attention_mask")
    feeds = [{name: batch[name].numpy() for name in names} for batch in batches]
    onnx.save(quantise(onnx.load(path), feeds), path)


def _read_onnx(path: Path, config: AdaBertConfig) -> nn.Module:
    return OnnxModel(path)


def _unbranched(folded: FoldedStudent) -> FoldedStudent:
    """A copy that goes one way at any number of tokens, as a graph must."""
    one_way = copy.deepcopy(folded)
    one_way.few_tokens = 0
    return one_way


def _example(folded: FoldedStudent) -> tuple[Tensor, Tensor]:
    """Two rows of 12 tokens, the first with padding, and with a separator where pairs need one."""
    ids = torch.full((2, 12), 1)
    mask = torch.ones_like(ids)
    mask[0, 9:] = 0
    if folded.sep_id is not None:
        ids[:, [5, 8]] = folded.sep_id
    return ids, mask


FORMATS: dict[str, Format] = {
    "folded": Format("folded.safetensors", EXACT, *_weights(torch.float32)),
    "bf16": Format("folded-bf16.safetensors", ROUNDED, *_weights(torch.bfloat16)),
    "torch-export": Format("model.pt2", EXACT, _write_program, _read_program, runs_code=True),
    "onnx": Format("model.onnx", EXACT, _write_onnx, _read_onnx),
    "onnx-int8": Format("model.onnx", ROUNDED, _write_onnx_int8, _read_onnx),
}
