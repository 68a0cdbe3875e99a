#!/usr/bin/env python3
"""Writes tests/golden/look.txt: maps of evidence for a class, by PyTorch's autograd.

    python3 tools/make_explain_goldens.py > tests/golden/look.txt      (needs torch and numpy)

The network is simple_cnn with the weights' rule of tools/golden_weights.py (tests/golden/zoo_weights.h), the input 32 x 32
numbers of the same rule. Every method is written out here from its paper, in double precision.
"""
import numpy as np
import torch
import torch.nn.functional as F

from golden_weights import uniform, words

SIDE, TARGET, LAYER = 32, 3, "block3.relu2"
IG_POINTS, SAMPLES, NOISE, SEED = 54, 6, 0.15, 42


def normals(count, seed, stream):
    """wk_rng_normal: Box-Muller of two 53-bit numbers, which are the four words of one block."""
    w = words(4 * count, (seed, 0), stream).astype(np.uint64).reshape(-1, 4).T
    uniform = [((w[i] >> np.uint64(5)) << np.uint64(26) | (w[i + 1] >> np.uint64(6))).astype(np.float64) * 2.0**-53 for i in (0, 2)]
    return np.sqrt(-2 * np.log(1 - uniform[0])) * np.cos(2 * np.pi * uniform[1])


def rule(name, shape, base, scale):
    u = uniform(name, int(np.prod(shape)))
    return torch.from_numpy((np.float32(base) + np.float32(scale) * u).astype(np.float64)).reshape(shape)


def parameter(name, shape):
    if name.endswith("running_mean"):
        return rule(name, shape, 0, 0.1)
    if name.endswith("running_var"):
        return rule(name, shape, 1, 0.5)
    if len(shape) > 1:
        return rule(name, shape, 0, np.sqrt(6.0 / np.prod(shape[1:])))
    if name.endswith(".bias"):
        return rule(name, shape, 0, 0.1)
    if name.endswith((".bn2.weight", ".bn3.weight")):
        return rule(name, shape, 0.5, 0.1)
    return rule(name, shape, 1, 0.2)


def network(x, keep=None):
    """Scores of [n, 3, h, w]; `keep` receives the activations of LAYER."""
    cin = 3
    for block, cout in ((1, 32), (2, 64), (3, 128)):
        for i in (1, 2):
            name = f"block{block}."
            x = F.conv2d(x, parameter(f"{name}conv{i}.weight", (cout, cin, 3, 3)), padding=1)
            bn = [parameter(f"{name}bn{i}.{p}", (cout,)) for p in ("running_mean", "running_var", "weight", "bias")]
            x = F.relu(F.batch_norm(x, *bn, eps=1e-5))
            cin = cout
            if keep is not None and f"{name}relu{i}" == LAYER:
                x.retain_grad()
                keep.append(x)
        x = F.max_pool2d(x, 2)
    return F.linear(x.mean((2, 3)), parameter("fc.weight", (10, 128)), parameter("fc.bias", (10,)))


def gradient(x):
    x = x.clone().requires_grad_()
    score = network(x)[0, TARGET]
    score.backward()
    return score.item(), x.grad[0]


def show(name, values):
    print(name, *(f"{float(v):.8g}" for v in np.asarray(values).reshape(-1)))


def main():
    x = rule("input", (1, SIDE, SIDE, 3), 0, 2).permute(0, 3, 1, 2).contiguous()
    keep = []
    leaf = x.clone().requires_grad_()
    scores = network(leaf, keep)
    scores[0, TARGET].backward()
    a, g = keep[0].detach()[0], keep[0].grad[0]
    print("# made by tools/make_explain_goldens.py: simple_cnn, class 3, maps at block3.relu2 row by row; those of pixels 32 x 32")
    show("score", [scores[0, TARGET].item()])
    show("p", [torch.softmax(scores[0], 0)[TARGET].item()])
    show("gradcam", F.relu((g.mean((1, 2))[:, None, None] * a).sum(0)))
    alpha = g**2 / (2 * g**2 + g**3 * a.sum((1, 2), keepdim=True))
    alpha = torch.where(g > 0, alpha, torch.zeros_like(g))
    show("gradcampp", F.relu(((alpha * F.relu(g)).sum((1, 2))[:, None, None] * a).sum(0)))
    show("hirescam", F.relu((g * a).sum(0)))

    varied = a.var((1, 2)) > 0
    masks = F.interpolate(a[varied][None], size=(SIDE, SIDE), mode="bilinear", align_corners=False)[0]
    low, high = masks.amin((1, 2), keepdim=True), masks.amax((1, 2), keepdim=True)
    seen = x * ((masks - low) / (high - low))[:, None]
    with torch.no_grad():
        weight = torch.softmax(network(seen)[:, TARGET], 0)
    show("scorecam", F.relu((weight[:, None, None] * a[varied]).sum(0)))

    show("gradinput", (leaf.grad[0] * x[0]).sum(0))

    total = sum(gradient((k + 0.5) / IG_POINTS * x)[1] for k in range(IG_POINTS)) / IG_POINTS
    ig = (total * x[0]).sum(0)
    show("ig", ig)
    show("ig_total", [ig.sum()])
    show("ig_expected", [scores[0, TARGET].item() - network(torch.zeros_like(x))[0, TARGET].item()])

    spread = NOISE * (x.max() - x.min()).item()
    flat = x.permute(0, 2, 3, 1).reshape(-1)
    smooth = 0
    for k in range(SAMPLES):
        noisy = flat + torch.from_numpy((spread * normals(flat.numel(), SEED, k)).astype(np.float32).astype(np.float64))
        smooth = smooth + gradient(noisy.reshape(1, SIDE, SIDE, 3).permute(0, 3, 1, 2).contiguous())[1]
    show("smoothgrad", (smooth / SAMPLES).abs().sum(0))


torch.set_num_threads(1)
main()
