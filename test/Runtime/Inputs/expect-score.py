"""Compares `score --json` of fake-model.c with an own count.

usage: expect-score.py top_k|causal TEXT JSON
"""

import json
import sys

import numpy

routing, text, found = sys.argv[1:]
tokens = numpy.array(list(open(text, "rb").read()))
found = json.load(open(found))
weights = numpy.array([(-37 * i) % 256 / 16 - 16 * (i != 0) for i in range(256)])


def top_k(scores):
    best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return numpy.isin(numpy.arange(len(scores)), best[: max(1, len(scores) // 4)])


losses, chosen, causal = [], [], []
for begin in range(0, len(tokens) - 1, 64):
    window = tokens[begin : begin + 65]
    inputs, targets = window[:-1], window[1:]
    scores = inputs % 16 - 12
    chosen.append(top_k(scores))
    causal.append(scores > 0)
    part = {"top_k": chosen, "causal": causal}[routing][-1]
    at = 7 * inputs.cumsum() + 13 * (inputs * part).cumsum()
    logits = weights[(at[:, None] + numpy.arange(256)) % 256]
    log_sum = numpy.log(numpy.exp(logits).sum(1))
    losses.append(log_sum - logits[numpy.arange(len(inputs)), targets])

losses, chosen, causal = map(numpy.concatenate, (losses, chosen, causal))
assert found["routing"] == routing and found["tokens"] == len(tokens) - 1, found
both = (chosen & causal).sum()
expected = {
    "layer": 1,
    "accuracy": (chosen == causal).mean(),
    "f1": 2 * both / (chosen.sum() + causal.sum()),
    "share_top_k": chosen.mean(),
    "share_causal": causal.mean(),
}
[layer] = found["layers"]
assert layer.keys() == expected.keys(), layer
for key in expected:
    assert abs(layer[key] - expected[key]) < 1e-12, (key, layer, expected)
loss = losses.mean()
for key, value in [
    ("loss", loss),
    ("perplexity", numpy.exp(loss)),
    ("bits_per_byte", loss / numpy.log(2)),
]:
    assert abs(found[key] / value - 1) < 1e-6, (key, found[key], value)
