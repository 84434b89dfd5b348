# Products in bf16 and in integers, and what makes tokens narrow, against the
# equations in NumPy, on shapes that divide by nothing.
# RUN: %python %s 128
# RUN: %python %s 256
# RUN: %python %s 512
# RUN: %python %s 512 bf16-dot byte-dot
# RUN: %python %s 512 bf16-dot byte-dot tiles
# RUN: %python %s 512 tiles

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
from run_kernels import Buffer, Module, from_bfloat16, to_bfloat16  # noqa: E402

bits = int(sys.argv[1])
panel = bits // 16
random = np.random.default_rng(11)
module, runs = Module(), []


def normal(*shape, scale=1.0):
    return (random.standard_normal(shape) * scale).astype(np.float32)


def pack(weight, together):
    """`[out, in]` as `[out / panel, in / together, panel, together]`."""
    n, k = (-(-size // tile) * tile for size, tile in zip(weight.shape, (panel, together)))
    padded = np.zeros((n, k), weight.dtype)
    padded[: weight.shape[0], : weight.shape[1]] = weight
    tiles = padded.reshape(n // panel, panel, k // together, together)
    return np.ascontiguousarray(tiles.transpose(0, 2, 1, 3))


def pack_bytes(weight):
    """As `pack` with 4 inputs together, and -128 times the sums behind them."""
    tiles = pack(weight, 4)
    sums = -128 * tiles.astype(np.int32).sum((1, 3), dtype=np.int32)
    tail = np.ascontiguousarray(sums[:, None, :, None]).view(np.int8)
    return np.ascontiguousarray(np.concatenate([tiles, tail], 1))


def pack_words(weight):
    """Integers in four bits, `[out, in]`, as `[out / panel, in / 32, 4, panel]`."""
    tiles = pack(weight, 32)
    words = np.zeros(tiles.shape[:3] + (4,), np.uint32)
    for k in range(32):
        bits = tiles[..., k].astype(np.uint32) & 15
        words[..., k // 8] |= bits << (k % 2 * 16 + k % 8 // 2 * 4)
    return np.ascontiguousarray(words.transpose(0, 1, 3, 2)).view(np.int32)


def stored(x):
    """Bytes of tokens as they lie in memory: where the instruction takes no sign, 128 larger."""
    return x ^ np.int8(-128) if x.dtype == np.int8 and "byte-dot" in sys.argv and "tiles" not in sys.argv else x


def widen(x, together):
    return np.pad(x, ((0, 0), (0, -x.shape[1] % together)))


def case(op, arguments, expected, tolerance):
    """`op` on `arguments` makes the last of them equal to `expected`."""
    name = module.add(op + " : ({types}) -> ()", arguments)
    runs.append((name, op, arguments, expected, tolerance))


def run_all():
    options = " ".join([f"vector-bits={bits}", *sys.argv[2:]])
    compiled = module.compile(bits, [f"--mod-lower-kernels={options}"])
    for name, op, arguments, expected, tolerance in runs:
        compiled.call(name, *arguments)
        what = f"{op} : {[a.type() for a in arguments]}"
        error = np.abs(arguments[-1].array[0].astype(float) - expected).max(initial=0)
        limit = tolerance * max(1, np.abs(expected).max(initial=0))
        assert error <= limit, f"{what}: error {error}, limit {limit}"


def out(m, n, row=None):
    return Buffer(np.full((1, m, n), 55, np.float32), (1,), row)


def linear_bf16(m, k, n, narrow=False, row=None):
    x, w, b = normal(m, k), to_bfloat16(normal(n, k, scale=k ** -0.5)), normal(n)
    seen = from_bfloat16(to_bfloat16(x)) if narrow else x
    expected = seen.astype(float) @ from_bfloat16(w).T.astype(float) + b
    x = widen(to_bfloat16(x), 2) if narrow else x
    arguments = [Buffer(x[None], (1,), row), Buffer(pack(w, 2)), Buffer(b), out(m, n, row)]
    case("mod.linear {0}, {1} bias({2}) into({3})", arguments, expected, 2e-6)


def linear_i8(m, k, n, element=np.int16, row=None):
    x = random.integers(-127, 128, (m, k)).astype(element)
    w = random.integers(-127, 128, (n, k)).astype(np.int8)
    s, r = normal(n, scale=0.01), normal(m, scale=0.01)
    b = normal(n)
    expected = x.astype(float) @ w.T.astype(float) * s * r[:, None] + b
    together = 2 if element == np.int16 else 4
    packed = pack(w, 2) if together == 2 else pack_bytes(w)
    arguments = [Buffer(stored(widen(x, together))[None], (1,), row), Buffer(packed),
                 Buffer(s), Buffer(r[None], (1,)), Buffer(b), out(m, n, row)]
    case("mod.linear {0}, {1} scales({2}) row_scales({3}) bias({4}) into({5})",
         arguments, expected, 2e-6)


def linear_i4(m, k, n, row=None):
    x = random.integers(-32767, 32768, (m, k)).astype(np.int16)
    w = random.integers(-8, 8, (n, k)).astype(np.int8)
    s = normal(n, -(-k // 32), scale=0.1)
    r = normal(m, scale=1e-4)
    expected = x.astype(float) @ (w * np.repeat(s, 32, 1)[:, :k].astype(float)).T * r[:, None]
    scales = np.ascontiguousarray(pack(s, 1)[..., 0])
    arguments = [Buffer(widen(x, 32)[None], (1,), row), Buffer(pack_words(w)),
                 Buffer(scales), Buffer(r[None], (1,)), out(m, n, row)]
    case("mod.linear {0}, {1} scales({2}) row_scales({3}) into({4})", arguments, expected, 2e-6)


for tokens, k, n, row in (((1, 2, 5, 97, 701), 133, panel + 5, None), ((1, 3), 1, 9, None),
                          ((1, 6, 31, 47), 200, 3 * panel, None),
                          ((13, 16, 64), 100, 2 * panel - 1, 8 * panel + 200)):
    for m in tokens:
        linear_bf16(m, k, n, row=row)
        linear_bf16(m, k, n, narrow=True, row=row)
        linear_i8(m, k, n, row=row)
        linear_i8(m, k, n, np.int8, row=row)
        linear_i4(m, k, n, row=row)


def glu(m, k, n):
    """Gate and up of each panel side by side, with scales of both."""
    def rows(w, together):
        half = panel // 2
        parts = np.zeros((-(-n // half), 2, half, k), w.dtype)
        for part in range(2):
            for i in range(n):
                parts[i // half, part, i % half] = w[part * n + i]
        return pack(parts.reshape(-1, k), together)

    x = random.integers(-127, 128, (m, k)).astype(np.int16)
    w = random.integers(-127, 128, (2 * n, k)).astype(np.int8)
    s, r = normal(2 * n, scale=0.03), normal(m, scale=0.03)
    y = x.astype(float) @ w.T.astype(float) * s * r[:, None]
    expected = y[:, :n] / (1 + np.exp(-y[:, :n])) * y[:, n:]
    arguments = [Buffer(widen(x, 2)[None], (1,)), Buffer(rows(w, 2)), Buffer(s),
                 Buffer(r[None], (1,)), out(m, n)]
    case("mod.linear {0}, {1} scales({2}) row_scales({3}) glu(silu) into({4})", arguments,
         expected, 1e-5)


glu(1, 20, panel)
glu(9, 31, panel + 3)


def quantize(m, k, limit, element, width, rows=None, row=None):
    x = normal(m, k, scale=3)
    x[m // 2] = 0
    seen = x if rows is None else x[rows]
    indices = [] if rows is None else [Buffer(np.array(rows, np.int32)[None], (1,))]
    clause = "rows({1}) " if indices else ""
    s = (np.abs(seen).max(1) * np.float32(1 / np.float32(limit))).astype(np.float32)
    result = Buffer(np.full((1, len(seen)), 55, np.float32), (1,))
    case(f"mod.row_scales {{0}} {clause}to({limit}) into({{{1 + len(indices)}}})",
         [Buffer(x[None], (1,), row), *indices, result], s, 0)
    factor = np.divide(np.float32(1), s, where=s > 0, out=np.zeros_like(s))
    expected = np.pad(np.rint(seen * factor[:, None]), ((0, 0), (0, width - k)))
    result = Buffer(np.full((1, len(seen), width), 55, element), (1,))
    case(f"mod.quantize {{0}} {clause}by({{{1 + len(indices)}}}) into({{{2 + len(indices)}}})",
         [Buffer(x[None], (1,), row), *indices, Buffer(s[None], (1,)), result], stored(expected.astype(element)), 0)


quantize(1, 64, 127, np.int16, 64)
quantize(5, 33, 127, np.int8, 36, row=50)
quantize(20, 7, 32767, np.int16, 32)
quantize(17, 100, 127, np.int16, 100, rows=[16, 3, 8, 9])


def round_to_bf16(m, k, width):
    x = normal(m, k)
    x[0, :4] = np.array([0x3F808000, 0x3F818000, 0x3F7FFFFF, 0], np.uint32).view(np.float32)
    expected = np.pad(to_bfloat16(x), ((0, 0), (0, width - k)))
    result = Buffer(np.full((1, m, width), 55, np.uint16), (1,))
    case("mod.quantize {0} into({1})", [Buffer(x[None], (1,)), result], expected, 0)


round_to_bf16(3, 43, 44)
run_all()
