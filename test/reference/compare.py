#!/usr/bin/python3
"""Compares two .npy files: compare.py A.npy B.npy [--tolerance 1e-4]."""

import argparse
import sys

import numpy as np


def relative_errors(a, b):
    """By norm, and the largest element's over the largest element."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    difference = a - b
    return (
        np.linalg.norm(difference) / np.linalg.norm(b),
        np.abs(difference).max() / np.abs(b).max(),
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("actual")
    parser.add_argument("expected")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    options = parser.parse_args()
    a, b = np.load(options.actual), np.load(options.expected)
    if a.shape != b.shape:
        sys.exit(f"shapes differ: {a.shape} and {b.shape}")
    norm, largest = relative_errors(a, b)
    print(f"relative error {norm:.2e} (norm), {largest:.2e} (max)")
    # NaN compares false: it fails.
    return 0 if norm <= options.tolerance else 1


if __name__ == "__main__":
    sys.exit(main())
