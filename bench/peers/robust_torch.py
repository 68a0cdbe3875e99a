#!/usr/bin/env python3
"""The straightforward PyTorch script for the job of `whisker robust MODEL DATA --no-corruptions`: how many photos stay right under untargeted
PGD of growing strength.

    robust_torch.py MODEL DATA [--photos 4] [--eps 0,0.5,1] [--steps 20] [--restarts 1] [--batch 16] [--threads 2]

MODEL is whisker's file of a linear head on EfficientNet-Lite0, so that both attack the same network; DATA has CLASS/. Pillow decodes,
resizes (shorter side 256, bicubic) and crops (224). The photos of a batch are attacked together: steps of an eighth of the bound, from the
photo and then from random points, and those that are no longer right leave. Prints one JSON object.
"""
import argparse
import json
import pathlib
import sys
import time

BEGAN = time.perf_counter()

import torch
from safetensors.torch import load_file

import nets
from photos_torch import Photos

DEVIATION, LOWEST, HIGHEST = 128.0, -127 / 128, 1.0  # of a normalised pixel


def attack(net, clean, y, eps, steps, restarts):
    """Which of the photos stay right."""
    left = torch.arange(len(y))
    bound = eps / DEVIATION
    gradients = 0
    for start in range(restarts + 1):
        x = clean[left]
        if start:
            x = (x + bound * (2 * torch.rand_like(x) - 1)).clamp(LOWEST, HIGHEST)
        for step in range(steps + 1):
            last = step == steps
            x = x.detach().requires_grad_(not last)
            with torch.set_grad_enabled(not last):
                logits = net(x)
            right = logits.argmax(1) == y[left]
            if not last and right.any():
                torch.nn.functional.cross_entropy(logits[right], y[left][right], reduction="sum").backward()
                moved = x.detach()[right] + bound / 8 * x.grad[right].sign()
                gradients += int(right.sum())
            left = left[right]
            if not len(left):
                return left, gradients
            if not last:
                x = torch.maximum(torch.minimum(moved, clean[left] + bound), clean[left] - bound).clamp(LOWEST, HIGHEST)
    return left, gradients


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("model", type=pathlib.Path)
    p.add_argument("data", type=pathlib.Path)
    p.add_argument("--photos", type=int, default=4, help="of every class")
    p.add_argument("--eps", default="0,0.5,1")
    p.add_argument("--steps", type=int, default=20)
    p.add_argument("--restarts", type=int, default=1)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--threads", type=int, default=2)
    args = p.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    imported = time.perf_counter()

    tensors = load_file(args.model)
    weights = {name[len("backbone."):]: t for name, t in tensors.items() if name.startswith("backbone.")}
    classes = sorted(folder.name for folder in args.data.iterdir())
    weights |= {"_fc.weight": torch.zeros(1000, 1280), "_fc.bias": torch.zeros(1000)}
    net = nets.make("efficientnet_lite0", weights)
    net._fc = torch.nn.Linear(1280, len(classes))
    net._fc.load_state_dict({"weight": tensors["head.weight"], "bias": tensors["head.bias"]})
    net = net.requires_grad_(False).to(memory_format=torch.channels_last)
    photos = Photos(args.data, classes)
    kept = [[i for i, (_, label) in enumerate(photos.items) if label == c][:args.photos] for c in range(len(classes))]
    photos = torch.utils.data.Subset(photos, sum(kept, []))
    eps = [float(e) for e in args.eps.split(",")]
    right, gradients = [0] * len(eps), 0
    for x, y in torch.utils.data.DataLoader(photos, batch_size=args.batch):
        x = x.contiguous(memory_format=torch.channels_last)
        for i, e in enumerate(eps):
            left, used = attack(net, x, y, e, args.steps if e else 0, args.restarts if e else 0)
            x, y = x[left], y[left]
            right[i] += len(y)
            gradients += used
    json.dump({"photos": len(photos), "accuracy": [r / len(photos) for r in right], "gradients": gradients,
               "seconds": {"imports": imported - BEGAN, "total": time.perf_counter() - BEGAN}}, sys.stdout)
    print()


main()
