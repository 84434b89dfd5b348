"""Writes the weights of fake-model.c to a file, or appends them to one.

usage: weights.py FILE | weights.py --append FILE OUT
"""

import pathlib
import shutil
import struct
import sys


def safetensors():
    header = b'{"w":{"dtype":"F32","shape":[256],"data_offsets":[0,1024]}}'
    # Every value once, the largest at 0: the likeliest token is easy to tell.
    data = [(-37 * i) % 256 / 16 - 16 * (i != 0) for i in range(256)]
    return struct.pack("<Q", 4088) + header.ljust(4088) + struct.pack("<256f", *data)


def append(path):
    code = path.read_bytes()
    offset = -(-len(code) // 4096) * 4096
    weights = safetensors()
    trailer = struct.pack("<8sQQ", b"MODWGHT", offset, len(weights))
    with path.open("ab") as file:
        file.write(bytes(offset - len(code)) + weights + trailer)


if sys.argv[1] == "--append":
    shutil.copy(sys.argv[2], sys.argv[3])
    append(pathlib.Path(sys.argv[3]))
else:
    pathlib.Path(sys.argv[1]).write_bytes(safetensors())
