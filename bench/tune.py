#!/usr/bin/env python3
"""Photos to a network whose last stage was trained for some epochs: `whisker train --tune last:1` beside the straightforward PyTorch script
(peers/tune_torch.py): the same photos, network, epochs, batch and threads, in turn within one run, each time from nothing.

    bench/tune.py DATA WEIGHTS [--whisker build/release/whisker] [--rounds 3] [--epochs 5]

Needs torch, numpy and pillow in the Python that runs it. The clock of PyTorch stops before its test photos; whisker's test is a command
of its own, which is not timed.
"""
import argparse
import pathlib
import sys
import tempfile

from measure import medians, run

HERE = pathlib.Path(__file__).resolve().parent


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("weights", type=pathlib.Path)
    p.add_argument("--whisker", default="build/release/whisker")
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--workers", type=int, default=0, help="decoding processes of the PyTorch script")
    args = p.parse_args()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as scratch:
        model, state = pathlib.Path(scratch) / "model.whisker", pathlib.Path(scratch) / "state.pt"
        tune = [args.whisker, "train", args.data, "-b", args.weights, "--tune", "last:1", "--epochs", args.epochs, "--batch-size", 32,
                "--val", 0, "-o", model, "--no-cache", "--json", "-q", "-j", args.threads]
        peer = [sys.executable, HERE / "peers/tune_torch.py", args.data, args.weights, state, "--epochs", args.epochs,
                "--threads", args.threads, "--workers", args.workers]
        for i in range(args.rounds):
            seconds, _, peak, _ = run(tune)
            *_, test = run([args.whisker, "eval", model, args.data / "test", "--no-cache", "--json", "-q", "-j", args.threads])
            ours.append((seconds, peak))
            print(f"round {i + 1}: whisker {seconds:6.1f} s ({test['top1']:.1%} right)", end="   ", flush=True)
            *_, peak, told = run(peer)
            theirs.append((told["seconds"]["total"], peak))
            print(f"PyTorch {told['seconds']['total']:6.1f} s ({told['test_top1']:.1%})", flush=True)
    a, b = medians(ours), medians(theirs)
    print(f"{told['photos']} photos, {args.epochs} epochs, median of {args.rounds}: whisker {a[0]:.1f} s, PyTorch {b[0]:.1f} s: "
          f"{b[0] / a[0]:.2f}x faster; peak memory {a[1] / 1e6:.0f} MB against {b[1] / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
