#!/usr/bin/python3
"""Write a Llama-like model directory with random weights, for any configuration, dense or with Mixture-of-Depths.

    make.py OUT                                              a tiny routed model (odd layers, capacity 12.5 %)
    make.py OUT --dim 128 --layers 4 --heads 8 --kv-heads 2 --routed 1,3 --capacity 8,16 --gate sigmoid --dtype BF16
    make.py OUT --routed none --untied --attention-bias      a dense one
    make.py OUT --preset m110 --shards 2                     110 M parameters, for measurements

The same flags and seed give the same bytes. Needs NumPy only.
"""
import argparse
import itertools
import json
import math
import os
import struct
import sys
import zlib

import numpy as np

import calibrate

SIZES = {"F32": 4, "F16": 2, "BF16": 2}
BLOCK = 1 << 20     # values drawn at a time: memory stays small however large a tensor is
GAIN = 0.4          # of the output projections, over the root of the depth: the residual stream stays O(1)
M110 = {"vocab": 32000, "dim": 768, "layers": 12, "heads": 12, "ffn": 2048, "context": 2048, "tied": True}
PRESETS = {"m110": {**M110, "routed": "odd", "capacity": "0.125", "predictor": 64, "decode": "predictor"},
           "m110-dense": {**M110, "routed": "none"}}

FAMILIES = {"llama": {},
            "mistral": {"architectures": ["MistralForCausalLM"], "model_type": "mistral", "sliding_window": None},
            "mixtral": {"architectures": ["MixtralForCausalLM"], "model_type": "mixtral"},
            "qwen2": {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"},
            "qwen3": {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"},
            "gemma": {"architectures": ["GemmaForCausalLM"], "model_type": "gemma", "hidden_act": "gelu_pytorch_tanh"}}


def number(text):
    """A capacity: an integer count, or a ratio in (0, 1]."""
    value = float(text) if any(c in text for c in ".eE") else int(text)
    if value <= 0 or isinstance(value, float) and value > 1:
        raise argparse.ArgumentTypeError(f"capacity '{text}' is neither a ratio in (0, 1] nor a positive count")
    return value


def capacities(text):
    """One capacity for all routed layers, or a list with one for each; none where it follows from the recursions."""
    if text == "recursions":
        return None
    values = [number(part) for part in text.split(",")]
    return values if "," in text else values[0]


def routed_layers(text, layers):
    """What config.json says of the routed layers, and their indices."""
    named = {"odd": range(1, layers, 2), "even": range(0, layers, 2), "all": range(layers), "none": (), "middle": (1,)}
    if text in named:
        return text, list(named[text])
    try:
        indices = sorted({int(part) for part in text.split(",")})
    except ValueError:
        sys.exit(f"make.py: --routed '{text}' is not odd, even, all, middle, none or a list such as 1,3")
    if indices[0] < 0 or indices[-1] >= layers:
        sys.exit(f"make.py: --routed '{text}' names a layer outside 0..{layers - 1}")
    return indices, indices


def read_ranges(options):
    """[[1, 2], [4, 6]] of `1-2,4-6`, ascending and apart, within the layers."""
    try:
        ranges = [[int(end) for end in part.split("-")] for part in options.ranges.split(",")]
    except ValueError:
        ranges = []
    ends = [end for part in ranges for end in part]
    if not ends or any(len(part) != 2 for part in ranges) or ends[-1] >= options.layers or \
            any(a > b or (a == b and i % 2) for i, (a, b) in enumerate(zip(ends, ends[1:]))):
        sys.exit(f"make.py: --ranges '{options.ranges}' is not a list of ranges of layers such as 1-2,4-6")
    return ranges


def shares(options, routed):
    """The share of the tokens that each routed layer is to select, of each step."""
    listed = options.capacity or [1 - step / options.recursions for step in range(options.recursions)]
    listed = listed if isinstance(listed, list) else [listed] * (options.recursions or len(routed))
    listed = [min(1, capacity if isinstance(capacity, float) else capacity / options.context) for capacity in listed]
    return {layer: listed if options.recursions else [listed[number]] for number, layer in enumerate(routed)}


def make_config(options, routed):
    """Hugging Face's Llama configuration, with a `mod` object where layers are routed."""
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": options.vocab,
              "hidden_size": options.dim, "intermediate_size": options.ffn, "num_hidden_layers": options.layers,
              "num_attention_heads": options.heads, "num_key_value_heads": options.kv_heads, "head_dim": options.head_dim,
              "hidden_act": "silu", "max_position_embeddings": options.context, "rms_norm_eps": options.rms_eps,
              "rope_theta": options.rope_theta, "tie_word_embeddings": options.tied, "attention_bias": options.attention_bias,
              "torch_dtype": {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[options.dtype]}
    config.update(FAMILIES[options.family])
    if options.sliding_window:
        config.update({"sliding_window": options.sliding_window, "use_sliding_window": True, "max_window_layers": 1})
    if options.rope_scaling:
        config["rope_scaling"] = options.rope_scaling
    if options.family == "mixtral":
        config.update({"num_local_experts": options.experts, "num_experts_per_tok": options.experts_per_token})
        if options.moe:
            config["moe"] = options.moe
    if routed != "none":
        config["mod"] = {"ranges" if options.ranges else "routed_layers": routed, "capacity": options.capacity, **list_options(options),
                         "routing": options.routing, "gate": options.gate, "gate_scale": options.gate_scale, "gate_bias": options.gate_bias,
                         "selected": options.selected, "predictor": {"hidden": options.predictor} if options.predictor else None,
                         "decode": options.decode}
        if routed == "middle":
            del config["mod"]["routed_layers"]
    return config


def list_options(options):
    """The keys of the `mod` object that are said only where they matter."""
    said = {"recursions": options.recursions, "pooling": options.pooling, "capacity_rounding": options.rounding, "ties": options.ties, "seed": options.routing_seed,
            "threshold": options.threshold, "comparison": options.comparison, "forced_tokens": options.forced_tokens,
            "eligible_tokens": options.eligible and [int(part) for part in options.eligible.split(",")],
            "prefill": options.prefill, "router_input": options.router_input, "scope": options.scope, "kv": options.kv, "skipped": options.skipped and options.skipped.replace("+", " + "),
            "adapter": options.adapter and {"hidden": options.adapter}}
    return {key: value for key, value in said.items() if value is not None}


def embedding_spread(options):
    """A tied embedding is the head too, so it must be small for logits of O(1)."""
    return options.dim ** -0.5 if options.tied else 1.0


def stream_spread(options, layer):
    """Estimate of the residual stream's spread before a layer, so that the logits read from it are O(1)."""
    per_layer = (1.2 * GAIN) ** 2 / options.layers
    return math.sqrt(embedding_spread(options) ** 2 + layer * per_layer)


def list_mlps(options):
    """The MLPs of a layer, and what their parts are called."""
    if options.family == "mixtral":
        return [(f"block_sparse_moe.experts.{e}", "w1", "w3", "w2") for e in range(options.experts)]
    return [("mlp", "gate_proj", "up_proj", "down_proj")]


def list_tensors(options, routed):
    """(name, shape, mean, standard deviation) of every tensor, in the order of the file."""
    dim, ffn, queries, keys = options.dim, options.ffn, options.heads * options.head_dim, options.kv_heads * options.head_dim
    # Gemma multiplies by one more than the weight of a norm.
    center = 0.0 if options.family == "gemma" else 1.0
    yield "model.embed_tokens.weight", [options.vocab, dim], 0.0, embedding_spread(options)
    for layer in range(options.layers):
        prefix = f"model.layers.{layer}."
        yield prefix + "input_layernorm.weight", [dim], center, 0.1
        yield prefix + "post_attention_layernorm.weight", [dim], center, 0.1
        gain = GAIN / math.sqrt(options.layers)
        for name, rows, columns, scale in (("q", queries, dim, 1.0), ("k", keys, dim, 1.0), ("v", keys, dim, 1.0),
                                           ("o", dim, queries, gain)):
            yield prefix + f"self_attn.{name}_proj.weight", [rows, columns], 0.0, scale * columns ** -0.5
            if options.attention_bias or (options.family == "qwen2" and name != "o"):
                yield prefix + f"self_attn.{name}_proj.bias", [rows], 0.0, 0.1 * scale
        if options.family == "qwen3":
            for name in "qk":
                yield prefix + f"self_attn.{name}_norm.weight", [options.head_dim], 1.0, 0.1
        for mlp, gate, up, down in list_mlps(options):
            yield prefix + f"{mlp}.{gate}.weight", [ffn, dim], 0.0, dim ** -0.5
            yield prefix + f"{mlp}.{up}.weight", [ffn, dim], 0.0, dim ** -0.5
            yield prefix + f"{mlp}.{down}.weight", [dim, ffn], 0.0, gain * 2 * ffn ** -0.5
        if options.family == "mixtral":
            choices = options.experts + (options.moe or {}).get("noop_experts", 0)
            yield prefix + "block_sparse_moe.gate.weight", [choices, dim], 0.0, dim ** -0.5
        if layer in routed:
            for part in options.parts:
                yield from list_routing(options, layer, part)
    yield "model.norm.weight", [dim], center, 0.1
    if not options.tied:
        yield "lm_head.weight", [options.vocab, dim], 0.0, dim ** -0.5


def list_routing(options, layer, part):
    """The router and the predictor of one routed layer, or of one step; both logits have a spread of one over the tokens."""
    prefix, dim = f"model.layers.{layer}.", options.dim
    scale = dim ** -0.5 / (1 if options.router_input == "norm(x)" else stream_spread(options, layer))
    outputs = 2 if options.routing == "argmax" else 1
    yield prefix + f"router{part}.weight", [outputs, dim], 0.0, scale
    if options.router_bias:
        yield prefix + f"router{part}.bias", [outputs], 0.0, 0.2 * (outputs > 1)
    if options.adapter:
        hidden = options.adapter
        yield prefix + "adapter.0.weight", [hidden, dim], 0.0, scale
        yield prefix + "adapter.0.bias", [hidden], 0.0, 0.1
        yield prefix + "adapter.2.weight", [dim, hidden], 0.0, GAIN * hidden ** -0.5
        yield prefix + "adapter.2.bias", [dim], 0.0, 0.1
    if options.predictor:
        hidden = options.predictor
        yield prefix + f"predictor{part}.0.weight", [hidden, dim], 0.0, scale
        yield prefix + f"predictor{part}.0.bias", [hidden], 0.0, 0.1
        yield prefix + f"predictor{part}.2.weight", [1, hidden], 0.0, hidden ** -0.5 / 0.45
        yield prefix + f"predictor{part}.2.bias", [1], 0.0, 0.0


def set_biases(options, routed, tensors):
    """The tensors, with the biases that make causal routing select what the capacity says."""
    by_name = {tensor[0]: tensor for tensor in tensors}

    def values(name, rows=None):
        if name not in by_name:
            return None
        _, shape, mean, spread = by_name[name]
        count = math.prod(shape[1:]) * min(rows, shape[0]) if rows else math.prod(shape)
        blocks = itertools.islice(draw(name, shape, mean, spread, options.seed), -(-count // BLOCK))
        return np.concatenate(list(blocks))[:count].reshape(-1, *shape[1:])

    biases = calibrate.measure_biases(options, shares(options, routed), values)
    return [(name, shape, biases.get(name, mean), spread) for name, shape, mean, spread in tensors]


def encode(values, dtype):
    """The little-endian bytes of f32 values in the given type."""
    if dtype == "F16":
        return values.astype("<f2").tobytes()
    if dtype == "BF16":
        bits = values.view(np.uint32)
        bits += 0x7FFF + (bits >> 16 & 1)   # round to nearest even; all values are finite
        return (bits >> 16).astype("<u2").tobytes()
    return values.astype("<f4", copy=False).tobytes()


def draw(name, shape, mean, spread, seed):
    """The tensor's values by blocks; seeded by its name, so that one tensor does not depend on which others there are."""
    random, count = np.random.Generator(np.random.SFC64([seed, zlib.crc32(name.encode())])), math.prod(shape)
    for begin in range(0, count, BLOCK):
        values = random.standard_normal(min(BLOCK, count - begin), dtype=np.float32)
        if ".predictor." in name and name.endswith(".2.weight") and count == 1:
            values = abs(values)   # what falls from one SiLU is nearly flat where the largest logits are
        values *= np.float32(spread)
        values += np.float32(mean)
        yield values


def write_shard(path, tensors, dtype, seed):
    """One safetensors file, tensor after tensor; it takes its name only when it is complete."""
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape, _, _ in tensors:
        size = math.prod(shape) * SIZES[dtype]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + size]}
        offset += size
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path + ".tmp", "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head)
        for name, shape, mean, spread in tensors:
            file.writelines(encode(values, dtype) for values in draw(name, shape, mean, spread, seed))
    os.replace(path + ".tmp", path)


def write_json(path, value):
    """A JSON file, renamed into place."""
    with open(path + ".tmp", "w") as file:
        file.write(json.dumps(value, indent=1) + "\n")
    os.replace(path + ".tmp", path)


def split(tensors, count):
    """Runs of tensors of about equal size, none of them empty."""
    total, shards, done = sum(math.prod(t[1]) for t in tensors), [[]], 0
    for position, tensor in enumerate(tensors):
        must = len(tensors) - position <= count - len(shards)
        if shards[-1] and len(shards) < count and (must or done >= total * len(shards) / count):
            shards.append([])
        shards[-1].append(tensor)
        done += math.prod(tensor[1])
    return shards


def write_model(out, options, routed, routed_index):
    """The configuration and the weights, in one file or in shards with their index."""
    os.makedirs(out, exist_ok=True)
    tensors = set_biases(options, routed_index, list(list_tensors(options, routed_index)))
    shards = split(tensors, options.shards)
    names = [f"model-{i + 1:05}-of-{len(shards):05}.safetensors" for i in range(len(shards))]
    if len(shards) == 1:
        names = ["model.safetensors"]
    for name, shard in zip(names, shards):
        write_shard(f"{out}/{name}", shard, options.dtype, options.seed)
    count = sum(math.prod(t[1]) for t in tensors)
    if len(shards) > 1:
        places = {tensor[0]: name for name, shard in zip(names, shards) for tensor in shard}
        write_json(f"{out}/model.safetensors.index.json",
                   {"metadata": {"total_size": count * SIZES[options.dtype]}, "weight_map": places})
    write_json(f"{out}/config.json", make_config(options, routed))
    print(f"{out}: {count} parameters, {count * SIZES[options.dtype] / 1e6:.1f} MB in {len(shards)} file(s)")


def parse_arguments():
    """The command line; a preset changes the defaults, so that flags beside it still count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("out", help="directory to write")
    add("--preset", choices=sorted(PRESETS), help="m110: 12 layers of 768, odd ones routed at 12.5 %%; m110-dense: no routing")
    for name, value in {"vocab": 256, "dim": 64, "layers": 4, "heads": 4, "context": 256}.items():
        add(f"--{name}", type=int, default=value, help=f"default {value}")
    add("--kv-heads", type=int, help="default: as many as heads")
    add("--head-dim", type=int, help="default: dim / heads")
    add("--ffn", type=int, help="default: 8/3 of dim, to a multiple of 16")
    add("--rope-theta", type=float, default=10000.0)
    add("--rms-eps", type=float, default=1e-5)
    add("--tied", dest="tied", action="store_true", help="lm_head is the embedding")
    add("--untied", dest="tied", action="store_false", help="a separate lm_head.weight (default)")
    add("--attention-bias", action="store_true", help="biases on q, k, v and o")
    add("--dtype", choices=list(SIZES), default="F32")
    add("--routed", default="odd", help="odd (default), even, all, a list such as 1,3, or none; with --recursions middle: all but the first and the last, together")
    add("--ranges", help="layers that are routed together, such as 1-2,4-6; in place of --routed")
    add("--recursions", type=int, help="how often routed layers are repeated, for fewer tokens each time")
    add("--capacity", type=capacities, default=0.125, help="ratio, count, or comma list with one per routed layer, range or recursion; "
        "recursions: those that follow from their number")
    add("--rounding", choices=["floor", "ceil", "nearest"], help="of a capacity that is a ratio")
    add("--routing", choices=["expert_choice", "token_choice", "stochastic", "threshold", "argmax", "sequence"], default="expert_choice")
    add("--pooling", choices=["mean", "first", "last"], help="of sequence routing: whose score decides")
    add("--ties", choices=["first", "none", "all"], help="what becomes of scores that equal the k-th largest")
    add("--routing-seed", type=int, help="of stochastic routing")
    add("--threshold", type=float, help="the probability that a router or predictor must give")
    add("--comparison", choices=[">", ">="], help="with the threshold")
    add("--forced-tokens", type=int, help="the first tokens, which take part in any case")
    add("--eligible", help="the first and the last token that may be skipped, such as 10,99")
    add("--router-input", choices=["x", "norm(x)"], help="what routers and predictors read: the residual, or its norm")
    add("--scope", choices=["block", "attention", "mlp"], help="what of a layer is routed")
    add("--kv", choices=["compact", "dense", "shared"], help="whose keys routed layers see: those of their tokens, of all, or of all in the first recursion")
    add("--skipped", choices=["x", "g*x", "x+adapter"], help="what a skipped token becomes")
    add("--adapter", type=int, help="width of the adapters of skipped tokens")
    add("--gate", choices=["raw", "sigmoid", "tanh", "softmax", "softmax_topk", "none"], default="raw")
    add("--gate-scale", type=float, default=1.0, help="the gate is scale * gate(r) + bias")
    add("--gate-bias", type=float, default=0.0)
    add("--selected", default="x+g*f", help="what a selected token becomes, with f = attn + mlp and B = x + f: "
        "x+g*f (default), g*B, x+g*B, x+attn+g*mlp, 2*x+attn+g*mlp")
    add("--predictor", type=int, default=16, help="hidden width of the causal predictor; 0: none (default 16)")
    add("--decode", choices=["predictor", "router", "always"], help="default: predictor where there is one, else router")
    add("--prefill", choices=["top_k", "predictor", "router", "always"], help="how prompts are routed; default: as --decode")
    add("--router-bias", action=argparse.BooleanOptionalAction,
        help="a bias on routers, set for the capacity share; default: with --decode router")
    add("--family", choices=sorted(FAMILIES), default="llama", help="whose names and details (default llama)")
    add("--sliding-window", type=int, help="tokens that a layer sees: mistral; qwen2 and qwen3 but for their first layer")
    add("--experts", type=int, default=8, help="experts of each MLP of mixtral (default 8)")
    add("--experts-per-token", type=int, default=2)
    add("--moe", type=json.loads, help="config.json's moe, a JSON object, for mixtral")
    add("--rope-scaling", type=json.loads, help="config.json's rope_scaling, a JSON object")
    add("--shards", type=int, default=1)
    add("--seed", type=int, default=0)
    preset = parser.parse_known_args()[0].preset
    parser.set_defaults(**PRESETS.get(preset, {}))
    return parser.parse_args()


def complete(options):
    """Fill in what follows from other flags, and refuse what cannot be."""
    options.kv_heads = options.kv_heads or options.heads
    options.head_dim = options.head_dim or options.dim // options.heads
    options.ffn = options.ffn or -(-options.dim * 8 // 3 // 16) * 16
    options.selected = options.selected.replace("+", " + ")
    options.decode = options.decode or ("predictor" if options.predictor else "router")
    if options.router_bias is None:
        options.router_bias = options.decode == "router"
    routed, index = routed_layers(options.routed, options.layers)
    if options.ranges:
        routed = read_ranges(options)
        index = [first for first, _ in routed]
    options.lasts = dict(routed) if options.ranges else {1: options.layers - 2} if routed == "middle" else {}
    options.parts = [f".{step}" for step in range(options.recursions)] if options.recursions else [""]
    if options.heads % options.kv_heads:
        sys.exit("make.py: --heads must be a multiple of --kv-heads")
    if options.decode == "predictor" and not options.predictor and index:
        sys.exit("make.py: --decode predictor needs --predictor > 0")
    if routed == "middle" and (options.layers < 3 or not options.recursions):
        sys.exit("make.py: --routed middle needs --recursions and three layers")
    if options.capacity is None and not options.recursions:
        sys.exit("make.py: --capacity recursions needs --recursions")
    blocks = options.recursions or len(index)
    if isinstance(options.capacity, list) and len(options.capacity) != blocks:
        sys.exit(f"make.py: --capacity lists {len(options.capacity)} values for {blocks} {'recursions' if options.recursions else 'routed layers'}")
    return routed, index


def main():
    """Read the flags, write the directory."""
    options = parse_arguments()
    write_model(options.out, options, *complete(options))


if __name__ == "__main__":
    main()
