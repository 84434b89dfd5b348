#!/usr/bin/python3
"""Random parameters for a model that a person wrote: make-params.py MODEL.mlir OUT.safetensors

They are the externs of the model, `ml_program.global private @NAME(... : TYPE)`,
where TYPE is a tensor of f32 or an alias of one.
"""

import json
import math
import re
import struct
import sys

import numpy as np

ALIAS = re.compile(r"^!(\w+) = tensor<([\dx]+)xf32>", re.MULTILINE)
EXTERN = re.compile(r"@([\w.]+)\(#ml_program.extern : (?:!(\w+)|tensor<([\dx]+)xf32>)\)")


def read_shapes(text):
    """The shapes of a model's parameters, by name."""
    aliases = dict(ALIAS.findall(text))
    found = {name: aliases.get(alias, dims) for name, alias, dims in EXTERN.findall(text)}
    return {name: [int(size) for size in dims.split("x")] for name, dims in found.items()}


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
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    shapes = read_shapes(open(sys.argv[1]).read())
    random = np.random.default_rng(0)
    write_safetensors(sys.argv[2], {name: draw(random, shape) for name, shape in shapes.items()})


if __name__ == "__main__":
    main()
