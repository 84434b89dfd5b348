#!/usr/bin/python3
"""Interprets the programs of random models, without generating any code, and
compares their logits with the NumPy reference.

Reads a file whose lines `MODEL: flags of make.py | prompt lengths [| flags of
modc]` name the models. After fusion three sequences of the last length are
decoded together too. Flags of modc are for what fusion makes of them, and do
without a batch.
"""

import sys

import numpy as np

from logits_check import check_error, run
from model_lines import check_models, find_flag, make_model

# The programs of a phase, and the mode of the reference that each computes.
DERIVED = {"forward": "top_k", "prefill": "prefill", "decode": "stepwise"}
PHASES = {"imported": {"forward": "top_k"}, "derived": DERIVED, "fused": DERIVED}
BATCH = 3


def interpret(file, directory, program, tokens):
    """All rows of the logits that mod-interpret prints."""
    passes = [
        f"--mod-load-params=file={directory}",
        f"--mod-interpret=function={program} tokens={','.join(map(str, tokens))}",
    ]
    text = run(["mod-opt", file, *passes, "-o", "/dev/null"])
    lines = [line for line in text.splitlines() if not line.startswith("result")]
    return np.array([line.split() for line in lines], np.float64)


def interpret_batch(file, directory, prompts):
    """The same of several prompts of one length, decoded together."""
    dealt = [token for step in zip(*(tokens for tokens, _ in prompts)) for token in step]
    rows = interpret(file, directory, "decode_batch", dealt)
    return rows.reshape(len(prompts[0][0]), len(prompts), -1).swapaxes(0, 1)


def check_batch(file, directory, prompts):
    length = len(prompts[0][0])
    actual = interpret_batch(file, directory, prompts)
    expected = np.stack([logits["stepwise"] for _, logits in prompts])
    return check_error(actual, expected, f"{len(prompts)} sequences of {length} tokens")


def check_phase(phase, directory, prompts, modc_flags):
    file = directory / f"{phase}.mlir"
    run(["modc", directory, f"--emit=mlir:{phase}", *modc_flags, "-o", file])
    for tokens, expected in prompts:
        for program, mode in PHASES[phase].items():
            # Rows behind the last token are not the prompt's.
            actual = interpret(file, directory, program, tokens)[: len(tokens)]
            what = f"{phase}, {program}, {len(tokens)} tokens"
            yield check_error(actual, expected.get(mode, expected["causal"]), what)


def check_model(line, number, work):
    flags, lengths, *modc_flags = (part.split() for part in line.split("|"))
    modc_flags = sum(modc_flags, [])
    kv_tokens = find_flag(modc_flags, "kv-tokens", int)
    directory, choose = make_model(flags, number, work, kv_tokens=kv_tokens)
    prompts = [choose(int(length)) for length in lengths]
    if modc_flags:
        return max(check_phase("fused", directory, prompts, modc_flags))
    errors = [error for phase in ("imported", "derived") for error in check_phase(phase, directory, prompts, [])]
    errors += check_phase("fused", directory, prompts, [f"--batch={BATCH}"])
    together = [choose(int(lengths[-1])) for _ in range(BATCH)]
    return max(*errors, check_batch(directory / "fused.mlir", directory, together))


if __name__ == "__main__":
    sys.exit(check_models(__doc__, check_model))
