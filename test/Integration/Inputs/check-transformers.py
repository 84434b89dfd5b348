#!/usr/bin/python3
"""Compiles checkpoints that Hugging Face's `transformers` writes, without a
flag, and compares their logits with those that it computes itself.

Dense models of each family, and models whose odd layers are routed as
astramind's `apply_mod_to_hf` does it, with its names of tensors and classes.
"""

import argparse
import pathlib
import sys

import torch
import transformers

from logits_check import check_logits, run

SIZES = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
}
LENGTHS = (1, 40)
CAPACITY = 0.125
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 5e5,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}
YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 4.0, "original_max_position_embeddings": 16}
LINEAR = {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}
# name: family, what its configuration says, how it is saved
DENSE = {
    "llama": ("Llama", {"rope_parameters": LLAMA3, "head_dim": 10}, {"max_shard_size": "50KB"}),
    "llama-biases": ("Llama", {"rope_parameters": LINEAR, "attention_bias": True, "mlp_bias": True}, {}),
    "mistral": ("Mistral", {"sliding_window": 7, "rope_parameters": YARN}, {}),
    "mistral-bf16": ("Mistral", {"sliding_window": None, "tie_word_embeddings": True, "dtype": "bfloat16"}, {}),
    "qwen2": ("Qwen2", {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1}, {}),
    "qwen3": ("Qwen3", {"head_dim": 14}, {}),
    "gemma": ("Gemma", {"head_dim": 16}, {}),
    "mixtral": ("Mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}, {}),
}
ROUTED = {
    "llama-mod": ("Llama", {}, {}),
    "qwen2-mod": ("Qwen2", {}, {}),
    "mistral-mod": ("Mistral", {"sliding_window": 7}, {}),
    "gemma-mod": ("Gemma", {"head_dim": 16}, {}),
    "mixtral-mod": ("Mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}, {}),
}


class Router(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight_predictor = torch.nn.Linear(width, 1)

    def forward(self, x):
        return self.weight_predictor(x).squeeze(-1)


class Routed(torch.nn.Module):
    """A layer through which only some tokens of a sequence go: those whose score
    is above the k-th largest, or the largest where k is 1."""

    def __init__(self, block, width):
        super().__init__()
        self.router, self.block = Router(width), block
        self.takes_all = False

    def select(self, scores):
        if self.takes_all:
            return torch.arange(len(scores))
        k = max(1, int(CAPACITY * len(scores)))
        least = scores.topk(k).values[-1]
        return (scores > least if k > 1 else scores >= least).nonzero().squeeze(-1)

    def forward(self, x, attention_mask=None, position_ids=None, position_embeddings=None, **others):
        scores = self.router(x)
        chosen = self.select(scores[0])
        result = self.block(
            x[:, chosen],
            attention_mask=attention_mask[:, :, chosen][..., chosen],
            position_ids=position_ids[:, chosen],
            position_embeddings=tuple(part[:, chosen] for part in position_embeddings),
            **others,
        )
        y = x.clone()
        y[:, chosen] = scores[:, chosen, None] * (result[0] if isinstance(result, tuple) else result)
        return y


def draw_model(family, keys):
    """A model with random parameters, also where training would begin with zeros or ones."""
    # Of the keys, eager attention alone has a mask whose rows can be selected.
    config = getattr(transformers, f"{family}Config")(
        **SIZES | keys, initializer_range=0.15, attn_implementation="eager", use_cache=False
    )
    torch.manual_seed(len(family))
    model = getattr(transformers, f"{family}ForCausalLM")(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return model


def save(model, directory, how):
    """Writes the directory, in the type of the configuration, to which the model is rounded."""
    dtype = model.config.dtype or torch.float32
    for parameter in model.parameters():
        parameter.data = parameter.data.to(dtype)
    model.save_pretrained(directory, **how)
    for parameter in model.parameters():
        parameter.data = parameter.data.float()


def route(model, family):
    """Wraps odd layers, and renames the class."""
    layers, width = model.model.layers, model.config.hidden_size
    for index in range(1, len(layers), 2):
        layers[index] = Routed(layers[index], width)
        torch.nn.init.normal_(layers[index].router.weight_predictor.weight, std=0.3)
    model.__class__ = type(f"{family}MoDForCausalLM", (type(model),), {})
    return [layer for layer in layers if isinstance(layer, Routed)]


def compute(model, routed, tokens):
    """The logits of each mode: a token by itself is the first of one, and goes through all layers."""
    logits = {}
    for mode in ("top_k", "causal", "stepwise"):
        for layer in routed:
            layer.takes_all = mode != "top_k"
        with torch.no_grad():
            logits[mode] = model(torch.tensor([tokens])).logits[0].float().numpy()
    return logits


def check_model(name, work):
    family, keys, how = (DENSE | ROUTED)[name]
    directory = work / name
    model = draw_model(family, keys)
    routed = route(model, family) if name in ROUTED else []
    save(model, directory, how)
    run(["modc", directory, "-o", directory / "exe"])
    errors = []
    for length in LENGTHS:
        tokens = torch.randint(SIZES["vocab_size"], (length,)).tolist()
        errors.append(check_logits(directory / "exe", tokens, compute(model, routed, tokens), directory))
    return max(errors)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for models")
    parser.add_argument("names", nargs="*", default=[*DENSE, *ROUTED], help="default: all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    transformers.logging.disable_progress_bar()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}")
    failed = 0
    for name in options.names:
        try:
            print(f"ok      {name}: {check_model(name, options.work):.1e}", flush=True)
        except RuntimeError as error:
            failed += 1
            print(f"FAILED  {name}: {error}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
