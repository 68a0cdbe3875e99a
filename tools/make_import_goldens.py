#!/usr/bin/env python3
"""make_import_goldens.py - small networks in the files of their makers, and what their own runtimes compute.

Writes tests/golden/import/: Keras models whole (.h5), as archive (.keras) with Keras 3 on PyTorch, and ONNX files with
onnx and ONNX Runtime; expected.txt has, a line each: file, height, width, channels, and the last outputs for the input
(7 y + 13 x + 29 c + y x / 5) mod 256, given as the file wants it (bytes / 127.5 - 1 unless it rescales itself).
Needs: keras, torch, h5py, onnx, onnxruntime, numpy. Run from the top of the source tree."""
import os

os.environ["KERAS_BACKEND"] = "torch"
import numpy as np

OUT = "tests/golden/import"
RNG = np.random.default_rng(7)
lines = []


def picture(height, width, channels):
    y, x, c = np.ogrid[:height, :width, :channels]
    return ((7 * y + 13 * x + 29 * c + (y * x) // 5) % 256).astype(np.float32)


def note(name, height, width, channels, out):
    lines.append(" ".join([name, str(height), str(width), str(channels)] + [f"{v:.8g}" for v in np.ravel(out)]))


def keras_models():
    import keras
    from keras import layers as L

    keras.utils.set_random_seed(11)
    x = i = keras.Input((24, 20, 3))
    x = L.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = L.Conv2D(8, 3, strides=2, use_bias=False, name="stem")(x)
    x = L.BatchNormalization(name="stem_bn")(x)
    x = L.ReLU(6.0)(x)
    y = L.SeparableConv2D(8, 3, padding="same", activation="swish", name="sep")(x)
    x = L.Add()([x, y])
    y = L.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2, name="dw")(x)
    x = L.Concatenate()([y, L.MaxPooling2D(3, 2, padding="same")(x)])
    s = L.GlobalAveragePooling2D(keepdims=True)(x)
    s = L.Conv2D(24, 1, activation="sigmoid", name="gate")(s)
    x = L.Multiply()([x, s])
    x = L.Flatten()(x)
    x = L.Dense(10, activation="tanh", name="hidden")(x)
    o = L.Dense(3, activation="softmax", name="classes")(x)
    functional = keras.Model(i, o)
    inner = keras.Sequential([keras.Input((16, 16, 3)), L.Rescaling(1 / 127.5, offset=-1),
                              L.Conv2D(6, 3, activation="relu", name="first"), L.LeakyReLU(negative_slope=0.1),
                              L.GlobalAveragePooling2D()], name="body")
    nested = keras.Sequential([keras.Input((16, 16, 3)), inner, L.Dropout(0.3),
                               L.Dense(1, activation="sigmoid", name="one")])
    for model in (functional, nested):
        model.set_weights([RNG.normal(0.5 if w.ndim == 1 else 0, 0.3, w.shape).astype("float32") ** (2 if w.ndim == 1 else 1)
                           for w in model.get_weights()])
    for name, model, scale in (("functional", functional, True), ("nested", nested, False)):
        h, w = model.input_shape[1:3]
        x = picture(h, w, 3)
        out = model.predict((x / 127.5 - 1 if scale else x)[None], verbose=0)
        if out.size == 1:
            out = np.array([1 - out.item(), out.item()])
        for ending in (".h5", ".keras"):
            model.save(f"{OUT}/{name}{ending}")
            note(name + ending, h, w, 3, out)


def bare_weights():
    """MobileNet, a sixteenth as wide, in files of weights alone: as Keras 2 named them, and as Keras 3 counts them."""
    import h5py
    import keras
    from keras.src.legacy.saving import legacy_h5_format

    rng = np.random.default_rng(3)
    model = keras.applications.MobileNet(weights=None, alpha=0.0625, classes=5)
    for w in model.weights:
        if w.path.endswith("seed_generator_state"):
            continue
        if len(w.shape) == 4:  # half precision packs well
            fan = np.prod(w.shape[:2]) * (1 if "conv_dw" in w.path else w.shape[2])
            value = rng.normal(0, (1.6 / fan) ** 0.5, w.shape)
        else:
            value = rng.uniform(0.7, 1.3, w.shape) if w.name in ("gamma", "moving_variance") else rng.normal(0, 0.1, w.shape)
        w.assign(value.astype("float16").astype("float32"))
    out = model.predict((picture(224, 224, 3) / 127.5 - 1)[None], verbose=0)
    model.save_weights(f"{OUT}/bare.weights.h5")
    with h5py.File(f"{OUT}/bare.h5", "w") as f:
        legacy_h5_format.save_weights_to_hdf5_group(f, model)
    for name in ("bare.h5", "bare.weights.h5"):
        note(name, 224, 224, 3, out)


def onnx_models():
    import onnx
    import onnxruntime
    from onnx import TensorProto as T
    from onnx import helper as H
    from onnx import numpy_helper as N

    def tensor(name, *shape):
        return N.from_array(RNG.normal(0, 0.3, shape).astype("float32"), name)

    def write(name, nodes, weights, shape, classes, opset):
        graph = H.make_graph(nodes, name, [H.make_tensor_value_info("x", T.FLOAT, shape)],
                             [H.make_tensor_value_info("out", T.FLOAT, [1, classes])], weights)
        model = H.make_model(graph, opset_imports=[H.make_opsetid("", opset)], producer_name="pytorch", ir_version=8)
        onnx.save(model, f"{OUT}/{name}.onnx")
        h, w = (shape[2], shape[3]) if shape[1] in (1, 3) else (shape[1], shape[2])
        c = 3 if 3 in (shape[1], shape[3]) else 1
        x = (picture(h, w, c) / 127.5 - 1)[None]
        if shape[1] in (1, 3):
            x = x.transpose(0, 3, 1, 2)
        run = onnxruntime.InferenceSession(f"{OUT}/{name}.onnx", providers=["CPUExecutionProvider"])
        note(name + ".onnx", h, w, c, run.run(None, {"x": np.ascontiguousarray(x)})[0])

    ints = lambda name, *v: N.from_array(np.array(v, dtype=np.int64), name)
    write("shuffle", [
        H.make_node("Conv", ["x", "w1", "b1"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1], name="conv1"),
        H.make_node("PRelu", ["a", "slope"], ["b"]),
        H.make_node("Reshape", ["b", "five"], ["c"]), H.make_node("Transpose", ["c"], ["d"], perm=[0, 2, 1, 3, 4]),
        H.make_node("Reshape", ["d", "four"], ["e"]),
        H.make_node("Conv", ["e", "w2"], ["f"], group=2, pads=[1, 1, 1, 1], name="conv2"),
        H.make_node("Split", ["f", "halves"], ["g", "h"], axis=1),
        H.make_node("HardSigmoid", ["g"], ["i"], alpha=0.2, beta=0.5), H.make_node("Mul", ["h", "i"], ["j"]),
        H.make_node("Concat", ["j", "g"], ["k"], axis=1),
        H.make_node("Sigmoid", ["k"], ["l"]), H.make_node("Mul", ["k", "l"], ["m"]),
        H.make_node("LRN", ["m"], ["n"], size=3, alpha=0.1, beta=0.75, bias=1.0),
        H.make_node("AveragePool", ["n"], ["o"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        H.make_node("Shape", ["o"], ["p"]), H.make_node("Gather", ["p", "zero"], ["q"], axis=0),
        H.make_node("Unsqueeze", ["q", "at0"], ["r"]), H.make_node("Concat", ["r", "minus"], ["s"], axis=0),
        H.make_node("Reshape", ["o", "s"], ["t"]),
        H.make_node("Gemm", ["t", "w3", "b3"], ["out"], transB=1, name="fc"),
    ], [tensor("w1", 8, 3, 3, 3), tensor("b1", 8), tensor("slope", 8, 1, 1), tensor("w2", 8, 4, 3, 3),
        tensor("w3", 5, 8 * 4 * 4), tensor("b3", 5), ints("five", 1, 2, 4, 7, 7), ints("four", 1, 8, 7, 7),
        ints("halves", 4, 4), N.from_array(np.array(0, dtype=np.int64), "zero"), ints("at0", 0), ints("minus", -1)],
        [1, 3, 14, 14], 5, 13)
    write("transposed", [
        H.make_node("Transpose", ["x"], ["a"], perm=[0, 3, 1, 2]),
        H.make_node("Pad", ["a", "pads"], ["b"]), H.make_node("Conv", ["b", "w1"], ["c"], strides=[2, 2]),
        H.make_node("Add", ["c", "three"], ["d"]), H.make_node("Clip", ["d", "lo", "hi"], ["e"]),
        H.make_node("Mul", ["c", "e"], ["f"]), H.make_node("Div", ["f", "six"], ["g"]),
        H.make_node("Transpose", ["g"], ["h"], perm=[0, 2, 3, 1]), H.make_node("Reshape", ["h", "flat"], ["i"]),
        H.make_node("MatMul", ["i", "w2"], ["j"]), H.make_node("Add", ["j", "b2"], ["out"]),
    ], [tensor("w1", 6, 3, 3, 3), ints("pads", 0, 0, 0, 0, 0, 0, 1, 1), tensor("w2", 6 * 6 * 5, 4), tensor("b2", 4),
        ints("flat", 1, -1)] + [N.from_array(np.array(v, dtype=np.float32), n)
                                for n, v in (("three", 3), ("lo", 0), ("hi", 6), ("six", 6))],
        [1, 12, 10, 3], 4, 13)


keras_models()
bare_weights()
onnx_models()
with open(f"{OUT}/expected.txt", "w") as f:
    f.write("\n".join(lines) + "\n")
