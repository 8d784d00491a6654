"""Rewrites an ONNX graph so that its convolutions and its embedding table are int8.

Static and symmetric: an activation is a byte around 128, a weight an int8 with one scale per output
channel. What lies between two convolutions (concatenation, ReLU, mask) stays in bytes and is exact there,
so that few passes over floats are left. It must not know students, tasks or files.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
from onnx import helper, numpy_helper

from adabert_nni.errors import AdaBertError
from adabert_nni.student.onnx_ranges import Feed, largest_values

ZERO = 128
STEPS = 127  # of an activation to either side of ZERO, and of a table's entry
# With more, processors that add byte products in pairs of 16 bits overflow: 2 * 255 * 64 < 2 ** 15.
WEIGHT_STEPS = 63
TABLE_DEVIATIONS = 6
TINY = 1e-6  # the range of what is zero all over
LAYOUT = ("Concat", "Identity", "Squeeze", "Transpose", "Unsqueeze")


def quantise(model: onnx.ModelProto, feeds: Iterable[Feed]) -> onnx.ModelProto:
    """Quantise convolutions and embedding tables.

    Args:
        model: a graph whose convolutions have constant weights and biases and read ReLUs, and whose
            masks, the second factors of those ReLUs, are 0 or 1.
        feeds: inputs from which the ranges of the activations are taken; at least one.

    Returns:
        A graph with the same inputs and outputs.

    Raises:
        AdaBertError: if a convolution has no bias.
    """
    rewriter = _Rewriter(model)
    rewriter.largest = largest_values(model, rewriter.measured(), feeds)
    for node in model.graph.node:
        rewriter.take(node)
    return rewriter.result()


class _Rewriter:
    """Takes over node by node; a tensor exists as floats, as bytes or, where both are read, as both."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model, self.nodes = model, list[onnx.NodeProto]()
        self.weights = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        self.weights |= {"zero": np.array(ZERO, np.uint8), "one": np.array(1.0, np.float32)}
        for node in model.graph.node:  # the exporter stores equal weights once
            if node.op_type == "Identity" and node.input[0] in self.weights:
                self.weights[node.output[0]] = self.weights[node.input[0]]
        self.source = {name: node for node in model.graph.node for name in node.output}
        self.floats = {"", *self.weights, *(value.name for value in model.graph.input)}
        # Per tensor that exists as bytes: the scale of each block of channels concatenated in it.
        self.scales: dict[str, np.ndarray] = {}
        self.largest: dict[str, float] = {}  # absolute value of a tensor that will become bytes
        self.inner = set[str]()  # tensors between the floats and a convolution: bytes only
        left = [node.input[0] for node in model.graph.node if node.op_type == "Conv"]
        while left:
            name = left.pop()
            node = self.source.get(name)
            if node is not None and self._keeps_bytes(node):
                self.inner.add(name)
                left += node.input if node.op_type == "Concat" else node.input[:1]

    def _keeps_bytes(self, node: onnx.NodeProto) -> bool:
        """Whether bytes can go through: a layout, a ReLU, or the product of a ReLU and a mask."""
        of = self.source.get(node.input[0]) if node.op_type == "Mul" else node
        return node.op_type in LAYOUT or (of is not None and of.op_type == "Relu")

    def measured(self) -> set[str]:
        """The tensors whose ranges are needed."""
        read = {name for inner in self.inner for name in _data(self.source[inner])}
        convolutions = [node for node in self.model.graph.node if node.op_type == "Conv"]
        read |= {name for node in convolutions for name in (node.input[0], node.output[0])}
        return read - self.inner

    def take(self, node: onnx.NodeProto) -> None:
        """Add what computes the node's output: in bytes where that is asked for, else in floats."""
        name = node.output[0]
        if name in self.weights:
            return
        if node.op_type == "Conv":
            self._convolution(node)
        elif name in self.inner or (node.op_type in LAYOUT and self._only_bytes(node.input[0])):
            self._in_bytes(node)
        elif node.op_type == "Gather" and self.weights.get(node.input[0], _NOTHING).ndim == 2:
            self._table(node)
        else:
            kept = onnx.NodeProto()
            kept.CopyFrom(node)
            kept.input[:] = [self._as_floats(read) for read in node.input]
            self.nodes.append(kept)
            self.floats |= set(node.output)

    def _only_bytes(self, name: str) -> bool:
        return name in self.scales and name not in self.floats

    def _as_floats(self, name: str) -> str:
        if name not in self.floats:
            self._weigh(f"{name}.scale", self.scales[name][0])
            inputs = [f"{name}.bytes", f"{name}.scale", "zero"]
            self._node("DequantizeLinear", inputs, name)
            self.floats.add(name)
        return name

    def _as_bytes(self, name: str) -> str:
        if name not in self.scales:
            self.scales[name] = np.array([max(self.largest[name], TINY) / STEPS], np.float32)
            self._weigh(f"{name}.scale", self.scales[name][0])
            self._node("QuantizeLinear", [name, f"{name}.scale", "zero"], f"{name}.bytes")
        return f"{name}.bytes"

    def _in_bytes(self, node: onnx.NodeProto) -> None:
        """ReLU is the maximum with zero; a mask times what is not negative, the minimum of both."""
        name, data = node.output[0], _data(node)
        read = [self._as_bytes(one) for one in data]
        self.scales[name] = np.concatenate([self.scales[one] for one in data])
        if node.op_type == "Relu":
            self._node("Max", [*read, "zero"], f"{name}.bytes")
        elif node.op_type == "Mul":
            self.scales[name] = self.scales[data[0]]
            self._node("Min", read, f"{name}.bytes")
        else:
            rest = node.input[len(data) :]
            self._node(node.op_type, [*read, *rest], f"{name}.bytes", node.attribute)

    def _convolution(self, node: onnx.NodeProto) -> None:
        if len(node.input) < 3:
            raise AdaBertError(
                f"int8: the convolution {node.output[0]} has no bias, as one that an op of one's own holds and "
                "that is not folded; export it as onnx"
            )
        read, name = self._as_bytes(node.input[0]), node.output[0]
        blocks = self.scales[node.input[0]]
        weight, bias = (self.weights[one].astype(np.float64) for one in node.input[1:3])
        weight = weight * np.repeat(blocks, weight.shape[1] // len(blocks))[:, None, None]
        steps = np.maximum(np.abs(weight).max((1, 2, 3)), TINY) / WEIGHT_STEPS
        self.scales[name] = np.array([max(self.largest[name], TINY) / STEPS], np.float32)
        made = {
            "weight": np.rint(weight / steps[:, None, None, None]).astype(np.int8),
            "steps": steps.astype(np.float32),
            "zeros": np.zeros(len(steps), np.int8),
            "scale": self.scales[name][0],
            "bias": np.rint(bias / steps).astype(np.int32),
        }
        for key, value in made.items():
            self._weigh(f"{name}.{key}", value)
        weights = [f"{name}.{key}" for key in ("weight", "steps", "zeros", "scale")]
        inputs = [read, "one", "zero", *weights, "zero", f"{name}.bias"]
        self._node("QLinearConv", inputs, f"{name}.bytes", node.attribute)

    def _table(self, node: onnx.NodeProto) -> None:
        """One scale for the whole table; the few entries beyond six standard deviations are cut."""
        table, name = self.weights[node.input[0]], node.output[0]
        step = max(min(np.abs(table).max(), TABLE_DEVIATIONS * table.std()), TINY) / STEPS
        levels = np.clip(np.rint(table / step), -STEPS, STEPS) + ZERO
        self._weigh(f"{name}.table", levels.astype(np.uint8))
        self._node("Gather", [f"{name}.table", node.input[1]], f"{name}.bytes", node.attribute)
        self.scales[name] = np.array([step], np.float32)

    def _weigh(self, name: str, value: np.ndarray) -> None:
        self.weights[name] = np.asarray(value)

    def _node(
        self,
        op: str,
        inputs: Sequence[str],
        output: str,
        attributes: Iterable[onnx.AttributeProto] = (),
    ) -> None:
        self.nodes.append(helper.make_node(op, inputs, [output]))
        self.nodes[-1].attribute.extend(attributes)

    def result(self) -> onnx.ModelProto:
        """The model of all nodes taken, with the weights that they read."""
        for output in self.model.graph.output:
            self._as_floats(output.name)
        graph, read = self.model.graph, {name for node in self.nodes for name in node.input}
        weights = [numpy_helper.from_array(v, k) for k, v in self.weights.items() if k in read]
        made = helper.make_graph(self.nodes, graph.name, graph.input, graph.output, weights)
        return helper.make_model(
            made, opset_imports=self.model.opset_import, ir_version=self.model.ir_version
        )


_NOTHING = np.empty(0)


def _data(node: onnx.NodeProto) -> list[str]:
    """The inputs that are tensors of the network, without axes."""
    return list(node.input if node.op_type in ("Concat", "Mul") else node.input[:1])
