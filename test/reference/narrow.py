"""Products in narrow types, from the equations: numbers that are not exact are
rounded, then multiplied exactly.

    bf16  weights rounded to bf16
    bf16-inputs  inputs too
    f16-inputs   the same in f16
    tf32-inputs  the same in tf32
    i8    weights up to 127 by the largest of each output, inputs by each token
    i4    weights from -8 to 7 by the extreme of each 32 inputs of an output;
          inputs up to 32767 by the largest of each token
"""

import math

import numpy as np

GROUP = 32


def round_bf16(x):
    word = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    return ((word + 0x7FFF + (word >> 16 & 1)) >> 16 << 16).astype(np.uint32).view(np.float32)


def round_f16(x):
    return np.asarray(x, np.float32).astype(np.float16)


def round_tf32(x):
    """To 11 bits, ties away from zero."""
    word = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return (word + 0x1000 & 0xFFFFE000).astype(np.uint32).view(np.float32)


def divide(x, scale):
    """`x / scale` as f32 has it, 0 where the scale is 0."""
    one = np.float32(1)
    return x * np.divide(one, scale, out=np.zeros_like(scale), where=scale != 0)


def round_bytes(weight):
    scale = np.abs(weight).max(-1, keepdims=True) * np.float32(1 / 127)
    return scale.astype(np.float64) * np.rint(divide(weight, scale))


def round_nibbles(weight):
    outputs, inputs = weight.shape
    groups = np.pad(weight, ((0, 0), (0, -inputs % GROUP))).reshape(outputs, -1, GROUP)
    extreme = np.take_along_axis(groups, np.abs(groups).argmax(-1)[..., None], -1)
    scale = extreme * np.float32(-1 / 8)
    integers = np.clip(np.rint(divide(groups, scale)), -8, 7)
    return (scale.astype(np.float64) * integers).reshape(outputs, -1)[:, :inputs]


def round_input(x, limit):
    x = x.astype(np.float32)
    scale = np.abs(x).max(-1, keepdims=True) * (np.float32(1) / np.float32(limit))
    return scale.astype(np.float64) * np.rint(divide(x, scale))


INPUTS = {"bf16-inputs": round_bf16, "f16-inputs": round_f16, "tf32-inputs": round_tf32}
WEIGHTS = {"bf16": round_bf16, "i8": round_bytes, "i4": round_nibbles, **INPUTS}
LIMITS = {"i8": 127, "i4": 32767}


class Caches:
    """Attention over keys and values that are kept in `dtype`: f32, bf16, f16, or bf16-inputs, where what they are
    multiplied with is rounded as well. Weights of the softmax are powers of two, relative to one: no rounding tells which."""

    def __init__(self, dtype):
        self.dtype = dtype

    def keep(self, rows):
        if self.dtype == "f32":
            return rows
        return (round_f16 if self.dtype == "f16" else round_bf16)(rows).astype(np.float64)

    def scale_query(self, q):
        """What gives scores in powers of two."""
        scaled = q * (math.log2(math.e) / math.sqrt(q.shape[-1]))
        return round_bf16(scaled).astype(np.float64) if self.dtype == "bf16-inputs" else scaled

    def mix(self, scores, v):
        """The values `[keys, heads, width]` by the softmax of scores `[heads, queries, keys]`."""
        weights = np.exp2(scores - np.rint(scores.max(-1, keepdims=True)))
        total = weights.sum(-1)
        if self.dtype == "bf16-inputs":
            weights = round_bf16(weights).astype(np.float64)
        return np.einsum("hij,jhd->ihd", weights, v) / total.T[..., None]


class Products:
    """Products with the weights of a model; each is made narrow once."""

    def __init__(self, dtype):
        self.dtype = dtype
        self.weights = {}

    def narrow(self, weight, scale):
        key = (id(weight), id(scale))
        if key not in self.weights:
            scaled = np.asarray(weight, np.float32)
            if scale is not None:
                scaled = scaled * np.asarray(scale, np.float32)
            self.weights[key] = WEIGHTS[self.dtype](scaled).astype(np.float64)
        return self.weights[key]

    def __call__(self, x, weight, norm=None):
        """`x W^T`, or with a norm's scale `g` and factors `r`, `r x (W g)^T`."""
        scale, factor = norm or (None, 1.0)
        if self.dtype == "f32":
            return (x * factor * (1.0 if scale is None else scale)) @ weight.T
        if self.dtype in INPUTS:
            x = INPUTS[self.dtype](x).astype(np.float64)
        if self.dtype in LIMITS:
            x = round_input(x, LIMITS[self.dtype])
        return factor * (x @ self.narrow(weight, scale).T)
