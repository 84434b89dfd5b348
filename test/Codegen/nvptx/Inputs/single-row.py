"""Checks the loads of kernels for products with one row: single-row.py PTX."""
import re
import sys

text = open(sys.argv[1]).read()
kernels = dict(re.findall(r"\.visible \.entry (linear_\w+)\((.*?)\n\}", text, re.S))
rows = {name: body for name, body in kernels.items() if "mma.sync" not in body}
assert rows, sorted(kernels)
for name, body in rows.items():
    assert "ld.global.v4" in body, f"{name} has no load of 16 bytes"
    assert not re.search(r"ld\.global(\.nc)?\.b16", body), f"{name} loads single elements"
    vectors, products = len(re.findall(r"ld\.global(?:\.nc)?\.v4", body)), len(re.findall(r"fma\.rn\.f32", body))
    # 512 inputs are two rounds of a warp, without a loop: of each a load of the weight and two of the input.
    if name.startswith("linear_512x256"):
        assert (vectors, products) == (6, 16), (name, vectors, products)
