#!/usr/bin/env python3
"""The straightforward PyTorch script for the job of `whisker train --tune last:1 --epochs 5`: photos on disk to a saved network whose last
stage and classifier were trained, everything before them frozen.

    tune_torch.py DATA WEIGHTS OUT [--epochs 5] [--batch 32] [--threads 2] [--workers 0]

DATA has train/CLASS/ and test/CLASS/; WEIGHTS is an EfficientNet-Lite0. Pillow decodes, resizes (shorter side 256, bicubic) and crops (224);
frozen parameters need no gradient, norms keep their statistics, AdamW trains the rest. The test photos are looked at
after the clock has stopped. Prints one JSON object.
"""
import argparse
import json
import pathlib
import resource
import sys
import time

BEGAN = time.perf_counter()

import torch

import nets
from photos_torch import Photos, load


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("weights", type=pathlib.Path)
    p.add_argument("out", type=pathlib.Path)
    p.add_argument("--epochs", type=int, default=5)
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--threads", type=int, default=2)
    p.add_argument("--workers", type=int, default=0, help="processes that decode (DataLoader's num_workers)")
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    imported = time.perf_counter()

    classes = sorted(folder.name for folder in (args.data / "train").iterdir())
    net = nets.make("efficientnet_lite0", load(args.weights)).to(memory_format=torch.channels_last)
    net._fc = torch.nn.Linear(1280, len(classes))
    for parameter in net.parameters():
        parameter.requires_grad = False
    last = [net._blocks[15], net._conv_head, net._bn1, net._fc]
    trained = [parameter for part in last for parameter in part.parameters()]
    for parameter in trained:
        parameter.requires_grad = True
    optimiser = torch.optim.AdamW(trained, lr=1e-4)
    photos = Photos(args.data / "train", classes)
    for _ in range(args.epochs):
        for x, y in torch.utils.data.DataLoader(photos, batch_size=args.batch, shuffle=True, num_workers=args.workers):
            loss = torch.nn.functional.cross_entropy(net(x.contiguous(memory_format=torch.channels_last)), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    torch.save({"state": net.state_dict(), "classes": classes}, args.out)

    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    right = seen = 0
    with torch.inference_mode():
        for x, y in torch.utils.data.DataLoader(Photos(args.data / "test", classes), batch_size=32):
            right += int((net(x.contiguous(memory_format=torch.channels_last)).argmax(1) == y).sum())
            seen += len(y)
    json.dump({"test_top1": right / seen, "photos": len(photos), "peak_bytes": peak,
               "seconds": {"imports": imported - BEGAN, "total": end - BEGAN}}, sys.stdout)
    print()


main()
