"""Slow, obvious versions of the validators, one number at a time: the oracle that the tests compare with.

Written from the formulas alone; they share no code with mmda_bench. Matrices are lists of rows.
"""

import math

import numpy as np


def lin(rows, columns, k):
    """The inputs of the reference values: sin(0.37 i + 0.11 k) + 0.5 cos(1.3 i k), i counting row by row, float32."""
    i = np.arange(rows * columns, dtype=np.float64).reshape(rows, columns)
    return (np.sin(0.37 * i + 0.11 * k) + 0.5 * np.cos(1.3 * i * k)).astype(np.float32)


def softmax(row):
    exps = [math.exp(value - max(row)) for value in row]
    return [value / sum(exps) for value in exps]


def entropy_of(row):
    return -sum(p * math.log(p) for p in row if p > 0)


def argmax(row):
    return max(range(len(row)), key=lambda j: row[j])


def source(source_probs, source_labels):
    predicted, total = [argmax(row) for row in source_probs], 0.0
    for c in set(source_labels):
        hits = sum(1 for y, p in zip(source_labels, predicted, strict=True) if y == p == c)
        wrong = sum(1 for y, p in zip(source_labels, predicted, strict=True) if (y == c) != (p == c))
        total += list(source_labels).count(c) / len(source_labels) * 2 * hits / (2 * hits + wrong)
    return total


def entropy(target_probs):
    return -sum(entropy_of(row) for row in target_probs) / len(target_probs)


def im(target_probs):
    n = len(target_probs)
    mean = [sum(row[k] for row in target_probs) / n for k in range(len(target_probs[0]))]
    return entropy_of(mean) + entropy(target_probs)


def bnm(target_probs):
    """The singular values are the square roots of the eigenvalues of PᵀP."""
    P = np.array(target_probs)
    return sum(math.sqrt(max(value, 0.0)) for value in np.linalg.eigvalsh(P.T @ P)) / len(P)


def corr_c(target_probs):
    K = range(len(target_probs[0]))
    product = [[sum(row[i] * row[j] for row in target_probs) for j in K] for i in K]
    return sum(product[k][k] for k in K) / math.sqrt(sum(value**2 for row in product for value in row))


def class_confusion(logits, temperature):
    P = [softmax([value / temperature for value in row]) for row in logits]
    raw = [1 + math.exp(-entropy_of(row)) for row in P]
    w = [len(P) * value / sum(raw) for value in raw]
    K, total = range(len(P[0])), 0.0
    for i in K:
        row = [sum(w[u] * P[u][i] * P[u][j] for u in range(len(P))) for j in K]
        total += sum(row[j] for j in K if j != i) / sum(row)
    return total / len(K)


def mcc(target_logits):
    return -class_confusion(target_logits, 2.5)


def snd(target_probs):
    X = [[p / math.sqrt(sum(q * q for q in row)) for p in row] for row in target_probs]
    total = 0.0
    for i, row in enumerate(X):
        others = [sum(a * b for a, b in zip(row, X[j], strict=True)) / 0.05 for j in range(len(X)) if j != i]
        total += entropy_of(softmax(others)) if others else 0.0
    return total / len(X)


def taylor(row):
    series = [1 + y + y * y / 2 for y in row]
    shifted = [value - min(series) for value in series]
    return [value / sum(shifted) for value in shifted] if sum(shifted) > 0 else [1 / len(row)] * len(row)


def norm4(S):
    values = [value**4 for row in S for value in row]
    return (sum(values) / len(values)) ** 0.25


def mano(target_logits):
    logs = [y - max(row) - math.log(sum(math.exp(v - max(row)) for v in row)) for row in target_logits for y in row]
    return norm4([softmax(row) if -sum(logs) / len(logs) > 5 else taylor(row) for row in target_logits])


def risk(w, e):
    n, we = len(w), [a * b for a, b in zip(w, e, strict=True)]
    mw, mwe = sum(w) / n, sum(we) / n
    variance = sum((a - mw) ** 2 for a in w)
    eta = -sum((a - mwe) * (b - mw) for a, b in zip(we, w, strict=True)) / variance if variance else 0.0
    return mwe + eta * mw - eta


def logistic(z, y):
    """Weights and intercept at the least of ½|w|² + Σ log(1 + e^{−±f}), by Newton's method."""
    X, y = np.hstack([z, np.ones((len(z), 1))]), np.array(y, float)
    penalty = np.diag([1.0] * (X.shape[1] - 1) + [0.0])
    theta = np.zeros(X.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-X @ theta))
        theta -= np.linalg.solve(X.T @ (X * (p * (1 - p))[:, None]) + penalty, X.T @ (p - y) + penalty @ theta)
    return theta


def dev(source_probs, source_labels, source_z, target_z):
    e = [-math.log(row[y]) for row, y in zip(source_probs, source_labels, strict=True)]
    order_s = sorted(range(len(source_z)), key=lambda i: tuple(source_z[i])[::-1])
    order_t = sorted(range(len(target_z)), key=lambda i: tuple(target_z[i])[::-1])
    w = [0.0] * len(e)
    for half in (0, 1):
        s, t = order_s[half::2], order_t[half::2]
        theta = logistic(np.array([source_z[i] for i in s] + [target_z[i] for i in t]), [1] * len(s) + [0] * len(t))
        for i in order_s[1 - half :: 2]:
            d = 1 / (1 + math.exp(-(float(np.dot(source_z[i], theta[:-1])) + theta[-1])))
            w[i] = len(s) / len(t) * (1 - d) / d
    return -risk(w, e)


def k_means(z, labels):
    """Clusters of Lloyd's iteration from the class means; None if one runs empty."""
    labels = list(labels)
    while True:
        centres = [
            np.mean([row for row, y in zip(z, labels, strict=True) if y == c], axis=0) for c in sorted(set(labels))
        ]
        moved = [min(range(len(centres)), key=lambda c: float(((row - centres[c]) ** 2).sum())) for row in z]
        if len(set(moved)) < len(centres):
            return None
        if moved == labels:
            return moved
        labels = moved


def adjusted_mutual_information(u, v):
    N, a, b = len(u), [list(u).count(i) for i in set(u)], [list(v).count(j) for j in set(v)]
    pairs = list(zip(u, v, strict=True))
    both = [[pairs.count((i, j)) for j in set(v)] for i in set(u)]

    def information(n, ai, bj):
        return n / N * math.log(N * n / (ai * bj)) if n else 0.0

    mutual = expected = 0.0
    for i, ai in enumerate(a):
        for j, bj in enumerate(b):
            mutual += information(both[i][j], ai, bj)
            for n in range(max(1, ai + bj - N), min(ai, bj) + 1):
                expected += information(n, ai, bj) * math.comb(ai, n) * math.comb(N - ai, bj - n) / math.comb(N, bj)
    highest = (entropy_of([x / N for x in a]) + entropy_of([x / N for x in b])) / 2
    if highest - expected < 1e-12:
        return 1.0  # every utterance a class and a cluster of its own: the library's convention
    return (mutual - expected) / (highest - expected)


def class_ami(target_probs, target_z):
    predicted = [argmax(row) for row in target_probs]
    if len(set(predicted)) == 1:
        return 0.0
    numbered = [sorted(set(predicted)).index(y) for y in predicted]
    clusters = k_means(np.array(target_z), numbered)
    return None if clusters is None else adjusted_mutual_information(numbered, clusters)


def ensv(pool, index):
    votes = [argmax([sum(P[i][k] for P in pool) for k in range(len(pool[0][0]))]) for i in range(len(pool[0]))]
    return sum(argmax(row) == vote for row, vote in zip(pool[index], votes, strict=True)) / len(votes)


def anchor(target_probs, anchor_probs):
    return sum(argmax(p) == argmax(q) for p, q in zip(target_probs, anchor_probs, strict=True)) / len(target_probs)
