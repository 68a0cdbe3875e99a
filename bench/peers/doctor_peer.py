#!/usr/bin/env python3
"""The job of `whisker check` done with imagededup and cleanlab, as their manuals show it.

    doctor_peer.py DATA WEIGHTS [--threads 2] [--list flipped.csv]

DATA has a folder a class; --list has file,label lines instead. imagededup's perceptual hash finds copies (its processes, its
default distance of 10); PyTorch computes features of a MobileNetV2 with WEIGHTS (eager, channels-last), scikit-learn fits a
logistic regression on five folds, and cleanlab lists the labels that are likely wrong. Prints one JSON object: seconds from the
start of Python on, and what was found.
"""
import argparse
import csv
import json
import pathlib
import sys
import tempfile
import time
import warnings

BEGAN = time.perf_counter()

import numpy as np
import torch
from cleanlab.filter import find_label_issues
from imagededup.methods import PHash
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import nets
from photos_pillow import crop
from photos_torch import load


class Photos(torch.utils.data.Dataset):
    def __init__(self, paths):
        self.paths = paths

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        return torch.from_numpy(crop(Image.open(self.paths[index]).convert("RGB"))).permute(2, 0, 1)


@torch.inference_mode()
def features(paths, weights):
    net = nets.make("mobilenet_v2", load(weights)).to(memory_format=torch.channels_last)
    net.classifier = torch.nn.Identity()
    net.eval()
    rows = [net(x.contiguous(memory_format=torch.channels_last)).numpy()
            for x in torch.utils.data.DataLoader(Photos(paths), batch_size=32)]
    return np.concatenate(rows).reshape(len(paths), -1)


def duplicates(paths):
    """imagededup reads one folder: the photos are linked into it, under names that lead back."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for i, path in enumerate(paths):
            (folder / f"{i:06d}{path.suffix.lower()}").symlink_to(path)
        found = PHash(verbose=False).find_duplicates(image_dir=folder)
    pairs = {tuple(sorted((int(a[:6]), int(b[:6])))) for a, others in found.items() for b in others}
    return [[str(paths[a]), str(paths[b])] for a, b in sorted(pairs)]


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("weights", type=pathlib.Path)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--list", type=pathlib.Path)
    o = p.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(o.threads)
    imported = time.perf_counter()
    if o.list:
        with open(o.list, newline="", encoding="utf-8") as f:
            items = [(pathlib.Path(row["file"]), row["label"]) for row in csv.DictReader(f)]
    else:
        items = [(q.resolve(), q.parent.name) for q in sorted(o.data.rglob("*")) if q.suffix.lower() in {".jpg", ".jpeg", ".png"}]
    paths, classes = [q for q, _ in items], sorted({c for _, c in items})
    y = np.array([classes.index(c) for _, c in items])
    pairs = duplicates(paths)
    hashed = time.perf_counter()
    x = features(paths, o.weights)
    seen = time.perf_counter()
    probabilities = cross_val_predict(make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)), x, y, cv=5,
                                      method="predict_proba")
    issues = find_label_issues(y, probabilities, return_indices_ranked_by="self_confidence", n_jobs=1)
    end = time.perf_counter()
    json.dump({"seconds": end - BEGAN, "importing": imported - BEGAN, "copies": hashed - imported, "features": seen - hashed,
               "labels": end - seen, "mislabelled": [str(paths[i]) for i in issues], "pairs": pairs}, sys.stdout)


if __name__ == "__main__":  # imagededup starts processes that import this file
    main()
