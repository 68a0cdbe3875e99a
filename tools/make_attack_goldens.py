#!/usr/bin/env python3
"""Writes tests/golden/attack_golden.h: what attacks and the lesson's ideal picture do on a small network, by PyTorch in double.

    python3 tools/make_attack_goldens.py > tests/golden/attack_golden.h        (needs numpy, torch)

The weights follow the rule of tools/golden_weights.py (the classifier 30 times as strong), the photo its own, and noise is Philox: nothing but
results is committed.
"""
import numpy as np
import torch
import torch.nn.functional as F

from golden_weights import uniform, words

SIDE, CLASSES = 32, 10

# ---- the network ---------------------------------------------------------------------------------------------------

def parameter(name, shape):
    f, u = np.float32, uniform(name, int(np.prod(shape)))
    w = f(np.sqrt(6.0 / np.prod(shape[1:]))) * u if len(shape) > 1 else f(0.1) * u
    return torch.from_numpy(w.astype(np.float64)).reshape(shape)


def build():
    """Smooth everywhere: where a ReLU is at its kink, rounding decides the gradient, and the ways part."""
    channels = (3, 16, 24, 32)
    conv = [(parameter(f"conv{i}.weight", (channels[i], channels[i - 1], 3, 3)), parameter(f"conv{i}.bias", (channels[i],)))
            for i in (1, 2, 3)]
    fc = 30 * parameter("fc.weight", (CLASSES, 32)), parameter("fc.bias", (CLASSES,))  # sure of itself, as trained ones

    def scores(x):
        """Of one normalised picture, [height, width, 3]."""
        x = x.permute(2, 0, 1)[None]
        for i, (weight, bias) in enumerate(conv):
            x = F.silu(F.conv2d(x, weight, bias, stride=1 + (i > 0), padding=1))
        return F.linear(x.mean((2, 3)), *fc)[0]

    return scores


scores = build()


def look(pixels):
    return scores((pixels - 127.5) / 127.5)


y, x, c = np.meshgrid(np.arange(SIDE), np.arange(SIDE), np.arange(3), indexing="ij")
PHOTO = torch.from_numpy(((37 * y + 101 * x + 53 * c + 7 * x * y) % 200 + 20).astype(np.float64))


def gradient(pixels, loss):
    pixels = pixels.clone().requires_grad_()
    return torch.autograd.grad(loss(look(pixels)), pixels)[0]


def towards(target):
    return lambda s: F.cross_entropy(s[None], torch.tensor([target]))


# ---- the attacks ---------------------------------------------------------------------------------------------------


def emit(name, values, kind="double"):
    values = np.ravel(values)
    digits = (lambda v: str(int(v))) if kind == "int" else (lambda v: repr(round(float(v), 9)))
    text, line = [], "   "
    for v in values:
        item = " " + digits(v) + ","
        if len(line) + len(item) > 118:
            text, line = text + [line], "   "
        line += item
    print(f"static const {kind} {name}[{len(values)}] = {{\n" + "\n".join(text + [line]) + "\n};")


def probability(pixels, target):
    return float(torch.softmax(look(pixels), 0)[target])


def sampled(pixels):
    return pixels.numpy().reshape(-1)[::97]


def pgd(target, eps, step, steps, momentum=0.0):
    """After every step: the pixels, and the target's probability."""
    pixels, direction, path = PHOTO.clone(), torch.zeros_like(PHOTO), []
    for _ in range(steps):
        g = gradient(pixels, towards(target))
        direction = momentum * direction + (g / g.abs().mean() if momentum else g)
        pixels = (pixels - step * direction.sign()).clamp(PHOTO - eps, PHOTO + eps).clamp(0, 255)
        path.append((pixels, probability(pixels, target)))
    return path


def deepfool(rivals=5, overshoot=0.02):
    """Nearest of the likeliest rivals' linearised borders, until the class changes."""
    pixels, start = PHOTO.clone(), int(look(PHOTO).argmax())
    for steps in range(50):
        s = look(pixels)
        if int(s.argmax()) != start:
            break
        order = [int(k) for k in s.argsort(descending=True) if int(k) != start][:rivals]
        best = None
        for r in order:
            g = gradient(pixels, lambda s, r=r: s[r] - s[start])
            gap = float((s[start] - s[r]).abs()) + 1e-4
            away = gap / float(g.norm())
            if best is None or away < best[0]:
                best = away, g * (gap / float(g.norm() ** 2))
        pixels = (pixels + (1 + overshoot) * best[1]).clamp(0, 255)
    return int(look(pixels).argmax()), float((pixels - PHOTO).norm()), steps


# ---- the lesson's ideal picture ------------------------------------------------------------------------------------


def uniform_pairs(n, seed):
    w = words(4 * n, (seed & 0xFFFFFFFF, seed >> 32)).astype(np.uint64).reshape(-1, 2)
    u = ((w[:, 0] >> np.uint64(5)) << np.uint64(26) | w[:, 1] >> np.uint64(6)) * 2.0**-53
    return u.reshape(-1, 2)


def noise(seed):
    """One normal number a value: Box-Muller of two uniform ones; as bright and as varied as photos are."""
    u = uniform_pairs(SIDE * SIDE * 3, seed)
    normal = np.sqrt(-2 * np.log(1 - u[:, 0])) * np.cos(2 * np.pi * u[:, 1])
    level = np.clip(0.45 * 255 + 0.225 * 255 * normal, 0, 255)
    return torch.from_numpy((level - 127.5) / 127.5).reshape(SIDE, SIDE, 3)


def lesson(target, steps, tv, rate=1.0):
    x, losses = noise(42), []
    for _ in range(steps):
        x.requires_grad_()
        loss = towards(target)(scores(x)) * (10 if tv else 1)
        if tv:
            loss = loss + tv * ((x[1:] - x[:-1]).abs().sum() + (x[:, 1:] - x[:, :-1]).abs().sum())
        g = torch.autograd.grad(loss, x)[0]
        losses.append(loss.item())
        x = (x - rate * g).detach()
    return losses


torch.set_num_threads(1)
print("/* attack_golden.h - made by tools/make_attack_goldens.py; do not edit. */")
print("// clang-format off")
before = int(look(PHOTO).argmax())
target = int(look(PHOTO).argsort(descending=True)[1])
print(f"enum {{ BEFORE = {before}, TARGET = {target}, STEPS = 10, IDEAL_STEPS = 20 }};")
emit("photo_scores", look(PHOTO))
(fgsm, p), = pgd(target, 3, 3, 1)
emit("fgsm_pixels", sampled(fgsm))
emit("fgsm_p", [p])
for name, momentum in (("pgd", 0.0), ("momentum", 0.9)):
    path = pgd(target, 3, 0.5, 10, momentum)
    emit(f"{name}_p", [p for _, p in path])
    emit(f"{name}_pixels", sampled(path[-1][0]))
after, length, steps = deepfool()
emit("deepfool_class", [after], "int")
emit("deepfool_length", [length])
emit("deepfool_steps", [steps], "int")
emit("lesson_plain", lesson(target, 20, 0))
emit("lesson_tv", lesson(target, 20, 0.005))
