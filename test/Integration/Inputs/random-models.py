#!/usr/bin/python3
"""Compiles random models and compares their logits with the NumPy reference.

Reads a file whose lines `MODEL: flags of make.py | prompt lengths [| flags of
modc]` name the models. Each is compiled once and run on prompts of each length
in three modes: top_k, causal, and causal token by token.
"""

import argparse
import json
import pathlib
import sys

import numpy as np

from logits_check import ROOT, check_logits, choose_prompt, run

MAKE = ROOT / "examples/random-model/make.py"
TRIES = 50


def check_model(line, number, work, modc):
    flags, lengths, *modc_flags = (part.split() for part in line.split("|"))
    directory = work / f"model-{number}"
    run([MAKE, directory, "--seed", number, *flags])
    run([modc, directory, "-o", directory / "exe", *sum(modc_flags, [])])
    vocab = json.loads((directory / "config.json").read_text())["vocab_size"]
    random = np.random.default_rng(number)
    errors = []
    for length in map(int, lengths):
        prompts = (random.integers(0, vocab, length) for _ in range(TRIES))
        tokens, expected = choose_prompt(directory, prompts)
        errors.append(check_logits(directory / "exe", tokens, expected, directory))
    return max(errors)


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
