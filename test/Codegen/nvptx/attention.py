"""What kernels of attention compute, against the equations in NumPy: many queries by tensor cores or in tiles, one query
over a cache that blocks share out; in every order of threads and copy mode, with the same bits in all.

RUN: %python %s %{build}
"""

import functools
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "nvemu"))
from kernel_runner import Kernel, check_in_every_order, compile_kernel, from_bits, to_bits  # noqa: E402

# Queries, keys, heads, heads of keys, their width, what caches hold, and parts that keys are shared out to; a window, and how
# far apart the positions are at most that it is of.
CASES = [
    # Products of bf16 and f16: one block and several, with and without keys before; widths that are filled up.
    (70, 70, 4, 2, 64, "bf16", 0), (150, 203, 2, 1, 16, "bf16", 0), (65, 65, 1, 1, 72, "bf16", 0),
    (17, 40, 2, 2, 128, "bf16", 0), (2, 2, 3, 1, 8, "bf16", 0), (70, 75, 2, 1, 64, "f16", 0), (21, 33, 1, 1, 104, "f16", 0),
    # Tiles in f32: of all shapes, elements by fours and alone.
    (70, 70, 4, 2, 64, "f32", 0), (33, 150, 3, 1, 10, "f32", 0), (5, 9, 2, 2, 7, "bf16", 0), (40, 45, 1, 1, 128, "f32", 0),
    (18, 23, 2, 1, 256, "f32", 0), (19, 19, 1, 1, 136, "bf16", 0), (6, 9, 1, 1, 6, "f16", 0),
    # Heads that no tile has room for.
    (3, 20, 1, 1, 500, "f32", 0),
    # One query: a part alone, all parts, some of them, several blocks for the heads of a group.
    (1, 1, 2, 1, 32, "f32", 0), (1, 200, 8, 1, 64, "bf16", 4), (1, 200, 6, 2, 10, "f32", 3), (1, 130, 4, 4, 6, "bf16", 5), (1, 90, 4, 2, 32, "f16", 3),
    (1, 64, 12, 1, 32, "f32", 8), (1, 300, 3, 3, 128, "f32", 2), (1, 100, 24, 2, 96, "bf16", 2), (1, 65, 2, 2, 300, "f32", 2),
    # Windows of as many keys, and of positions; in tiles of which some rows see nothing.
    (150, 203, 2, 1, 16, "bf16", 0, 70), (140, 300, 1, 1, 64, "bf16", 0, 150, 9), (70, 70, 2, 1, 64, "f32", 0, 1),
    (70, 150, 3, 1, 10, "f32", 0, 40, 3), (40, 200, 1, 1, 128, "f32", 0, 60, 40), (3, 20, 1, 1, 500, "f32", 0, 9, 4),
    (1, 200, 8, 1, 64, "bf16", 4, 120), (1, 200, 6, 2, 10, "f32", 3, 300, 4), (1, 130, 4, 4, 6, "bf16", 5, 2, 3),
]
TOLERANCE = {"f32": 1e-5, "bf16": 2e-2, "f16": 2.5e-3}


def attend(q, k, v, window, positions):
    """Of one head; the queries are the last of the tokens."""
    scores = q.astype(float) @ k.astype(float).T / q.shape[1] ** 0.5
    behind = positions[-len(q):, None] - positions
    scores[(behind < 0) | (behind >= (window or np.inf))] = -np.inf
    powers = np.exp(scores - scores.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True) @ v.astype(float)


def make_kernel(queries, keys, heads, kv_heads, width, kind, splits, window=0, apart=0):
    room = keys + 5
    types = [f"1x{queries}x{heads * width}xf32", f"{kv_heads}x{room}x{width}x1x{kind}",
             f"{kv_heads}x1x{room}x{width}x{kind}", f"1x{queries}x{heads * width}xf32"]
    clauses, clause_types = f" window({window})" if window else "", ""
    if splits:
        types.append(f"{heads}x{splits}x{width + 2}xf32")
        partials, clause_types = " partials(%e)", ", E"
    if apart:
        types.append(f"{room}xi32")
        name = "abcdef"[len(types) - 1]
        clauses, clause_types = f"{clauses} kept(%{name})", f"{clause_types} kept {name.upper()}"
    if splits:
        clauses += partials
    op = (f"%n = arith.constant {keys} : index\n"
          f"mod.panel_attention %a, %b, %c of(%n) heads({heads}){clauses} into(%d) : A, B, C, D{clause_types}")
    return Kernel(types, op)


def make_case(random, case):
    """What the emulator is given, the place of the result among the buffers, and what is expected there."""
    queries, keys, heads, kv_heads, width, kind, splits, window, apart, *_ = *case, 0, 0
    kernel = make_kernel(*case)
    positions = np.cumsum(random.integers(1, apart + 1, keys) if apart else np.ones(keys)).astype(np.int32)
    q = random.standard_normal((queries, heads, width)).astype(np.float32) * 2
    caches = []
    for _ in range(2):
        cache = random.standard_normal((kv_heads, keys + 5, width)).astype(np.float32)
        # Nobody wrote what is behind the last token.
        cache[:, keys:] = np.nan
        caches.append(to_bits(cache, kind))
    buffers = [x.tobytes() for x in [q, *caches]]
    if apart:
        buffers.append(np.append(positions, np.full(5, -1, np.int32)).tobytes())
    if splits:
        buffers.append(np.full((heads, splits, width + 2), np.nan, np.float32).tobytes())
    buffers.append(np.full(q.shape, np.nan, np.float32).tobytes())
    place = len(buffers) - 1
    if splits:
        buffers.append(bytes(4 * heads))
    k, v = (from_bits(cache, kind) for cache in caches)
    group = heads // kv_heads
    expected = np.stack([attend(q[:, h], k[h // group, :keys], v[h // group, :keys], window, positions)
                         for h in range(heads)], 1)
    work = (compile_kernel(kernel.text), kernel.name, kernel.grid, buffers, [(0, 0)] * len(buffers))
    return work, place, expected


def check_result(case, results, place, expected):
    got = np.frombuffer(results[place], np.float32).reshape(expected.shape)
    error = np.abs(got - expected).max() / np.abs(expected).max()
    assert error < TOLERANCE[case[5]], f"{case}: error {error}"
    if case[6]:
        assert not any(results[-1]), f"{case}: counters are not zero again"
    return error


check_in_every_order(str(pathlib.Path(sys.argv[1]) / "lib/libmodrt-nvemu.so"), CASES,
                     functools.partial(make_case, np.random.default_rng(5)), check_result)
