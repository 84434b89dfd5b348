"""Compares `score --json` of fake-model.c with an own count.

usage: expect-score.py top_k|causal|both TEXT JSON [KV_TOKENS]
"""

import json
import sys

import numpy

routing, text, found, *kv_tokens = sys.argv[1:]
kv_tokens = int(kv_tokens[0]) if kv_tokens else 64
tokens = numpy.array(list(open(text, "rb").read()))
found = json.load(open(found))
weights = numpy.array([(-37 * i) % 256 / 16 - 16 * (i != 0) for i in range(256)])


def top_k(scores):
    best = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    return numpy.isin(numpy.arange(len(scores)), best[: max(1, len(scores) // 4)])


losses, choices = {"top_k": [], "causal": []}, []
routed = beyond = bypassed = 0
for begin in range(0, len(tokens) - 1, 64):
    window = tokens[begin : begin + 65]
    inputs, targets = window[:-1], window[1:]
    scores = inputs % 16 - 12
    chosen, causal = top_k(scores), scores > 0
    choices.append((chosen, causal))
    kept = causal & (causal.cumsum() <= kv_tokens)
    parts = {"top_k": chosen, "causal": kept}
    takes = causal if routing == "top_k" else kept
    routed += takes.sum()
    beyond += max(0, takes.sum() - chosen.sum())
    bypassed += 0 if routing == "top_k" else (causal & ~kept).sum()
    for name, part in parts.items():
        at = 7 * inputs.cumsum() + 13 * (inputs * part).cumsum()
        logits = weights[(at[:, None] + numpy.arange(256)) % 256]
        log_sum = numpy.log(numpy.exp(logits).sum(1))
        losses[name].append(log_sum - logits[numpy.arange(len(inputs)), targets])

chosen, causal = map(numpy.concatenate, zip(*choices))
assert found["routing"] == routing and found["tokens"] == len(tokens) - 1, found
both = (chosen & causal).sum()
expected = {
    "layer": 1,
    "accuracy": (chosen == causal).mean(),
    "f1": 2 * both / (chosen.sum() + causal.sum()),
    "share_top_k": chosen.mean(),
    "share_causal": routed / len(causal),
    "beyond_capacity": beyond,
    "bypassed": bypassed,
}
[layer] = found["layers"]
assert layer.keys() == expected.keys(), layer
for key in expected:
    assert abs(layer[key] - expected[key]) < 1e-12, (key, layer, expected)
for name in losses if routing == "both" else [routing]:
    loss = numpy.concatenate(losses[name]).mean()
    part = found[name] if routing == "both" else found
    for key, value in [
        ("loss", loss),
        ("perplexity", numpy.exp(loss)),
        ("bits_per_byte", loss / numpy.log(2)),
    ]:
        assert abs(part[key] / value - 1) < 1e-6, (key, part[key], value)
