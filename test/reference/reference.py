#!/usr/bin/python3
"""Logits of a model directory by the NumPy reference.

    reference.py DIR --tokens-file T --routing top_k|causal [--stepwise] --out X.npy

Prints the smallest margin of a routing decision: below about 1e-5 rounding in
f32 may choose otherwise, and a comparison says nothing.
"""

import argparse
import pathlib

import numpy as np

import stepwise
from model import Model, forward


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory")
    parser.add_argument("--tokens-file", type=pathlib.Path, required=True)
    parser.add_argument("--routing", choices=["top_k", "causal"], default="top_k")
    parser.add_argument("--stepwise", action="store_true", help="token by token; causal")
    parser.add_argument("--float32", action="store_true", help="instead of float64")
    parser.add_argument("--out", required=True)
    return parser.parse_args()


def main():
    options = parse_arguments()
    model = Model.load(options.directory, np.float32 if options.float32 else np.float64)
    tokens = [int(word) for word in options.tokens_file.read_text().split()]
    if options.stepwise:
        logits = stepwise.decode(model, tokens)
    else:
        logits = forward(model, tokens, options.routing)
    np.save(options.out, logits.astype(np.float32))
    print(f"{len(tokens)} tokens, margin {model.margin:.2e}")


if __name__ == "__main__":
    main()
