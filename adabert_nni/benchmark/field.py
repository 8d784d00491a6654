"""Who runs in the inference benchmark: peers, teacher, the student in every format, BERT-base in ONNX.

It must not know how they are timed. Shapes: B batch, L tokens.
"""

import copy
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from adabert_nni.benchmark.counting import count_params
from adabert_nni.benchmark.peers import PEERS, build_peer
from adabert_nni.errors import AdaBertError
from adabert_nni.model.architecture import Architecture, edge_names
from adabert_nni.model.modeling import AdaBertConfig, AdaBertForSequenceClassification
from adabert_nni.precision import device
from adabert_nni.student.fold import fold
from adabert_nni.student.formats import get_format
from adabert_nni.student.onnx_graph import Logits, OnnxModel, need_onnx, write_onnx
from adabert_nni.student.parity import export_student, made_up

BASE = "bert-base"
# Format -> what runs it, so that a student is also compared with BERT-base run by the same.
BACKENDS = {
    "folded": "torch",
    "bf16": "torch-bf16",
    "onnx": "onnxruntime",
    "onnx-int8": "onnxruntime-int8",
}


@dataclass(frozen=True)
class Runner:
    """One model in one form.

    Attributes:
        model: name in the table; a student's starts with "student".
        backend: what runs it.
        module: ids and mask to logits or a transformers output.
        params: number of parameters.
        bytes: on disk, or of its float32 parameters where it was not saved.
        twin: a torch module that does the same products, to count them.
    """

    model: str
    backend: str
    module: nn.Module
    params: int
    bytes: int
    twin: nn.Module

    @property
    def key(self) -> str:
        """Tells it from all others."""
        return f"{self.model} in {self.backend}"


def reference_student() -> AdaBertForSequenceClassification:
    """Three cells of nine convolutions of 3 taps, random weights: a student of ordinary size."""
    architecture = Architecture(3, 3, dict.fromkeys(edge_names(3), "std_conv_3"))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)  # the CPU's alone
        config = AdaBertConfig(architecture.to_dict(), num_labels=2)
        return AdaBertForSequenceClassification(config).eval()


def peers(num_labels: int, teacher: nn.Module | None, left_out: list[str]) -> Iterator[Runner]:
    """All peers and the teacher in float32; BERT-base comes first.

    Args:
        num_labels: classes of the peers' heads.
        teacher: a transformers classifier, made float32 in place; or None.
        left_out: gets a sentence for each model that is missing.

    Yields:
        One runner a model.
    """
    models = {name: build_peer(name, num_labels) for name in PEERS}
    if teacher is None:
        left_out.append("teacher: none was given, and the student's run names none that is here")
    else:
        models["teacher"] = teacher.float()
    for name, model in models.items():
        module, params = model.eval().to(device()), count_params(model)
        yield Runner(name, "torch", module, params, 4 * params, module)


def students(
    student: AdaBertForSequenceClassification, stored: int | None, folder: Path, left_out: list[str]
) -> Iterator[Runner]:
    """The student as it is and in the formats of ``BACKENDS``.

    Args:
        student: on the CPU, in float32; left as it is.
        stored: bytes of its own weights file; None takes its parameters'.
        folder: an existing folder to export into.
        left_out: gets a sentence for each format that is missing.

    Yields:
        One runner a format.
    """
    params, twin = count_params(student), fold(student)
    plain = copy.deepcopy(student).eval().to(device())
    yield Runner("student", "torch", plain, params, stored or 4 * params, plain)
    for name, backend in BACKENDS.items():
        if backend.startswith("onnx") and device().type != "cpu":
            left_out.append(f"student-{name}: onnxruntime is timed on the CPU only")
            continue
        place = folder / name
        place.mkdir()
        try:
            made = export_student(student, name, place, made_up(student.config))
        except AdaBertError as error:
            left_out.append(f"student-{name}: {error}")
            continue
        module = get_format(name).read(place / made["file"], student.config).to(device())
        yield Runner(f"student-{name}", backend, module, params, made["bytes"], twin)


def base_in_bf16(base: nn.Module) -> Runner:
    """BERT-base in PyTorch, weights and products in bfloat16.

    Args:
        base: BERT-base in float32; left as it is.

    Returns:
        Its runner, on the same device.
    """
    half, params = copy.deepcopy(base).bfloat16(), count_params(base)
    return Runner(BASE, "torch-bf16", half, params, 2 * params, base)


def base_in_onnx(base: nn.Module, folder: Path, left_out: list[str]) -> Iterator[Runner]:
    """BERT-base run by onnxruntime: in float32, and with the int8 products of its own quantiser.

    Args:
        base: BERT-base, on the CPU.
        folder: an existing folder to export into; takes half a gigabyte.
        left_out: gets a sentence if onnxruntime cannot be had.

    Yields:
        One runner a backend.
    """
    try:
        need_onnx()
    except AdaBertError as error:
        left_out.append(f"{BASE} in onnxruntime: {error}")
        return
    from onnxruntime.quantization import QuantType, quantize_dynamic

    paths = {"onnxruntime": folder / "base.onnx", "onnxruntime-int8": folder / "base-int8.onnx"}
    ids = torch.ones(2, 12, dtype=torch.int64)
    write_onnx(Logits(base), paths["onnxruntime"], (ids, torch.ones_like(ids)))
    with _hushed():
        quantize_dynamic(*paths.values(), weight_type=QuantType.QInt8)
    for backend, path in paths.items():
        size = path.stat().st_size
        yield Runner(BASE, backend, OnnxModel(path), count_params(base), size, base)


@contextmanager
def _hushed() -> Iterator[None]:
    """Without the advice that the quantiser gives through the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
