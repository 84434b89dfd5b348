#!/usr/bin/python3
"""Compiles random models and compares their logits with the NumPy reference.

Reads a file whose lines `MODEL: flags of make.py | prompt lengths [| flags of
modc]` name the models. Each is compiled once and run on prompts of each length
in three modes: top_k, causal, and causal token by token. With --dtype=TYPE among the
flags of modc the reference's products are in that type, with --kv-tokens=N its
routed layers keep no more tokens; keys and values stay exact. With --batch=B the
prompts are sequences that are also decoded together, B at a time. Models with
--target=nvptx run on the emulator.
"""

import pathlib
import re
import sys

from batch_check import check_sequences
from logits_check import ANOTHER_INTEGER, NARROW_TOLERANCE, ROUNDED_TOLERANCE, TOLERANCE, check_logits, run
from model_lines import check_models, find_flag, find_types, make_model


def multiplies_bf16(modc_flags):
    """Whether products, and whether attention, round their inputs to bf16 too on the CPU that is compiled for: this
    machine's, if no other is named. Intel's, from Sapphire Rapids on, do so with tiles alone, which many queries take
    and single ones do not."""
    cpu = pathlib.Path("/proc/cpuinfo").read_text()
    if any(flag.startswith("--cpu=") for flag in modc_flags) or not re.search(r"\bavx512vl\b", cpu):
        return False, False, False
    is_slow = re.search(r"^model\s*: (143|173|174|207)$", cpu, re.M) and "GenuineIntel" in cpu
    has_dot = bool(re.search(r"\bavx512_bf16\b", cpu) and not is_slow)
    has_tiles = "amx_bf16" in cpu
    return has_dot or has_tiles, has_dot, has_tiles


def check_prompts(directory, prompts, modc_flags, tolerance):
    place = ["--device=emulator"] if "--target=nvptx" in modc_flags else []
    run(["modc", directory, "-o", directory / "exe", *modc_flags])
    return max(check_logits(directory / "exe", *prompt, directory, tolerance, place) for prompt in prompts)


def check_batch(directory, texts, modc_flags, tolerance, seed):
    library = directory / "model.so"
    run(["modc", directory, "--emit=lib", "-o", library, *modc_flags])
    return check_sequences(library, texts, find_flag(modc_flags, "batch", int), seed, tolerance)


def check_model(line, number, work):
    flags, lengths, *modc_flags = (part.split() for part in line.split("|"))
    modc_flags = sum(modc_flags, [])
    products, caches = find_types(modc_flags)
    is_exact = products in ("f32", "bf16") and caches == "f32"
    is_gpu = "--target=nvptx" in modc_flags
    rounds_inputs, rounds_queries, rounds_many = multiplies_bf16(modc_flags)
    if products in ("tf32", "f16") or (products == "bf16" and (is_gpu or rounds_inputs)):
        products += "-inputs"
    if caches == "bf16" and rounds_queries and not is_gpu:
        caches = "bf16-inputs"
    tolerance = TOLERANCE if is_exact else NARROW_TOLERANCE
    if (is_gpu or rounds_many) and not is_exact:
        tolerance = ANOTHER_INTEGER if products == "i8" else ROUNDED_TOLERANCE
    directory, choose = make_model(flags, number, work, products=products, caches=caches,
                                   kv_tokens=find_flag(modc_flags, "kv-tokens", int))
    prompts = [choose(int(length)) for length in lengths]
    if find_flag(modc_flags, "batch"):
        return check_batch(directory, prompts, modc_flags, tolerance, number)
    return check_prompts(directory, prompts, modc_flags, tolerance)


if __name__ == "__main__":
    sys.exit(check_models(__doc__, check_model))
