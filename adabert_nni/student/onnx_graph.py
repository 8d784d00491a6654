"""From a module to an ONNX file with a free batch and length, and from such a file to a module.

Any classifier of ids and mask will do: it must not know students or tasks. Shapes: B batch, L tokens, C classes.
"""

import warnings
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

from adabert_nni.errors import AdaBertError

OPSET = 17  # the first with LayerNormalization
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "logits"


def need_onnx() -> None:
    """Refuse, in one sentence, to go on without the packages of the extra ``onnx``."""
    for package in ("onnx", "onnxruntime"):
        if find_spec(package) is None:
            raise AdaBertError(
                f"ONNX: the package {package} is missing; install it with: "
                "pip install 'adabert_nni[onnx]'"
            )


def write_onnx(module: nn.Module, path: Path, example: tuple[Tensor, Tensor]) -> None:
    """Trace ``module`` into one ONNX file.

    Args:
        module: in eval mode; ids and mask, both (B, L) int64, to logits (B, C).
        path: where to write.
        example: ids and mask to trace with; B and L of the file stay free, B >= 2 and L >= 2.

    Raises:
        AdaBertError: if onnx or onnxruntime is not installed.
    """
    need_onnx()
    free = {0: "batch", 1: "length"}
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        # The tracing exporter takes a second and needs no more packages; the newer one, built on
        # torch.export, took twenty times as long for the same graph.
        torch.onnx.export(
            module,
            example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(INPUTS),
            output_names=[OUTPUT],
            dynamic_axes={**dict.fromkeys(INPUTS, free), OUTPUT: {0: "batch"}},
        )


class Logits(nn.Module):
    """A transformers classifier whose output is the logits alone."""

    def __init__(self, model: nn.Module) -> None:
        """Wrap ``model``."""
        super().__init__()
        self.model = model

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Ids and mask, (B, L) each, to logits (B, C)."""
        found: Tensor = self.model(input_ids=input_ids, attention_mask=attention_mask).logits
        return found


class OnnxModel(nn.Module):
    """An ONNX file run by onnxruntime on the CPU, with as many threads as PyTorch has now."""

    def __init__(self, path: Path) -> None:
        """Load the file at ``path``; AdaBertError if onnxruntime is not installed."""
        super().__init__()
        need_onnx()
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3  # errors; its warnings are about its own optimisations
        # Threads that spin on after a run would slow down whatever runs next.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Ids and mask, (B, L) each on the CPU, to logits (B, C)."""
        feed = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        return torch.from_numpy(self.session.run([OUTPUT], feed)[0])
