# Attention over panels of keys and values, against the equations in NumPy, on
# shapes that divide by nothing and for every width of vectors; with pairs of
# bf16 by what CPUs have for these.
# RUN: %python %s 128
# RUN: %python %s 256
# RUN: %python %s 512
# RUN: %python %s 256 pairs
# RUN: %python %s 512 pairs bf16-dot
# RUN: %python %s 512 pairs tiles

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
from run_kernels import (Buffer, Cases, from_bfloat16, rotate,  # noqa: E402
                         to_bfloat16)

bits, options = int(sys.argv[1]), sys.argv[2:]
pairs = "pairs" in options
options = [option for option in options if option != "pairs"]
lanes = bits // 32
panel = 2 * lanes
random = np.random.default_rng(7)
cases = Cases(bits, options)
case = cases.add


def normal(*shape, scale=1.0):
    return (random.standard_normal(shape) * scale).astype(np.float32)


def out(*shape, **options):
    return Buffer(np.full(shape, 55, np.float32), **options)


def attend(q, k, v, heads, kv_heads, window, places, kept):
    """Queries at the places of some keys, whose positions are `kept`."""
    n, d = k.shape[0], q.shape[1] // heads
    result = np.zeros(q.shape)
    behind = kept[places][:, None] - kept[None]
    seen = (behind >= 0) & (behind < (window or np.inf))
    for h in range(heads):
        g = h // (heads // kv_heads)
        here, there = slice(h * d, h * d + d), slice(g * d, g * d + d)
        s = q[:, here].astype(float) @ k[:, there].T.astype(float) / d ** 0.5
        s = np.where(seen, s, -np.inf)
        p = np.exp(s - s.max(1, keepdims=True))
        result[:, here] = p / p.sum(1, keepdims=True) @ v[:, there]
    return result


def round_query(q, d):
    """What instructions for pairs see of queries, whose scores are exponents of
    two; weights are rounded as well."""
    scale = np.float32(np.log2(np.e) / d ** 0.5)
    return from_bfloat16(to_bfloat16(q * scale)) / scale


def make_panels(kv_heads, d, tokens, value_vectors, dtype):
    """Buffers of panels, full of what no kernel may use: NaN."""
    width, together = value_vectors * lanes, 2 if pairs and d % 2 == 0 else 1
    shapes = [(kv_heads, -(-tokens // panel), d // together, panel),
              (kv_heads, -(-d // width), -(-tokens // together), width)]
    if together == 2:
        shapes = [(*shape, 2) for shape in shapes]
    nan = np.float32(np.nan) if dtype == np.float32 else 0x7FC0
    return [Buffer(np.full(shape, nan, dtype)) for shape in shapes]


def attention(m, n, heads, kv_heads, d, dynamic=True, row=None, scale=1.0,
              chunks=1, spare=0, splits=0, theta=None, dtype=None,
              value_vectors=1, window=None, some=False, apart=0):
    """`m` queries over `n` keys that are appended in `chunks` calls to panels
    for `n + spare` tokens. Queries are the last tokens, or at `some` positions.
    Where tokens are up to so many positions `apart`, the window is of these."""
    dtype = dtype or (np.uint16 if pairs else np.float32)
    q, k, v = (normal(t, h * d, scale=s) for t, h, s in
               ((m, heads, scale), (n, kv_heads, scale), (n, kv_heads, 1)))
    y = out(1, m, heads * d, dynamic=(1,) if dynamic else (), row=row)
    keys, values = make_panels(kv_heads, d, n + spare, value_vectors, dtype)
    panels = f"{keys.type()}, {values.type()}"
    positions = random.permutation(5 * n)[:n].astype(np.int32)
    kept = Buffer(np.full(values.array.shape[2] * keys.array[0, 0, 0, 0].size, -1, np.int32))
    gaps = random.integers(1, apart + 1, n) if apart else np.ones(n)
    kept_positions = np.cumsum(gaps).astype(np.int32)
    text, arguments = [], [Buffer(q[None], (1,) if dynamic else (), row), keys,
                           values, y]
    for part in np.array_split(np.arange(n), chunks):
        new = [Buffer(x[None, part], (1,), row) for x in (k, v)]
        new += [Buffer(positions[None, part], (1,))] if theta else []
        at = len(arguments)
        names = [f"{{{at + 1 + i}}}" for i in range(len(new) + 2)]
        rotated = f"rotated({names[2]} theta({theta:e})) " if theta else ""
        types = ", ".join([new[0].type(), new[1].type(), panels] + [b.type() for b in new[2:]])
        if apart:
            rotated += f"keeping({names[-2]} in {names[-1]}) "
            new += [Buffer(kept_positions[None, part], (1,)), kept]
            types += f" keeping {new[-2].type()} in {kept.type()}"
        text.append(f"mod.append_panels {names[0]}, {names[1]} at({{{at}}}) "
                    f"{rotated}into({{1}}, {{2}}) : {types}")
        arguments += [int(part[0]), *new]
    partials, types = "", f"{arguments[0].type()}, {panels}, {y.type()}"
    if splits:
        arguments.append(Buffer(np.full((heads, splits, d + 2), np.nan, np.float32)))
        partials = f"partials({{{len(arguments) - 1}}}) "
        types += ", " + arguments[-1].type()
    places = n - m + np.arange(m)
    if some:
        places = np.sort(random.choice(n, m, replace=False))
        arguments.append(Buffer(places[None].astype(np.int32), (1,) if dynamic else ()))
        types += " at " + arguments[-1].type()
    else:
        arguments.append(n)
    word, shown = "at" if some else "of", f"window({window}) " if window else ""
    place = len(arguments) - 1
    if apart:
        shown += f"kept({{{len(arguments)}}}) "
        arguments.append(kept)
        types += " kept " + kept.type()
    text.append(f"mod.panel_attention {{0}}, {{1}}, {{2}} {word}({{{place}}})"
                f" heads({heads}) {shown}{partials}into({{3}}) : {types}")
    if theta:
        k = rotate(k, positions, kv_heads, theta).astype(np.float32)
    if dtype != np.float32:
        k, v = (from_bfloat16(to_bfloat16(x)) for x in (k, v))
    # Rounding to bf16 may go the other way where a rotation is not exact.
    tolerance = 1e-5 if dtype == np.float32 else 2e-3
    if "bf16-dot" in options or ("tiles" in options and dynamic):
        if pairs and d % 2 == 0:
            q, tolerance = round_query(q, d), 1e-2
    case("\n  ".join(text), arguments, [y],
         [attend(q, k, v, heads, kv_heads, window, places, kept_positions)[None]],
         tolerance)


attention(0, 5, 1, 1, 8)
attention(1, 1, 1, 1, 8)
attention(7, 7, 2, 1, 10, chunks=3)
attention(64, 64, 2, 2, 16, value_vectors=2)
attention(131, 131, 3, 1, 20, row=100, spare=9, theta=1e4)
attention(61, 200, 4, 2, 64, value_vectors=2, chunks=2, theta=5e5)
attention(3, 70, 2, 2, 36, scale=6)
attention(150, 150, 1, 1, 128, value_vectors=2)
attention(40, 700, 2, 1, 24, chunks=5, spare=100, scale=4)
attention(300, 300, 1, 1, 16)
attention(97, 1063, 2, 1, 80, value_vectors=2)
attention(64, 1024, 1, 1, 64, value_vectors=2)
attention(600, 620, 1, 1, 8, spare=1)
attention(70, 90, 2, 1, 18, theta=1e4, dtype=np.uint16)
attention(1, 1, 2, 2, 8, dynamic=False)
attention(1, 100, 6, 2, 10, dynamic=False, spare=30)
attention(1, 64, 8, 1, 64, dynamic=False, row=600, value_vectors=2)
attention(1, 257, 3, 3, 128, dynamic=False, scale=5, chunks=2)
attention(1, 65, 7, 1, 24, dynamic=False, theta=1e4)
attention(1, 1100, 6, 2, 20, dynamic=False, splits=2, spare=40)
attention(1, 900, 2, 1, 64, dynamic=False, splits=4, value_vectors=2, scale=4)
attention(1, 3, 2, 2, 10, dynamic=False, splits=3, spare=2000)
attention(1, 333, 15, 1, 20, dynamic=False, dtype=np.uint16, splits=2)
attention(9, 9, 2, 1, 12, window=1)
attention(131, 131, 3, 1, 20, row=100, spare=9, window=7, theta=1e4)
attention(40, 700, 2, 1, 24, chunks=5, scale=4, window=300)
attention(600, 620, 1, 1, 8, window=64)
attention(300, 900, 1, 1, 16, window=2000)
attention(1, 257, 3, 3, 128, dynamic=False, scale=5, window=130)
attention(1, 65, 7, 1, 24, dynamic=False, window=1)
attention(1, 1100, 6, 2, 20, dynamic=False, splits=2, spare=40, window=301)
attention(1, 900, 2, 1, 64, dynamic=False, splits=4, window=17)
attention(0, 5, 1, 1, 8, some=True)
attention(1, 40, 2, 1, 10, some=True)
attention(7, 7, 2, 1, 10, chunks=3, some=True)
attention(131, 1000, 3, 1, 20, row=100, spare=9, theta=1e4, some=True)
attention(100, 700, 2, 1, 24, chunks=5, spare=100, scale=4, some=True)
attention(300, 620, 1, 1, 8, value_vectors=1, dtype=np.uint16, some=True)
attention(120, 900, 2, 2, 16, window=50, some=True)
attention(33, 600, 1, 1, 16, window=1, some=True)
attention(1, 257, 3, 3, 128, dynamic=False, scale=5, some=True)
attention(1, 1100, 6, 2, 20, dynamic=False, splits=2, spare=40, some=True)
attention(1, 900, 2, 1, 64, dynamic=False, splits=4, window=17, some=True)
attention(0, 5, 1, 1, 8, window=3, apart=3)
attention(7, 7, 2, 1, 10, window=5, chunks=3, apart=4)
attention(131, 131, 3, 1, 20, row=100, spare=9, window=37, theta=1e4, apart=9)
attention(40, 700, 2, 1, 24, chunks=5, scale=4, spare=3, window=600, apart=3)
attention(600, 620, 1, 1, 8, window=2, apart=2)
attention(300, 900, 1, 1, 16, window=20000, apart=6)
attention(120, 601, 2, 2, 16, window=64, dtype=np.uint16, apart=100)
attention(1, 1, 2, 2, 8, dynamic=False, window=1, apart=5)
attention(1, 257, 3, 3, 128, dynamic=False, scale=5, window=130, apart=2)
attention(1, 1100, 6, 2, 20, dynamic=False, splits=2, spare=40, window=900, apart=4)
attention(1, 900, 2, 1, 64, dynamic=False, splits=4, window=17, apart=30)

cases.run()
