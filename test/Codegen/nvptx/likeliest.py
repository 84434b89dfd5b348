"""The likeliest token as a decode step finds it: of equal scores the first, none where the largest is not finite.

RUN: %python %s %{build}
"""

import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "nvemu"))
from kernel_runner import Kernel, compile_kernel, run  # noqa: E402

TOKENS = 2500
OP = "%n = mod.select top_k(1) at_least(-3.4028234663852886e+38) %a into(%b) : (A, B) -> index"


def make_cases(random):
    """Scores, and the token that is expected."""
    scores = random.standard_normal(TOKENS).astype(np.float32)
    yield scores, scores.argmax()
    ties = np.zeros(TOKENS, np.float32)
    ties[[2499, 1031, 1700]] = 3
    yield ties, 1031
    zeros = np.full(TOKENS, -1, np.float32)
    zeros[[1, 2]] = 0.0, -0.0
    yield zeros, 1
    one = np.full(TOKENS, -np.inf, np.float32)
    yield one, -1
    yield np.where(np.arange(TOKENS) == 77, np.float32(-5), one), 77
    yield np.where(np.arange(TOKENS) == 9, np.float32(np.nan), scores), -1


def main(library):
    kernel = Kernel([f"1x{TOKENS}xf32", "1x1xi32"], OP)
    image = compile_kernel(kernel.text)
    cases = list(make_cases(np.random.default_rng(3)))
    works = [(image, kernel.name, kernel.grid, [scores.tobytes(), bytes(4), bytes(8)], [(0, 0)] * 3) for scores, _ in cases]
    for order in "forward", "reverse", "random":
        results, said = run(library, works, NVEMU_ORDER=order, NVEMU_RACES="1", NVEMU_BOUNDS="1")
        assert results, said
        for i, ((_, token, count), (_, expected)) in enumerate(zip(results, cases)):
            found = int(np.frombuffer(token, np.int32)[0]), int(np.frombuffer(count, np.int64)[0])
            assert found == (expected, int(expected >= 0)), f"case {i}, {order}: {found}, expected {expected}"


main(str(pathlib.Path(sys.argv[1]) / "lib/libmodrt-nvemu.so"))
