#!/usr/bin/env python3
"""Photos to a tested classifier: `whisker train` and `whisker eval` beside a Python script: the same photos, network and
threads, in turn within one run, each time from nothing. The peer is the straightforward PyTorch script (peers/probe_torch.py), or
the fastest that Python can do (peers/probe_best.py, with OpenVINO or ONNX Runtime).

    bench/probe.py DATA WEIGHTS [--whisker build/release/whisker] [--rounds 3] [--peer torch|openvino|onnxruntime]

Needs torch, numpy, pillow and scikit-learn (and openvino or onnxruntime, onnx) in the Python that runs it. Prints each round, then the ratio of the medians, the
processor time (which tells more than the clock on a busy machine) and the peak memory of both; last, whisker's second run on photos that it knows.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

from measure import medians, run

HERE = pathlib.Path(__file__).resolve().parent


def whisker(args, folder, cache):
    model = folder / "model.whisker"
    common = ["--json", "-q", "-j", args.threads, *cache]
    first, cpu_first, peak_first, _ = run([args.whisker, "train", args.data, "-b", args.weights, "-o", model, *common])
    then, cpu_then, peak_then, test = run([args.whisker, "eval", model, args.data / "test", *common])
    return first + then, cpu_first + cpu_then, max(peak_first, peak_then), test["top1"]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("weights", type=pathlib.Path)
    p.add_argument("--whisker", default="build/release/whisker")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--workers", type=int, default=0, help="decoding processes of the PyTorch script")
    p.add_argument("--peer", choices=("torch", "openvino", "onnxruntime"), default="torch")
    args = p.parse_args()

    peer = [sys.executable, HERE / "peers/probe_torch.py", args.data, args.weights, "--threads", args.threads, "--workers", args.workers]
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as scratch:
        folder = pathlib.Path(scratch)
        if args.peer != "torch":
            best = [sys.executable, HERE / "peers/probe_best.py"]
            subprocess.run([*best, "--export", folder / "net.onnx", args.weights], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            peer = [*best, args.data, folder / "net.onnx", "--engine", args.peer, "--workers", args.threads]
        for i in range(args.rounds):
            seconds, cpu, peak, top1 = whisker(args, folder, ["--no-cache"])
            ours.append((seconds, cpu, peak))
            print(f"round {i + 1}: whisker {seconds:6.1f} s ({top1:.1%} right)", end="   ", flush=True)
            seconds, cpu, peak, told = run(peer)
            theirs.append((seconds, cpu, peak))
            print(f"{args.peer} {seconds:6.1f} s ({told['test_top1']:.1%}; imports {told['seconds']['imports']:.1f} s)", flush=True)
        kept = ["--cache", folder / "cache"]
        whisker(args, folder, kept)
        again = whisker(args, folder, kept)[0]
    a, b = medians(ours), medians(theirs)
    print(f"{told['photos']} photos, median of {args.rounds}: whisker {a[0]:.1f} s, {args.peer} {b[0]:.1f} s: {b[0] / a[0]:.2f}x faster")
    print(f"processor time: {a[1]:.1f} s against {b[1]:.1f} s ({b[1] / a[1]:.2f}x); peak memory {a[2] / 1e6:.0f} MB against {b[2] / 1e6:.0f} MB")
    print(f"second run on the same photos: {again:.2f} s")


if __name__ == "__main__":
    main()
