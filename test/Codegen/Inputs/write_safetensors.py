"""Writes a safetensors file whose values count up: FILE NAME:DTYPE:2x3 ..."""

import json
import math
import struct
import sys

FORMATS = {"F64": "d", "F32": "f", "F16": "e", "BF16": "H", "I32": "i"}


def pack(dtype, count):
    values = range(count)
    if dtype == "BF16":
        values = [struct.unpack("<I", struct.pack("<f", value))[0] >> 16 for value in values]
    return struct.pack(f"<{count}{FORMATS[dtype]}", *values)


def main():
    header, data = {}, b""
    for argument in sys.argv[2:]:
        name, dtype, sizes = argument.split(":")
        shape = [int(size) for size in sizes.split("x")] if sizes else []
        begin = len(data)
        data += pack(dtype, math.prod(shape))
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    with open(sys.argv[1], "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


main()
