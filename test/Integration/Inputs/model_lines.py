"""Checks the random models that the lines `MODEL: ...` of a test name."""

import argparse
import json
import pathlib

import numpy as np

from logits_check import ROOT, choose_prompt, run

MAKE = ROOT / "examples/random-model/make.py"
TRIES = 50


def find_flag(modc_flags, name, kind=str):
    """What --NAME=VALUE among the flags says; None where it is not there."""
    values = [kind(flag.split("=")[1]) for flag in modc_flags if flag.startswith(f"--{name}=")]
    return values[0] if values else None


def find_types(modc_flags):
    """The types of products and of caches that a model is compiled for."""
    products = find_flag(modc_flags, "dtype") or "f32"
    with_products = {"f32": "f32", "tf32": "f32", "f16": "f16"}.get(products, "bf16")
    return products, find_flag(modc_flags, "kv-dtype") or with_products


def make_model(flags, number, work, **loading):
    """The directory of a random model, and a source of prompts for it; `loading` is for the reference's `Model.load`."""
    directory = work / f"model-{number}"
    run([MAKE, directory, "--seed", number, *flags])
    vocab = json.loads((directory / "config.json").read_text())["vocab_size"]
    random = np.random.default_rng(number)

    def choose(length):
        prompts = (random.integers(0, vocab, length) for _ in range(TRIES))
        return choose_prompt(directory, prompts, **loading)

    return directory, choose


def check_models(description, check_model):
    """Calls `check_model(line, number, work)` for each; gives the exit code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("file", type=pathlib.Path, help="with lines MODEL: ...")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for models")
    options = parser.parse_args()
    text = options.file.read_text().splitlines()
    models = [line.split("MODEL:")[1].strip() for line in text if "MODEL:" in line]
    failed = 0
    for number, line in enumerate(models):
        try:
            worst = check_model(line, number, options.work)
            print(f"ok      {line}: {worst:.1e}", flush=True)
        except RuntimeError as error:
            failed += 1
            print(f"FAILED  {line}: {error}", flush=True)
    print(f"{len(models)} models, {failed} failed")
    return 1 if failed or not models else 0
