#!/usr/bin/env python3
"""The job of `whisker train` + `whisker eval` as fast as Python does it: a process a core, each decoding its own photos (scaled
while decoding, as whisker does) and running OpenVINO or ONNX Runtime on one thread; scikit-learn's L-BFGS on the features.

    probe_best.py --export NET.onnx WEIGHTS          once, not part of the timing: the network without its classifier
    probe_best.py DATA NET.onnx [--engine openvino|onnxruntime] [--workers 2]

DATA has train/CLASS/ and test/CLASS/. Prints one JSON object. PyTorch is needed for --export alone and not imported otherwise.
"""
import argparse
import json
import multiprocessing
import os
import pathlib
import resource
import sys
import time
import warnings

BEGAN = time.perf_counter()
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from PIL import Image

from photos_pillow import crop

BATCH = 8


def export(path, weights):
    import torch

    import nets
    from photos_torch import load

    net = nets.make("efficientnet_lite0", load(pathlib.Path(weights)))
    net._fc = torch.nn.Identity()
    with torch.no_grad():
        torch.onnx.export(net, (torch.zeros(BATCH, 3, 224, 224),), path, input_names=["input"], output_names=["output"],
                          dynamo=False, opset_version=17, dynamic_axes={"input": {0: "n"}, "output": {0: "n"}})


def pixels(path):
    with Image.open(path) as photo:
        photo.draft("RGB", (256, 256))  # the smallest scale whose sides are no less
        photo = photo.convert("RGB")
    return crop(photo).transpose(2, 0, 1)


def open_engine(engine, net):
    if engine == "openvino":
        import openvino as ov

        compiled = ov.Core().compile_model(net, "CPU", {"INFERENCE_NUM_THREADS": "1", "NUM_STREAMS": "1",
                                                        "INFERENCE_PRECISION_HINT": "f32"})
        return lambda x: compiled(x)[0].copy()
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(net, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"input": x})[0]


def work(job):
    engine, net, paths = job
    run = open_engine(engine, net)
    return np.concatenate([run(np.stack([pixels(p) for p in paths[i:i + BATCH]])) for i in range(0, len(paths), BATCH)])


def photos(folder, classes):
    items = [(path, label) for label, name in enumerate(classes) for path in sorted((folder / name).iterdir())]
    return [p for p, _ in items], np.array([y for _, y in items])


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("net")
    p.add_argument("--engine", choices=("openvino", "onnxruntime"), default="openvino")
    p.add_argument("--workers", type=int, default=2)
    if len(sys.argv) == 4 and sys.argv[1] == "--export":
        return export(sys.argv[2], sys.argv[3])
    args = p.parse_args()
    warnings.simplefilter("ignore")

    classes = sorted(folder.name for folder in (args.data / "train").iterdir())
    train, train_y = photos(args.data / "train", classes)
    test, test_y = photos(args.data / "test", classes)
    paths = train + test
    with multiprocessing.Pool(args.workers) as pool:
        parts = [(args.engine, args.net, paths[len(paths) * i // args.workers:len(paths) * (i + 1) // args.workers])
                 for i in range(args.workers)]
        pending = pool.map_async(work, parts)
        from probe_fit import fit  # its imports take seconds: while the workers are busy

        rows = np.concatenate(pending.get())
    scaler, head, val = fit(rows[:len(train)], train_y)
    top1 = head.score(scaler.transform(rows[len(train):]), test_y)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + args.workers * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    json.dump({"val_top1": val, "test_top1": top1, "photos": len(paths), "peak_bytes": peak * 1024,
               "seconds": {"imports": 0.0, "total": time.perf_counter() - BEGAN}}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
