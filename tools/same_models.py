#!/usr/bin/env python3
"""Do two builds of whisker train the same models, byte for byte?

    tools/same_models.py OLD NEW DATA [--backbone mobilenet_v2] [--limit 60] [--ways probe,tune,scratch] [--threads 1,2]

Trains a probe, the last two stages and a network from scratch, each with one thread and with two, and compares the tensors and the
metadata of every file. Left aside is what says which build it was (VERSION), where the photos lay, and what a model has learned from
(learned.*), whose form may change without changing what it predicts. Exit code 1 where anything else differs.
"""
import argparse
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

WAYS = {
    "probe": [],
    "tune": ["--tune", "last:2", "--epochs", "1"],
    "scratch": ["--from-scratch", "--epochs", "1", "--size", "64"],
}
SAID_OTHERWISE = ("whisker", "version", "command", "flags", "made_with")


def few(data, limit, folder):
    """A folder with the first `limit` photos of each class, as links."""
    for label in sorted(p for p in pathlib.Path(data).iterdir() if p.is_dir()):
        (folder / label.name).mkdir(parents=True)
        for photo in sorted(label.iterdir())[:limit]:
            (folder / label.name / photo.name).symlink_to(photo.resolve())
    return folder


def read(path):
    """Metadata and tensors of a safetensors file, but for what may differ."""
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    metadata = {k: v for k, v in header.pop("__metadata__", {}).items() if not k.split(".")[-1].lower() in SAID_OTHERWISE}
    if "whisker.recipe" in metadata:  # the maker's folders are no longer told to whoever gets the model
        recipe = json.loads(metadata["whisker.recipe"])
        metadata["whisker.recipe"] = {k: v for k, v in recipe.items() if k not in ("data", "made_by")}
    body = raw[8 + size:]
    tensors = {k: (v["dtype"], v["shape"], body[slice(*v["data_offsets"])]) for k, v in header.items() if not k.startswith("learned.")}
    return metadata, tensors


def differences(a, b):
    (meta_a, tensors_a), (meta_b, tensors_b) = read(a), read(b)
    out = [f"metadata {k}" for k in sorted(set(meta_a) | set(meta_b)) if meta_a.get(k) != meta_b.get(k)]
    return out + [f"tensor {k}" for k in sorted(set(tensors_a) | set(tensors_b)) if tensors_a.get(k) != tensors_b.get(k)]


def train(program, data, way, threads, backbone, out, home):
    command = [program, "train", str(data), "-o", str(out), "-j", str(threads), "-q", *WAYS[way]]
    command += ["-b", "mobilenet_v2" if way == "scratch" else backbone]
    done = subprocess.run(command, env={**os.environ, "WHISKER_HOME": str(home)}, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr.strip()}")


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("old")
    p.add_argument("new")
    p.add_argument("data", help="photos, one folder a class")
    p.add_argument("--backbone", default="mobilenet_v2", help="a name or a weight file")
    p.add_argument("--limit", type=int, default=60, help="photos of each class")
    p.add_argument("--ways", default=",".join(WAYS))
    p.add_argument("--threads", default="1,2")
    args = p.parse_args()
    bad = 0
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        data = few(args.data, args.limit, scratch / "photos")
        for way in args.ways.split(","):
            first = None
            for threads in args.threads.split(","):
                for which, program in (("old", args.old), ("new", args.new)):
                    path = scratch / f"{way}-{which}-{threads}.whisker"
                    train(program, data, way, threads, args.backbone, path, scratch / f"home-{which}-{threads}")
                    first = first or path
                    other = differences(first, path)
                    bad += len(other)
                    print(f"{way:8} {which} build, {threads} threads: " + ("the same" if not other else "differs: " + ", ".join(other[:6])),
                          flush=True)
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
