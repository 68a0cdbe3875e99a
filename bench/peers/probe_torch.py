#!/usr/bin/env python3
"""The straightforward PyTorch script for the job of `whisker train` + `whisker eval`: photos on disk to a tested linear
classifier on a frozen EfficientNet-Lite0.

    probe_torch.py DATA WEIGHTS [--threads 2] [--workers 0]

DATA has train/CLASS/ and test/CLASS/; WEIGHTS is the network's .pth or .safetensors. Pillow decodes, resizes (shorter side 256,
bicubic) and crops (224) as torchvision's transforms do; PyTorch computes the features (eager, channels-last); scikit-learn
standardises them, chooses the L2 penalty on a fifth held out, and fits a logistic regression by L-BFGS. Prints one JSON object.
"""
import argparse
import json
import pathlib
import resource
import sys
import time
import warnings

BEGAN = time.perf_counter()

import numpy as np
import torch

import nets
from photos_torch import Photos, load
from probe_fit import fit


@torch.inference_mode()
def features(net, photos, workers):
    rows, labels = [], []
    for x, y in torch.utils.data.DataLoader(photos, batch_size=32, num_workers=workers):
        rows.append(net(x.contiguous(memory_format=torch.channels_last)).numpy())
        labels.append(y.numpy())
    return np.concatenate(rows), np.concatenate(labels)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("weights", type=pathlib.Path)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--workers", type=int, default=0, help="processes that decode (DataLoader's num_workers)")
    args = p.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(args.threads)
    imported = time.perf_counter()

    net = nets.make("efficientnet_lite0", load(args.weights)).to(memory_format=torch.channels_last)
    net._fc = torch.nn.Identity()
    classes = sorted(folder.name for folder in (args.data / "train").iterdir())
    x, y = features(net, Photos(args.data / "train", classes), args.workers)
    scaler, head, val = fit(x, y)
    test_x, test_y = features(net, Photos(args.data / "test", classes), args.workers)
    top1 = head.score(scaler.transform(test_x), test_y)

    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    json.dump({"val_top1": val, "test_top1": top1, "photos": len(x) + len(test_x), "peak_bytes": peak,
               "seconds": {"imports": imported - BEGAN, "total": end - BEGAN}}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
