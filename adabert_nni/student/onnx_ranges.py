"""Runs an ONNX graph to see how far its inner tensors reach. It must not know what is done with the ranges."""

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
import onnxruntime
from onnx import helper

Feed = Mapping[str, np.ndarray]  # input name -> array


def largest_values(
    model: onnx.ModelProto, names: set[str], feeds: Iterable[Feed]
) -> dict[str, float]:
    """Find the largest absolute value that tensors inside a graph take.

    Args:
        model: the graph; left as it is.
        names: of the tensors.
        feeds: inputs to run it on.

    Returns:
        The value by name, 0 where no feed was given.
    """
    if not names:  # no convolution; onnxruntime takes an empty list for all outputs
        return {}
    told = onnx.ModelProto()
    told.CopyFrom(model)
    told.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in sorted(names))
    session = onnxruntime.InferenceSession(
        told.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = dict.fromkeys(sorted(names), 0.0)
    for feed in feeds:
        for name, value in zip(found, session.run(list(found), dict(feed)), strict=True):
            found[name] = max(found[name], float(np.abs(value).max()))
    return found
