#!/usr/bin/env python3
"""whisker beside PyTorch (eager channels-last; torch.compile with freezing), ONNX Runtime and OpenVINO: the same weights, the
same threads, in turn within one run, so that the ratios hold on a machine whose speed drifts.

    bench/compare.py --whisker build/release/whisker [--nets resnet18,mobilenet_v2] [--modes throughput,latency,train,input]

throughput: photos in parallel; latency: one photo on all threads; train: whole training steps with batch norm frozen on both sides;
input: the gradient of one photo's pixels. The last two are compared with PyTorch alone.

Needs torch, safetensors, onnx, onnxruntime and openvino (./run bench sets them up). Networks without a weight file in --weights get
seeded weights. Prints a table and appends it to --out.

    bench/compare.py --whisker NEW --old OLD [--nets ...] [--modes throughput,latency,train]

Two builds of whisker instead, in turn within one run: the median of each round's new/old, with the quartiles, and exit code 1 where one
is below --least. Needs nothing but the two programs; networks without a weight file in --weights are fetched by their names.
"""
import argparse
import csv
import datetime
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODES = ("throughput", "latency", "train", "input")
# How many times as fast as the best of the others whisker is meant to be, mode by mode.
GOALS = {
    "vgg16": (2.5, 2, 4, 3),
    "vgg19": (2.5, 2, 4, 3),
    "resnet18": (1.8, 1.5, 2.5, 2),
    "resnet34": (1.8, 1.5, 2.5, 2),
    "resnet50": (1.3, 1.2, 1.8, 1.6),
    "mobilenet_v2": (1.15, 1.1, 3, 2.5),
    "efficientnet_lite0": (1.5, 1.3, 3, 2.5),
}
OLD_NETS = ("resnet18", "mobilenet_v2", "efficientnet_lite0", "resnet50")
PEERS = ("eager", "compile", "onnxruntime", "openvino")


def parse():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--whisker", default="build/release/whisker")
    p.add_argument("--old", help="another build of whisker to compare with, instead of the peers")
    p.add_argument("--least", type=float, default=0.98, help="with --old: the smallest median of new/old that is accepted")
    p.add_argument("--nets", help="default: those with a goal; with --old resnet18, mobilenet_v2, efficientnet_lite0 and resnet50")
    p.add_argument("--modes", help="default: all; with --old throughput, latency and train")
    p.add_argument("--peers", default=",".join(PEERS))
    p.add_argument("--weights", type=pathlib.Path, help="folder of NAME.safetensors")
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--batch", type=int, default=8)
    p.add_argument("--train-batch", type=int, default=8, help="photos a training step")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=float, default=1.5)
    p.add_argument("--out", type=pathlib.Path, help="CSV to append to")
    args = p.parse_args()
    args.nets = args.nets or (",".join(OLD_NETS) if args.old else ",".join(reversed(GOALS)))
    args.modes = args.modes or ",".join(MODES[:3] if args.old else MODES)
    return args


def weight_file(net, folder, scratch):
    given = folder / f"{net}.safetensors" if folder else None
    if given and given.exists():
        return given
    made = scratch / f"{net}.safetensors"
    if not made.exists():
        from safetensors.torch import save_file

        sys.path.insert(0, str(HERE / "peers"))
        import nets

        save_file({k: v for k, v in nets.make(net).state_dict().items() if "num_batches" not in k}, made)
    return made


def batch_of(mode, args):
    return args.train_batch if mode == "train" else args.batch


class Peer:
    def __init__(self, library, net, weights, mode, args):
        command = [sys.executable, str(HERE / "peers/net_peer.py"), library, net, str(weights), mode, "--threads", str(args.threads),
                   "--batch", str(batch_of(mode, args))]
        self.name = library
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        while line and not line.startswith("ready"):
            line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(self.process.stderr.read().strip().splitlines()[-1])
        words = line.split()
        self.version, self.check = words[1], [float(v) for v in words[2:]]

    def measure(self, seconds):
        self.process.stdin.write(f"go {seconds}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def whisker(net, weights, mode, args, program=None):
    command = [program or args.whisker, "bench", str(weights), "--mode", mode, "--seconds", str(args.seconds), "--batch-size",
               str(batch_of(mode, args)), "-j", str(args.threads), "--json", "-q"]
    if weights != net:
        command += ["--arch", net]
    row = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["rows"][0]
    return row["images_per_second"], row.get("check")


def own_version(program):
    return subprocess.run([program, "--version"], capture_output=True, text=True).stdout.split()[-1]


def compare(net, mode, args, scratch):
    weights = weight_file(net, args.weights, scratch)
    peers = []
    for library in args.peers.split(","):
        if mode in ("train", "input") and library not in ("eager", "compile"):
            continue
        try:
            peers.append(Peer(library, net, weights, mode, args))
        except RuntimeError as e:
            print(f"skipped: {library} on {net}: {e}", file=sys.stderr)
    rates = {p.name: [] for p in peers}
    rates["whisker"] = []
    check = None
    for _ in range(args.rounds):
        for p in peers:
            rates[p.name].append(p.measure(args.seconds))
        rate, check = whisker(net, weights, mode, args)
        rates["whisker"].append(rate)
    checks = {p.name: p.check for p in peers}
    if check:
        checks["whisker"] = check
    reference = peers[0].check if peers else []
    for name, scores in checks.items():
        worst = max(abs(a - b) for a, b in zip(reference, scores)) / max(map(abs, reference))
        if worst > 1e-3:
            print(f"{name} on {net}: its class scores differ from {peers[0].name}'s by {worst:.2g} of the largest", file=sys.stderr)
    versions = {p.name: p.version for p in peers}
    for p in peers:
        p.close()
    medians = {k: statistics.median(v) for k, v in rates.items()}
    best = max((k for k in medians if k != "whisker"), key=medians.get, default=None)
    paired = [w / b for w, b in zip(rates["whisker"], rates[best])] if best else [float("nan")]
    return medians, best, statistics.median(paired), versions


def cpu():
    info = pathlib.Path("/proc/cpuinfo").read_text()
    name = next((line.split(":")[1].strip() for line in info.splitlines() if line.startswith("model name")), platform.processor())
    return name + (" AVX-512" if "avx512f" in info else " AVX2" if "avx2" in info else "")


def verdict(net, mode, ratio):
    """What is said of a ratio beside its goal, and whether that is reached; None: there is none."""
    if net not in GOALS or ratio != ratio:
        return "", None
    goal = GOALS[net][MODES.index(mode)]
    return f"   goal {goal:.2f}x: " + ("met" if ratio >= goal else f"{100 * (1 - ratio / goal):.0f}% short"), ratio >= goal


def append(path, rows):
    """At once: a run that is cut short keeps what it has measured."""
    fresh = not path.exists()
    with path.open("a", newline="") as f:
        w = csv.writer(f)
        if fresh:
            w.writerow(["date", "machine", "threads", "network", "mode", "library", "version", "photos_per_second", "ratio_to_best_peer"])
        w.writerows(rows)


def new_and_old(net, mode, args):
    """new/old of each round. Who begins changes from round to round, so that a machine that slows down favours neither."""
    file = args.weights / f"{net}.safetensors" if args.weights else None
    weights = file if file and file.exists() else net
    programs = {"old": args.old, "new": args.whisker}
    rates, checks = {"old": [], "new": []}, {}
    for k in range(args.rounds):
        for which in ("old", "new") if k % 2 == 0 else ("new", "old"):
            rate, checks[which] = whisker(net, weights, mode, args, programs[which])
            rates[which].append(rate)
    if checks["old"] != checks["new"]:
        print(f"{net} {mode}: the two builds give other class scores", file=sys.stderr)
    return rates


def compare_builds(args):
    print(f"{cpu()}, {args.threads} threads, photos/s, median of {args.rounds} rounds of {args.seconds:g} s")
    print(f"{'network':20} {'mode':10} {'old':>9} {'new':>9}   new / old (quartiles)", flush=True)
    slower = []
    for net in args.nets.split(","):
        for mode in args.modes.split(","):
            rates = new_and_old(net, mode, args)
            ratios = [new / old for new, old in zip(rates["new"], rates["old"])]
            ratio = statistics.median(ratios)
            low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratio] * 3
            slower += [f"{net} {mode}"] if ratio < args.least else []
            print(f"{net:20} {mode:10} {statistics.median(rates['old']):9.1f} {statistics.median(rates['new']):9.1f}   "
                  f"{ratio:.3f} ({low:.3f}-{high:.3f})" + (f"   below {args.least:g}" if ratio < args.least else ""), flush=True)
    if slower:
        sys.exit(f"slower than {args.least:g} of the old build: {', '.join(slower)}")


def main():
    args = parse()
    if args.old:
        compare_builds(args)
        return
    names = [*args.peers.split(","), "whisker"]
    print(f"{cpu()}, {args.threads} threads, photos/s, median of {args.rounds}")
    print(f"{'network':20} {'mode':10} " + " ".join(f"{n:>11}" for n in names) + "   whisker / best peer", flush=True)
    met = []
    with tempfile.TemporaryDirectory() as scratch:
        for net in args.nets.split(","):
            for mode in args.modes.split(","):
                medians, best, ratio, versions = compare(net, mode, args, pathlib.Path(scratch))
                words, reached = verdict(net, mode, ratio)
                met += [reached] if reached is not None else []
                print(f"{net:20} {mode:10} " + " ".join(f"{medians.get(n, float('nan')):11.1f}" for n in names) +
                      f"   {ratio:.2f}x ({best}){words}", flush=True)
                rows = [[datetime.date.today().isoformat(), cpu(), args.threads, net, mode, n,
                         versions.get(n, own_version(args.whisker)), f"{medians[n]:.2f}", f"{ratio:.3f}" if n == "whisker" else ""]
                        for n in names if n in medians]
                if args.out:
                    append(args.out, rows)
    if met:
        print(f"{sum(met)} of {len(met)} goals are met" + ("" if all(met) else "; docs/performance.md says what limits the others"))


if __name__ == "__main__":
    main()
