#!/usr/bin/python3
"""Compiles random models and compares their logits with the NumPy reference.

Reads a file whose lines `MODEL: flags of make.py | prompt lengths [| flags of
modc]` name the models. Each is compiled once and run on prompts of each length
in three modes: top_k, causal, and causal token by token.
"""

import argparse
import pathlib
import subprocess
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "test/reference"))

from compare import relative_errors
from model import Model, forward

MAKE = ROOT / "examples/random-model/make.py"
TOLERANCE = 1e-4
# Nearer than this, rounding in f32 might route a token otherwise.
MARGIN = 1e-4
MODES = {
    "top_k": ["--routing=top_k"],
    "causal": ["--routing=causal"],
    "stepwise": ["--routing=causal", "--stepwise"],
}


def run(command):
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if result.returncode:
        output = (result.stdout + result.stderr).strip()
        raise RuntimeError(f"{' '.join(map(str, command))}: exit code {result.returncode}\n{output}")


def draw_prompt(directory, length, random):
    """Tokens whose routing no rounding can change, and their logits."""
    for _ in range(50):
        model = Model.load(directory)
        tokens = random.integers(0, model.vocab, length)
        causal = forward(model, tokens, "causal")
        expected = {"top_k": forward(model, tokens, "top_k"), "causal": causal, "stepwise": causal}
        if model.margin > MARGIN:
            return tokens, expected
    raise RuntimeError(f"no prompt of {length} tokens has a margin above {MARGIN}")


def check_prompt(directory, executable, length, random):
    """The largest relative error of the three modes."""
    tokens, expected = draw_prompt(directory, length, random)
    file, out = directory / "tokens", directory / "logits.npy"
    file.write_text(" ".join(map(str, tokens)))
    worst = 0.0
    for mode, flags in MODES.items():
        out.unlink(missing_ok=True)
        run([executable, "logits", "--tokens-file", file, "--out", out, *flags])
        actual = np.load(out)
        if actual.shape != expected[mode].shape:
            raise RuntimeError(f"{length} tokens, {mode}: shape {actual.shape}")
        error, _ = relative_errors(actual, expected[mode])
        if not error < TOLERANCE:
            raise RuntimeError(f"{length} tokens, {mode}: relative error {error:.2e}")
        worst = max(worst, error)
    return worst


def check_model(line, number, work, modc):
    flags, lengths, *modc_flags = (part.split() for part in line.split("|"))
    directory = work / f"model-{number}"
    run([MAKE, directory, "--seed", number, *flags])
    executable = directory / "exe"
    run([modc, directory, "-o", executable, *sum(modc_flags, [])])
    random = np.random.default_rng(number)
    return max(check_prompt(directory, executable, int(n), random) for n in lengths)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=pathlib.Path, help="with lines MODEL: ...")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for models")
    parser.add_argument("--modc", default="modc")
    options = parser.parse_args()
    text = options.file.read_text().splitlines()
    models = [line.split("MODEL:")[1].strip() for line in text if "MODEL:" in line]
    failed = 0
    for number, line in enumerate(models):
        try:
            worst = check_model(line, number, options.work, options.modc)
            print(f"ok      {line}: {worst:.1e}", flush=True)
        except RuntimeError as error:
            failed += 1
            print(f"FAILED  {line}: {error}", flush=True)
    print(f"{len(models)} models, {failed} failed")
    return 1 if failed or not models else 0


if __name__ == "__main__":
    sys.exit(main())
