# What kernels compute, against the equations in NumPy, on shapes that divide by
# nothing and for every width of vectors. (Code of 512 bits is run with what
# this machine has.)
# RUN: %python %s 128
# RUN: %python %s 256
# RUN: %python %s 512
# Products take turns where caches are too small for a panel:
# RUN: %python %s 512 level2-bytes=16384

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent / "Inputs"))
from run_kernels import Buffer, Cases, pack, rotate  # noqa: E402

bits = int(sys.argv[1])
lanes = bits // 32
panel = 2 * lanes
random = np.random.default_rng(7)
cases = Cases(bits, sys.argv[2:])
case = cases.add


def normal(*shape, scale=1.0):
    return (random.standard_normal(shape) * scale).astype(np.float32)


def out(*shape, **options):
    return Buffer(np.full(shape, 55, np.float32), **options)


def linear(m, k, n, bias=False, packed=True, dynamic=True, row=None):
    x, w, b = normal(m, k), normal(n, k, scale=k ** -0.5), normal(n)
    dims = (1,) if dynamic else ()
    y = out(1, m, n, dynamic=dims, row=row)
    arguments = [Buffer(x[None], dims, row and row + 3),
                 Buffer(pack(w, panel) if packed else w)]
    arguments += [Buffer(b)] if bias else []
    op = "mod.linear {0}, {1} " + ("bias({2}) into({3})" if bias else "into({2})")
    case(op + " : ({types}) -> ()", arguments + [y], [y],
         [(x.astype(float) @ w.T.astype(float) + (b if bias else 0))[None]])


for m in (1, 2, 3, 5, 6, 7, 11, 12, 13, 97, 100):
    linear(m, 20, panel + 3, bias=m % 2 == 0)
linear(1, 40, 5 * panel, dynamic=False)
linear(4, 40, 5 * panel - 1, dynamic=False, bias=True)
linear(200, 33, 1)
linear(3, 1, 7)
linear(9, 24, 2 * panel, row=5 * panel)
linear(5, 19, 13, packed=False, bias=True)
linear(13, 1500, 3 * panel + 1)
linear(25, 41, 3 * panel)
linear(63, 301, 2 * panel + 1, bias=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x.astype(float)))


GATES = {"raw": lambda r: r.astype(float), "sigmoid": sigmoid,
         "tanh": lambda r: np.tanh(r.astype(float)), "none": np.ones_like,
         "tanh, scale = 0.5, bias = -2.0": lambda r: np.tanh(r.astype(float)) / 2 - 2}


def pack_halves(w):
    """Panels of rows of the first half and as many of the second."""
    halves = [pack(half, panel // 2) for half in np.split(w, 2)]
    return np.concatenate(halves, -1)


def clauses(m, k, n, rows=None, scaled=False, bias=False, glu=False, plus=False,
            gate=None, at=None, accumulate=False, packed=True):
    """A product with the clauses that are asked for, in their order."""
    x, r = normal(m, k), normal(m, scale=3)
    w = normal(2 * n if glu else n, k, scale=k ** -0.5)
    tokens = np.arange(m) if rows is None else np.array(rows, np.int32)
    text, arguments = "mod.linear {0}, {1}", [Buffer(x[None], (1,))]
    arguments.append(Buffer((pack_halves(w) if glu else pack(w, panel))
                            if packed else w))

    def clause(words, array, dynamic=(1,)):
        nonlocal text
        text += f" {words}({{{len(arguments)}}})"
        arguments.append(Buffer(array, dynamic))

    if rows is not None:
        clause("rows", tokens[None])
    y = x[tokens].astype(float) @ w.T.astype(float)
    if scaled:
        scales = normal(len(tokens))
        clause("row_scales", scales[None])
        y *= scales[:, None]
    if bias:
        b = normal(len(w))
        clause("bias", b, ())
        y += b
    if glu:
        text += " glu(silu)"
        y = y[:, :n] * sigmoid(y[:, :n]) * y[:, n:]
    if plus:
        addend = normal(len(tokens), n)
        clause("plus", addend[None])
        y += addend
    written = np.arange(len(tokens)) if at is None else np.array(at, np.int32)
    height = len(tokens) if at is None else max(at) + 3
    into = normal(height, n)
    if gate:
        scores = normal(height)
        clause(f"gate({gate}) by", scores[None])
        y *= GATES[gate](scores)[written, None]
    expected = into.astype(float)
    expected[written] = y + (expected[written] if accumulate else 0)
    text += " accumulate" if accumulate else ""
    clause("into", into[None])
    if at is not None:
        clause("at", written[None])
    case(text + " : ({types}) -> ()", arguments,
         [arguments[-1 if at is None else -2]], [expected[None]], tolerance=1e-5)


rows = [1, 3, 4, 8, 9, 11, 12, 13, 19]
for n in (panel, panel + 3):
    clauses(20, 24, n, rows=rows, bias=True, glu=True)
    clauses(9, 24, n, plus=True, gate="sigmoid", accumulate=True, at=rows)
clauses(9, 24, panel // 2 - 1, scaled=True, bias=True, glu=True, plus=True)
clauses(1, 40, 3 * panel, scaled=True, glu=True)
clauses(1, 40, 3 * panel, gate="tanh", accumulate=True)
clauses(100, 17, panel, accumulate=True)
clauses(8, 17, 5, gate="raw", accumulate=True, rows=[7, 0, 2], at=[9, 4, 6])
clauses(8, 17, 5, gate="none", accumulate=True, bias=True, scaled=True)
clauses(9, 24, panel + 3, plus=True, gate="raw", at=rows)
clauses(9, 24, panel, plus=True, at=rows)
clauses(3, 17, 5, gate="tanh, scale = 0.5, bias = -2.0")
clauses(8, 17, 5, rows=[7, 0, 2], scaled=True, bias=True, glu=True, plus=True,
        gate="sigmoid", accumulate=True, at=[9, 4, 6], packed=False)


def rms_norm(m, d, row=None):
    x, g = normal(m, d, scale=3), normal(d)
    y = out(1, m, d, dynamic=(1,), row=row)
    mean = (x.astype(float) ** 2).mean(1, keepdims=True)
    case("mod.rms_norm {0}, {1} eps(1.0e-5) into({2}) : ({types}) -> ()",
         [Buffer(x[None], (1,), row), Buffer(g), y], [y],
         [(x / np.sqrt(mean + 1e-5) * g)[None]])
    inverse = out(1, m, dynamic=(1,))
    case("mod.inverse_rms {0} eps(1.0e-5) into({1}) : ({types}) -> ()",
         [Buffer(x[None], (1,), row), inverse], [inverse],
         [1 / np.sqrt(mean + 1e-5).T])
    inverse = out(1, 2, dynamic=(1,))
    rows = Buffer(np.array([[m - 1, m // 2]], np.int32), (1,))
    case("mod.inverse_rms {0} rows({1}) eps(1.0e-5) into({2}) : ({types}) -> ()",
         [Buffer(x[None], (1,), row), rows, inverse], [inverse],
         [1 / np.sqrt(mean[[m - 1, m // 2]] + 1e-5).T])


for m, d, row in ((1, 64, None), (17, 40, None), (33, 7, 23), (2, 1000, None)):
    rms_norm(m, d, row)


def rms_norm_heads(m, heads, d, row=None):
    x, g = normal(m, heads, d, scale=3), normal(d)
    y = out(1, m, heads * d, dynamic=(1,), row=row)
    mean = (x.astype(float) ** 2).mean(2, keepdims=True)
    expected = (x / np.sqrt(mean + 1e-5) * g).reshape(m, -1)
    case(f"mod.rms_norm {{0}}, {{1}} eps(1.0e-5) heads({heads}) into({{2}}) : ({{types}}) -> ()",
         [Buffer(x.reshape(1, m, -1), (1,), row), Buffer(g), y], [y], [expected[None]])


rms_norm_heads(1, 4, 16)
rms_norm_heads(19, 3, 14)
rms_norm_heads(5, 2, 130, row=300)


def rope(positions, heads, d, theta=10000.0, row=None):
    x = normal(len(positions), heads * d)
    y = out(1, *x.shape, dynamic=(1,), row=row)
    case(f"mod.rope {{0}} at({{1}}) heads({heads}) theta({theta:e}) into({{2}}) "
         ": ({types}) -> ()",
         [Buffer(x[None], (1,), row),
          Buffer(np.array(positions, np.int32)[None], (1,)), y], [y],
         [rotate(x, positions, heads, theta)[None]])


rope(range(20), 3, 10)
rope([8191, 8190, 4095, 77, 0], 2, 64)
rope([100000, 131000], 1, 128, theta=500000.0)
rope([5], 4, 2, row=30)
rope([3, 9, 4000], 2, 36, row=100)


def router(m, d, bias):
    x, w, b = normal(m, d), normal(1, d), normal(1)
    y = out(1, m, dynamic=(1,))
    arguments = [Buffer(x[None], (1,)), Buffer(w)] + ([Buffer(b)] if bias else [])
    op = "mod.router {0}, {1} " + ("bias({2}) into({3})" if bias else "into({2})")
    case(op + " : ({types}) -> ()", arguments + [y], [y],
         [(x.astype(float) @ w.T + (b if bias else 0)).T], tolerance=1e-5)


router(1, 192, False)
router(35, 21, True)


def predictor(m, d, hidden):
    x, w0, b0 = normal(m, d), normal(hidden, d, scale=d ** -0.5), normal(hidden)
    w2, b2 = normal(1, hidden), normal(1)
    y = out(1, m, dynamic=(1,))
    h = x.astype(float) @ w0.T + b0
    case("mod.predictor {0}, {1}, {2}, {3}, {4} into({5}) : ({types}) -> ()",
         [Buffer(x[None], (1,)), Buffer(w0), Buffer(b0), Buffer(w2), Buffer(b2), y],
         [y], [((h * sigmoid(h)) @ w2.T + b2).T], tolerance=1e-5)


predictor(1, 64, 32)
predictor(37, 50, 21)
predictor(5, 9, 1)


ROUND = {"floor": np.floor, "ceil": np.ceil, "nearest": lambda x: np.floor(x + 0.5)}


def is_largest(scores, capacity, ties, forced, rounding):
    finite = np.isfinite(scores) if forced else np.full(len(scores), True)
    n, extra = finite.sum(), (scores[~finite] > 0).sum()
    k = (max(1, int(ROUND[rounding](capacity * n)))
         if isinstance(capacity, float) else capacity)
    k = extra + min(k, n)
    order, chosen = np.argsort(-scores, kind="stable"), np.zeros(len(scores), bool)
    chosen[order[:k]] = True
    if ties != "first" and k:
        chosen[scores == scores[order[k - 1]]] = ties == "all" or k == 1
    return chosen


def select(scores, capacity, threshold=None, ties="first", forced=False,
           rest=False, rounding="floor"):
    n = len(scores)
    chosen, text = np.full(n, True), "rest " if rest else ""
    if capacity is not None:
        chosen = is_largest(scores, capacity, ties, forced, rounding)
        text += "top_k(" + (f"{rounding}({capacity})" if rounding != "floor" else
                            str(capacity))
        text += f", ties = {ties}" * (ties != "first") + ", forced" * forced + ")"
    if capacity is None or threshold is not None:
        word, value = threshold or ("above", 0.0)
        chosen &= scores >= value if word == "at_least" else scores > value
        text += f" {word}({value})" if threshold else " positive"
    want = np.flatnonzero(chosen != rest)
    plain = capacity and ties == "first" and not (rest or forced or threshold)
    length = max(1, len(want) if plain else n)
    y = Buffer(np.full((1, length), -5, np.int32))
    case(f"%count = mod.select {text} {{0}} into({{1}}) : ({{types}}) -> index",
         [Buffer(scores[None].astype(np.float32), (1,)), y], [y], [want[None]],
         count=len(want))


for n in (1, 2, 7, 16, 100, 1023):
    for capacity in (0.125, 1.0, 0.03, 1, 5, None):
        if isinstance(capacity, float) or capacity is None or capacity <= n:
            select(normal(n), capacity)
select(np.zeros(50), 0.3)
select(np.array([0.0, -0.0, 1, -1, 0.0, -0.0, 2]), 4)
select(np.repeat([3.0, -2, 5, -2, 3], 20), 0.5)
select(-np.abs(normal(100)), 0.29)
select(normal(40) * 1e30, 7)
select(np.full(9, -1.0), None)
for n in (1, 5, 40, 333):
    quarters = np.round(normal(n) * 4) / 4
    for ties in ("first", "none", "all"):
        for capacity in (1, 4, 0.3):
            select(quarters, capacity, ties=ties)
        select(quarters, 0.29, ties=ties, rest=True, rounding="ceil")
        masked = np.where(random.random(n) < 0.2, np.inf, quarters)
        masked[random.random(n) < 0.2] = -np.inf
        select(masked, 0.3, ties=ties, forced=True, rounding="nearest")
        select(masked, 3, ties=ties, forced=True, threshold=("above", 0.25))
    select(quarters, None, threshold=("at_least", 0.25))
    select(quarters, None, threshold=("above", 0.25), rest=True)
    select(quarters, 0.6, threshold=("at_least", -0.5), rest=True)
select(np.full(9, -np.inf), 4, forced=True)
select(np.full(9, np.inf), 4, forced=True)


def members(n, indices):
    want = np.full((1, n), -np.inf)
    want[0, indices] = 0
    y = out(1, n, dynamic=(1,))
    case("mod.members {0} into({1}) : ({types}) -> ()", [Buffer(np.array([indices], np.int32), (1,)), y], [y], [want])


members(1, [0])
members(33, [0, 7, 8, 32])
members(20, [])


def pool(kind, n, expected):
    scores, y = normal(n) + np.float32(0.5), out(1, n, dynamic=(1,))
    case(f"mod.pool {kind} {{0}} into({{1}}) : ({{types}}) -> ()", [Buffer(scores[None], (1,)), y], [y],
         [np.full((1, n), expected(scores.astype(float)))])


for n in (1, 5, 700):
    pool("mean", n, np.mean)
    pool("first", n, lambda scores: scores[0])
    pool("last", n, lambda scores: scores[-1])


def mix(x):
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x7FEB352D)
    x = (x ^ x >> np.uint32(15)) * np.uint32(0x846CA68B)
    return x ^ x >> np.uint32(16)


def noise(n, seed):
    positions = random.integers(0, 1 << 20, n).astype(np.int32)
    with np.errstate(over="ignore"):
        base = mix(positions.astype(np.uint32) + mix(np.uint32([seed])))
        words = [mix(base + np.uint32(j)) for j in range(6)]
    sums = sum((w & np.uint32(65535)).astype(float) + (w >> np.uint32(16)) for w in words)
    y = out(1, n, dynamic=(1,))
    case(f"mod.noise {{0}} seed({seed}) into({{1}}) : ({{types}}) -> ()",
         [Buffer(positions[None], (1,)), y], [y],
         [(sums[None] - 393210) / 65536], tolerance=0)


noise(1, 0)
noise(100, 123456789)


def softmax(n, members=None):
    scores, y = normal(n, scale=30), out(1, n, dynamic=(1,))
    among = np.arange(n) if members is None else members
    powers = np.exp(scores.astype(float) - scores[among].max())
    want = np.zeros(n)
    want[among] = powers[among] / powers[among].sum()
    over = [] if members is None else [Buffer(among[None].astype(np.int32), (1,))]
    case("mod.softmax {0} " + ("over({1}) into({2})" if over else "into({1})") +
         " : ({types}) -> ()", [Buffer(scores[None], (1,)), *over, y], [y],
         [want[None]])


softmax(1)
softmax(37)
softmax(20, np.array([1, 4, 5, 19]))
softmax(9, np.array([8]))


def shares(n, choices, top, gate, row=None):
    logits = normal(n, choices, scale=4)
    logits[: n // 2] = np.rint(logits[: n // 2])
    order = np.argsort(-logits, axis=1, kind="stable")[:, :top]
    chosen = np.zeros(logits.shape, bool)
    np.put_along_axis(chosen, order, True, axis=1)
    powers = np.exp(logits.astype(float) - logits.max(1, keepdims=True))
    want = {"sigmoid": 1 / (1 + np.exp(-logits.astype(float))), "none": np.ones(logits.shape),
            "softmax": powers / powers.sum(1, keepdims=True),
            "softmax_topk": powers / np.where(chosen, powers, 0).sum(1, keepdims=True)}[gate]
    y = out(choices, 1, n, dynamic=(2,), row=row)
    case(f"mod.shares {{0}} " + (f"top({top}) " if top else "") +
         f"gate({gate}, scale = 0.5) into({{1}}) : ({{types}}) -> ()",
         [Buffer(logits[None], (1,)), y], [y], [0.5 * np.where(chosen, want, 0).T[:, None]])


shares(1, 8, 2, "softmax_topk")
shares(37, 5, 3, "softmax")
shares(20, 130, 4, "sigmoid", row=24)
shares(9, 3, None, "softmax")
shares(6, 1, 1, "none")


def scatter(m, n, d, gate, indexed=True, row=None, replace=False):
    x, update, scores = normal(n, d), normal(m, d), normal(n, scale=4)
    scores[: n // 2] *= 0.05
    indices = np.sort(random.permutation(n)[:m]) if indexed else np.arange(n)
    r = scores[indices].astype(float)
    want = x.astype(float)
    want[indices] *= not replace
    want[indices] += GATES[gate](r)[:, None] * update
    target = Buffer(x[None].copy(), (1,), row)
    arguments = [Buffer(update[None], (1,)), target]
    arguments += [Buffer(indices[None].astype(np.int32), (1,))] if indexed else []
    case("mod.scatter {0} into {1} " + ("at({2}) " if indexed else "") +
         f"{'replace ' if replace else ''}gate({gate}) "
         f"by({{{3 if indexed else 2}}}) : ({{types}}) -> ()",
         arguments + [Buffer(scores[None], (1,))], [target], [want[None]])


scatter(9, 70, 40, "raw")
scatter(20, 50, 21, "sigmoid", row=64)
scatter(30, 31, 8, "tanh")
scatter(3, 64, 17, "none")
scatter(33, 33, 12, "sigmoid", indexed=False)
scatter(9, 70, 21, "sigmoid", replace=True)
scatter(12, 12, 33, "tanh, scale = 0.5, bias = -2.0", indexed=False, replace=True)


def tokens():
    table, ids = normal(37, 45), random.integers(0, 37, (1, 70)).astype(np.int32)
    y = out(1, 70, 45, dynamic=(1,))
    case("mod.embedding {0}, {1} into({2}) : ({types}) -> ()",
         [Buffer(ids, (1,)), Buffer(table), y], [y], [table[ids]])
    x, rows = normal(1, 90, 45), random.permutation(90)[None, :33].astype(np.int32)
    y = out(1, 33, 45, dynamic=(1,), row=60)
    case("mod.gather {0} at({1}) into({2}) : ({types}) -> ()",
         [Buffer(x, (1,), 50), Buffer(rows, (1,)), y], [y], [x[:, rows[0]]])
    y = Buffer(np.zeros((1, 70), np.int32), (1,))
    case("mod.positions {0} from {1} into({2}) : ({types}) -> ()",
         [Buffer(ids, (1,)), 13, y], [y], [13 + np.arange(70)[None]])
    y = Buffer(np.zeros((1, 33), np.int32), (1,))
    case("mod.gather {0} at({1}) into({2}) : ({types}) -> ()",
         [Buffer(ids, (1,)), Buffer(rows % 70, (1,)), y], [y], [ids[:, rows[0] % 70]])


tokens()
cases.run()
