"""The biases with which causal routing selects the share of the tokens that the capacity names.

Runs a sample of tokens through the layers, in NumPy, and looks where the scores of each routed layer must be cut.
"""
import numpy as np

SAMPLE = 512   # tokens: the shares met are right to some 2 %
STEP = 2.0 ** -14   # biases are multiples of it: rounding elsewhere must not change the bytes of a model
# A softmax is of one token where tokens come one by one.
GATES = {"raw": lambda r: r, "sigmoid": lambda r: 1 / (1 + np.exp(-r)), "tanh": np.tanh, "none": np.ones_like,
         "softmax": np.ones_like, "softmax_topk": np.ones_like}
SELECTED = {"x + g*f": lambda x, g, attn, mlp: x + g * (attn + mlp), "g*B": lambda x, g, attn, mlp: g * (x + attn + mlp),
            "x + g*B": lambda x, g, attn, mlp: x + g * (x + attn + mlp),
            "x + attn + g*mlp": lambda x, g, attn, mlp: x + attn + g * mlp,
            "2*x + attn + g*mlp": lambda x, g, attn, mlp: 2 * x + attn + g * mlp}


def silu(x):
    return x / (1 + np.exp(-x))


class Sample:
    """Tokens on their way through the layers; `values(name)` gives a tensor, None where the model has none."""

    def __init__(self, options, values):
        self.options, self.values = options, values
        # Rows of the embedding are drawn alike: the first are as good as any.
        rows = values("model.embed_tokens.weight", SAMPLE)
        self.x = rows[np.arange(min(SAMPLE, options.context)) % len(rows)]

    def linear(self, x, name):
        bias = self.values(name + ".bias")
        return x @ self.values(name + ".weight").T + (0 if bias is None else bias)

    def norm(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.options.rms_eps) * self.values(name + ".weight")

    def heads(self, x, prefix, name, positions):
        """[heads, tokens, head_dim] of one projection, rotated by the positions if there are any."""
        x = self.linear(x, f"{prefix}self_attn.{name}_proj")
        x = x.reshape(len(x), -1, self.options.head_dim).transpose(1, 0, 2)
        if positions is None:
            return x
        half = self.options.head_dim // 2
        angles = np.outer(positions, self.options.rope_theta ** (-np.arange(half) / half)).astype(np.float32)
        low, high = x[..., :half], x[..., half:]
        return np.concatenate([low * np.cos(angles) - high * np.sin(angles),
                               high * np.cos(angles) + low * np.sin(angles)], -1)

    def attend(self, x, prefix, positions, seen, seen_positions):
        group = self.options.heads // self.options.kv_heads
        q = self.heads(x, prefix, "q", positions)
        k = np.repeat(self.heads(seen, prefix, "k", seen_positions), group, 0)
        v = np.repeat(self.heads(seen, prefix, "v", None), group, 0)
        scores = q @ k.transpose(0, 2, 1) / np.float32(self.options.head_dim ** 0.5)
        scores[:, positions[:, None] < seen_positions] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = weights / weights.sum(-1, keepdims=True) @ v
        return self.linear(mixed.transpose(1, 0, 2).reshape(len(x), -1), prefix + "self_attn.o_proj")

    def update_block(self, layers, chosen):
        """The same of layers that are routed together: 0 is what stands for their MLPs."""
        before = self.x[chosen]
        if len(layers) == 1:
            return self.update(layers[0], before, chosen)
        x = before
        for layer in layers:
            x = x + sum(self.update(layer, x, chosen))
        return x - before, 0

    def update(self, layer, x, chosen):
        """What attention and MLP add to the chosen tokens `x`."""
        prefix = f"model.layers.{layer}."
        normed = self.norm(x, prefix + "input_layernorm")
        seen, seen_positions = normed, chosen
        if self.options.kv == "dense":   # of all tokens, of which some are chosen
            seen, seen_positions = self.norm(self.x, prefix + "input_layernorm"), np.arange(len(self.x))
        attention = self.attend(normed, prefix, chosen, seen, seen_positions)
        h = self.norm(x + attention, prefix + "post_attention_layernorm")
        if self.options.family == "mixtral":
            return attention, self.mix(prefix + "block_sparse_moe.", h)
        return attention, self.multiply(prefix + "mlp.", h, "gate_proj", "up_proj", "down_proj")

    def multiply(self, prefix, h, gate, up, down):
        return self.linear(silu(self.linear(h, prefix + gate)) * self.linear(h, prefix + up), prefix + down)

    def mix(self, prefix, h):
        """What experts add; how they are chosen matters little here."""
        logits = self.linear(h, prefix + "gate")
        least = -np.sort(-logits, 1)[:, self.options.experts_per_token - 1, None]
        weights = np.where(logits >= least, np.exp(logits - logits.max(1, keepdims=True)), 0)
        weights /= weights.sum(1, keepdims=True)
        return sum(weights[:, e, None] * self.multiply(f"{prefix}experts.{e}.", h, "w1", "w3", "w2")
                   for e in range(self.options.experts))

    def pass_dense(self, layer):
        self.x = self.x + sum(self.update(layer, self.x, np.arange(len(self.x))))

    def pass_routed(self, layers, shares):
        """Routes as decode will, once for each share; gives the biases of the routers and the predictors of these layers."""
        biases, among = {}, np.arange(len(self.x))
        for part, share in zip(self.options.parts, shares):
            if len(among):
                among = self.pass_step(layers, part, share * len(self.x) / len(among), among, biases)
        return biases

    def pass_step(self, layers, part, share, among, biases):
        """The tokens among some that take part, which go through the layers; adds biases."""
        prefix = f"model.layers.{layers[0]}."
        read = self.x[among]
        if self.options.router_input == "norm(x)":
            read = self.norm(read, prefix + ("post_attention" if self.options.scope == "mlp" else "input") + "_layernorm")
        router = self.linear(read, f"{prefix}router{part}")
        is_argmax = router.shape[1] == 2   # the first output is above the second
        router = router[:, 0] - router[:, 1] if is_argmax else router[:, 0]
        if not is_argmax:
            biases[f"{prefix}router{part}.bias"] = self.find_bias(router, share)
        if self.options.router_bias and not is_argmax:
            router = router + biases[f"{prefix}router{part}.bias"]
        causal = router
        if self.options.predictor:
            name = f"{prefix}predictor{part}."
            logits = self.linear(silu(self.linear(read, name + "0")), name + "2")[:, 0]
            biases[name + "2.bias"] = cut(logits, share)
            causal = logits + biases[name + "2.bias"] if self.options.decode == "predictor" else causal
        takes_part = (causal > 0) | (self.options.decode == "always") | (self.options.kv == "shared" and part == ".0")
        chosen = among[takes_part]
        if len(chosen):
            self.x = self.x.copy()
            gate = self.options.gate_scale * GATES[self.options.gate](router[takes_part]) + self.options.gate_bias
            become = SELECTED[self.options.selected]
            self.x[chosen] = become(self.x[chosen], gate[:, None], *self.update_block(layers, chosen))
        return chosen

    def find_bias(self, router, share):
        """Where the scores are cut; a sequence is as likely to be routed as not."""
        if self.options.routing == "sequence":
            return float(np.round(-router.mean() / STEP) * STEP)
        return cut(router, share)


def cut(scores, share):
    """What to add to scores so that about this share of them is positive, and none is close to zero."""
    falling = -np.sort(-scores)
    gaps = np.append(falling[:-1] - falling[1:], scores.std() + 1)   # behind each; all may be selected
    wide = np.flatnonzero(gaps > 2e-3 * (scores.std() + STEP))
    last = wide[np.argmin(np.abs(wide + 1 - max(1, share * len(scores))))]
    return float(np.round((gaps[last] / 2 - falling[last]) / STEP) * STEP)


def measure_biases(options, shares, values):
    """The last biases of routers and predictors by name; `shares` is what each routed layer, or the first of several, is to select in each step."""
    sample, biases, layer = Sample(options, values), {}, 0
    while layer < options.layers:
        last = options.lasts.get(layer, layer)
        if layer in shares:
            biases.update(sample.pass_routed(range(layer, last + 1), shares[layer]))
        else:
            sample.pass_dense(layer)
        layer = last + 1
    return biases
