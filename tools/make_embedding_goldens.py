#!/usr/bin/env python3
"""Writes tests/golden/embedding_golden.h: small data, and what numpy and scikit-learn make of them.

    python3 tools/make_embedding_goldens.py > tests/golden/embedding_golden.h        (needs numpy, scipy, scikit-learn)
"""
import numpy as np
from scipy.spatial.distance import pdist, squareform
from sklearn.manifold import _t_sne
from sklearn.neighbors import NearestNeighbors

ROWS, COLUMNS, KEEP, NEAR, PERPLEXITY = 36, 22, 3, 16, 5.0
rng = np.random.default_rng(11)


def emit(name, values, kind="double"):
    values = np.ravel(values)
    digits = (lambda v: repr(float(v))) if kind == "double" else (
        lambda v: np.format_float_scientific(np.float32(v), unique=True) + "f")
    print(f"static const {kind} {name}[{len(values)}] = {{{', '.join(digits(v) for v in values)}}};")


print("/* embedding_golden.h - made by tools/make_embedding_goldens.py; do not edit. */")
print("// clang-format off")
print(f"enum {{ ROWS = {ROWS}, COLUMNS = {COLUMNS}, KEEP = {KEEP}, NEAR = {NEAR} }};")

# Variances that fall off as those of features do, and a mean that is not zero.
x = (rng.normal(size=(ROWS, COLUMNS)) * 0.8 ** np.arange(COLUMNS)) @ np.linalg.qr(rng.normal(size=(COLUMNS, COLUMNS)))[0]
x = (x + rng.normal(size=COLUMNS)).astype(np.float32)
emit("cloud", x, "float")
centred = x.astype(np.float64) - x.astype(np.float64).mean(0)
u, s, vt = np.linalg.svd(centred, full_matrices=False)
sign = np.sign(vt[np.arange(len(vt)), np.abs(vt).argmax(1)])
emit("pca", (u * s * sign)[:, :KEEP])
emit("pca_share", (s ** 2 / (s ** 2).sum())[:KEEP])

# scikit-learn's own affinities, cost and exact gradient, for some layout.
graph = NearestNeighbors(n_neighbors=NEAR).fit(x).kneighbors_graph(mode="distance")
graph.data **= 2
p = _t_sne._joint_probabilities_nn(graph, PERPLEXITY, 0).toarray()
y = rng.normal(size=(ROWS, 2)) * 2
emit("layout", y)
emit("affinity", p)
kl, gradient = _t_sne._kl_divergence(y.ravel(), squareform(p, checks=False), 1.0, ROWS, 2)
emit("divergence", [kl])
emit("gradient", gradient)
