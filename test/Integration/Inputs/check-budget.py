#!/usr/bin/python3
"""Checks `modc --report=json` against a count from config.json alone.

    check-budget.py MODEL_DIRECTORY REPORT.json

FLOPs are those of products, two per multiply-add. A routed layer runs as many
tokens as its capacity says; its router and predictor run all of them. Of a
window a layer's tokens have their share.
"""

import json
import math
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "test/reference"))

from checkpoint import read_model
from families import find_window
from model import Model


class Count:
    """What one token, and one query over one key, cost in each layer."""

    def __init__(self, directory):
        config, tensors = read_model(directory)
        model = Model(config, tensors)
        self.context = config["max_position_embeddings"]
        self.dim, self.ffn = config["hidden_size"], config["intermediate_size"]
        self.queries = model.heads * model.head_dim
        self.keys = model.kv_heads * model.head_dim
        self.kv_heads, self.head_dim = model.kv_heads, model.head_dim
        self.taken = [
            layer.routing.count(self.context) if layer.routing else self.context
            for layer in model.layers
        ]
        self.windows = [min(find_window(config, i), self.context) for i in range(len(model.layers))]
        self.routings = list(model.routed.values())
        self.parameters = sum(tensor.size for tensor in tensors.values())
        self.head = 2 * self.dim * config["vocab_size"]
        size = {"float32": 4, "float16": 2, "bfloat16": 2}[config["torch_dtype"]]
        self.parameter_bytes = size * self.parameters

    @property
    def per_token(self):
        attention = 2 * self.dim * (self.queries + self.keys)
        return 2 * (attention + 3 * self.dim * self.ffn)

    @property
    def per_pair(self):
        return 4 * self.queries

    def share(self, window, taken):
        """How many of a layer's tokens a window of the sequence holds."""
        return max(1, round(window * taken / self.context))

    def pairs(self, taken):
        """Queries and keys of all layers."""
        return sum(min(i + 1, self.share(window, n)) for n, window in zip(taken, self.windows) for i in range(n))

    def routing(self):
        """FLOPs of all routers and predictors for one token."""
        flops = 0
        for routing in self.routings:
            flops += 2 * self.dim
            if routing.predictor:
                flops += 2 * routing.predictor[0].size + 2 * routing.predictor[2].size
        return flops

    def sequence(self, taken, routing, rows):
        """A whole context with logits of `rows` tokens."""
        flops = sum(taken) * self.per_token + self.pairs(taken) * self.per_pair
        return flops + self.context * routing + rows * self.head

    def last_token(self, taken, routing):
        """One token behind a full context, routed as often as capacity says."""
        flops = self.head + routing
        for n, window in zip(taken, self.windows):
            keys = min(n, self.share(window, n))
            flops += n / self.context * (self.per_token + keys * self.per_pair)
        return flops

    def expected(self):
        dense = [self.context] * len(self.taken)
        counts = {}
        for name, rows in (("forward", self.context), ("prefill", 1)):
            counts[name, "flops"] = self.sequence(self.taken, self.routing(), rows)
            counts[name, "dense_flops"] = self.sequence(dense, 0, rows)
        counts["decode", "flops"] = self.last_token(self.taken, self.routing())
        counts["decode", "dense_flops"] = self.last_token(dense, 0)
        counts["parameters",] = self.parameters
        counts["parameter_bytes",] = self.parameter_bytes
        return counts

    def kv_bytes(self):
        """The bytes of keys and values, and the most that panels round them up
        to: whole panels of 64 keys, a fifth or a vector of zeros in values, a
        page for each."""
        layers = len(self.taken)
        least = layers * self.context * 2 * self.keys * 4
        width = max(1.25 * self.head_dim, self.head_dim + 15)
        keys = (self.context + 63) * self.keys * 4
        values = self.context * self.kv_heads * width * 4
        return least, layers * (keys + values + 2 * 4096)


def look_up(report, path):
    for key in path:
        report = report[key]
    return report


def main():
    count = Count(sys.argv[1])
    report = json.loads(pathlib.Path(sys.argv[2]).read_text())
    wrong = 0
    for path, expected in count.expected().items():
        actual = look_up(report, path)
        # Shares of a token are rounded layer by layer.
        if not math.isclose(actual, expected, rel_tol=0, abs_tol=len(count.taken)):
            print(f"{'.'.join(path)} is {actual}, expected {expected}")
            wrong += 1
    least, most = count.kv_bytes()
    if not least <= report["kv_bytes"] <= most:
        print(f"kv_bytes is {report['kv_bytes']}, expected {least} to {most}")
        wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
