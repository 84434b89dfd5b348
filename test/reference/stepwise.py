"""The model token by token, with lists for KV caches.

Written apart from `model.forward`, one vector at a time, so that each checks
the other: with causal routing both must give the same logits.
"""

import math

import numpy as np

from model import silu


def rotate(model, vector, position):
    """RoPE of one head: its halves are the parts of complex numbers."""
    half = model.head_dim // 2
    turned = (vector[:half] + 1j * vector[half:]) * np.exp(
        1j * position * model.frequencies
    )
    turned *= model.magnitude
    return np.concatenate([turned.real, turned.imag]).astype(model.dtype)


def attend_one(query, cache):
    """One head's query over (key, value) pairs."""
    scale = 1 / math.sqrt(len(query))
    scores = [float(query @ key) * scale for key, _ in cache]
    weights = [math.exp(score - max(scores)) for score in scores]
    total = sum(weights)
    return sum(weight / total * value for weight, (_, value) in zip(weights, cache))


def look_back(cache, position, window):
    """What a window shows of a cache; tokens that the cache does not hold count."""
    return [(key, value) for at, key, value in cache if position - at < window]


def append(model, layer, x, position, caches):
    """Appends this token to each head's cache."""
    keys = (layer.k @ x + layer.k_bias).reshape(model.kv_heads, -1)
    values = (layer.v @ x + layer.v_bias).reshape(model.kv_heads, -1)
    for cache, key, value in zip(caches, keys, values):
        key = model.norm_heads(key, layer.k_norm)
        cache.append((position, rotate(model, key, position), value))


def attend(model, layer, x, position, caches):
    """Attends to the tokens that the caches hold."""
    queries = (layer.q @ x + layer.q_bias).reshape(model.heads, -1)
    group = model.heads // model.kv_heads
    seen = [look_back(cache, position, layer.window) for cache in caches]
    mixed = [
        attend_one(rotate(model, query, position), seen[head // group])
        for head, query in enumerate(model.norm_heads(queries, layer.q_norm))
    ]
    return layer.o @ np.concatenate(mixed) + layer.o_bias


def run_attention(model, layer, x, position, caches, appends=True):
    h = model.rms_norm(x, layer.input_norm)
    if appends:
        append(model, layer, h, position, caches)
    return attend(model, layer, h, position, caches)


def mix_experts(model, mixture, h):
    """One token through those of the experts that it goes to."""
    logits = [float(row @ h) for row in mixture.router]
    chosen = range(len(logits))
    if not mixture.by_experts:
        chosen = sorted(chosen, key=lambda e: -logits[e])[: mixture.top]
    among = chosen if mixture.gate == "softmax_topk" else range(len(logits))
    total = sum(math.exp(logits[e]) for e in among)
    mixed = np.zeros_like(h)
    for e in chosen:
        share = {"sigmoid": 1 / (1 + math.exp(-logits[e])), "none": 1.0}.get(mixture.gate, math.exp(logits[e]) / total)
        if e >= len(mixture.weights) or (mixture.by_experts and share <= mixture.least):
            continue
        gate, up, down = mixture.weights[e]
        mixed += share * (down @ (model.activation(gate @ h) * (up @ h)))
    return mixed


def run_mlp(model, layer, x):
    h = model.rms_norm(x, layer.mlp_norm)
    if layer.experts:
        return mix_experts(model, layer.experts, h)
    return layer.down @ (model.activation(layer.gate @ h) * (layer.up @ h))


def run_layer(model, layer, x, position, caches, appends=True):
    """What attention and MLP add to one token."""
    attn = run_attention(model, layer, x, position, caches, appends)
    return attn, run_mlp(model, layer, x + attn)


def run_scope(model, layers, x, position, caches, appends):
    """The same for what of a layer is routed, or for layers that are routed together."""
    layer, cache = layers[0], caches[0]
    scope = layer.routing.scope
    if scope == "attention":
        return run_attention(model, layer, x, position, cache, appends), 0
    if scope == "mlp":
        return 0, run_mlp(model, layer, x)
    if len(layers) == 1:
        return run_layer(model, layer, x, position, cache, appends)
    through = x
    for layer, cache in zip(layers, caches):
        through = through + sum(run_layer(model, layer, through, position, cache, appends))
    return through - x, 0


def takes_part(routing, x, token, position):
    """Whether the causal predicate routes this token through the block; of a
    sequence that is routed as one, its first token decides."""
    if routing.scheme == "sequence" and position:
        return routing.latched
    routing.latched = routing.select_causal(x[None], [token], [position])[0]
    return routing.latched


def skip(routing, x):
    """What a token becomes that does not take part."""
    if routing.skipped == "g*x":
        return routing.gate(x[None], np.array([0]), "causal")[0] * x
    if routing.skipped == "x + adapter":
        down, down_bias, up, up_bias = routing.adapter
        return x + up @ silu(down @ x + down_bias) + up_bias
    return x


def has_room(routing, cache):
    """Whether another token's key may be kept."""
    return routing.kv_tokens is None or routing.scope == "mlp" or len(cache) < routing.kv_tokens


def run_step(model, layers, step, x, token, position, caches):
    """One token through a routed block, and whether it took part."""
    routing = layers[0].steps[step]
    own = caches[0 if routing.shares_keys else step]
    is_first = routing.shares_keys and step == 0
    if not is_first and not (takes_part(routing, x, token, position) and has_room(routing, own[0][0])):
        return skip(routing, x), False
    appends = is_first or not (routing.sees_all or routing.shares_keys)
    parts = run_scope(model, layers, x, position, own, appends)
    gate = routing.gate(x[None], np.array([0]), "causal")
    return routing.become(x, gate, *parts), True


def run_routed(model, layers, x, token, position, caches):
    """One token through a routed layer, or through several as one, until it leaves; of each step each has a
    cache for each head."""
    layer, scope = layers[0], layers[0].routing.scope
    if scope == "mlp":
        x = x + run_attention(model, layer, x, position, caches[0][0])
    if layer.routing.sees_all:
        append(model, layer, model.rms_norm(x, layer.input_norm), position, caches[0][0])
    for step in range(len(layer.steps)):
        x, stays = run_step(model, layers, step, x, token, position, caches)
        if not stays:
            break
    return x + run_mlp(model, layer, x) if scope == "attention" else x


def make_caches(model, layers):
    """Lists for the heads of each layer, of each step if there are several."""
    steps = layers[0].steps or [None]
    return [[[[] for _ in range(model.kv_heads)] for _ in layers] for _ in steps]


def decode(model, tokens):
    """Logits [tokens, vocab] by causal routing."""
    caches = [make_caches(model, layers) for layers in model.blocks]
    logits = []
    for position, token in enumerate(tokens):
        x = model.embed(token)
        for layers, cache in zip(model.blocks, caches):
            if layers[0].routing is None:
                x = x + sum(run_layer(model, layers[0], x, position, cache[0][0]))
            else:
                x = run_routed(model, layers, x, token, position, cache)
        logits.append(model.head @ model.rms_norm(x, model.norm))
    return np.stack(logits)
