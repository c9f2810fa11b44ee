"""Measures by NumPy and SciPy alone, for the engine to agree with.

usage: measure_reference.py FOLDER
Reads FOLDER/case.json: states {"x": [n][D], "y": [n][D], "z": [n][D]}, attention {"icl", "tuned", "zero":
[layer][query][head][token]}, logits {"p", "q": [V]}, ranks {"a", "b": [n]}, columns {"u", "v": [r][D]}, values {"a",
"b": [n]}. Writes FOLDER/measures.json: one number for each name.
"""

import itertools
import json
import pathlib
import sys

import numpy as np
from scipy import linalg, special, stats
from scipy.spatial import distance

folder = pathlib.Path(sys.argv[1])
case = json.loads((folder / "case.json").read_text())
x, y, z = (np.array(case["states"][name], dtype=np.float64) for name in "xyz")
result = {}


def cosine(a, b):
    return 1 - distance.cosine(a, b)


def unit(a):
    return a / np.linalg.norm(a, axis=-1, keepdims=True)


result["cosine"] = np.mean([cosine(a, b) for a, b in zip(x, y)])
result["updateCosine"] = np.mean([cosine(a - c, b - c) for a, b, c in zip(x, y, z)])
result["simAOU"] = np.mean([cosine(a - c, b - c) for a, b, c in zip(unit(x), unit(y), unit(z))])


def heads(name):
    return [np.array(row) for layer in case["attention"][name] for query in layer for row in query]


icl, tuned, zero = heads("icl"), heads("tuned"), heads("zero")
result["simAM"] = np.mean([cosine(a, b) for a, b in zip(icl, tuned)])
result["simAMDelta"] = np.mean([cosine(a - c, b - c) for a, b, c in zip(icl, tuned, zero)])

# Biased: with centring matrices, as Kornblith et al. write it.
n = len(x)
centre = np.eye(n) - np.ones((n, n)) / n


def hsic(k, l):
    return np.trace(k @ centre @ l @ centre) / (n - 1) ** 2


def unbiased(k, l):
    """Song et al. 2012, equation 5, as a sum over distinct indices."""
    k, l = k.copy(), l.copy()
    np.fill_diagonal(k, 0)
    np.fill_diagonal(l, 0)
    ones = np.ones(n)
    return (
        np.trace(k @ l) + (ones @ k @ ones) * (ones @ l @ ones) / ((n - 1) * (n - 2))
        - 2 * (ones @ k @ l @ ones) / (n - 2)
    ) / (n * (n - 3))


k, l = x @ x.T, y @ y.T
result["ckaBiased"] = hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))
result["cka"] = unbiased(k, l) / np.sqrt(unbiased(k, k) * unbiased(l, l))

p, q = (special.softmax(np.array(case["logits"][name])) for name in "pq")
result["kl"] = stats.entropy(p, q)
result["klReversed"] = stats.entropy(q, p)
result["jensenShannon"] = distance.jensenshannon(p, q) ** 2
top = [set(np.argsort(-np.array(case["logits"][name]), kind="stable")[:10]) for name in "pq"]
result["topKOverlap"] = len(top[0] & top[1]) / 10
result["kendallTau"] = stats.kendalltau(case["ranks"]["a"], case["ranks"]["b"]).statistic
u, v = (linalg.orth(np.array(case["columns"][name]).T) for name in "uv")
# The squared cosines of the principal angles.
result["subspaceOverlap"] = np.sum(np.cos(linalg.subspace_angles(u, v)) ** 2) / u.shape[1]
result["attentionToDemonstrations"] = stats.kendalltau(case["ranks"]["a"], x @ z[0]).statistic
a, b = (np.array(case["values"][name]) for name in "ab")
result["standardDeviation"] = np.std(a, ddof=1)
signs = np.array(list(itertools.product((1, -1), repeat=len(a))))
sums = np.abs(signs @ (a - b))
result["permutation"] = np.mean(sums >= abs(np.sum(a - b)) * (1 - 1e-12))

(folder / "measures.json").write_text(json.dumps({name: float(value) for name, value in result.items()}))
