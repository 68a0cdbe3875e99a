"""The rule of the weights that goldens are computed with, so that none are committed; tests/golden/zoo_weights.h has the same in C. One table of
65,521 uniform numbers (Philox), read from a place that the parameter's name decides, times a scale that keeps activations near 1.
"""
import numpy as np
import torch

PERIOD = 65521


def philox(counter, key):
    """Philox4x32-10: counter [4, n] words, low word first; [n, 4] words."""
    c = [np.asarray(w, np.uint64) for w in counter]
    k0, k1 = key
    mask = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(p1 >> np.uint64(32)) ^ c[1] ^ np.uint64(k0), p1 & mask, (p0 >> np.uint64(32)) ^ c[3] ^ np.uint64(k1), p0 & mask]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, 1).astype(np.uint32)


def words(count, key, stream=0):
    """The first `count` words of blocks (n, 0, stream, 0)."""
    n = (count + 3) // 4
    zero = np.zeros(n, np.uint64)
    return philox([np.arange(n), zero, zero + np.uint64(stream), zero], key).reshape(-1)[:count]


# The words of wk_philox for the key (2026, 7) and the counters (n, 0, 0, 0).
TABLE = (words(PERIOD, (2026, 7)) / 2.0**31 - 1).astype(np.float32)


def uniform(name, count):
    """FNV-1a of the name is where reading begins."""
    h = 2166136261
    for byte in name.encode():
        h = ((h ^ byte) * 16777619) & 0xFFFFFFFF
    return TABLE[(h % PERIOD + np.arange(count)) % PERIOD]


def parameter(name, shape):
    u = uniform(name, int(np.prod(shape)))
    f = np.float32
    if name.endswith("running_mean"):
        w = f(0.1) * u
    elif name.endswith("running_var"):
        w = f(1) + f(0.5) * u
    elif len(shape) > 1:  # He: the variance stays through a ReLU
        w = f(np.sqrt(6.0 / np.prod(shape[1:]))) * u
    elif name.endswith(".bias"):
        w = f(0.1) * u
    elif name.endswith((".bn2.weight", ".bn3.weight", ".block.1.1.weight", ".block.3.1.weight")):  # residual branches add up
        w = f(0.5) + f(0.1) * u
    else:
        w = f(1) + f(0.2) * u
    return torch.from_numpy(np.ascontiguousarray(w)).reshape(shape)
