"""Compares the numbers of two JSON objects: same-numbers.py A.json B.json."""

import json
import math
import sys


def flatten(value, path=""):
    """The numbers in a value, by where they are."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from flatten(inner, f"{path}.{key}")
    if isinstance(value, (int, float)):
        yield path, value


first, second = (dict(flatten(json.load(open(path)))) for path in sys.argv[1:])
assert first.keys() == second.keys() and first, (first.keys(), second.keys())
for path, number in first.items():
    assert math.isclose(number, second[path], rel_tol=1e-4, abs_tol=1e-6), (path, number, second[path])
