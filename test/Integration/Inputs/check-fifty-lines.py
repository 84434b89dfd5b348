#!/usr/bin/python3
"""Compares examples/fifty-lines with its equations, written once more in NumPy.

    check-fifty-lines.py EXECUTABLE PARAMETERS TAIL LENGTH...

TAIL is what becomes of the logits at last: a function of NumPy.
"""

import math
import pathlib
import sys
import tempfile

import numpy as np

from logits_check import MARGIN, check_logits
from checkpoint import read_safetensors

HEADS, HEAD_DIM, CAPACITY, EPSILON = 4, 8, 0.25, 1e-5


def rms_norm(x, scale):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * scale


def rope(x, position):
    """One head at one position, as complex numbers x[i] + i x[i + half]."""
    half = HEAD_DIM // 2
    turned = (x[:half] + 1j * x[half:]) * np.exp(1j * position * 1e4 ** (-np.arange(half) / half))
    return np.concatenate([turned.real, turned.imag])


def attention(p, x):
    """Token by token and head by head."""
    n = rms_norm(x, p["attention.norm"])
    qk = (n @ p["attention.qk"].T).reshape(len(x), HEADS, HEAD_DIM)
    v = (n @ p["attention.v"].T).reshape(len(x), HEADS, HEAD_DIM)
    result = np.zeros_like(v)
    for h in range(HEADS):
        turned = np.array([rope(qk[i, h], i) for i in range(len(x))])
        for i in range(len(x)):
            weights = np.exp(turned[: i + 1] @ turned[i] / math.sqrt(HEAD_DIM))
            result[i, h] = weights @ v[: i + 1, h] / weights.sum()
    return result.reshape(x.shape)


def select(scores, mode):
    """The selected tokens, and how far any is from being decided otherwise."""
    if mode == "causal":
        return np.flatnonzero(scores > 0), np.abs(scores).min()
    k = max(1, math.floor(CAPACITY * len(scores)))
    order = np.argsort(-scores, kind="stable")
    gap = scores[order[k - 1]] - scores[order[k]] if k < len(scores) else math.inf
    return order[:k], gap


def logits(p, tokens, mode):
    x = p["embedding"][tokens]
    x = x + attention(p, x)
    scores = x @ p["router"][0]
    chosen, margin = select(scores, mode)
    for i in chosen:
        update = np.tanh(rms_norm(x[i], p["mlp.norm"]) @ p["mlp.up"].T) @ p["mlp.down"].T
        x[i] += update / (1 + math.exp(-scores[i]))
    return x @ p["embedding"].T, margin


def main():
    executable, parameters, tail, *lengths = sys.argv[1:]
    p = {name: t.astype(np.float64) for name, t in read_safetensors(parameters).items()}
    random = np.random.default_rng(1)
    for length in map(int, lengths):
        margin = 0.0
        while margin < MARGIN:
            # Distinct tokens: scores of equal ones would be near one another.
            tokens = random.permutation(256)[:length]
            top_k, first = logits(p, tokens, "top_k")
            causal, second = logits(p, tokens, "causal")
            margin = min(first, second)
        top_k, causal = getattr(np, tail)(top_k), getattr(np, tail)(causal)
        expected = {"top_k": top_k, "causal": causal, "stepwise": causal}
        with tempfile.TemporaryDirectory() as work:
            worst = check_logits(executable, tokens, expected, pathlib.Path(work))
        print(f"{length} tokens: relative error {worst:.1e}")


if __name__ == "__main__":
    main()
