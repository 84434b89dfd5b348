#!/usr/bin/python3
"""Every kind of broken model directory ends in one line that says what is wrong, exit code 1 and no output.

RUN: %python %s --modc %{build}/bin/modc --make %{examples}/random-model/make.py --work %t
"""

import argparse
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
model_files = __import__("edit-model")

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"


# Edits: each makes a function that changes a model directory.


def config(**keys):
    """Set keys of the configuration."""
    return lambda directory: edit_json(directory / CONFIG, lambda root: root.update(keys))


def without(*keys):
    """Remove keys of the configuration."""
    return lambda directory: edit_json(directory / CONFIG, lambda root: [root.pop(key) for key in keys])


def mod(**keys):
    """Set keys of the `mod` object."""
    return lambda directory: edit_json(directory / CONFIG, lambda root: root["mod"].update(keys))


def ranged(ranges, **keys):
    """Route ranges of layers."""
    return mod(ranges=ranges, routed_layers=None, **keys)


def replaced(old, new):
    """Change the configuration's text, for what Python's JSON cannot say."""

    def edit(directory):
        text = (directory / CONFIG).read_text()
        assert old in text
        (directory / CONFIG).write_text(text.replace(old, new, 1))

    return edit


def written(name, data):
    """Write a whole file."""
    return lambda directory: (directory / name).write_bytes(data)


def tensors(edit):
    """Change the tensors; the file stays sound."""

    def apply(directory):
        model = model_files.Model(directory)
        edit(model)
        model.save()

    return apply


def removed(name):
    return tensors(lambda model: model.remove(name))


def reshaped(name, shape, dtype="F32"):
    return tensors(lambda model: model.add(name, dtype, shape))


def raw(edit):
    """Change the bytes of the weights."""

    def apply(directory):
        path = directory / WEIGHTS
        path.write_bytes(edit(path.read_bytes()))

    return apply


def header(edit):
    """Change the header of the weights and leave the data."""

    def apply(data):
        length, = struct.unpack("<Q", data[:8])
        root = json.loads(data[8:8 + length])
        edit(root)
        return with_header(json.dumps(root).encode(), data[8 + length:])

    return raw(apply)


def entry(**keys):
    """Change what the header says of one tensor."""
    return header(lambda root: root["model.norm.weight"].update(keys))


def index(edit):
    """Change the index of a model in two files."""
    return lambda directory: edit_json(directory / INDEX, edit)


def mapped(name, file):
    return index(lambda root: root["weight_map"].update({name: file}))


def both(*edits):
    def apply(directory):
        for edit in edits:
            edit(directory)

    return apply


def edit_json(path, edit):
    root = json.loads(path.read_text())
    edit(root)
    path.write_text(json.dumps(root, indent=1))


def with_header(head, data):
    return struct.pack("<Q", len(head)) + head + data


def overlap(root):
    norm, other = root["model.norm.weight"], root["model.layers.0.input_layernorm.weight"]
    norm["data_offsets"] = other["data_offsets"]



NORM = "model.norm.weight"
ROUTER = "model.layers.1.router.weight"
QUERY = "model.layers.0.self_attn.q_proj.weight"

# name: edit, what the message must contain.
BAD_JSON = {
    "no-directory": (shutil.rmtree, "/model' is neither a model directory nor a .mlir file"),
    "directory-is-a-file": (lambda d: (shutil.rmtree(d), d.touch()), "/model' is neither a model directory nor a .mlir file"),
    "no-config": (lambda d: (d / CONFIG).unlink(), "config.json: No such file"),
    "config-is-a-directory": (lambda d: ((d / CONFIG).unlink(), (d / CONFIG).mkdir()), "config.json: "),
    "config-empty": (written(CONFIG, b""), "config.json: ", "not JSON: [1:"),
    "config-cut-off": (written(CONFIG, b'{"vocab_size": 256,\n "hidden'), "config.json: ", "not JSON: [2:"),
    "config-trailing-comma": (replaced('"hidden_size": 16,', '"hidden_size": 16,,'), "config.json: ", "not JSON"),
    "config-is-a-list": (written(CONFIG, b"[1, 2]"), "config.json: ", "not a JSON object"),
    "config-is-nan": (replaced('"rms_norm_eps": 1e-05', '"rms_norm_eps": NaN'), "config.json: ", "not JSON"),
    "config-not-utf8": (written(CONFIG, b'{"vocab_size": "\xff\xfe"}'), "config.json: ", "UTF-8"),
    "config-binary": (written(CONFIG, bytes(range(256))), "config.json: ", "not JSON"),
    "config-nested": (written(CONFIG, b'{"a":' + b"[" * 500000), "config.json: ", "nested more than"),
    "key-twice": (replaced('"hidden_size": 16', '"hidden_size": 16, "hidden_size": 32'), "key 'hidden_size' twice"),
    "mod-key-twice": (replaced('"gate":', '"gate": "none", "gate":'), "key 'gate' twice"),
    "key-twice-escaped": (replaced('"gate":', r'"g\u0061te": "none", "gate":'), "key 'gate' twice"),
}

def mixtral(moe=None, **keys):
    """A mixture of two experts; `moe` is that object."""
    keys = {"model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "num_local_experts": 2, **keys}
    return config(**keys, **({"moe": moe} if moe is not None else {}))


BAD_MIXTRAL = {
    "no-experts": (mixtral(), "tensor 'model.layers.0.block_sparse_moe.gate.weight' is missing, expected shape [2, 16]"),
    "expert-count": (mixtral(num_local_experts=0), "'num_local_experts' must be an integer from 1 to 1024, not 0"),
    "expert-count-huge": (mixtral(num_local_experts=1 << 40), "'num_local_experts' must be an integer from 1 to 1024"),
    "experts-per-token": (mixtral(num_experts_per_tok=3), "'num_experts_per_tok' must be at most the number of choices (2), not 3"),
    "moe-not-an-object": (mixtral([]), "'moe' must be an object, not a list"),
    "moe-key": (mixtral({"expert": 1}), "'moe' has unknown keys: expert; known are: routing, gate"),
    "moe-routing": (mixtral({"routing": "hash"}), "'moe.routing' is 'hash'"),
    "moe-gate": (mixtral({"gate": "raw"}), "'moe.gate' is 'raw'"),
    "moe-noops": (mixtral({"noop_experts": -1}), "'moe.noop_experts' must be an integer from 0", "not -1"),
    "moe-capacity": (mixtral({"capacity": 1.5}), "'moe.capacity' must be a ratio in (0, 1] or a count"),
    "moe-threshold": (mixtral({"threshold": 0.5}), "'moe.threshold' is of expert_choice"),
    "moe-threshold-text": (mixtral({"routing": "expert_choice", "threshold": "a"}), "'moe.threshold' must be a number, not 'a'"),
    "moe-gate-of-tokens": (mixtral({"routing": "expert_choice", "gate": "softmax_topk"}), "'moe.gate' 'softmax_topk' is of token_choice"),
}

BAD_LLAMA = {
    "other-model": (config(model_type="falcon"), "'model_type' is 'falcon', supported are: llama, mistral, mixtral, qwen2, qwen3, gemma"),
    "other-class": (config(architectures=["MixtralForCausalLM"]),
                    "'architectures[0]' is 'MixtralForCausalLM', supported are: LlamaForCausalLM, LlamaMoDForCausalLM\n"),
    "class-of-no-family": (config(model_type="starcoder2", architectures=["Starcoder2MoDForCausalLM"]), "'model_type' is 'starcoder2', supported"),
    "class-of-router-tuning": (config(architectures=["LlamaMoDForCausalLM"], is_mod=[True], mod=None),
                               "'is_mod' is of Router-Tuning: expected a 'mod' object or --preset=router-tuning to say how it routes"),
    "no-model-type": (without("model_type", "architectures"), "'model_type' is missing: expected one of: llama, mistral"),
    "no-hidden-size": (without("hidden_size"), "'hidden_size' is missing: expected a positive integer"),
    "no-context": (without("max_position_embeddings"), "'max_position_embeddings' is missing"),
    "size-null": (config(hidden_size=None), "'hidden_size' is missing"),
    "size-string": (config(hidden_size="16"), "'hidden_size' must be an integer from 1 to 2147483647, not '16'"),
    "size-long-string": (config(hidden_size="1" * 10**6), "not '" + "1" * 79 + "...\n"),
    "size-fraction": (config(hidden_size=16.5), "'hidden_size' must be an integer", "not 16.5"),
    "size-float": (config(hidden_size=16.0), "'hidden_size' must be an integer", "not 16.0"),
    "size-true": (config(hidden_size=True), "'hidden_size' must be an integer", "not true"),
    "size-list": (config(hidden_size=[16]), "'hidden_size' must be an integer", "not a list"),
    "size-object": (config(hidden_size={}), "'hidden_size' must be an integer", "not an object"),
    "size-zero": (config(intermediate_size=0), "'intermediate_size' must be an integer from 1", "not 0"),
    "size-negative": (config(vocab_size=-5), "'vocab_size' must be an integer from 1", "not -5"),
    "size-huge": (config(max_position_embeddings=2**31), "'max_position_embeddings' must be", "not 2147483648"),
    "size-above-64-bits": (config(vocab_size=2**70), "'vocab_size' must be an integer from 1"),
    "size-exponent": (config(vocab_size=1e30), "'vocab_size' must be an integer from 1"),
    "layers-zero": (config(num_hidden_layers=0), "'num_hidden_layers' must be an integer from 1 to 65536, not 0"),
    "layers-too-many": (config(num_hidden_layers=65537), "'num_hidden_layers' must be an integer from 1 to 65536"),
    "layers-more-than-stored": (config(num_hidden_layers=65536), "'model.layers.2.input_layernorm.weight' is missing"),
    "heads-do-not-divide": (both(without("head_dim"), config(num_attention_heads=3, num_key_value_heads=3)),
                            "'num_attention_heads' must divide hidden_size (16), not be 3"),
    "kv-heads-do-not-divide": (config(num_attention_heads=4, num_key_value_heads=3),
                               "'num_key_value_heads' must divide num_attention_heads (4), not be 3"),
    "kv-heads-more": (config(num_key_value_heads=4), "'num_key_value_heads' must divide num_attention_heads (2)"),
    "head-odd": (config(head_dim=7), "'head_dim' must be even for rotary embedding, not 7"),
    "head-odd-by-default": (both(without("head_dim"), config(num_attention_heads=16, num_key_value_heads=16)),
                            "'head_dim' must be even for rotary embedding, not 1"),
    "eps-negative": (config(rms_norm_eps=-1e-5), "'rms_norm_eps' must be a positive number, not -1"),
    "eps-string": (config(rms_norm_eps="small"), "'rms_norm_eps' must be a positive number, not 'small'"),
    "theta-zero": (config(rope_theta=0), "'rope_theta' must be a positive number, not 0"),
    "theta-infinite": (replaced('"rope_theta": 10000.0', '"rope_theta": 1e999'), "'rope_theta' must be a positive number"),
    "other-family": (config(model_type="qwen2"), "'architectures[0]' is 'LlamaForCausalLM', supported are: Qwen2ForCausalLM"),
    "window": (config(model_type="mistral", architectures=["MistralForCausalLM"], sliding_window=0),
               "'sliding_window' must be an integer from 1"),
    "layer-types": (config(model_type="qwen3", architectures=["Qwen3ForCausalLM"], use_sliding_window=True, sliding_window=4,
                           layer_types=["chunked_attention"]), "'layer_types[0]' is 'chunked_attention', expected one of"),
    "rope-scaled": (config(rope_scaling={"rope_type": "llama3", "factor": 8.0}),
                    "'rope_scaling.original_max_position_embeddings' is missing"),
    "rope-scaled-old": (config(rope_scaling={"type": "longrope", "factor": 2.0}),
                        "'rope_scaling.type' is 'longrope', supported are: default, linear"),
    "rope-scaled-little": (config(rope_scaling={"type": "linear"}), "'rope_scaling.factor' is missing"),
    "rope-scaled-upside-down": (config(rope_scaling={"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4.0, "high_freq_factor": 1.0,
                                                     "original_max_position_embeddings": 64}),
                                "'rope_scaling.low_freq_factor' must be less than high_freq_factor"),
    "rope-scaled-without-type": (config(rope_scaling={"factor": 2.0}), "'rope_scaling.factor' must be 1 or absent"),
    "rope-scaled-new": (config(rope_parameters={"rope_type": "yarn", "rope_theta": 1e4}),
                        "'rope_parameters.factor' is missing"),
    "rope-is-a-string": (config(rope_scaling="linear"), "'rope_scaling' must be an object"),
    "rope-partial": (config(partial_rotary_factor=0.5), "'partial_rotary_factor' must be 1 or absent"),
    "activation": (config(hidden_act="gelu"), "'hidden_act' is 'gelu', supported are: silu, gelu_pytorch_tanh"),
    "activation-number": (config(hidden_act=1), "'hidden_act' must be a string, not 1"),
    "tied-string": (config(tie_word_embeddings="no"), "'tie_word_embeddings' must be true or false, not 'no'"),
    "quantized": (config(quantization_config={"bits": 4}), "'quantization_config' is not supported"),
    "eos-beyond-vocabulary": (config(eos_token_id=[1, 40]), "'eos_token_id[1]' must be an integer from 0 to 39, not 40"),
    "eos-string": (config(eos_token_id="</s>"), "'eos_token_id' must be an integer from 0 to 39, not '</s>'"),
}

BAD_ROUTING = {
    "mod-unknown-keys": (mod(zeal=1, aim=2), "'mod' has unknown keys: aim, zeal; known are: routed_layers, ranges, recursions,"),
    "mod-newline-in-value": (mod(gate="a\nb\rc"), "'mod.gate' is 'a b c', expected one of: "),
    "mod-newline-in-key": (mod(**{"a\nb": 1}), "has unknown keys: a b;"),
    "mod-is-a-list": (config(mod=[]), "'mod' must be an object, not a list"),
    "routed-unknown": (mod(routed_layers="some"), "'mod.routed_layers' is 'some', expected one of: odd, even, all"),
    "routed-number": (mod(routed_layers=1), "'mod.routed_layers' is 1, expected one of: odd, even, all"),
    "routed-out-of-range": (mod(routed_layers=[0, 2]), "'mod.routed_layers[1]' must be an integer from 0 to 1, not 2"),
    "routed-negative": (mod(routed_layers=[-1]), "'mod.routed_layers[0]' must be an integer from 0 to 1, not -1"),
    "routed-fraction": (mod(routed_layers=[0.5]), "'mod.routed_layers[0]' must be an integer from 0 to 1, not 0.5"),
    "routed-twice": (mod(routed_layers=[1, 1]), "'mod.routed_layers[1]' is layer 1 again"),
    "routed-empty": (mod(routed_layers=[]), "'mod.routed_layers' must list at least one layer"),
    "capacity-zero": (mod(capacity=0), "'mod.capacity' must be a ratio in (0, 1] or a count from 1 to 32, not 0"),
    "capacity-ratio-zero": (mod(capacity=0.0), "'mod.capacity' must be a ratio in (0, 1]", "not 0.0"),
    "capacity-above-one": (mod(capacity=1.5), "'mod.capacity' must be a ratio in (0, 1]", "not 1.5"),
    "capacity-negative": (mod(capacity=-4), "'mod.capacity' must be a ratio in (0, 1]", "not -4"),
    "capacity-ratio-negative": (mod(capacity=-0.25), "'mod.capacity' must be a ratio in (0, 1]", "not -0.25"),
    "capacity-beyond-context": (mod(capacity=33), "'mod.capacity'", "a count from 1 to 32, not 33"),
    "capacity-huge": (mod(capacity=2**63), "'mod.capacity'", "a count from 1 to 32, not 9223372036854775808"),
    "capacity-string": (mod(capacity="12.5%"), "'mod.capacity' must be a ratio in (0, 1]", "not '12.5%'"),
    "capacity-wrong-length": (mod(capacity=[0.5, 0.5]), "'mod.capacity' lists 2 values for 1 routed layers"),
    "capacity-list-bad": (mod(routed_layers="all", capacity=[0.5, 2.5]), "'mod.capacity[1]' must be a ratio", "not 2.5"),
    "rounding-unknown": (mod(capacity_rounding="up"), "'mod.capacity_rounding' is 'up', expected one of: floor, ceil,"),
    "ties-unknown": (mod(ties="last"), "'mod.ties' is 'last', expected one of: first, none, all"),
    "seed-negative": (mod(seed=-1), "'mod.seed' must be an integer from 0 to"),
    "threshold-one": (mod(threshold=1.0), "'mod.threshold' must be a probability between 0 and 1, not 1"),
    "comparison-unknown": (mod(comparison="=="), "'mod.comparison' is '==', expected one of: >, >="),
    "argmax-threshold": (mod(routing="argmax", threshold=0.3), "'argmax' takes no threshold and no comparison"),
    "stochastic-predictor": (mod(routing="stochastic"), "'mod.decode' is 'predictor', but 'stochastic' routing"),
    "forced-negative": (mod(forced_tokens=-2), "'mod.forced_tokens' must be an integer from 0 to"),
    "eligible-one": (mod(eligible_tokens=[4]), "'mod.eligible_tokens' must be the first and the last of a range"),
    "eligible-backwards": (mod(eligible_tokens=[9, 4]), "'mod.eligible_tokens' must be the first and the last"),
    "eligible-beyond": (mod(eligible_tokens=[4, 40]), "'mod.eligible_tokens[1]' must be an integer from 0 to 39"),
    "scope-unknown": (mod(scope="layer"), "'mod.scope' is 'layer', expected one of: block, attention, mlp"),
    "scope-gated-mlp": (mod(scope="mlp", selected="x + attn + g*mlp"),
                        "'mod.selected' gates the MLP of a layer: expected scope 'block'"),
    "skipped-softmax": (mod(skipped="g*x", gate="softmax"), "'mod.skipped' 'g*x' needs a gate of each token's own score"),
    "adapter-missing": (mod(skipped="x + adapter"), "'mod.skipped' 'adapter' belongs to skipped: 'x + adapter'"),
    "adapter-surplus": (mod(adapter={"hidden": 4}), "'mod.adapter' 'adapter' belongs to skipped: 'x + adapter'"),
    "adapter-unknown-key": (mod(skipped="x + adapter", adapter={"hidden": 4, "rank": 1}),
                            "'mod.adapter' has unknown keys: rank; known are: hidden"),
    "kv-unknown": (mod(kv="sparse"), "'mod.kv' is 'sparse', expected one of: compact, dense"),
    "kv-scope": (mod(kv="dense", scope="mlp"), "'mod.kv' is of attention: expected 'compact' with scope 'mlp'"),
    "kv-ranges": (ranged([[0, 1]], kv="dense"), "'mod.kv' needs what each layer makes of skipped tokens: expected 'compact' with ranges"),
    "routing-unknown": (mod(routing="top"), "'mod.routing' is 'top', expected one of: expert_choice, token_choice,"),
    "gate-scale-string": (mod(gate_scale="0.1"), "'mod.gate_scale' must be a number, not '0.1'"),
    "selected-unknown": (mod(selected="B"), "'mod.selected' is 'B', expected one of: x + g*f, g*B, x + g*B,"),
    "selected-softmax": (mod(gate="softmax", selected="x + attn + g*mlp"),
                         "'mod.selected' gates the MLP, which needs a gate of each token's own score"),
    "gate-unknown": (mod(gate="relu"), "'mod.gate' is 'relu', expected one of: raw, sigmoid, tanh"),
    "predictor-number": (mod(predictor=4), "'mod.predictor' must be an object, not 4"),
    "predictor-zero": (mod(predictor={"hidden": 0}), "'mod.predictor.hidden' must be an integer from 1", "not 0"),
    "predictor-without-width": (mod(predictor={}), "'mod.predictor.hidden' is missing"),
    "predictor-unknown-key": (mod(predictor={"hidden": 4, "act": "silu"}),
                              "'mod.predictor' has unknown keys: act; known are: hidden"),
    "decode-unknown": (mod(decode="greedy"), "'mod.decode' is 'greedy', expected one of: predictor, router, always"),
    "prefill-unknown": (mod(prefill="all"), "'mod.prefill' is 'all', expected one of: top_k, predictor, router, always"),
    "prefill-without-predictor": (mod(predictor=None, decode="router", prefill="predictor"),
                                  "'mod.prefill' is 'predictor', but there is no predictor"),
    "prefill-stochastic": (mod(routing="stochastic", decode="router", prefill="predictor"),
                           "'mod.prefill' is 'predictor', but 'stochastic' routing is by random numbers"),
    "prefill-threshold": (mod(routing="threshold", prefill="top_k"), "'mod.prefill' is 'top_k', but the routing takes each token by itself"),
    "decode-without-predictor": (mod(predictor=None), "'mod.decode' is 'predictor', but there is no predictor"),
    "router-input": (mod(router_input="norm"), "'mod.router_input' is 'norm', expected one of: x, norm(x)"),
    "ranges-too": (mod(ranges=[[0, 1]]), "'mod.ranges' say what 'routed_layers' says too: expected one of the two"),
    "ranges-empty": (ranged([]), "'mod.ranges' must list at least one range of layers"),
    "ranges-flat": (ranged([0, 1]), "'mod.ranges[0]' must be the first and the last of the layers that are routed together"),
    "ranges-back": (ranged([[1, 0]]), "'mod.ranges[0]' must be the first and the last"),
    "ranges-far": (ranged([[0, 2]]), "'mod.ranges[0][1]' must be an integer from 0 to 1, not 2"),
    "ranges-overlap": (ranged([[0, 0], [0, 1]]), "'mod.ranges[1]' must begin behind layer 0, where the one before ends"),
    "ranges-capacity": (ranged([[0, 1]], capacity=[1, 2]), "'mod.capacity' lists 2 values for 1 ranges of layers"),
    "ranges-scope": (ranged([[0, 1]], scope="mlp"), "'mod.scope' is a part of a layer: expected 'block' with ranges"),
    "pooling-unknown": (mod(routing="sequence", decode="router", pooling="max"),
                        "'mod.pooling' is 'max', expected one of: mean, first, last"),
    "pooling-of-tokens": (mod(pooling="mean"), "'mod.pooling' is of routing 'sequence'"),
    "sequence-decode": (mod(routing="sequence"),
                        "'mod.decode' must be 'router' where the prompt decides for its sequence"),
    "sequence-prefill": (mod(routing="sequence", decode="router", predictor=None, prefill="top_k"),
                         "'mod.prefill' does not go with 'sequence' routing, where the prompt decides for its sequence"),
    "sequence-predictor": (mod(routing="sequence", decode="router"),
                           "'mod.predictor' is of tokens, but 'sequence' routes all or none of them"),
    "sequence-forced": (mod(routing="sequence", decode="router", predictor=None, forced_tokens=1),
                        "'mod.forced_tokens' is of tokens, but 'sequence' routes all or none of them"),
    "recursions-one": (mod(recursions=1), "'mod.recursions' must be an integer from 2 to 64, not 1"),
    "recursions-routing": (mod(recursions=2, routing="sequence", decode="router", predictor=None),
                           "'mod.routing' must be by each token's own score where recursions choose among the tokens"),
    "recursions-eligible": (mod(recursions=2, eligible_tokens=[0, 9]),
                            "'mod.eligible_tokens' would take part in all recursions, which is not supported"),
    "recursions-ties": (mod(recursions=2, ties="none"), "'mod.ties' must not be 'none' where recursions choose"),
    "recursions-skipped": (mod(recursions=2, skipped="g*x"),
                           "'mod.skipped' must be 'x' where skipped tokens leave a recursion"),
    "recursions-scope": (mod(recursions=2, scope="mlp"), "'mod.scope' must be 'block' where layers are repeated"),
    "recursions-middle": (mod(recursions=2, routed_layers=None), "'mod.recursions' repeat the layers between the first and the "
                          "last, but there are 2 layers: expected 'ranges'"),
    "recursions-capacity": (mod(recursions=3, capacity=[0.5, 0.25]), "'mod.capacity' lists 2 values for 3 recursions"),
    "recursions-grow": (mod(recursions=2, capacity=[0.25, 0.5]), "'mod.capacity' must not grow from recursion to recursion: "
                        "expected ratios or counts, the largest first"),
    "recursions-mixed": (mod(recursions=2, capacity=[16, 0.5]), "'mod.capacity' must not grow from recursion to recursion"),
    "recursions-dense": (mod(recursions=2, kv="dense"), "'mod.kv' is of tokens that leave a recursion: expected 'compact' or 'shared'"),
    "shared-once": (mod(kv="shared"), "'mod.kv' is 'shared', but there are no recursions to share them"),
    "shared-softmax": (mod(recursions=2, kv="shared", gate="softmax"),
                       "'mod.gate' must be of each token's own score where all tokens go through the first of the recursions"),
    "shared-capacity": (mod(recursions=2, kv="shared", capacity=0.5),
                        "'mod.capacity' must begin with 1.0 where recursions share the keys of the first"),
    "ranges-selected": (ranged([[0, 1]], selected="x + attn + g*mlp"), "'mod.selected' gates the MLP of a layer, and ranges have several"),
}

BAD_TENSORS = {
    "tensor-missing": (removed(NORM), f"model.safetensors: tensor '{NORM}' is missing, expected shape [16]"),
    "head-missing": (removed("lm_head.weight"), "tensor 'lm_head.weight' is missing, expected shape [40, 16]"),
    "router-missing": (removed(ROUTER), f"tensor '{ROUTER}' is missing, expected shape [1, 16]"),
    "predictor-missing": (removed("model.layers.1.predictor.2.bias"), "'model.layers.1.predictor.2.bias' is missing"),
    "unused-predictor-missing": (both(mod(decode="router"), removed("model.layers.1.predictor.0.weight")),
                                 "'model.layers.1.predictor.0.weight' is missing"),
    "bias-missing": (config(attention_bias=True), "self_attn.q_proj.bias' is missing, expected shape [16]"),
    "tensor-surplus": (reshaped("model.extra", [3]), "tensor 'model.extra' is surplus"),
    "bias-surplus": (reshaped("model.layers.0.mlp.up_proj.bias", [24]), "'model.layers.0.mlp.up_proj.bias' is surplus"),
    "router-in-dense-model": (config(mod=None), "is surplus: the model of config.json has no such tensor"),
    "routed-layer-without-router": (mod(routed_layers=[0]), "'model.layers.0.router.weight' is missing"),
    "recursion-without-router": (mod(recursions=2, capacity=0.5), "'model.layers.1.router.0.weight' is missing"),
    "fewer-layers-than-stored": (both(config(num_hidden_layers=1), mod(routed_layers="even")), "layers.0.router"),
    "shape-transposed": (reshaped("model.layers.0.mlp.up_proj.weight", [16, 24]), "has shape [16, 24], expected [24, 16]"),
    "shape-rank": (reshaped(NORM, [1, 16]), f"tensor '{NORM}' has shape [1, 16], expected [16]"),
    "shape-scalar": (reshaped(NORM, []), f"tensor '{NORM}' has shape [], expected [16]"),
    "shape-heads": (config(head_dim=6), f"tensor '{QUERY}' has shape [16, 16], expected [12, 16]"),
    "shape-product-of-limits": (both(without("num_key_value_heads"),
                                     config(head_dim=2**31 - 2, num_attention_heads=2**31 - 1)),
                                f"tensor '{QUERY}' has shape [16, 16], expected [4611686011984936962, 16]"),
    "shape-tied-head": (both(config(tie_word_embeddings=True), reshaped("lm_head.weight", [4, 16])),
                        "tensor 'lm_head.weight' has shape [4, 16], expected [40, 16]"),
    "dtype-f64": (reshaped(NORM, [16], "F64"), f"tensor '{NORM}' has dtype 'F64', expected F32, F16 or BF16"),
    "dtype-i8": (reshaped(NORM, [16], "I8"), f"tensor '{NORM}' has dtype 'I8', expected F32, F16 or BF16"),
}

BAD_WEIGHTS = {
    "no-weights": (lambda d: (d / WEIGHTS).unlink(), "expected model.safetensors or model.safetensors.index.json"),
    "weights-empty": (written(WEIGHTS, b""), "model.safetensors: ", "truncated"),
    "weights-cut-in-length": (raw(lambda data: data[:5]), "model.safetensors: ", "truncated"),
    "weights-cut-in-header": (raw(lambda data: data[:100]), "model.safetensors: ", "truncated"),
    "weights-cut-in-data": (raw(lambda data: data[:-1]), "model.safetensors: ", "truncated"),
    "weights-too-long": (raw(lambda data: data + b"x"), "1 bytes after the last tensor"),
    "header-beyond-file": (raw(lambda data: struct.pack("<Q", 10**7) + data[8:]), "truncated", "10000000"),
    "header-beyond-reason": (raw(lambda data: struct.pack("<Q", 2**64 - 1) + data[8:]), "18446744073709551615"),
    "header-not-json": (raw(lambda data: with_header(b"not json", b"")), "model.safetensors: ", "not JSON"),
    "header-a-list": (raw(lambda data: with_header(b"[]", b"")), "not a JSON object"),
    "header-empty": (raw(lambda data: with_header(b"{}", b"")), "'model.embed_tokens.weight' is missing"),
    "header-nested": (raw(lambda data: with_header(b"[" * 500000, b"")), "nested more than"),
    "tensor-twice": (raw(lambda data: with_header(b'{"a": 1, "a": 2}', b"")), "key 'a' twice"),
    "entry-a-number": (header(lambda root: root.update({NORM: 3})), f"tensor '{NORM}': expected an object"),
    "entry-unknown-dtype": (entry(dtype="F7"), f"'{NORM}'", "'F7'"),
    "entry-no-dtype": (header(lambda root: root[NORM].pop("dtype")), f"'{NORM}': dtype is not a string"),
    "entry-shape-nan": (entry(shape=["NaN"]), f"'{NORM}': shape is not"),
    "entry-shape-negative": (entry(shape=[-16]), f"'{NORM}': shape is not"),
    "entry-shape-lies": (entry(shape=[17]), f"'{NORM}': data_offsets", "cover 64 bytes, expected 68"),
    "entry-shape-overflows": (entry(shape=[2**40, 2**40]), f"'{NORM}'", "more than 2^63 bytes"),
    "entry-offsets-beyond": (entry(data_offsets=[2**40, 2**40 + 64]), f"'{NORM}': data_offsets", "lie beyond"),
    "entry-offsets-reversed": (entry(data_offsets=[64, 0]), f"'{NORM}': data_offsets", "end before they begin"),
    "entry-offsets-three": (entry(data_offsets=[0, 1, 2]), f"'{NORM}': data_offsets are not two"),
    "entry-offsets-overlap": (header(overlap), "data overlaps that of"),
    "entry-metadata": (header(lambda root: root.update({"__metadata__": {"a": 1}})), "__metadata__", "not a string"),
    "data-hole": (header(lambda root: root.pop(QUERY)), "a hole of 1024 bytes"),
}

BAD_INDEX = {
    "index-not-json": (written(INDEX, b"{"), "model.safetensors.index.json: ", "not JSON"),
    "index-nested": (written(INDEX, b'{"weight_map": ' + b"[" * 500000), "index.json: ", "nested more than"),
    "index-without-map": (index(lambda root: root.pop("weight_map")), "index.json: expected an object 'weight_map'"),
    "index-map-a-list": (index(lambda root: root.update(weight_map=[])), "index.json: expected an object 'weight_map'"),
    "index-map-empty": (index(lambda root: root.update(weight_map={})), "'model.embed_tokens.weight' is missing"),
    "index-file-a-number": (mapped(NORM, 3), f"tensor '{NORM}': expected the name of a file"),
    "index-file-elsewhere": (mapped(NORM, "../model.safetensors"), f"tensor '{NORM}': expected the name of a file"),
    "index-file-parent": (mapped(NORM, ".."), "/..: "),
    "index-file-missing": (mapped(NORM, "gone.safetensors"), "gone.safetensors: No such file"),
    "index-wrong-file": (mapped(NORM, "model-00001-of-00002.safetensors"),
                         f"00001-of-00002.safetensors: no tensor '{NORM}', expected by"),
    "index-names-too-much": (mapped("model.extra", "model-00002-of-00002.safetensors"), "no tensor 'model.extra', expected by"),
    "index-names-too-little": (index(lambda root: root["weight_map"].pop(NORM)), f"tensor '{NORM}' is not in the weight_map"),
    "index-shard-cut-off": (lambda d: os.truncate(d / "model-00002-of-00002.safetensors", 1000), "00002-of-00002", "truncated"),
    "index-tensor-in-two-files": (lambda d: shutil.copy(d / "model-00001-of-00002.safetensors",
                                                        d / "model-00002-of-00002.safetensors"), "is also in"),
}

TABLES = [("whole", BAD_JSON), ("whole", BAD_LLAMA), ("whole", BAD_MIXTRAL), ("whole", BAD_ROUTING), ("whole", BAD_TENSORS),
          ("whole", BAD_WEIGHTS), ("shards", BAD_INDEX)]


def run(modc, directory, work):
    """Compile; an output file, had there been an error after it was opened, must be gone."""
    output = work / "output"
    done = subprocess.run([modc, directory, "--emit=mlir:imported", "-o", output], capture_output=True, timeout=60,
                          text=True, errors="replace")
    left = output.exists()
    if left:
        output.unlink()
    return done, left


def find_faults(done, left, expected):
    """What is wrong with how a bad model was refused."""
    if done.returncode != 1:
        yield f"exit code {done.returncode}"
    if left or done.stdout:
        yield "there is output"
    if done.stderr.count("\n") != 1 or not done.stderr.startswith("modc: error: "):
        yield "not one line"
    for text in expected:
        if text not in done.stderr:
            yield f"no '{text}'"


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def make_models(options):
    """A small routed model in one file and in two, from which the broken ones are made."""
    for name, shards in (("whole", "1"), ("shards", "2")):
        subprocess.run([sys.executable, options.make, options.work / name, "--vocab", "40", "--dim", "16", "--ffn", "24",
                        "--layers", "2", "--heads", "2", "--context", "32", "--predictor", "4", "--shards", shards],
                       check=True, stdout=subprocess.DEVNULL)
        done, left = run(options.modc, options.work / name, options.work)
        assert done.returncode == 0 and left, f"the model that is to be broken is broken: {done.stderr}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--modc", required=True)
    parser.add_argument("--make", required=True)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--only", help="run the cases whose name contains this, and show the messages")
    options = parser.parse_args()
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    make_models(options)
    failures, count, model = 0, 0, options.work / "model"
    for base, table in TABLES:
        for name, (edit, *expected) in table.items():
            if options.only and options.only not in name:
                continue
            shutil.copytree(options.work / base, model)
            edit(model)
            done, left = run(options.modc, model, options.work)
            faults = list(find_faults(done, left, expected))
            if faults or options.only:
                print(f"{name}: {'; '.join(faults)}\n    {done.stderr.strip()}")
            failures += bool(faults)
            count += 1
            remove(model)
    print(f"{count} kinds of bad models, {failures} not refused as they should be")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
