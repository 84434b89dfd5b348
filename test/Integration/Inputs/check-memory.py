#!/usr/bin/python3
"""Checks what a compiled model says it needs against what the process uses.

    check-memory.py EXECUTABLE MODEL_DIRECTORY

Runs a whole context through `forward` and through the caches, and compares the
largest resident size, less that of `info`, with weights, arena, caches and the
rows of logits that the command keeps.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

SLACK = 4 << 20  # stacks, the C library, buffers of the output


def peak_bytes(command):
    """The largest resident size of a command, in a process of its own."""
    script = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", script, *map(str, command)]
    return int(subprocess.run(command, check=True, capture_output=True).stdout) * 1024


def main():
    executable, directory = sys.argv[1:]
    config = json.loads((pathlib.Path(directory) / "config.json").read_text())
    report = json.loads(subprocess.check_output([executable, "info", "--json"]))
    context, vocab = config["max_position_embeddings"], config["vocab_size"]
    fixed = report["weights_bytes"] + 4 * context * vocab
    limits = {"top_k": fixed + report["report"]["forward"]["arena_bytes"],
              "causal": fixed + report["report"]["prefill"]["arena_bytes"] + report["caches_bytes"]}
    start = peak_bytes([executable, "info"])
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        tokens = pathlib.Path(folder) / "tokens"
        tokens.write_text(" ".join(str(i * 7 % vocab) for i in range(context)))
        for routing, limit in limits.items():
            out = pathlib.Path(folder) / "logits.npy"
            used = peak_bytes([executable, "logits", "--tokens-file", tokens,
                               "--out", out, f"--routing={routing}"]) - start
            fits = 0.5 * limit < used < limit + SLACK
            failed += not fits
            print(f"{routing}: {used} bytes used, {limit} announced{'' if fits else ': FAILED'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
