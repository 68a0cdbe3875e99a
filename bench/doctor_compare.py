#!/usr/bin/env python3
"""doctor_compare.py WHISKER DATA WEIGHTS [--python PYTHON] [--rounds 3] [--seed 1]

`whisker check` beside imagededup with cleanlab (peers/doctor_peer.py), in turns, on the same photos with 5% of the labels
changed by a seed: seconds of the whole command and of its processors, of which the best
round counts, and share of the changed labels among the first
6% of the photos. Both use the same MobileNetV2 and two threads; whisker keeps nothing between rounds (--no-cache). WEIGHTS
is MobileNetV2's .safetensors; PYTHON has what peers/requirements-doctor.txt names.
"""
import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

from doctor import changed_labels, photos_of


def processor_seconds():
    of = resource.getrusage(resource.RUSAGE_CHILDREN)
    return of.ru_utime + of.ru_stime


def timed(command):
    """Seconds of the whole command, of all its processors together, and what it printed."""
    used, began = processor_seconds(), time.perf_counter()
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - began, processor_seconds() - used, json.loads(out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("whisker")
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("weights")
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seed", type=int, default=1)
    o = p.parse_args()
    photos = [(q.resolve(), c) for q, c in photos_of(o.data)]
    peer = pathlib.Path(__file__).parent / "peers" / "doctor_peer.py"
    with tempfile.TemporaryDirectory() as work:
        labels = pathlib.Path(work) / "flipped.csv"
        wrong = {str(photos[i][0]) for i in changed_labels(labels, photos, o.seed)}
        commands = {
            "whisker": [o.whisker, "check", str(labels), "-b", o.weights, "--no-cache", "-j", "2", "--json", "-q"],
            "imagededup + cleanlab": [o.python, str(peer), str(o.data), o.weights, "--list", str(labels)],
        }
        seconds, processor, answer = {name: [] for name in commands}, {name: [] for name in commands}, {}
        for _ in range(o.rounds):
            for name, command in commands.items():
                took, used, answer[name] = timed(command)
                seconds[name].append(took)
                processor[name].append(used)
    listed = {
        "whisker": [f["file"] for f in answer["whisker"]["findings"] if f["kind"] == "mislabelled"],
        "imagededup + cleanlab": answer["imagededup + cleanlab"]["mislabelled"],
    }
    print(f"{len(photos)} photos, {len(wrong)} labels changed by seed {o.seed}")
    for name in commands:
        first = listed[name][: round(0.06 * len(photos))]
        print(f"{name}: {min(seconds[name]):.2f} s (all rounds: {', '.join(f'{s:.2f}' for s in seconds[name])}), "
              f"{min(processor[name]):.2f} s of processor time; "
              f"{sum(f in wrong for f in first) / len(wrong):.1%} of the changed labels in the first 6%")
    print("parts of the last round of the peer: " + ", ".join(
        f"{part} {answer['imagededup + cleanlab'][part]:.2f} s" for part in ("importing", "copies", "features", "labels")))
    peer, own = "imagededup + cleanlab", "whisker"
    print(f"faster: {min(seconds[peer]) / min(seconds[own]):.1f}x, by processor time {min(processor[peer]) / min(processor[own]):.1f}x")


main()
