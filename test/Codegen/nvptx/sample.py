"""The next token as a decode step chooses it, against the settings' definitions in NumPy, in every order of threads.

RUN: %python %s %{build}
"""

import itertools
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "nvemu"))
from kernel_runner import Kernel, compile_kernel, make_choice, run  # noqa: E402

ENVIRONMENTS = [dict(NVEMU_ORDER=order, NVEMU_RACES="1", NVEMU_BOUNDS="1") for order in ("forward", "reverse", "random")]
PLAIN = dict(top_k=0, top_p=1.0, min_p=0.0, temperature=1.0, penalty=1.0, recent=())


def find_shares(logits, top_k, top_p, min_p, temperature, penalty, recent):
    """Tokens that may be chosen, likeliest first, and the share at which each ends."""
    logits = logits.astype(float)
    for token in recent:
        logits[token] = logits[token] / penalty if logits[token] > 0 else logits[token] * penalty
    order = np.argsort(-logits, kind="stable")[:top_k or None]
    likely = np.exp(logits[order] - logits[order[0]])
    before = np.concatenate([[0], np.cumsum(likely)[:-1]])
    kept = order[((before < top_p * likely.sum()) | (np.arange(len(order)) == 0)) & (likely >= min_p)]
    powers = np.exp((logits[kept] - logits[kept[0]]) / temperature)
    return kept, np.cumsum(powers) / powers.sum()


def list_settings(vocab):
    """All of them alone, and some together; k is from 2 to the vocabulary."""
    return [dict(), dict(temperature=0.3), dict(temperature=50.0), dict(top_k=vocab), dict(top_k=2),
            dict(top_k=max(vocab // 3, 1), top_p=0.9, min_p=0.01, temperature=0.8), dict(top_p=0.0), dict(top_p=1e-9),
            dict(top_p=0.3), dict(top_p=0.999999, temperature=2.0), dict(min_p=1.0), dict(min_p=0.2), dict(top_k=40),
            dict(penalty=1.7, recent=range(0, vocab, max(vocab // 60, 1))[:64], top_k=5),
            dict(penalty=0.4, recent=(vocab - 1,), temperature=0.1)]


THREADS = 1024
# More tokens than these: all, by two settings; few; all equal ones; few again.
MANY = [dict(top_k=1100, top_p=0.9, min_p=0.001, temperature=0.9), dict(top_k=30, penalty=2.0, recent=range(64)),
        dict(top_k=0, top_p=0.7), dict(top_k=40), dict(top_k=40, top_p=0.5), dict(top_k=3)]


def make_logits(random, vocab):
    """Far apart and near, with ties, and with tokens that must not be chosen."""
    for spread in 4, 0.01:
        logits = random.normal(0, spread, vocab).astype(np.float32)
        yield logits
        yield np.round(logits * 2) / 2
        yield np.where(np.arange(vocab) % 3 == 1, np.float32(-np.inf), logits)


def make_cases(random, pairs):
    """Logits, settings, the number that decides, and the token that is expected."""
    for settings, logits in pairs:
        settings = {**PLAIN, **settings}
        kept, ends = find_shares(logits, **settings)
        draw = random.random() ** 3
        # Nearer to an end than this, rounding decides.
        if np.abs(ends[:-1] - draw).min(initial=1) > 1e-6:
            yield logits, settings, draw, kept[np.searchsorted(ends[:-1], draw, side="right")]


def make_likeliest(vocab):
    """The likeliest token, of equal ones the first; none where that is not finite."""
    likeliest = {**PLAIN, "top_k": 1}
    ramp = np.arange(vocab, dtype=np.float32) - 7
    yield ramp, likeliest, 0.0, vocab - 1
    yield np.minimum(ramp, ramp[vocab // 2]), likeliest, 0.0, vocab // 2
    yield np.where(ramp == -7, np.float32(-0.0), np.float32(0.0)), likeliest, 0.0, 0
    for chosen in likeliest, PLAIN:
        for bad in np.nan, -np.nan, np.inf:
            yield np.where(ramp == -7, np.float32(bad), ramp), chosen, 0.5, -1
        yield np.full(vocab, -np.inf, np.float32), chosen, 0.5, -1


def main(library):
    random = np.random.default_rng(3)
    works, cases = [], []
    for vocab in 1, 31, 131, 2049:
        kernel = Kernel([f"1x{vocab}xf32", "70xf64", "1x1xi32"], "mod.sample %a by(%b) into(%c) : A, B, C")
        image = compile_kernel(kernel.text)
        logits = [*make_logits(random, vocab)]
        pairs = zip(MANY, logits) if vocab > THREADS else itertools.product(list_settings(vocab), logits)
        for logits, settings, draw, expected in [*make_cases(random, pairs), *make_likeliest(vocab)]:
            buffers = [logits.tobytes(), make_choice(vocab, draw, **settings), bytes(4)]
            works.append((image, kernel.name, kernel.grid, buffers, [(0, 0)] * 3))
            cases.append((vocab, settings, draw, expected))
    for environment in ENVIRONMENTS:
        results, said = run(library, works, **environment)
        assert results, said
        for case, result in zip(cases, results):
            found = np.frombuffer(result[2], np.int32)[0]
            assert found == case[-1], f"{case}, {environment}: {found}"
    print(f"{len(cases)} choices")


main(str(pathlib.Path(sys.argv[1]) / "lib/libmodrt-nvemu.so"))
