#!/usr/bin/env python3
"""make_onnx_goldens.py - ONNX files as quantisers and exporters of large models leave them, and what ONNX Runtime gives.

Writes tests/golden/onnx/: a small network of quantised operations (qlinear.onnx), the same with QuantizeLinear and
DequantizeLinear around plain ones (qdq.onnx), one whose weights lie in a second file (external.onnx), and a block of ConvNeXt
with layer norm and GELU as operations (whole.onnx, opset 20) and in pieces (pieces.onnx). expected.txt is
that of make_import_goldens.py, with what one step of the last rounding is (0: none) before the outputs.
Needs: onnx, onnxruntime, numpy. Run from the top of the source tree."""
import os
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto as T
from onnx import helper as H
from onnx import numpy_helper as N
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

OUT = "tests/golden/onnx"
RNG = np.random.default_rng(3)
SIDE = 12
lines = []


def picture():
    y, x, c = np.ogrid[:SIDE, :SIDE, :3]
    rgb = ((7 * y + 13 * x + 29 * c + (y * x) // 5) % 256).astype(np.float32)
    return np.ascontiguousarray((rgb / 127.5 - 1)[None].transpose(0, 3, 1, 2))


def tensor(name, *shape):
    return N.from_array(RNG.normal(0, 0.3, shape).astype("float32"), name)


def network():
    nodes = [
        H.make_node("Conv", ["x", "w1", "b1"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1], name="conv1"),
        H.make_node("Relu", ["a"], ["b"]),
        H.make_node("Conv", ["b", "w2", "b2"], ["c"], group=8, pads=[1, 1, 1, 1], name="conv2"),
        H.make_node("Add", ["b", "c"], ["d"]), H.make_node("Sigmoid", ["d"], ["e"]), H.make_node("Mul", ["d", "e"], ["f"]),
        H.make_node("MaxPool", ["f"], ["g"], kernel_shape=[2, 2], strides=[2, 2]),
        H.make_node("Concat", ["g", "g"], ["h"], axis=1),
        H.make_node("GlobalAveragePool", ["h"], ["i"]), H.make_node("Flatten", ["i"], ["j"]),
        H.make_node("Gemm", ["j", "w3", "b3"], ["out"], transB=1, name="fc"),
    ]
    weights = [tensor("w1", 8, 3, 3, 3), tensor("b1", 8), tensor("w2", 8, 1, 3, 3), tensor("b2", 8), tensor("w3", 5, 16),
               tensor("b3", 5)]
    graph = H.make_graph(nodes, "net", [H.make_tensor_value_info("x", T.FLOAT, [1, 3, SIDE, SIDE])],
                         [H.make_tensor_value_info("out", T.FLOAT, [1, 5])], weights)
    return H.make_model(graph, opset_imports=[H.make_opsetid("", 13)], producer_name="pytorch", ir_version=8)


def norm_pieces(x, axis, scale, shift):
    """As exporters write it before opset 17."""
    n = lambda s: f"{x}_{s}"  # noqa: E731
    return [
        H.make_node("ReduceMean", [x], [n("m")], axes=[axis]), H.make_node("Sub", [x, n("m")], [n("d")]),
        H.make_node("Pow", [n("d"), "two"], [n("s")]), H.make_node("ReduceMean", [n("s")], [n("v")], axes=[axis]),
        H.make_node("Add", [n("v"), "eps"], [n("e")]), H.make_node("Sqrt", [n("e")], [n("r")]),
        H.make_node("Div", [n("d"), n("r")], [n("q")]), H.make_node("Mul", [n("q"), scale], [n("p")]),
        H.make_node("Add", [n("p"), shift], [n("n")]),
    ]


def gelu_pieces(x, out):
    return [
        H.make_node("Div", [x, "root"], [out + "_d"]), H.make_node("Erf", [out + "_d"], [out + "_e"]),
        H.make_node("Add", [out + "_e", "one"], [out + "_p"]), H.make_node("Mul", [x, out + "_p"], [out + "_t"]),
        H.make_node("Mul", [out + "_t", "half"], [out]),
    ]


def convnext_block(whole):
    layer_norm = lambda x: [H.make_node("LayerNormalization", [x, "g", "h"], [x + "_n"], axis=-1, epsilon=1e-6)]  # noqa: E731
    nodes = [H.make_node("Conv", ["x", "w0", "b0"], ["a"], strides=[2, 2], name="stem"),
             H.make_node("Conv", ["a", "w1", "b1"], ["b"], group=8, pads=[3, 3, 3, 3], name="dw")]
    if whole:
        nodes += [H.make_node("Transpose", ["b"], ["c"], perm=[0, 2, 3, 1]), *layer_norm("c")]
    else:
        nodes += [*norm_pieces("b", 1, "gc", "hc"), H.make_node("Transpose", ["b_n"], ["c_n"], perm=[0, 2, 3, 1])]
    nodes += [H.make_node("MatMul", ["c_n", "w2"], ["d0"]), H.make_node("Add", ["d0", "b2"], ["d"])]
    nodes += [H.make_node("Gelu", ["d"], ["e"])] if whole else gelu_pieces("d", "e")
    nodes += [H.make_node("MatMul", ["e", "w3"], ["f0"]), H.make_node("Add", ["f0", "b3"], ["f1"]),
              H.make_node("Transpose", ["f1"], ["f"], perm=[0, 3, 1, 2]), H.make_node("Mul", ["f", "ls"], ["s"]),
              H.make_node("Add", ["a", "s"], ["t"]), H.make_node("GlobalAveragePool", ["t"], ["u"]), H.make_node("Flatten", ["u"], ["v"])]
    nodes += layer_norm("v") if whole else norm_pieces("v", -1, "g", "h")
    nodes += [H.make_node("Gemm", ["v_n", "w4", "b4"], ["out"], transB=1, name="fc")]
    weights = [tensor("w0", 8, 3, 2, 2), tensor("b0", 8), tensor("w1", 8, 1, 7, 7), tensor("b1", 8), tensor("w2", 8, 16), tensor("b2", 16),
               tensor("w3", 16, 8), tensor("b3", 8), tensor("w4", 5, 8), tensor("b4", 5), tensor("ls", 8, 1, 1), tensor("g", 8), tensor("h", 8)]
    if not whole:
        g, h = (N.to_array(w).reshape(8, 1, 1) for w in weights[-2:])
        numbers = {"two": 2, "eps": 1e-6, "root": 2**0.5, "one": 1, "half": 0.5}
        weights += [N.from_array(g, "gc"), N.from_array(h, "hc"), *(N.from_array(np.float32(v), k) for k, v in numbers.items())]
    graph = H.make_graph(nodes, "net", [H.make_tensor_value_info("x", T.FLOAT, [1, 3, SIDE, SIDE])],
                         [H.make_tensor_value_info("out", T.FLOAT, [1, 5])], weights)
    return H.make_model(graph, opset_imports=[H.make_opsetid("", 20 if whole else 13)], producer_name="pytorch", ir_version=9)


class Reader(CalibrationDataReader):
    def __init__(self):
        # Beyond the range of pixels, so that no byte lies halfway between two steps.
        self.left = [picture() * np.float32(1.13), -picture(), np.roll(picture(), 3, 2)]

    def get_next(self):
        return {"x": self.left.pop()} if self.left else None


def last_step(model):
    """The scale of what the output is rounded to."""
    made = {o: n for n in model.graph.node for o in n.output}
    values = {i.name: N.to_array(i) for i in model.graph.initializer}
    node = made["out"]
    return float(values[node.input[1]]) if node.op_type == "DequantizeLinear" else 0.0


def note(name, step):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    run = onnxruntime.InferenceSession(f"{OUT}/{name}", options, providers=["CPUExecutionProvider"])
    out = run.run(None, {"x": picture()})[0]
    lines.append(" ".join([name, str(SIDE), str(SIDE), "3", f"{step:.8g}"] + [f"{v:.8g}" for v in np.ravel(out)]))


def main():
    os.makedirs(OUT, exist_ok=True)
    for name in os.listdir(OUT):  # external data are appended to what is there
        os.remove(f"{OUT}/{name}")
    model = network()
    with tempfile.TemporaryDirectory() as folder:
        plain = os.path.join(folder, "plain.onnx")
        onnx.save(model, plain)
        for name, form, weight in (("qlinear.onnx", QuantFormat.QOperator, QuantType.QUInt8), ("qdq.onnx", QuantFormat.QDQ, QuantType.QInt8)):
            quantize_static(plain, f"{OUT}/{name}", Reader(), quant_format=form, activation_type=QuantType.QUInt8,
                            weight_type=weight, per_channel=form == QuantFormat.QDQ)
            made = onnx.load(f"{OUT}/{name}")
            print(name, sorted({n.op_type for n in made.graph.node}))
            note(name, last_step(made))
    onnx.save(model, f"{OUT}/external.onnx", save_as_external_data=True, location="external.data", size_threshold=0)
    note("external.onnx", 0)
    for name in ("whole.onnx", "pieces.onnx"):
        onnx.save(convnext_block(name == "whole.onnx"), f"{OUT}/{name}")
        note(name, 0)
    with open(f"{OUT}/expected.txt", "w") as f:
        f.write("\n".join(lines) + "\n")
    for name in os.listdir(OUT):
        os.chmod(f"{OUT}/{name}", 0o644)


main()
