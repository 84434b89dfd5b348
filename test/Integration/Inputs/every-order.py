#!/usr/bin/python3
"""Runs random models on the emulator in every order of threads, with copies done at once or as late as may be.

Reads a file whose lines `MODEL: ...` are those of random-models.py; logits are compared with the NumPy reference in all
three modes, and races on shared memory and accesses beside memory are errors.
"""

import itertools
import os
import sys

from logits_check import ROUNDED_TOLERANCE, TOLERANCE, check_logits, run
from model_lines import check_models, find_types, make_model

ORDERS, COPIES = ("forward", "reverse", "random"), ("lazy", "eager")


def check_model(line, number, work):
    flags, lengths, *modc_flags = (part.split() for part in line.split("|"))
    modc_flags = sum(modc_flags, [])
    products, caches = find_types(modc_flags)
    if products != "f32":
        products += "-inputs"
    is_narrow = products != "f32" or caches != "f32"
    directory, choose = make_model(flags, number, work, products=products, caches=caches)
    run(["modc", directory, "-o", directory / "exe", "--target=nvptx", *modc_flags])
    errors = []
    for length in map(int, lengths):
        tokens, expected = choose(length)
        for order, copies in itertools.product(ORDERS, COPIES):
            os.environ.update(NVEMU_ORDER=order, NVEMU_COPIES=copies, NVEMU_RACES="1", NVEMU_BOUNDS="1")
            try:
                errors.append(check_logits(directory / "exe", tokens, expected, directory,
                                           ROUNDED_TOLERANCE if is_narrow else TOLERANCE, ["--device=emulator"]))
            except RuntimeError as error:
                raise RuntimeError(f"order {order}, copies {copies}: {error}") from error
    return max(errors)


if __name__ == "__main__":
    sys.exit(check_models(__doc__, check_model))
