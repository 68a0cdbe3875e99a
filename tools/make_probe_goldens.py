#!/usr/bin/env python3
"""Writes tests/golden/probe_golden.h: small data, and what scikit-learn and SciPy make of them.

    python3 tools/make_probe_goldens.py > tests/golden/probe_golden.h        (needs numpy, scipy, scikit-learn)
"""
import numpy as np
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix, log_loss, top_k_accuracy_score

rng = np.random.default_rng(7)


def emit(name, values, kind="double"):
    values = np.ravel(values)
    digits = (lambda v: str(int(v))) if kind == "int" else (lambda v: repr(float(v)))
    if kind == "float":
        digits = lambda v: np.format_float_scientific(np.float32(v), unique=True) + "f"
    print(f"static const {kind} {name}[{len(values)}] = {{{', '.join(digits(v) for v in values)}}};")


def standardise(x):
    """Variances drawn towards their mean, as whisker/probe.h says."""
    own = len(x) / (len(x) + 250.0)
    variance = x.var(0)
    scale = np.sqrt(own * variance + (1 - own) * variance.mean())
    return x.mean(0), scale


def probe(x, y, l2, balance):
    mean, scale = standardise(x)
    n, classes = len(x), y.max() + 1
    count = np.bincount(y)
    share = 1.0 / (classes * count[y]) if balance else np.full(n, 1.0 / n)
    # scikit-learn minimises sum(weight * loss) + |W|^2 / (2 C)
    fit = LogisticRegression(C=1 / l2, tol=1e-13, max_iter=100000).fit((x - mean) / scale, y, sample_weight=share)
    p = fit.predict_proba((x - mean) / scale)
    loss = -(share * np.log(p[np.arange(n), y])).sum()
    weight = fit.coef_ / scale
    bias = fit.intercept_ - weight @ mean
    return weight, bias - bias.mean(), loss


def ece(p, y, bins=15):
    """Guo et al. 2017, as in the authors' published code."""
    confidence, right = p.max(1), p.argmax(1) == y
    total = 0.0
    for low, high in zip(np.linspace(0, 1, bins + 1)[:-1], np.linspace(0, 1, bins + 1)[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            total += abs(confidence[inside].mean() - right[inside].mean()) * inside.mean()
    return total


print("/* probe_golden.h - made by tools/make_probe_goldens.py; do not edit. */")
print("// clang-format off")

# Three overlapping classes of unequal size; one constant column, one of another scale.
y = np.repeat([0, 1, 2], [18, 12, 9])
x = rng.normal(size=(len(y), 6)) + 0.9 * rng.normal(size=(3, 6))[y]
x[:, 2] = 1.5
x[:, 4] *= 20
x = x.astype(np.float32)
print(f"enum {{ PROBE_ROWS = {len(y)}, PROBE_COLUMNS = 6, PROBE_CLASSES = 3 }};")
emit("probe_x", x, "float")
emit("probe_y", y, "int")
for name, l2, balance in (("strong", 1.0, False), ("weak", 0.01, False), ("balanced", 0.1, True)):
    weight, bias, loss = probe(x.astype(np.float64), y, l2, balance)
    emit(f"probe_{name}_weight", weight)
    emit(f"probe_{name}_bias", bias)
    emit(f"probe_{name}_loss", [loss])

rows, classes = 60, 7
scores = 2.5 * rng.normal(size=(rows, classes))
truth = np.array([rng.choice(classes, p=np.exp(0.7 * s) / np.exp(0.7 * s).sum()) for s in scores])
p = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
p = p.astype(np.float32)
print(f"enum {{ METRIC_ROWS = {rows}, METRIC_CLASSES = {classes} }};")
emit("metric_p", p, "float")
emit("metric_y", truth, "int")
q = p.astype(np.float64)
emit("metric_top1", [(q.argmax(1) == truth).mean()])
emit("metric_top3", [top_k_accuracy_score(truth, q, k=3, labels=range(classes))])
emit("metric_loss", [log_loss(truth, q / q.sum(1, keepdims=True), labels=range(classes))])
emit("metric_ece", [ece(q, truth)])
emit("metric_confusion", confusion_matrix(truth, q.argmax(1), labels=range(classes)), "int")

smooth = 1 / (rows + 2)
target = (1 - smooth) * np.eye(classes)[truth] + smooth / classes


def cross_entropy(log_b):
    s = scores * np.exp(log_b)
    return (np.log(np.exp(s).sum(1)) - (s * target).sum(1)).mean()


best = minimize_scalar(cross_entropy, bounds=(-5, 5), method="bounded", options={"xatol": 1e-10})
emit("temperature_score", scores)
emit("temperature_best", [np.exp(-best.x)])
emit("temperature_loss", [best.fun])

cases = [(0, 1), (1, 1), (0, 50), (50, 50), (495, 500), (7, 10), (540, 650), (1, 100000)]
emit("wilson_k", [k for k, _ in cases], "int")
emit("wilson_n", [n for _, n in cases], "int")
ends = [binomtest(k, n).proportion_ci(0.95, "wilson") for k, n in cases]
emit("wilson_low", [e.low for e in ends])
emit("wilson_high", [e.high for e in ends])
