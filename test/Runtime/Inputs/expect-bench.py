"""Checks `bench --json --prompt-tokens 48 --gen-tokens 16` of fake-model.c.

usage: expect-bench.py JSON
"""

import json
import sys

found = json.load(open(sys.argv[1]))
prefill, decode = found["prefill"], found["decode"]
assert list(found) == ["prefill", "decode", "threads"], found
assert list(prefill) == [
    "tokens", "tokens_per_s", "gflops", "peak_gflops", "share_of_peak", "spread",
    "routed_share"
], prefill
assert list(decode) == [
    "batch", "tokens", "tokens_per_s", "bytes_per_token", "gb_per_s", "peak_gb_per_s",
    "share_of_bandwidth", "spread", "routed_share"
], decode
assert found["threads"] == 2 and prefill["tokens"] == 48, found

# The benchmark's own tokens; 13, 14 and 15 as last digit take part.
tokens, state = [], 1
for _ in range(64):
    state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
    tokens.append((state >> 33) % 256)
routed = [token % 16 > 12 for token in tokens]


def pairs(rows, window=64):
    return sum(min(i + 1, window) for i in range(rows))


m = sum(routed[:48])
assert 0 < m < 48
# A part of attention has a window: of 10 tokens, and of 32 of the sequence, where two thirds of those that take part are.
flops = 2000 + 1000 * 48 + 6 * pairs(48) + 4 * pairs(48, 10)
flops += 500 * m + 4 * pairs(m) + 6 * pairs(m, m * 2 // 3)
assert m % 3 == 0, m
bytes_read = sum(
    256 + 512 + 16 * (i + 1) + routed[i] * (256 + 16 * sum(routed[: i + 1]))
    for i in range(48, 64)
)
per_token = prefill["gflops"] * 1e9 / prefill["tokens_per_s"]
assert abs(per_token * 48 / flops - 1) < 1e-6, (per_token * 48, flops)
assert decode["bytes_per_token"] == bytes_read / 16, (decode, bytes_read / 16)
assert prefill["routed_share"] == m / 48, (prefill, m / 48)
assert decode["routed_share"] == sum(routed[48:]) / 16, (decode, routed[48:])
assert decode["batch"] == 1 and decode["tokens"] == 16 and decode["spread"] >= 0 and prefill["spread"] >= 0
per_token = decode["gb_per_s"] * 1e9 / decode["tokens_per_s"]
assert abs(per_token * 16 / bytes_read - 1) < 1e-6, (per_token * 16, bytes_read)

# Any machine that runs this reaches a GFLOP/s and a GB/s, none a million.
for limit, reached, share in [
    (prefill["peak_gflops"], prefill["gflops"], prefill["share_of_peak"]),
    (decode["peak_gb_per_s"], decode["gb_per_s"], decode["share_of_bandwidth"]),
]:
    assert 0.1 < limit < 1e6 and abs(share * limit / reached - 1) < 1e-6, found
