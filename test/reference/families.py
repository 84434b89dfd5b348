"""Where model families depart from Llama, and slowed rotations, from the
equations."""

import math

import numpy as np


def gelu(x):
    """The approximation by tanh (Hendrycks and Gimpel, arXiv:1606.08415)."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def is_gelu(config):
    return config.get("model_type") == "gemma" or config.get("hidden_act") == "gelu_pytorch_tanh"


def find_window(config, layer):
    """How many tokens a layer sees, itself included; infinite: all."""
    family = config.get("model_type", "llama")
    window = config.get("sliding_window", 4096)
    if family == "mistral":
        return window or math.inf
    if family not in ("qwen2", "qwen3") or not config.get("use_sliding_window"):
        return math.inf
    types = config.get("layer_types")
    slides = types[layer] == "sliding_attention" if types else layer >= config.get("max_window_layers", 28)
    return window if slides and window else math.inf


def adapt_tensors(config, tensors):
    """Gemma's norms multiply by 1 + weight."""
    if config.get("model_type") != "gemma":
        return tensors
    return {name: tensor + 1 if name.endswith("norm.weight") else tensor for name, tensor in tensors.items()}


def embedding_scale(config):
    return math.sqrt(config["hidden_size"]) if config.get("model_type") == "gemma" else 1.0


def slow_llama3(rope, frequencies):
    slowed = []
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    for frequency in frequencies:
        wavelength = 2 * math.pi / frequency
        smooth = (rope["original_max_position_embeddings"] / wavelength - low) / (high - low)
        if smooth < 0:
            slowed.append(frequency / rope["factor"])
        elif smooth > 1:
            slowed.append(frequency)
        else:
            slowed.append((1 - smooth) * frequency / rope["factor"] + smooth * frequency)
    return np.array(slowed), 1.0


def slow_yarn(rope, frequencies, theta, context):
    original = rope.get("original_max_position_embeddings", context)
    factor, dim = rope["factor"], 2 * len(frequencies)

    def pair(rotations):
        return dim * math.log(original / (rotations * 2 * math.pi)) / (2 * math.log(theta))

    low = max(math.floor(pair(rope.get("beta_fast", 32))), 0)
    high = min(math.ceil(pair(rope.get("beta_slow", 1))), dim - 1)
    ramp = np.clip((np.arange(dim // 2) - low) / ((high - low) or 0.001), 0, 1)
    slowed = frequencies / factor * ramp + frequencies * (1 - ramp)
    return slowed, rope.get("attention_factor", 0.1 * math.log(factor) + 1)


def find_frequencies(config, head_dim):
    """The angle of each pair at position 1, and the factor of its cosines."""
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    theta = rope.get("rope_theta", config.get("rope_theta", 10000.0))
    frequencies = theta ** (-np.arange(0, head_dim, 2) / head_dim)
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "linear":
        return frequencies / rope["factor"], 1.0
    if kind == "llama3":
        return slow_llama3(rope, frequencies)
    if kind == "yarn":
        return slow_yarn(rope, frequencies, theta, config["max_position_embeddings"])
    # Dynamic scaling begins behind max_position_embeddings.
    assert kind in ("default", "dynamic"), kind
    return frequencies, 1.0
