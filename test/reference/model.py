"""What a Mixture-of-Depths Llama computes, from the equations, in NumPy.

    routed, token i selected:      y_i = x_i + g(r_i) f(X)_i,   r_i = w . x_i
    routed, token i not selected:  y_i = x_i

where f = attn + mlp is the update of a pre-norm decoder layer over the selected
tokens alone, ascending, at their original positions. `SELECTED` has what other
implementations make of a selected token, with B(x) = x + f(x). `forward`
computes a whole sequence at once; `stepwise.py` computes the same token by
token.
"""

import math

import numpy as np

import checkpoint
from narrow import Products

GATES = {
    "raw": lambda r: r,
    "sigmoid": lambda r: 0.5 * (1 + np.tanh(0.5 * r)),
    "tanh": np.tanh,
    "none": np.ones_like,
}


SELECTED = {
    "x + g*f": lambda x, g, attn, mlp: x + g * (attn + mlp),
    "x + g*B": lambda x, g, attn, mlp: x + g * (x + attn + mlp),
    "g*B": lambda x, g, attn, mlp: g * (x + attn + mlp),
    "x + attn + g*mlp": lambda x, g, attn, mlp: x + attn + g * mlp,
    "2*x + attn + g*mlp": lambda x, g, attn, mlp: 2 * x + attn + g * mlp,
}


def silu(x):
    # x sigmoid(x), without the overflow of exp(-x).
    return x * 0.5 * (1 + np.tanh(0.5 * x))


class Routing:
    """How one layer picks its tokens, and how sure it was of its choices."""

    def __init__(self, mod, capacity, tensors, prefix):
        self.capacity = capacity
        self.gate_kind = mod.get("gate", "raw")
        self.gate_scale = mod.get("gate_scale", 1.0)
        self.gate_bias = mod.get("gate_bias", 0.0)
        self.become = SELECTED[mod.get("selected", "x + g*f")]
        self.router = tensors[prefix + "router.weight"][0]
        self.bias = tensors.get(prefix + "router.bias", np.zeros(1))[0]
        self.predictor = None
        if mod.get("predictor"):
            names = ("0.weight", "0.bias", "2.weight", "2.bias")
            self.predictor = [tensors[f"{prefix}predictor.{name}"] for name in names]
        default = "predictor" if self.predictor else "router"
        self.causal = mod.get("decode", default)
        self.nearest = math.inf
        self.scale = 0.0
        self.selected = 0

    @property
    def margin(self):
        """The smallest distance of a choice from its opposite, relative."""
        return self.nearest / self.scale if self.scale else self.nearest

    def score(self, x):
        # A sum over each row by itself: equal rows get equal scores, so that
        # ties are ties.
        return (x * self.router).sum(-1) + self.bias

    def gate(self, x, chosen, routing):
        """The weights g of the chosen tokens among all of `x`."""
        r = self.score(x)
        if not self.gate_kind.startswith("softmax"):
            a = GATES[self.gate_kind](r[chosen])
        elif routing == "causal":
            a = np.ones(len(chosen))  # each token is alone
        elif self.gate_kind == "softmax":
            a = softmax(r)[chosen]
        else:
            a = softmax(r[chosen])
        return self.gate_scale * a + self.gate_bias

    def predict(self, x):
        down, down_bias, up, up_bias = self.predictor
        return silu(x @ down.T + down_bias) @ up[0] + up_bias[0]

    def count(self, tokens):
        """k(n): an integer is a count of tokens, a float a share of them."""
        if isinstance(self.capacity, int):
            return min(self.capacity, tokens)
        return max(1, math.floor(self.capacity * tokens))

    def select_top(self, x):
        """The k largest scores, the lowest index first among equals."""
        scores, k = self.score(x), self.count(len(x))
        order = np.argsort(-scores, kind="stable")
        if k < len(x):
            gap = scores[order[k - 1]] - scores[order[k]]
            if gap > 0:
                self.note(gap, scores)
        return np.sort(order[:k])

    def select_causal(self, x):
        """Each token by itself, by the sign of what predicts its membership."""
        if self.causal == "always":
            return np.arange(len(x))
        values = self.predict(x) if self.causal == "predictor" else self.score(x)
        self.note(np.abs(values).min(), values)
        return np.flatnonzero(values > 0)

    def select(self, x, routing):
        chosen = self.select_top(x) if routing == "top_k" else self.select_causal(x)
        self.selected += len(chosen)
        return chosen

    def note(self, distance, values):
        self.nearest = min(self.nearest, float(distance))
        self.scale = max(self.scale, float(np.abs(values).max()))


class Layer:
    """The tensors of one decoder layer, and its routing if it has any."""

    def __init__(self, tensors, prefix, routing):
        self.routing = routing
        self.input_norm = tensors[prefix + "input_layernorm.weight"]
        self.mlp_norm = tensors[prefix + "post_attention_layernorm.weight"]
        for name in "qkvo":
            projection = f"{prefix}self_attn.{name}_proj."
            setattr(self, name, tensors[projection + "weight"])
            setattr(self, name + "_bias", tensors.get(projection + "bias", 0.0))
        for name in ("gate", "up", "down"):
            setattr(self, name, tensors[f"{prefix}mlp.{name}_proj.weight"])


class Model:
    """A model directory, with all arithmetic in `dtype` but that of products,
    which is in `products`."""

    def __init__(self, config, tensors, dtype=np.float64, products="f32"):
        self.multiply = Products(products)
        tensors = {name: tensor.astype(dtype) for name, tensor in tensors.items()}
        self.vocab = config["vocab_size"]
        self.heads = config["num_attention_heads"]
        self.kv_heads = config.get("num_key_value_heads", self.heads)
        self.head_dim = config.get("head_dim") or config["hidden_size"] // self.heads
        self.theta = config.get("rope_theta", 10000.0)
        self.epsilon = dtype(config.get("rms_norm_eps", 1e-6))
        self.dtype = dtype
        self.embedding = tensors["model.embed_tokens.weight"]
        self.norm = tensors["model.norm.weight"]
        tied = config.get("tie_word_embeddings", False)
        self.head = self.embedding if tied else tensors["lm_head.weight"]
        routings = make_routings(config, tensors)
        self.layers = [
            Layer(tensors, f"model.layers.{i}.", routings.get(i))
            for i in range(config["num_hidden_layers"])
        ]

    @classmethod
    def load(cls, directory, dtype=np.float64, products="f32"):
        return cls(*checkpoint.read_model(directory), dtype, products)

    @property
    def routed(self):
        return {i: layer.routing for i, layer in enumerate(self.layers) if layer.routing}

    @property
    def margin(self):
        return min((routing.margin for routing in self.routed.values()), default=math.inf)

    def norm_factor(self, x):
        mean_square = (x * x).mean(-1, keepdims=True)
        return 1 / np.sqrt(mean_square + self.epsilon)

    def rms_norm(self, x, weight):
        return x * self.norm_factor(x) * weight

    def frequencies(self):
        return self.theta ** (-np.arange(0, self.head_dim, 2) / self.head_dim)


def make_routings(config, tensors):
    """The routed layers' indices and their routing."""
    mod = config.get("mod")
    if not mod:
        return {}
    layers = range(config["num_hidden_layers"])
    which = mod.get("routed_layers", "odd")
    named = {"odd": layers[1::2], "even": layers[::2], "all": layers}
    indices = list(named[which] if isinstance(which, str) else which)
    capacity = mod.get("capacity", 0.125)
    if not isinstance(capacity, list):
        capacity = [capacity] * len(indices)
    return {
        i: Routing(mod, capacity[n], tensors, f"model.layers.{i}.")
        for n, i in enumerate(indices)
    }


def rotate(model, x, positions):
    """RoPE over [tokens, heads, head_dim], halves of a head paired."""
    angles = np.outer(positions, model.frequencies())[:, None, :].astype(model.dtype)
    cosine, sine = np.cos(angles), np.sin(angles)
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )


def softmax(x):
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def attend(model, layer, x, positions):
    """Causal grouped-query attention over exactly the given tokens."""
    tokens, group = len(x), model.heads // model.kv_heads
    norm = layer.input_norm, model.norm_factor(x)
    q = model.multiply(x, layer.q, norm) + layer.q_bias
    k = model.multiply(x, layer.k, norm) + layer.k_bias
    v = model.multiply(x, layer.v, norm) + layer.v_bias
    q = q.reshape(tokens, model.heads, -1)
    k, v = (rows.reshape(tokens, model.kv_heads, -1) for rows in (k, v))
    q, k = rotate(model, q, positions), rotate(model, k, positions)
    k, v = np.repeat(k, group, axis=1), np.repeat(v, group, axis=1)
    scores = np.einsum("ihd,jhd->hij", q, k) / model.dtype(math.sqrt(model.head_dim))
    scores[:, np.triu(np.ones((tokens, tokens), bool), 1)] = -np.inf
    mixed = np.einsum("hij,jhd->ihd", softmax(scores), v).reshape(tokens, -1)
    return model.multiply(mixed, layer.o) + layer.o_bias


def update(model, layer, x, positions):
    """attn and mlp of a pre-norm decoder layer, whose sum is f."""
    attention = attend(model, layer, x, positions)
    h = x + attention
    norm = layer.mlp_norm, model.norm_factor(h)
    gate, up = (model.multiply(h, weight, norm) for weight in (layer.gate, layer.up))
    return attention, model.multiply(silu(gate) * up, layer.down)


def forward(model, tokens, routing):
    """Logits [tokens, vocab]; `routing` is top_k or causal."""
    x = model.embedding[np.asarray(tokens)].copy()
    for layer in model.layers:
        if layer.routing is None:
            x = x + sum(update(model, layer, x, np.arange(len(x))))
            continue
        chosen = layer.routing.select(x, routing)
        if len(chosen):
            gate = layer.routing.gate(x, chosen, routing)[:, None]
            parts = update(model, layer, x[chosen], chosen)
            x[chosen] = layer.routing.become(x[chosen], gate, *parts)
    return model.multiply(x, model.head, (model.norm, model.norm_factor(x)))
