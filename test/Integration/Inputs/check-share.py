#!/usr/bin/python3
"""Checks the share of the tokens that a model's routed blocks met.

    check-share.py EXECUTABLE SHARE...

Shares are those of the routed blocks in order; `bench` gives their mean.
"""

import json
import subprocess
import sys

TOLERANCE = 0.06

executable, shares = sys.argv[1], [float(share) for share in sys.argv[2:]]
command = [executable, "bench", "--prompt-tokens", "448", "--gen-tokens", "64", "--json"]
found = json.loads(subprocess.check_output(command))
expected = sum(shares) / len(shares)
for run in "prefill", "decode":
    met = found[run]["routed_share"]
    print(f"{run}: {met:.3f} of the tokens, expected {expected:.3f}")
    # A few dozen decoded tokens are a small sample.
    if abs(met - expected) > TOLERANCE * (2 if run == "decode" else 1):
        sys.exit(1)
