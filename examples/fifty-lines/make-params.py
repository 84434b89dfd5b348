#!/usr/bin/python3
"""Random parameters for model.mlir: make-params.py OUT.safetensors"""

import json
import math
import struct
import sys

import numpy as np

SHAPES = {
    "embedding": (256, 32),
    "attention.norm": (32,),
    "attention.qk": (32, 32),
    "attention.v": (32, 32),
    "router": (1, 32),
    "mlp.norm": (32,),
    "mlp.up": (48, 32),
    "mlp.down": (32, 48),
}


def draw(random, shape):
    """A scale near one, or a matrix that keeps the spread of what it multiplies."""
    if len(shape) == 1:
        return random.normal(1.0, 0.1, shape)
    return random.normal(0.0, shape[1] ** -0.5, shape)


def write_safetensors(path, tensors):
    """The length of a header, the header (JSON), the data."""
    header, offset = {}, 0
    for name, values in tensors.items():
        size = 4 * math.prod(values.shape)
        offsets = [offset, offset + size]
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": offsets}
        offset += size
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.writelines(values.astype("<f4").tobytes() for values in tensors.values())


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    random = np.random.default_rng(0)
    write_safetensors(sys.argv[1], {name: draw(random, shape) for name, shape in SHAPES.items()})


if __name__ == "__main__":
    main()
