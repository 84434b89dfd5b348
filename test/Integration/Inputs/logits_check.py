"""Compares the logits of a compiled model with those of the NumPy reference."""

import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "test/reference"))

from compare import relative_errors
from model import Model, forward

TOLERANCE = 1e-4
# Nearer than this, rounding in f32 might route a token otherwise.
MARGIN = 1e-4
# Rounding in f32 may also lead to another integer.
NARROW_TOLERANCE = 2e-3
# So do queries and powers of attention that are rounded to bf16, and products that are rounded to tf32 where there are many
# rows alone.
ROUNDED_TOLERANCE = 5e-3
# And what a number of i8 is, in models as small as those of tests, where attention is rounded.
ANOTHER_INTEGER = 2e-2
NARROW_MARGIN = 2e-3
MODES = {
    "top_k": ["--routing=top_k"],
    "causal": ["--routing=causal"],
    "stepwise": ["--routing=causal", "--stepwise"],
    "prefill": ["--routing=prefill"],
}


def run(command):
    """What a command writes to stdout; all it said is in the error if it fails."""
    command = list(map(str, command))
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        output = (result.stdout + result.stderr).strip()
        raise RuntimeError(f"{' '.join(command)}: exit code {result.returncode}\n{output}")
    return result.stdout


class Expected(dict):
    """The logits of a text by mode. Where a prompt decides for its sequence, they
    depend on how long it is: one token where all come one by one."""

    def __init__(self, model, tokens):
        causal = forward(model, tokens, "causal")
        super().__init__(top_k=forward(model, tokens, "top_k"), causal=causal, stepwise=causal)
        self.by_prompt, self.prompt = [], None
        if any(routing.scheme == "sequence" for routing in model.routings):
            self.by_prompt = [forward(model, tokens, "causal", 1 + i) for i in range(len(tokens))]
            self["stepwise"] = self.by_prompt[0]
        if model.routes_prompts_apart:
            self["prefill"] = forward(model, tokens, "causal", len(tokens))
            self.prompt = max(1, 2 * len(tokens) // 3)
            self.continued = forward(model, tokens, "causal", self.prompt)

    def after(self, prompt):
        """Causal logits where the first tokens are given at once."""
        if self.prompt:
            return self.continued
        return self.by_prompt[prompt - 1] if self.by_prompt else self["causal"]


def choose_prompt(directory, candidates, **loading):
    """The first prompt whose routing no rounding can change, and its logits; `loading` is for `Model.load`."""
    least = MARGIN if loading.get("products", "f32") == "f32" else NARROW_MARGIN
    for tokens in candidates:
        model = Model.load(directory, **loading)
        expected = Expected(model, tokens)
        if model.margin > least:
            return tokens, expected
    raise RuntimeError(f"no prompt has a margin above {least}")


def check_error(actual, expected, what, tolerance=TOLERANCE):
    """The relative error, which must be small."""
    if actual.shape != expected.shape:
        raise RuntimeError(f"{what}: shape {actual.shape}, expected {expected.shape}")
    error, _ = relative_errors(actual, expected)
    # NaN compares false: it fails.
    if not error < tolerance:
        raise RuntimeError(f"{what}: relative error {error:.2e}")
    return error


def check_logits(executable, tokens, expected, work, tolerance=TOLERANCE, place=()):
    """The largest relative error of all modes."""
    file, out = work / "tokens", work / "logits.npy"
    file.write_text(" ".join(map(str, tokens)))
    worst = 0.0
    for mode, flags in MODES.items():
        if mode not in expected:
            continue
        out.unlink(missing_ok=True)
        run([executable, "logits", "--tokens-file", file, "--out", out, *flags, *place])
        what = f"{len(tokens)} tokens, {mode}"
        error = check_error(np.load(out), expected[mode], what, tolerance)
        worst = max(worst, error)
    return worst
