"""Checks what kernels of attention are made of: attention.py PTX TYPE, of heads of 64 elements in bf16 or f16."""
import re
import sys

text, kind = open(sys.argv[1]).read(), sys.argv[2]
kernels = [body for name, body in re.findall(r"\.visible \.entry (panel_attention\w*)\((.*?)\n\}", text, re.S)]


def count(body, pattern):
    return len(re.findall(pattern, body))


many = [body for body in kernels if "mma.sync" in body]
one = [body for body in kernels if "fence" in body or "atom" in body]
assert many and len(kernels) > len(many), len(kernels)
for body in many:
    assert count(body, rf"mma\.sync\.aligned\.m16n8k16\.row\.col\.f32\.{kind}\.{kind}\.f32") == 2 * 128, body
    assert count(body, r"ldmatrix\.sync\.aligned\.m8n8\.x4\.shared") == 2 * 16
    assert count(body, r"ldmatrix\.sync\.aligned\.m8n8\.x4\.trans\.shared") == 2 * 16
    # Before the loops, and in each.
    assert count(body, r"cp\.async\.cg\.shared\.global") == 3 * 8
    assert count(body, rf"cvt\.rn\.{kind}x2\.f32") == 32 + 2 * 32
    assert not count(body, r"\.local\b")
for body in (body for body in kernels if body not in many):
    if "atom." in body:
        assert re.search(r"fence\.acq_rel\.gpu;\s*atom\.(relaxed\.gpu\.)?global\.add\.u32[^;]*;\s*fence\.acq_rel\.gpu", body), body
    if f"cvt.f32.{kind}" in body or "shl.b32" in body:
        assert "ld.global.v4.b32" in body
