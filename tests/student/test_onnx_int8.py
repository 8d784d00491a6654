"""Facts of the rewriting to bytes, on graphs small enough to work out by hand."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from adabert_nni.errors import AdaBertError  # noqa: E402
from adabert_nni.student.onnx_int8 import quantise  # noqa: E402


def graph(nodes, weights, inputs, rank):
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [None] * rank) for n in inputs]
    output = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    made = helper.make_graph(
        nodes, "g", values, [output], [numpy_helper.from_array(v, k) for k, v in weights.items()]
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def run(model, **inputs):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return session.run(None, inputs)[0]


def convolution():
    """y = convolution of 2 taps of [relu(a) * mask, relu(b) * mask], one channel each, (1, 2, 1, 3)."""
    nodes = [
        helper.make_node("Relu", ["a"], ["ra"]),
        helper.make_node("Relu", ["b"], ["rb"]),
        helper.make_node("Mul", ["ra", "mask"], ["ma"]),
        helper.make_node("Mul", ["rb", "mask"], ["mb"]),
        helper.make_node("Concat", ["ma", "mb"], ["x"], axis=1),
        helper.make_node("Conv", ["x", "w", "c"], ["y"], kernel_shape=[1, 2], pads=[0, 0, 0, 1]),
    ]
    weight = np.array([[[[1.0, 0.5]], [[-2.0, 0.0]]]], np.float32)
    weights = {"w": weight, "c": np.array([0.25], np.float32)}
    return graph(nodes, weights, ["a", "b", "mask"], 4)


INPUTS = {
    "a": np.array([1.0, -3.0, 2.0], np.float32).reshape(1, 1, 1, 3),
    "b": np.array([10.0, 20.0, -5.0], np.float32).reshape(1, 1, 1, 3),
    "mask": np.array([1.0, 1.0, 0.0], np.float32).reshape(1, 1, 1, 3),
}


def test_a_graph_without_convolutions_gives_what_it_gave():
    model = graph([helper.make_node("Relu", ["a"], ["y"])], {}, ["a"], 4)
    inputs = {"a": INPUTS["a"]}
    assert run(quantise(model, [inputs]), **inputs).flatten().tolist() == [1.0, 0.0, 2.0]


def test_inputs_of_different_ranges_share_a_convolution():
    # relu and mask: a = 1, 0, 0 and b = 10, 20, 0; y_t = a_t + a_{t+1} / 2 - 2 b_t + 1/4
    expected = [-18.75, -39.75, 0.25]
    model = convolution()
    assert run(model, **INPUTS).flatten() == pytest.approx(expected)
    found = run(quantise(model, [INPUTS]), **INPUTS).flatten()
    # half a step of y, 39.75 / 127 / 2, and of the weights, 20 * 2 / 63 / 2
    assert found == pytest.approx(expected, abs=39.75 / 254 + 40 / 126)


def test_between_floats_and_a_convolution_there_are_bytes_only():
    made = quantise(convolution(), [INPUTS])
    kinds = [node.op_type for node in made.graph.node]
    assert kinds.count("QuantizeLinear") == 3  # a, b and the mask
    assert kinds.count("DequantizeLinear") == 1  # y
    assert {"Max", "Min", "Concat", "QLinearConv"} <= set(kinds)
    assert not {"Relu", "Mul", "Conv"} & set(kinds)


def test_what_is_masked_is_zero_exactly():
    made = quantise(convolution(), [INPUTS])
    nothing = {**INPUTS, "mask": np.zeros_like(INPUTS["mask"])}
    assert run(made, **nothing).flatten() == pytest.approx([0.25] * 3, abs=39.75 / 254)


def test_weights_leave_room_for_the_sum_of_two_products():
    made = quantise(convolution(), [INPUTS])
    weights = [numpy_helper.to_array(t) for t in made.graph.initializer]
    signed = [w for w in weights if w.dtype == np.int8 and w.ndim == 4]
    assert len(signed) == 1
    assert 2 * 255 * int(np.abs(signed[0]).max()) < 2**15


def test_a_table_is_stored_in_bytes_and_its_outliers_are_cut():
    table = np.random.default_rng(0).standard_normal((1000, 4)).astype(np.float32)
    table[7, 2] = 100.0
    nodes = [
        helper.make_node("Cast", ["ids"], ["rows"], to=TensorProto.INT64),
        helper.make_node("Gather", ["t", "rows"], ["y"]),
    ]
    model = quantise(graph(nodes, {"t": table}, ["ids"], 1), [])
    ids = np.arange(1000, dtype=np.float32)
    found, limit = run(model, ids=ids), 6 * table.std()
    assert found[7, 2] == pytest.approx(limit, rel=1e-5)
    kept = np.abs(table) < limit
    assert np.abs(found - table)[kept].max() <= limit / 127 / 2 * 1.001  # half a step
    stored = {t.name: numpy_helper.to_array(t).dtype for t in model.graph.initializer}
    assert np.uint8 in stored.values() and len(model.SerializeToString()) < table.nbytes / 3


def test_a_convolution_that_was_not_folded_is_refused_in_a_sentence():
    model = convolution()
    del model.graph.node[-1].input[2]
    with pytest.raises(AdaBertError, match=r"y has no bias, .* export it as onnx"):
        quantise(model, [INPUTS])
