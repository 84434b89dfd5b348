"""What a Mixture-of-Depths Llama computes, from the equations, in NumPy.

    routed, token i selected:      y_i = x_i + g(r_i) f(X)_i,   r_i = w . x_i
    routed, token i not selected:  y_i = x_i

where f = attn + mlp is the update of a pre-norm decoder layer over the selected
tokens alone, ascending, at their original positions. `SELECTED` has what other
implementations make of a selected token, with B(x) = x + f(x). `forward`
computes a whole sequence at once; `stepwise.py` computes the same token by
token. Layers of a range are routed as one block, whose f is what all of them add.

A recursion of R steps is R routed blocks with the same layers and a router each;
the tokens of one step are those that the next may choose among. Where a sequence
is routed as one, the scores of its prompt decide for all of its tokens.
"""

import math
import statistics

import numpy as np

import checkpoint
import experts
import families
from narrow import Caches, Products

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


def mix(x):
    """Spreads the bits of 32."""
    x = np.asarray(x, np.uint32)
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x7FEB352D)
    x = (x ^ x >> np.uint32(15)) * np.uint32(0x846CA68B)
    return x ^ x >> np.uint32(16)


def noise(positions, seed):
    """A number for each position: the sum of twelve uniform ones, less its mean."""
    with np.errstate(over="ignore"):
        base = mix(np.asarray(positions, np.uint32) + mix(seed))
        words = [mix(base + np.uint32(j)) for j in range(6)]
    sums = sum((word & np.uint32(0xFFFF)).astype(np.int64) + (word >> np.uint32(16)) for word in words)
    return (sums - 393210) / 65536


class Routing:
    """How one layer picks its tokens, and how sure it was of its choices."""

    def __init__(self, mod, capacity, tensors, layer, context, step=None):
        prefix = f"model.layers.{layer}."
        part = "" if step is None else f".{step}"
        self.capacity, self.rounding = capacity, mod.get("capacity_rounding", "floor")
        self.scheme, self.ties = mod.get("routing", "expert_choice"), mod.get("ties", "first")
        self.seed = mod.get("seed", 0) + layer
        self.set_gate(mod)
        self.scope, self.skipped = mod.get("scope", "block"), mod.get("skipped", "x")
        self.sees_all = mod.get("kv") == "dense"  # skipped tokens have keys and values too
        self.shares_keys = mod.get("kv") == "shared"  # of the first step, which all tokens go through
        self.forced, self.eligible = mod.get("forced_tokens", 0), mod.get("eligible_tokens")
        self.pooling = mod.get("pooling", "mean")
        # Tokens that decide for a sequence (None: all), or that are routed as a prompt (None: none).
        self.prompt = None
        weight = tensors[f"{prefix}router{part}.weight"]
        bias = tensors.get(f"{prefix}router{part}.bias", np.zeros(len(weight)))
        # Of two outputs, how far the first is above the second.
        self.router = weight[0] - weight[1] if self.scheme == "argmax" else weight[0]
        self.bias = bias[0] - bias[1] if self.scheme == "argmax" else bias[0]
        self.predictor = read_mlp(tensors, f"{prefix}predictor{part}", mod.get("predictor"))
        self.adapter = read_mlp(tensors, prefix + "adapter", mod.get("adapter"))
        default = "predictor" if self.predictor else "router"
        self.causal = mod.get("decode", default)
        self.prefill = mod.get("prefill", self.causal)
        self.set_threshold(mod, context)
        self.read = lambda x: x  # what the router and the predictor read
        self.nearest = math.inf
        self.scale = 0.0
        self.selected = 0
        self.kv_tokens = None  # most that causal routing may keep; None: all

    def set_gate(self, mod):
        self.gate_kind = mod.get("gate", "raw")
        self.gate_scale = mod.get("gate_scale", 1.0)
        self.gate_bias = mod.get("gate_bias", 0.0)
        self.become = SELECTED[mod.get("selected", "x + g*f")]

    def set_threshold(self, mod, context):
        """What the tested value must pass: a probability, as a logit."""
        share = mod.get("threshold", 0.5)
        self.least = math.log(share / (1 - share))
        self.inclusive = mod.get("comparison", ">") == ">="
        if self.scheme == "argmax":
            self.least, self.inclusive = 0.0, True
        if self.scheme == "stochastic":
            share = self.capacity / context if isinstance(self.capacity, int) else self.capacity
            self.least = statistics.NormalDist().inv_cdf(1 - share) if share < 1 else -8.0

    @property
    def margin(self):
        """The smallest distance of a choice from its opposite, relative."""
        return self.nearest / self.scale if self.scale else self.nearest

    def score(self, x):
        # A sum over each row by itself: equal rows get equal scores, so that
        # ties are ties.
        return (self.read(x) * self.router).sum(-1) + self.bias

    def gate(self, x, chosen, routing):
        """The weights g of the chosen tokens among all of `x`."""
        r = self.score(x)
        if self.gate_kind.startswith("softmax"):
            a = self.share(r, np.asarray(chosen), routing)
        else:
            a = GATES[self.gate_kind](r[chosen])
        return self.gate_scale * a + self.gate_bias

    def share(self, r, chosen, routing):
        """Shares in a softmax of the tokens that are routed together; a token that is routed alone has 1."""
        end = len(r) if routing == "top_k" else (self.prompt or 0) if self.prefill == "top_k" else 0
        together = chosen[chosen < end]
        among = np.arange(end) if self.gate_kind == "softmax" else together
        shares = np.ones(len(chosen))
        if len(together):
            powers = np.exp(r - r[among].max())
            shares[chosen < end] = powers[together] / powers[among].sum()
        return shares

    def predict(self, x):
        return apply_mlp(self.predictor, self.read(x))[..., 0]

    def force(self, values, tokens, positions):
        """Infinite for the tokens that take part in any case."""
        forced = np.asarray(positions) < self.forced
        if self.eligible:
            first, last = self.eligible
            forced |= (np.asarray(tokens) < first) | (np.asarray(tokens) > last)
        return np.where(forced, np.inf, values)

    def order(self, x, tokens, positions):
        """What the tokens are ordered by."""
        if self.scheme == "sequence":
            scores = self.score(x)[: self.prompt]
            self.scale = max(self.scale, float(np.abs(scores).max()))
            return np.full(len(x), self.pool(scores))
        values = noise(positions, self.seed) if self.scheme == "stochastic" else self.score(x)
        return self.force(values, tokens, positions)

    def pool(self, scores):
        return {"mean": scores.mean(), "first": scores[0], "last": scores[-1]}[self.pooling]

    def count(self, tokens):
        """k(n): an integer is a count of tokens, a float a share of them."""
        if isinstance(self.capacity, int):
            return min(self.capacity, tokens)
        share = self.capacity * tokens
        whole = {"floor": math.floor(share), "ceil": math.ceil(share), "nearest": math.floor(share + 0.5)}
        return max(1, whole[self.rounding])

    def passes(self, values):
        finite = values[np.isfinite(values)]
        if len(finite):
            self.note(np.abs(finite - self.least).min(), finite)
        return values >= self.least if self.inclusive else values > self.least

    def select_top(self, scores, tokens):
        """The k largest scores, the lowest index first among equals; k is a share
        of all `tokens`."""
        others = np.isfinite(scores).sum()
        forced = len(scores) - others
        k = forced + (min(self.count(tokens - forced), others) if others else 0)
        order = np.argsort(-scores, kind="stable")
        self.note_gaps(scores[order], k)
        is_chosen = np.zeros(len(scores), bool)
        is_chosen[order[:k]] = True
        if self.ties != "first":
            is_chosen[scores == scores[order[k - 1]]] = self.ties == "all" or k == 1
        return is_chosen

    def note_gaps(self, falling, k):
        """The next other scores above and below the k-th largest."""
        if self.scheme == "stochastic" or not np.isfinite(falling[k - 1]):
            return
        finite = falling[np.isfinite(falling)]
        gaps = np.abs(finite[finite != falling[k - 1]] - falling[k - 1])
        if len(gaps):
            self.note(gaps.min(), finite)

    def select_causal(self, x, tokens, positions, by=None):
        """Each token by itself, by the sign of what predicts its membership."""
        by = by or self.causal
        if by == "always":
            return np.ones(len(x), bool)
        if by == "predictor":
            return self.passes(self.force(self.predict(x), tokens, positions))
        return self.passes(self.order(x, tokens, positions))

    def select_whole(self, x, tokens, positions, among=None):
        """Among all of these tokens, of a number if some have left."""
        if self.scheme in ("threshold", "argmax", "sequence"):
            return self.select_causal(x, tokens, positions)
        scores = self.order(x, tokens, positions)
        is_chosen = self.select_top(scores, among or len(scores))
        return is_chosen & self.passes(scores) if self.scheme == "token_choice" else is_chosen

    def divide(self, positions):
        """The tokens of the prompt and those behind it, of which some may have left."""
        end = np.searchsorted(positions, self.prompt or 0)
        return slice(0, end), slice(end, None)

    def select_prompt(self, x, tokens, positions):
        """Among all tokens of the prompt, if it is routed as a whole."""
        if self.prefill == "top_k" and len(x):
            return self.select_whole(x, tokens, positions, self.prompt)
        return self.select_causal(x, tokens, positions, self.prefill)

    def select(self, x, tokens, positions, routing, among=None):
        """The indices of the tokens that take part, of a number if some have left."""
        if routing == "top_k":
            is_chosen = self.select_whole(x, tokens, positions, among)
        elif self.prefill == self.causal:
            is_chosen = self.select_causal(x, tokens, positions)
        else:
            prompt, rest = self.divide(positions)
            is_chosen = np.concatenate([
                self.select_prompt(x[prompt], tokens[prompt], positions[prompt]),
                self.select_causal(x[rest], tokens[rest], positions[rest])])
        chosen = np.flatnonzero(is_chosen)
        if routing == "causal" and self.scope != "mlp":
            chosen = chosen[: self.kv_tokens]
        self.selected += len(chosen)
        return chosen

    def skip(self, x, chosen, routing):
        """What becomes of the tokens of `x` that are not chosen, in place."""
        rest = np.setdiff1d(np.arange(len(x)), chosen)
        if self.skipped == "g*x":
            x[rest] *= self.gate(x, rest, routing)[:, None]
        if self.skipped == "x + adapter":
            x[rest] += apply_mlp(self.adapter, x[rest])

    def note(self, distance, values):
        self.nearest = min(self.nearest, float(distance))
        self.scale = max(self.scale, float(np.abs(values).max()))


def read_mlp(tensors, name, shape):
    """The tensors of a small MLP, None where there is none."""
    if not shape:
        return None
    return [tensors[f"{name}.{part}"] for part in ("0.weight", "0.bias", "2.weight", "2.bias")]


def apply_mlp(mlp, x):
    down, down_bias, up, up_bias = mlp
    return silu(x @ down.T + down_bias) @ up.T + up_bias


class Layer:
    """The tensors of one decoder layer, and its routing if it has any: of each
    step, if tokens go through it several times."""

    def __init__(self, tensors, prefix, steps):
        self.steps = steps
        self.routing = steps[0] if steps else None
        self.input_norm = tensors[prefix + "input_layernorm.weight"]
        self.mlp_norm = tensors[prefix + "post_attention_layernorm.weight"]
        for name in "qkvo":
            projection = f"{prefix}self_attn.{name}_proj."
            setattr(self, name, tensors[projection + "weight"])
            setattr(self, name + "_bias", tensors.get(projection + "bias", 0.0))
        self.q_norm = tensors.get(prefix + "self_attn.q_norm.weight")
        self.k_norm = tensors.get(prefix + "self_attn.k_norm.weight")
        self.window = math.inf
        self.experts = None
        for name in ("gate", "up", "down"):
            setattr(self, name, tensors.get(f"{prefix}mlp.{name}_proj.weight"))


class Model:
    """A model directory, with all arithmetic in `dtype` but that of products
    and of attention, which is in `products` and over `caches`."""

    def __init__(self, config, tensors, dtype=np.float64, products="f32", caches="f32"):
        self.multiply, self.caches = Products(products), Caches(caches)
        tensors = {name: tensor.astype(dtype) for name, tensor in tensors.items()}
        tensors = families.adapt_tensors(config, tensors)
        self.vocab = config["vocab_size"]
        self.heads = config["num_attention_heads"]
        self.kv_heads = config.get("num_key_value_heads", self.heads)
        self.head_dim = config.get("head_dim") or config["hidden_size"] // self.heads
        self.frequencies, self.magnitude = families.find_frequencies(config, self.head_dim)
        self.activation = families.gelu if families.is_gelu(config) else silu
        self.embedding_scale = dtype(families.embedding_scale(config))
        self.epsilon = dtype(config.get("rms_norm_eps", 1e-6))
        self.dtype = dtype
        self.embedding = tensors["model.embed_tokens.weight"]
        self.norm = tensors["model.norm.weight"]
        tied = config.get("tie_word_embeddings", False)
        self.head = self.embedding if tied else tensors["lm_head.weight"]
        routings = make_routings(config, tensors)
        self.layers = [
            Layer(tensors, f"model.layers.{i}.", routings.get(i, []))
            for i in range(config["num_hidden_layers"])
        ]
        # Layers that are routed together, or one by itself.
        self.blocks = group(self.layers, find_ranges(config))
        if (config.get("mod") or {}).get("router_input") == "norm(x)":
            self.norm_routers()
        for i, layer in enumerate(self.layers):
            layer.window = families.find_window(config, i)
            layer.experts = experts.read_experts(config, tensors, i)

    @classmethod
    def load(cls, directory, dtype=np.float64, products="f32", caches="f32", kv_tokens=None):
        model = cls(*checkpoint.read_model(directory), dtype, products, caches)
        for routing in model.routings:
            routing.kv_tokens = kv_tokens
        return model

    @property
    def routings(self):
        return [routing for layer in self.layers for routing in layer.steps]

    @property
    def routed(self):
        return {i: layer.routing for i, layer in enumerate(self.layers) if layer.routing}

    @property
    def routes_prompts_apart(self):
        return any(routing.prefill != routing.causal for routing in self.routings)

    @property
    def margin(self):
        mixtures = [layer.experts for layer in self.layers if layer.experts]
        return min((routing.margin for routing in [*self.routings, *mixtures]), default=math.inf)

    def norm_factor(self, x):
        mean_square = (x * x).mean(-1, keepdims=True)
        return 1 / np.sqrt(mean_square + self.epsilon)

    def rms_norm(self, x, weight):
        return x * self.norm_factor(x) * weight

    def norm_routers(self):
        """Routers read what the first product of their block reads."""
        for layer in self.layers:
            for routing in layer.steps:
                weight = layer.mlp_norm if routing.scope == "mlp" else layer.input_norm
                routing.read = lambda x, weight=weight: self.rms_norm(x, weight)

    def norm_heads(self, x, weight):
        """Each head by itself, if there is a weight."""
        return x if weight is None else self.rms_norm(x, weight)

    def embed(self, tokens):
        return self.embedding[tokens] * self.embedding_scale


def group(layers, ranges):
    """Lists of layers in order; those of a range are one."""
    lasts = dict(ranges)
    blocks, at = [], 0
    while at < len(layers):
        end = lasts.get(at, at) + 1
        blocks.append(layers[at:end])
        at = end
    return blocks


def find_ranges(config):
    """The first and the last of layers that are routed together. What is repeated
    is all between the first and the last, if nothing else is said."""
    mod = config.get("mod") or {}
    if mod.get("recursions") and not (mod.get("ranges") or mod.get("routed_layers")):
        return [[1, config["num_hidden_layers"] - 2]]
    return mod.get("ranges") or []


def list_capacities(mod, blocks):
    """Of each routed block its capacities, one for each step."""
    steps = mod.get("recursions")
    if not steps:
        capacity = mod.get("capacity", 0.125)
        return [[c] for c in (capacity if isinstance(capacity, list) else [capacity] * blocks)]
    capacity = mod.get("capacity") or [(steps - step) / steps for step in range(steps)]
    return [capacity if isinstance(capacity, list) else [capacity] * steps] * blocks


def make_routings(config, tensors):
    """The routed layers' indices and their routing, of each step."""
    mod = config.get("mod")
    if not mod:
        return {}
    layers = range(config["num_hidden_layers"])
    which = mod.get("routed_layers", "odd")
    named = {"odd": layers[1::2], "even": layers[::2], "all": layers}
    indices = list(named[which] if isinstance(which, str) else which)
    if find_ranges(config):
        indices = [first for first, _ in find_ranges(config)]
    context = config.get("max_position_embeddings", 0)
    return {
        i: [
            Routing(mod, capacity, tensors, i, context, step if mod.get("recursions") else None)
            for step, capacity in enumerate(capacities)
        ]
        for i, capacities in zip(indices, list_capacities(mod, len(indices)))
    }


def rotate(model, x, positions):
    """RoPE over [tokens, heads, head_dim], halves of a head paired."""
    angles = np.outer(positions, model.frequencies)[:, None, :].astype(model.dtype)
    cosine, sine = (model.magnitude * turn(angles) for turn in (np.cos, np.sin))
    first, second = np.split(x, 2, axis=-1)
    return np.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )


def softmax(x):
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def attend(model, layer, x, positions, seen=None):
    """Causal grouped-query attention over exactly the given tokens, or of these to
    those that are `seen`, `(x, positions)`."""
    seen_x, seen_positions = seen or (x, positions)
    tokens, group = len(x), model.heads // model.kv_heads
    norm, seen_norm = ((layer.input_norm, model.norm_factor(rows)) for rows in (x, seen_x))
    q = model.multiply(x, layer.q, norm) + layer.q_bias
    k = model.multiply(seen_x, layer.k, seen_norm) + layer.k_bias
    v = model.multiply(seen_x, layer.v, seen_norm) + layer.v_bias
    q = q.reshape(tokens, model.heads, -1)
    k, v = (rows.reshape(len(seen_x), model.kv_heads, -1) for rows in (k, v))
    q, k = model.norm_heads(q, layer.q_norm), model.norm_heads(k, layer.k_norm)
    q, k = rotate(model, q, positions), rotate(model, k, seen_positions)
    k, v = (np.repeat(model.caches.keep(rows), group, axis=1) for rows in (k, v))
    scores = np.einsum("ihd,jhd->hij", model.caches.scale_query(q), k)
    behind = positions[:, None] - seen_positions
    scores[:, (behind < 0) | (behind >= layer.window)] = -np.inf
    mixed = model.caches.mix(scores, v).reshape(tokens, -1)
    return model.multiply(mixed, layer.o) + layer.o_bias


def run_mlp(model, layer, x, routing):
    norm = layer.mlp_norm, model.norm_factor(x)
    if layer.experts:
        return layer.experts.run(model, model.rms_norm(x, layer.mlp_norm), routing)
    gate, up = (model.multiply(x, weight, norm) for weight in (layer.gate, layer.up))
    return model.multiply(model.activation(gate) * up, layer.down)


def update(model, layer, x, positions, routing, scope="block", seen=None):
    """attn and mlp of a pre-norm decoder layer, whose sum is f; 0 outside of the
    scope."""
    attention = 0 if scope == "mlp" else attend(model, layer, x, positions, seen)
    mlp = 0 if scope == "attention" else run_mlp(model, layer, x + attention, routing)
    return attention, mlp


def update_block(model, layers, x, positions, routing, scope, seen):
    """The same of layers that are routed together: 0 is what stands for their MLPs. Each attends to what of `seen`
    is for it."""
    if len(layers) == 1:
        return update(model, layers[0], x, positions, routing, scope, seen[0])
    y = x
    for layer, tokens in zip(layers, seen):
        y = y + sum(update(model, layer, y, positions, routing, seen=tokens))
    return y - x, 0


def list_inputs(model, layers, x, positions, routing):
    """What goes into each of the layers."""
    inputs = []
    for layer in layers:
        inputs.append((x, positions))
        x = x + sum(update(model, layer, x, positions, routing))
    return inputs


def route(model, layers, x, tokens, positions, routing):
    """Makes of the tokens of `x` what a routed block makes of them, in place, step
    by step."""
    members, seen = np.arange(len(x)), [None] * len(layers)
    for step, router in enumerate(layers[0].steps):
        before = x.copy()
        taken = x[members], np.asarray(tokens)[members], positions[members]
        if step or not router.shares_keys:
            members = members[router.select(*taken, routing, len(x))]
        else:
            seen = list_inputs(model, layers, before, positions, routing)
        chosen = members
        router.skip(x, chosen, routing)
        if len(chosen) == 0:
            break
        gate = router.gate(before, chosen, routing)[:, None]
        if router.sees_all:
            seen = [(before, positions)]
        parts = update_block(model, layers, before[chosen], positions[chosen], routing, router.scope, seen)
        x[chosen] = router.become(before[chosen], gate, *parts)


def forward(model, tokens, routing, prompt=None):
    """Logits [tokens, vocab]; `routing` is top_k or causal. The `prompt` first
    tokens, or all, decide where sequences are routed as one; where prompts are
    routed apart, they are the prompt, or none."""
    for router in model.routings:
        router.prompt = prompt
    x = model.embed(np.asarray(tokens))
    positions = np.arange(len(x))
    for layers in model.blocks:
        layer = layers[0]
        if layer.routing is None:
            x = x + sum(update(model, layer, x, positions, routing))
            continue
        if layer.routing.scope == "mlp":
            x = x + attend(model, layer, x, positions)
        route(model, layers, x, tokens, positions, routing)
        if layer.routing.scope == "attention":
            x = x + run_mlp(model, layer, x, routing)
    return model.multiply(x, model.head, (model.norm, model.norm_factor(x)))
