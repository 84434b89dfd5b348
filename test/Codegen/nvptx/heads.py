"""What kernels of heads compute, against the equations in NumPy: norms of heads, rotations that are slowed or not, keys and
values on their way into a cache, and each behind a norm in one kernel; in every order of threads, with the same bits in all.

RUN: %python %s %{build}
"""

import functools
import pathlib
import re
import sys

import numpy as np

TEST = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(TEST / "nvemu"), str(TEST / "reference")]
from families import find_frequencies  # noqa: E402
from kernel_runner import Kernel, check_in_every_order, compile_kernel, from_bits, to_bits  # noqa: E402

EPS, THETA, CONTEXT = 1e-5, 1e4, 96
FIRST, ROOM = 3, 4  # tokens of caches before those that are written, and behind them
# As configurations say it, and as the dialect does.
SCALINGS = {
    "": ({}, ""),
    "linear": (dict(rope_type="linear", factor=4.0), "linear, factor = 4.0"),
    "llama3": (dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                    original_max_position_embeddings=32), "llama3, factor = 8.0, original = 32.0, high = 4.0"),
    "yarn": (dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=24, beta_fast=8, beta_slow=2,
                  attention_factor=1.5), "yarn, factor = 4.0, original = 24.0, low = 2.0, high = 8.0, magnitude = 1.5"),
}
# Tokens, heads, their width, what is done with them, how rotations are slowed, and the type of caches.
CASES = [
    (5, 6, 14, "norm", "", "f32"), (3, 1, 128, "norm", "", "f32"), (2, 9, 70, "norm", "", "f32"),
    (7, 3, 10, "rope", "", "f32"), (7, 3, 10, "rope", "linear", "f32"), (19, 2, 64, "rope", "llama3", "f32"),
    (6, 5, 130, "rope", "yarn", "f32"),
    (7, 3, 10, "norm rope", "", "f32"), (1, 6, 128, "norm rope", "llama3", "f32"), (4, 9, 14, "norm rope", "yarn", "f32"),
    (5, 2, 64, "rotated append", "llama3", "f32"), (5, 3, 10, "rotated kept append", "linear", "bf16"),
    (5, 3, 14, "norm rotated append", "llama3", "f32"), (1, 5, 128, "norm rotated append", "", "bf16"),
    (9, 2, 70, "norm rotated kept append", "yarn", "f16"), (3, 4, 6, "norm append", "", "f32"),
]
TOLERANCE = {"f32": 2e-6, "bf16": 4e-3, "f16": 5e-4}


def write_ops(case):
    """The ops, where $x stands for the type of %x, and the buffers of their kernel in order."""
    tokens, heads, width, words, scaling, element = case
    words, attribute = words.split(), SCALINGS[scaling][1]
    attribute = attribute and f" {{scaling = #mod.rope_scaling<{attribute}>}}"
    made = "into" if words == ["norm"] else "heads"
    ops, buffers = [], ["heads"]
    if "norm" in words:
        ops.append(f"mod.rms_norm %x, %scale eps({EPS:e}) heads({heads}) into(%{made}) : ($x, $scale, ${made}) -> ()")
        buffers = ["x", "scale", made]
    if "rope" in words:
        ops.append(f"mod.rope %heads at(%positions) heads({heads}) theta({THETA:e}) into(%into){attribute}"
                   " : ($heads, $positions, $into) -> ()")
        buffers += ["positions", "into"]
    if "append" in words:
        rotated = (f"rotated(%positions theta({THETA:e}))", ", $positions") if "rotated" in words else ("", "")
        kept = ("keeping(%positions in %kept)", " keeping $positions in $kept") if "kept" in words else ("", "")
        ops.append(f"mod.append_panels %heads, %value at(%n) {rotated[0]} {kept[0]} into(%keys, %values){attribute}"
                   f" : $heads, $value, $keys, $values{rotated[1]}{kept[1]}")
        buffers += ["value", *["positions"] * ("rotated" in words), *["kept"] * ("kept" in words), "keys", "values"]
    return ops, buffers


def make_kernel(case):
    """Two ops are one kernel; the names of its buffers become letters."""
    tokens, heads, width, words, _, element = case
    row, cached = f"1x{tokens}x{heads * width}xf32", tokens + FIRST + ROOM
    types = {"x": row, "scale": f"{width}xf32", "heads": row, "positions": f"1x{tokens}xi32", "into": row, "value": row,
             "keys": f"{heads}x{cached}x{width}x1x{element}", "values": f"{heads}x1x{cached}x{width}x{element}",
             "kept": f"{cached}xi32"}
    ops, buffers = write_ops(case)
    text = "\n".join(ops)
    if len(ops) > 1:
        text = f"scf.execute_region no_inline {{\n{text}\nscf.yield\n}}"
    for letter, name in zip("abcdefgh", buffers):
        text = re.sub(rf"%{name}\b", f"%{letter}", re.sub(rf"\${name}\b", letter.upper(), text))
    return Kernel([types[name] for name in buffers], f"%n = arith.constant {FIRST} : index\n{text}"), buffers


def normalize(x, scale):
    return x / np.sqrt((x ** 2).mean(-1, keepdims=True) + EPS) * scale


def rotate(x, positions, scaling):
    config = dict(rope_theta=THETA, rope_scaling=SCALINGS[scaling][0], max_position_embeddings=CONTEXT)
    frequencies, magnitude = find_frequencies(config, x.shape[-1])
    angles = positions[:, None, None] * frequencies
    cosine, sine = magnitude * np.cos(angles), magnitude * np.sin(angles)
    low, high = np.split(x, 2, -1)
    return np.concatenate([low * cosine - high * sine, high * cosine + low * sine], -1)


def make_case(random, case):
    """What the emulator is given, the places of results among the buffers, and what is expected there."""
    tokens, heads, width, words, scaling, element = case
    kernel, names = make_kernel(case)
    x, value = random.standard_normal((2, tokens, heads, width)).astype(np.float32) * 3
    scale = random.standard_normal(width).astype(np.float32)
    positions = np.sort(random.choice(CONTEXT, tokens, replace=False)).astype(np.int32)
    nothing, cached = np.full(x.shape, np.nan, np.float32), tokens + FIRST + ROOM
    cache = to_bits(np.full((heads, cached, width), np.nan), element)
    data = {"x": x, "scale": scale, "heads": nothing if "norm" in words else x, "positions": positions, "into": nothing,
            "value": value, "keys": cache, "values": cache, "kept": np.full(cached, -1, np.int32)}
    made = normalize(x.astype(float), scale.astype(float)) if "norm" in words else x.astype(float)
    if "rope" in words or "rotated" in words:
        made = rotate(made, positions, scaling)
    expected = {"into": made, "keys": made, "values": value, "kept": positions}
    places = slice(next(i for i, name in enumerate(names) if name in expected), None)
    work = (compile_kernel(kernel.text), kernel.name, kernel.grid, [data[name].tobytes() for name in names],
            [(0, 0)] * len(names))
    return work, places, [(name, expected[name]) for name in names[places]]


def read_cache(data, shape, element):
    """The tokens that were written, [tokens, heads, width]; around them nothing is."""
    tokens, heads, width = shape
    bits = np.frombuffer(data, np.float32 if element == "f32" else np.float16 if element == "f16" else np.uint16)
    cache = from_bits(bits, element).reshape(heads, FIRST + tokens + ROOM, width).swapaxes(0, 1)
    assert np.isnan(cache[:FIRST]).all() and np.isnan(cache[FIRST + tokens:]).all()
    return cache[FIRST:FIRST + tokens]


def check_result(case, results, places, expected):
    *shape, _, _, element = case
    errors = []
    for data, (name, numbers) in zip(results[places], expected):
        if name == "kept":
            kept = np.frombuffer(data, np.int32)
            assert (kept == [-1] * FIRST + [*numbers] + [-1] * ROOM).all(), f"{case}: kept {kept}"
            continue
        got = np.frombuffer(data, np.float32).reshape(shape) if name == "into" else read_cache(data, shape, element)
        errors.append(np.abs(got - numbers).max() / np.abs(numbers).max())
    assert max(errors) < TOLERANCE[element], f"{case}: errors {errors}"
    return max(errors)


check_in_every_order(str(pathlib.Path(sys.argv[1]) / "lib/libmodrt-nvemu.so"), CASES,
                     functools.partial(make_case, np.random.default_rng(17)), check_result)
