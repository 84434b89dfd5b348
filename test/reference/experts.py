"""Mixtures of experts, from the equations: Mixtral's, and mixtures with choices
that do nothing, by tokens' choice or by experts'."""

import math

import numpy as np


def softmax(x):
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


class Experts:
    """The mixture of one layer, and how sure it was of its choices."""

    def __init__(self, config, tensors, prefix):
        moe = config.get("moe") or {}
        self.router = tensors[prefix + "gate.weight"]
        self.weights = [
            [tensors[f"{prefix}experts.{e}.{name}.weight"] for name in ("w1", "w3", "w2")]
            for e in range(config["num_local_experts"])
        ]
        choices = len(self.router)
        self.by_experts = moe.get("routing") == "expert_choice"
        self.gate = moe.get("gate", "softmax" if self.by_experts else "softmax_topk")
        self.top = config.get("num_experts_per_tok", 2)
        self.capacity = moe.get("capacity", min(1.0, self.top / choices) if self.by_experts else None)
        self.least = moe.get("threshold", 1 / choices)
        self.margin = math.inf

    def note(self, distance):
        self.margin = min(self.margin, float(distance))

    def choose(self, logits):
        """Whether each choice is among the `top` of its token, [tokens, choices]."""
        falling = -np.sort(-logits, axis=1)
        if self.top < logits.shape[1]:
            self.note((falling[:, self.top - 1] - falling[:, self.top]).min())
        order = np.argsort(-logits, axis=1, kind="stable")[:, : self.top]
        is_chosen = np.zeros(logits.shape, bool)
        np.put_along_axis(is_chosen, order, True, axis=1)
        return is_chosen

    def share(self, logits):
        """The weights [tokens, choices]; 0 where a token does not go."""
        is_chosen = np.ones(logits.shape, bool) if self.by_experts else self.choose(logits)
        if self.gate == "softmax_topk":
            return softmax(np.where(is_chosen, logits, -np.inf))
        weights = {"softmax": softmax, "sigmoid": lambda x: 1 / (1 + np.exp(-x)), "none": np.ones_like}
        return np.where(is_chosen, weights[self.gate](logits), 0.0)

    def count(self, tokens):
        if isinstance(self.capacity, int):
            return min(self.capacity, tokens)
        return max(1, math.floor(self.capacity * tokens))

    def take(self, shares, routing):
        """The tokens that an expert takes, by their shares in it."""
        takes = shares > (self.least if self.by_experts and routing == "causal" else 0)
        if self.by_experts and routing == "causal":
            self.note(np.abs(shares - self.least).min())
        if self.capacity and routing != "causal":
            k = self.count(len(shares))
            order = np.argsort(-shares, kind="stable")
            if k < len(shares) and shares[order[k - 1]] > 0:
                self.note(shares[order[k - 1]] - shares[order[k]])
            takes[order[k:]] = False
        return np.flatnonzero(takes)

    def run(self, model, x, routing):
        """The sum of what experts make of normalised tokens."""
        shares = self.share(x @ self.router.T)
        total = np.zeros_like(x)
        for (gate, up, down), share in zip(self.weights, shares.T):
            taken = self.take(share, routing)
            if len(taken):
                hidden = model.activation(model.multiply(x[taken], gate)) * model.multiply(x[taken], up)
                total[taken] += share[taken, None] * model.multiply(hidden, down)
        return total


def read_experts(config, tensors, layer):
    """The mixture of a layer, None where there is none."""
    if "num_local_experts" not in config:
        return None
    return Experts(config, tensors, f"model.layers.{layer}.block_sparse_moe.")
