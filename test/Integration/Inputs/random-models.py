#!/usr/bin/python3
"""Compiles random models and compares their logits with the NumPy reference.

Reads a file whose lines `MODEL: flags of make.py | prompt lengths [| flags of
modc]` name the models. Each is compiled once and run on prompts of each length
in three modes: top_k, causal, and causal token by token. With --dtype=TYPE among the
flags of modc the reference's products are in that type, with --kv-tokens=N its
routed layers keep no more tokens; keys and values stay exact. Models with
--target=nvptx run on the emulator.
"""

import pathlib
import re
import sys

from logits_check import NARROW_TOLERANCE, TOLERANCE, check_logits, run
from model_lines import check_models, find_kv_tokens, make_model


def multiplies_bf16(modc_flags):
    """Whether the CPU that is compiled for rounds inputs to bf16 too: this machine's, if no other is named."""
    features = pathlib.Path("/proc/cpuinfo").read_text()
    has_any = re.search(r"\bavx512_bf16\b|\bamx_bf16\b", features) and re.search(r"\bavx512vl\b", features)
    return bool(has_any) and not any(flag.startswith("--cpu=") for flag in modc_flags)


def check_model(line, number, work):
    flags, lengths, *modc_flags = (part.split() for part in line.split("|"))
    modc_flags = sum(modc_flags, [])
    types = [flag.split("=")[1] for flag in modc_flags if flag.startswith("--dtype=")]
    products = types[0] if types else "f32"
    is_gpu = "--target=nvptx" in modc_flags
    if products == "bf16" and (is_gpu or multiplies_bf16(modc_flags)):
        products = "bf16-inputs"
    is_exact = products in ("f32", "bf16") and "--kv-dtype=bf16" not in modc_flags
    tolerance = TOLERANCE if is_exact else NARROW_TOLERANCE
    directory, choose = make_model(flags, number, work, products, find_kv_tokens(modc_flags))
    place = ["--device=emulator"] if is_gpu else []
    run(["modc", directory, "-o", directory / "exe", *modc_flags])
    errors = []
    for length in map(int, lengths):
        tokens, expected = choose(length)
        errors.append(check_logits(directory / "exe", tokens, expected, directory, tolerance, place))
    return max(errors)


if __name__ == "__main__":
    sys.exit(check_models(__doc__, check_model))
