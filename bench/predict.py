#!/usr/bin/env python3
"""One photo named by one process, from its start to its end: `whisker predict` beside the shortest Python script that does it
with ONNX Runtime (peers/predict_onnxruntime.py), imports included; the same photo, network and threads, in turn.

    bench/predict.py PHOTO WEIGHTS [--whisker build/release/whisker] [--rounds 10]

WEIGHTS: the file of efficientnet_lite0 (`whisker pull efficientnet_lite0` says where it is); whisker reads it as it is.
Needs torch (to export), numpy, pillow, onnx and onnxruntime in the Python that runs it.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

from measure import medians, run

HERE = pathlib.Path(__file__).resolve().parent


def export(path, weights):
    sys.path.insert(0, str(HERE / "peers"))
    import torch

    import nets
    from photos_torch import load

    net = nets.make("efficientnet_lite0", load(weights))
    with torch.no_grad():
        torch.onnx.export(net, (torch.zeros(1, 3, 224, 224),), path, input_names=["input"], output_names=["output"],
                          dynamo=False, opset_version=17)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("photo", type=pathlib.Path)
    p.add_argument("weights", type=pathlib.Path)
    p.add_argument("--whisker", default="build/release/whisker")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=10)
    if len(sys.argv) == 4 and sys.argv[1] == "--export":
        return export(sys.argv[2], pathlib.Path(sys.argv[3]))
    args = p.parse_args()

    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as scratch:
        net = pathlib.Path(scratch) / "net.onnx"
        # In a process of its own: a child's peak of memory begins with that of its parent.
        subprocess.run([sys.executable, __file__, "--export", net, args.weights], check=True, stderr=subprocess.DEVNULL)
        mine = [args.whisker, "predict", args.weights, args.photo, "--json", "-q", "-j", args.threads, "--no-cache"]
        peer = [sys.executable, HERE / "peers/predict_onnxruntime.py", net, args.photo, "--threads", args.threads]
        seen, told = run(mine)[3], run(peer)[3]  # from here on files come from memory on both sides
        top = seen["predictions"][0]["top"][0]
        for _ in range(args.rounds):
            a, b = run(mine), run(peer)
            ours.append(a[:3])
            theirs.append(b[:3])
    a, b = medians(ours), medians(theirs)
    print(f"whisker: {top['p']:.3f} for class {top['index']}; the script: {told['p']:.3f} for class {told['class']}")
    print(f"median of {args.rounds}: whisker {a[0] * 1e3:.0f} ms, ONNX Runtime's script {b[0] * 1e3:.0f} ms: {b[0] / a[0]:.1f}x faster")
    print(f"processor time: {a[1] * 1e3:.0f} ms against {b[1] * 1e3:.0f} ms; peak memory {a[2] / 1e6:.0f} MB against {b[2] / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
