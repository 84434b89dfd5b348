"""What kernels of products with many rows compute, against NumPy: by tensor cores and in tiles, of all types and of sizes
that fill no tile; in every order of threads and copy mode, with the same bits in all.

RUN: %python %s %{build}
"""

import functools
import pathlib
import sys

import numpy as np

TEST = pathlib.Path(__file__).parents[2]
sys.path[:0] = [str(TEST / "nvemu"), str(TEST / "reference")]
from narrow import round_tf32  # noqa: E402
from kernel_runner import Kernel, check_in_every_order, compile_kernel, describe_map, from_bits, to_bits  # noqa: E402

# Tokens, inputs, outputs, type, and a clause.
CASES = [
    (130, 72, 136, "bf16", ""), (5, 8, 3, "bf16", "glu"), (70, 40, 150, "bf16", "rows"),
    (130, 72, 136, "f16", ""), (3, 104, 70, "f16", "glu"), (2, 136, 9, "f16", "rows"),
    (130, 52, 136, "tf32", ""), (3, 4, 70, "tf32", "glu"), (17, 100, 9, "tf32", "rows"),
    # By warpgroups: blocks of both, sums of both halves of a weight.
    (130, 72, 136, "bf16", "wgmma"), (70, 40, 150, "f16", "wgmma rows"), (3, 104, 70, "bf16", "wgmma glu"),
    # Each stage is filled more than twice, or only one.
    (9, 296, 40, "f16", "wgmma"), (200, 264, 70, "bf16", "wgmma glu"), (130, 8, 8, "bf16", "wgmma"),
    # Rows that are no multiple of 16 bytes have no tensor cores.
    (66, 37, 65, "f32", ""), (7, 36, 5, "f16", "glu"), (9, 6, 4, "tf32", "rows"),
]
# Operands are rounded here as they are there: what is left is the rounding of sums.
TOLERANCE = 1e-6


def split_clause(words):
    """Whether warpgroups make the product, and its clause."""
    return words.startswith("wgmma"), words.removeprefix("wgmma").strip()


def make_kernel(case):
    tokens, inputs, outputs, kind, words = case
    by_groups, clause = split_clause(words)
    element = "f32" if kind == "tf32" else kind
    sums = 2 * outputs if clause == "glu" else outputs
    held = tokens + 4 if clause == "rows" else tokens
    types = [f"1x{held}x{inputs}x{element}", f"{sums}x{inputs}x{element}", f"1x{tokens}x{outputs}xf32"]
    clause_text = {"": "", "glu": " glu(silu)", "rows": " rows(%d)"}[clause]
    more = ", D" if clause == "rows" else ""
    if more:
        types.append(f"1x{tokens}xi32")
    attribute = " {mod.warpgroups}" if by_groups else " {mod.tf32}" if kind == "tf32" else ""
    return Kernel(types, f"mod.linear %a, %b{clause_text} into(%c){attribute} : (A, B{more}, C) -> ()"), element


def multiply(x, w, kind, clause):
    if kind == "tf32" and x.shape[1] % 4 == 0:
        x, w = round_tf32(x), round_tf32(w)
    y = x.astype(float) @ w.astype(float).T
    if clause != "glu":
        return y
    gate, up = np.split(y, 2, axis=1)
    return gate / (1 + np.exp(-gate)) * up


def make_case(random, case):
    """What the emulator is given, the place of the result among the buffers, and what is expected there."""
    tokens, inputs, outputs, kind, words = case
    clause = split_clause(words)[1]
    kernel, element = make_kernel(case)
    sums = 2 * outputs if clause == "glu" else outputs
    x = to_bits(random.standard_normal((tokens + 4 if clause == "rows" else tokens, inputs)), element)
    w = to_bits(random.standard_normal((sums, inputs)) / inputs ** 0.5, element)
    rows = random.permutation(len(x))[:tokens].astype(np.int32)
    taken = x[rows] if clause == "rows" else x
    expected = multiply(from_bits(taken, element), from_bits(w, element), kind, clause)
    result = np.full((tokens, outputs), np.nan, np.float32)
    buffers = {"a": x, "b": w, "c": result, "d": rows}
    order = "abdc" if clause == "rows" else "abc"
    given = [buffers[name].tobytes() for name in order]
    if split_clause(words)[0]:
        assert kernel.arguments[-1] == "128xi8", kernel.arguments
        given.append(describe_map(f"{sums}x{inputs}"))
    work = (compile_kernel(kernel.text), kernel.name, kernel.grid, given, [(0, 0)] * len(given))
    return work, len(order) - 1, expected


def check_result(case, results, place, expected):
    got = np.frombuffer(results[place], np.float32).reshape(expected.shape)
    error = np.abs(got - expected).max() / np.abs(expected).max()
    assert error < TOLERANCE, f"{case}: error {error}"
    return error


check_in_every_order(str(pathlib.Path(sys.argv[1]) / "lib/libmodrt-nvemu.so"), CASES,
                     functools.partial(make_case, np.random.default_rng(11)), check_result)
