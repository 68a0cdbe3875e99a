#!/usr/bin/env python3
"""Writes tests/golden/train.txt: ten training steps of four networks by PyTorch, in double precision so that the numbers are
those of the mathematics and not of one library's rounding.

    python3 tools/make_train_goldens.py > tests/golden/train.txt        (needs PyTorch and numpy)

First weights, photos and labels follow rules that tests/golden/test_train_golden.c computes as well (tests/golden/zoo_weights.h), so none
are committed. Of each parameter the file holds how far it moved: the length of the change, and its products with two arrays
that the parameter's name decides, which a wrong value anywhere would alter.
"""
import pathlib
import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "bench" / "peers"))
import nets
from golden_weights import parameter, uniform

STEPS = 10


class SimpleCnn(nn.Module):
    def __init__(self, classes):
        super().__init__()
        channels = 3
        for b, out in ((1, 32), (2, 64), (3, 128)):
            block = nn.Module()
            block.conv1, block.bn1 = nn.Conv2d(channels, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)
            block.conv2, block.bn2 = nn.Conv2d(out, out, 3, padding=1, bias=False), nn.BatchNorm2d(out)
            setattr(self, f"block{b}", block)
            channels = out
        self.fc = nn.Linear(128, classes)

    def forward(self, x):
        for block in (self.block1, self.block2, self.block3):
            x = F.relu(block.bn1(block.conv1(x)))
            x = F.max_pool2d(F.relu(block.bn2(block.conv2(x))), 2)
        return self.fc(x.mean((2, 3)))


class Vgg11Bn(nn.Module):
    """The convolutions of VGG-11 with batch norm; at 32 x 32 they end in one pixel of 512 values, which stand for classes. Its three
    linear layers hold 128 million weights and nothing that the other networks have not."""

    def __init__(self):
        super().__init__()
        layers, width = [], 3
        for n in (64, 0, 128, 0, 256, 256, 0, 512, 512, 0, 512, 512, 0):
            layers += [nn.Conv2d(width, n, 3, padding=1), nn.BatchNorm2d(n), nn.ReLU()] if n else [nn.MaxPool2d(2)]
            width = n or width
        self.features = nn.Sequential(*layers)

    def forward(self, x):
        return self.features(x).flatten(1)


# Rates are small: the losses of untrained networks are so steep that at larger ones PyTorch in single precision and in double go
# different ways within a few steps (VGG-11 at 0.005: 1% apart after ten; at 0.0001: 0.002%). AdamW makes a whole step of a gradient
# that is nothing but rounding: weights moved by a millionth change the sixth loss of the small network by up to 0.03% at 0.001, and
# by 0.0001% at 0.0001.
def optimiser(kind, groups, lr):
    return {"momentum": lambda: torch.optim.SGD(groups, lr, momentum=0.9),
            "nesterov": lambda: torch.optim.SGD(groups, lr, momentum=0.9, nesterov=True),
            "adamw": lambda: torch.optim.AdamW(groups, lr)}[kind]()


def run(name, net, side, batch, classes, norm, kind, lr, decay):
    state = {k: v if k.endswith("num_batches_tracked") else parameter(k, v.shape) for k, v in net.state_dict().items()}
    net.load_state_dict(state)
    net = net.double().train()
    for m in net.modules():
        if isinstance(m, nn.Dropout):
            m.p = 0.0
        if isinstance(m, nn.BatchNorm2d) and norm == "frozen":
            m.eval()
    start = {k: v.clone() for k, v in net.state_dict().items()}
    matrices = [p for p in net.parameters() if p.dim() > 1]
    others = [p for p in net.parameters() if p.dim() <= 1]
    groups = [{"params": matrices, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}]
    optim = optimiser(kind, groups, lr)
    losses = []
    for step in range(STEPS):
        x = 2 * torch.from_numpy(uniform(f"input {step}", batch * side * side * 3)).reshape(batch, side, side, 3)
        y = torch.tensor([(3 * i + 7 * step) % classes for i in range(batch)])
        loss = F.cross_entropy(net(x.permute(0, 3, 1, 2).double().contiguous()), y, label_smoothing=0.1)
        optim.zero_grad()
        loss.backward()
        optim.step()
        losses.append(loss.item())
    print(f"case {name} {side} {batch} {classes} {norm} {kind} {lr} {decay}")
    print("losses", *(f"{v:.9g}" for v in losses))
    for key, value in net.state_dict().items():
        if key.endswith("num_batches_tracked"):
            continue
        change = (value - start[key]).flatten().numpy()
        products = (float(change @ uniform(key + tag, change.size).astype(np.float64)) for tag in ("/a", "/b"))
        print("param", key, f"{np.linalg.norm(change):.9g}", *(f"{v:.9g}" for v in products))


def main():
    torch.set_num_threads(1)
    print("# made by tools/make_train_goldens.py: the losses of ten steps; of each parameter the length of its change, and two products")
    run("resnet18", nets.ResNet((2, 2, 2, 2), False, 5), 64, 8, 5, "batch", "momentum", 0.0002, 1e-3)
    run("mobilenet_v2", nets.MobileNetV2(6), 64, 8, 6, "batch", "momentum", 2e-6, 1e-3)
    run("vgg11_bn", Vgg11Bn(), 32, 8, 512, "batch", "nesterov", 1e-4, 1e-3)
    run("simple_cnn", SimpleCnn(10), 16, 12, 10, "batch", "adamw", 1e-4, 0.05)


main()
