#!/usr/bin/python3
"""Compares the models of examples/ with their equations, written once more in NumPy.

    check-examples.py NAME EXECUTABLE PARAMETERS LENGTH...
"""

import math
import pathlib
import sys
import tempfile

import numpy as np

from logits_check import MARGIN, check_logits
from checkpoint import read_safetensors
from model import noise

HEADS, HEAD_DIM, EPSILON = 4, 8, 1e-5


def rms_norm(x, scale):
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * scale


def rope(x, position):
    """One head at one position, as complex numbers x[i] + i x[i + half]."""
    half = HEAD_DIM // 2
    turned = (x[:half] + 1j * x[half:]) * np.exp(1j * position * 1e4 ** (-np.arange(half) / half))
    return np.concatenate([turned.real, turned.imag])


def attention(p, x, positions, name="attention"):
    """Token by token and head by head, among these tokens alone."""
    return attend_some(p, x, np.arange(len(x)), positions, name)


def attend_some(p, x, chosen, positions, name="attention"):
    """The same of those that are chosen among all."""
    n = rms_norm(x, p[f"{name}.norm"])
    qk = (n @ p[f"{name}.qk"].T).reshape(len(x), HEADS, HEAD_DIM)
    v = n @ p[f"{name}.v"].T if f"{name}.v" in p else n
    v = v.reshape(len(x), HEADS, HEAD_DIM)
    result = np.zeros((len(chosen), HEADS, HEAD_DIM))
    for h in range(HEADS):
        turned = np.array([rope(head, at) for head, at in zip(qk[:, h], positions)])
        for row, i in enumerate(chosen):
            weights = np.exp(turned[: i + 1] @ turned[i] / math.sqrt(HEAD_DIM))
            result[row, h] = weights @ v[: i + 1, h] / weights.sum()
    return result.reshape(len(chosen), -1)


def attend_all(p, x):
    return x + attention(p, x, np.arange(len(x)))


def mlp(p, x):
    return np.tanh(rms_norm(x, p["mlp.norm"]) @ p["mlp.up"].T) @ p["mlp.down"].T


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def above(scores, least=0.0):
    """The tokens whose own score is above, and how far any is from not being so."""
    return np.flatnonzero(scores > least), np.abs(scores - least).min()


def largest(scores, share):
    """The tokens with the largest scores, and how far any is from being another."""
    k = max(1, math.floor(share * len(scores)))
    order = np.argsort(-scores, kind="stable")
    gap = scores[order[k - 1]] - scores[order[k]] if k < len(scores) else math.inf
    return np.sort(order[:k]), gap


# Each of these gives the last residual, and the margin of its choice.


def fifty_lines(p, x, mode):
    x = attend_all(p, x)
    scores = x @ p["router"][0]
    chosen, margin = above(scores) if mode == "causal" else largest(scores, 0.25)
    x[chosen] += sigmoid(scores[chosen])[:, None] * mlp(p, x[chosen])
    return x, margin


def attention_only(p, x, mode):
    chosen, margin = above(x @ p["router"][0])
    if len(chosen):
        x[chosen] += attention(p, x[chosen], chosen)
    return x + mlp(p, x), margin


def adapter_bypass(p, x, mode):
    x = attend_all(p, x)
    scores = x @ p["router"][0]
    chosen, margin = above(scores) if mode == "causal" else largest(scores, 0.25)
    result = x + np.tanh(x @ p["adapter.down"].T) @ p["adapter.up"].T
    result[chosen] = x[chosen] + sigmoid(scores[chosen])[:, None] * mlp(p, x[chosen])
    return result, margin


def token_choice(p, x, mode):
    x = attend_all(p, x)
    scores = x @ p["router"][0]
    gate = (0.2 * np.tanh(scores) + 1)[:, None]
    chosen, margin = above(scores)
    if mode == "top_k":
        best, gap = largest(scores, 0.5)
        chosen, margin = np.intersect1d(chosen, best), min(margin, gap)
    result = gate * x
    result[chosen] = x[chosen] + gate[chosen] * mlp(p, x[chosen])
    return result, margin


def stochastic(p, x, mode):
    x = attend_all(p, x)
    scores = noise(np.arange(len(x)), np.uint32(7))
    chosen, _ = above(scores, 0.6745) if mode == "causal" else largest(scores, 0.25)
    x[chosen] += mlp(p, x[chosen])
    return x, math.inf


def mode_integrated(p, x, mode):
    x = attend_all(p, x)
    n = rms_norm(x, p["mlp.norm"])
    powers = np.exp(n @ p["router"].T)
    shares, margin = powers / powers.sum(1, keepdims=True), math.inf
    for e in range(2):
        chosen, gap = above(shares[:, e], 0.4) if mode == "causal" else largest(shares[:, e], 0.25)
        update = np.tanh(n[chosen] @ p[f"up.{e}"].T) @ p[f"down.{e}"].T
        x[chosen] += shares[chosen, e, None] * update
        margin = min(margin, gap)
    return x, margin


def mode_staged(p, x, mode):
    scores = x @ p["router"][0]
    chosen, margin = above(scores) if mode == "causal" else largest(scores, 0.5)
    if len(chosen):
        middle = x[chosen] + attention(p, x[chosen], chosen)
        n = rms_norm(middle, p["mlp.norm"])
        powers = np.exp(n @ p["experts"].T)
        goes = powers.argmax(1)
        margin = min(margin, abs(powers[:, 0] - powers[:, 1]).min())
        for i, e in enumerate(goes):
            share = powers[i, e] / powers[i].sum()
            middle[i] += share * (p[f"down.{e}"] @ (p[f"up.{e}"] @ n[i]))
        x[chosen] += sigmoid(scores[chosen])[:, None] * (middle - x[chosen])
    return x, margin


def early_exit(p, x, mode):
    x = x + attention(p, x, np.arange(len(x)), "attention.0")
    scores = x @ p["router"][0]
    chosen, margin = above(scores) if mode == "causal" else largest(scores, 0.5)
    if len(chosen):
        late = x[chosen]
        for name in ("attention.1", "attention.2"):
            late = late + attention(p, late, chosen, name)
        x[chosen] += sigmoid(scores[chosen])[:, None] * (late - x[chosen])
    return x, margin


def recursion(p, x, mode):
    among, margin = np.arange(len(x)), math.inf
    for step, share in enumerate((0.5, 0.25)):
        scores = x[among] @ p[f"router.{step}"][0]
        # Shares are of all tokens, and there is one in any case.
        k = max(1, math.floor(share * len(x))) / len(among)
        chosen, gap = above(scores) if mode == "causal" else largest(scores, k + 1e-9)
        margin, gate = min(margin, gap), 0.1 * sigmoid(scores[chosen])[:, None]
        among = among[chosen]
        if len(among) == 0:
            break
        x[among] += gate * (x[among] + attention(p, x[among], among))
    return x, margin


def kv_only(p, x, mode):
    scores = x @ p["router"][0]
    chosen, margin = above(scores) if mode == "causal" else largest(scores, 0.25)
    if len(chosen):
        attn = attend_some(p, x, chosen, np.arange(len(x)))
        update = attn + mlp(p, x[chosen] + attn)
        x[chosen] += sigmoid(scores[chosen])[:, None] * update
    return x, margin


def sequence(p, x, mode):
    scores = rms_norm(x, p["attention.norm"]) @ p["router"][0]
    # One token alone speaks for all that follow.
    mean = scores[: 1 if mode == "stepwise" else None].mean()
    if mean >= 0:
        x = attend_all(p, x)
    return x + mlp(p, x), abs(mean)


def first_tokens(p, x, mode):
    scores = x @ (p["router"][0] - p["router"][1])
    scores[:2] = np.inf
    chosen, margin = above(scores)
    x[chosen] += attention(p, x[chosen], chosen)
    return x, margin


def eligible(p, x, mode):
    scores = x @ p["router"][0]
    is_forced = p["tokens"] < 128
    chosen, margin = np.flatnonzero(is_forced), math.inf
    if not is_forced.all():
        others = np.flatnonzero(~is_forced)
        some, margin = above(scores[others]) if mode != "top_k" else largest(scores[others], 0.5)
        chosen = np.append(chosen, others[some])
    x[chosen] += np.tanh(scores[chosen])[:, None] * mlp(p, x[chosen])
    return x, margin


def logits(p, name, tokens, mode):
    equations = globals()[name.removesuffix("-capped").replace("-", "_")]
    p = p | {"tokens": tokens}
    x, margin = equations(p, p["embedding"][tokens], mode)
    result = x @ p["embedding"].T
    return np.tanh(result) if name.endswith("-capped") else result, margin


def main():
    name, executable, parameters, *lengths = sys.argv[1:]
    p = {key: t.astype(np.float64) for key, t in read_safetensors(parameters).items()}
    random = np.random.default_rng(1)
    for length in map(int, lengths):
        margin = 0.0
        while margin < MARGIN:
            # Distinct tokens: scores of equal ones would be near one another.
            tokens = random.permutation(256)[:length]
            expected, margins = {}, []
            for mode in "top_k", "causal", "stepwise":
                # What is of one token does not ask how many come at a time.
                is_causal = mode == "stepwise" and name != "sequence"
                expected[mode], margin = logits(p, name, tokens, "causal" if is_causal else mode)
                margins.append(margin)
            margin = min(margins)
        with tempfile.TemporaryDirectory() as work:
            worst = check_logits(executable, tokens, expected, pathlib.Path(work))
        print(f"{name}, {length} tokens: relative error {worst:.1e}")


if __name__ == "__main__":
    main()
