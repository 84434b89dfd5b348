#!/usr/bin/python3
"""Checks that `bench` and `trace` agree on who took part in routed blocks.

    check-routed-share.py EXECUTABLE
"""

import json
import subprocess
import sys

PROMPT, DECODED = 16, 12

executable = sys.argv[1]


def run(*arguments):
    return json.loads(subprocess.check_output([executable, *arguments, "--json"]))


# The tokens that the benchmark draws.
vocab, state, tokens = run("info")["vocab"], 1, []
for _ in range(PROMPT + DECODED):
    state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
    tokens.append((state >> 33) % vocab)
found = run("bench", "--prompt-tokens", str(PROMPT), "--gen-tokens", str(DECODED), "--runs", "1")
layers = run("trace", "--routing=causal", "--tokens", ",".join(map(str, tokens)))["layers"]
for part, first, count in ("prefill", 0, PROMPT), ("decode", PROMPT, DECODED):
    took_part = [sum(first <= token < first + count for token in layer["causal"]) for layer in layers]
    expected = sum(took_part) / len(layers) / count
    print(f"{part}: {found[part]['routed_share']} of the tokens, expected {expected}: {took_part}")
    if not 0 < expected < 1 or abs(found[part]["routed_share"] - expected) > 1e-6:
        sys.exit(1)
