# Files that lie, each with the one line that says how.
#
# RUN: %python %s %t

import json
import pathlib
import struct
import subprocess
import sys

DATA = struct.pack("<4f", 1, 2, 3, 4)
MODULE = 'ml_program.global private @x(#ml_program.extern : tensor<2x2xf32>) : tensor<2x2xf32>\n'


def entry(begin=0, end=16, dtype="F32", shape=(2, 2)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def encode(header, data=DATA):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def x(**changes):
    return encode({"x": {**entry(), **changes}})


def raw(text):
    return encode(text.encode())


TWICE = '{"x": %s, "%s": %s}'
X = json.dumps(entry())
SOUND = x()

CASES = {
    "empty": (b"", "truncated: the file has 0 bytes, expected at least 8"),
    "cut-in-length": (SOUND[:5], "truncated: the file has 5 bytes, expected at least 8"),
    "cut-in-header": (SOUND[:40], f"truncated: the header has {len(SOUND) - 24} bytes, but only 32 follow"),
    "cut-in-data": (SOUND[:-1], "tensor 'x': data_offsets [0, 16] lie beyond the 15 bytes of data; is the file truncated?"),
    "long-header": (struct.pack("<Q", 1 << 62) + b"{}", "the header has 4611686018427387904 bytes, expected at most 100000000"),
    "no-json": (raw('{"x": '), "the header is not JSON: [1:6, byte=6]: Unexpected EOF"),
    "no-text": (raw("\0\0\0\0"), "the header is not JSON: [1:1, byte=1]: Invalid JSON value"),
    "no-utf8": (encode(b'{"\xff": 1}'), "the header is not JSON: [1:2, byte=2]: Invalid UTF-8 sequence"),
    "no-object": (raw("[1, 2]"), "the header is not a JSON object"),
    "nested": (raw("[" * 100000), "the header is nested more than 64 deep"),
    "twice": (raw(TWICE % (X, "x", X)), "the header has the key 'x' twice"),
    "twice-escaped": (raw(TWICE % (X, "\\u0078", X)), "the header has the key 'x' twice"),
    "twice-within": (raw('{"x": {"dtype": "F32", "dtype": "F16"}}'), "the header has the key 'dtype' twice"),
    "tensor-no-object": (encode({"x": 3}), "tensor 'x': expected an object with dtype, shape and data_offsets"),
    "unknown-key": (x(strides=[2, 1]), "tensor 'x': unknown key 'strides'"),
    "no-dtype": (x(dtype=None), "tensor 'x': dtype is not a string"),
    "unsupported-dtype": (x(dtype="F8_E4M3", shape=[16]), "tensor 'x': dtype 'F8_E4M3' is not supported, expected F64, F32, F16, BF16, I64, I32, I16 or I8"),
    "unknown-dtype": (x(dtype="Q4"), "tensor 'x': dtype 'Q4' is not supported, expected F64, F32, F16, BF16, I64, I32, I16 or I8"),
    "no-shape": (x(shape=None), "tensor 'x': shape is not an array of nonnegative integers"),
    "negative-shape": (x(shape=[-2, -2]), "tensor 'x': shape is not an array of nonnegative integers"),
    "fractional-shape": (x(shape=[2.5, 2]), "tensor 'x': shape is not an array of nonnegative integers"),
    "nan-shape": (x(shape=[float("nan")]), "the header is not JSON: [1:34, byte=34]: Invalid JSON value"),
    "huge-shape": (x(shape=[1 << 64]), "tensor 'x': shape is not an array of nonnegative integers"),
    "overflowing-shape": (x(shape=[1 << 32, 1 << 32]), "tensor 'x': F32 [4294967296, 4294967296] has more than 2^63 bytes"),
    # 2^62 elements of 4 bytes wrap around to 0 bytes.
    "overflowing-bytes": (encode({"x": entry(0, 0, shape=[1 << 62])}, b""), "tensor 'x': F32 [4611686018427387904] has more than 2^63 bytes"),
    "wrong-size": (x(data_offsets=[0, 12]), "tensor 'x': data_offsets [0, 12] cover 12 bytes, expected 16 for F32 [2, 2]"),
    "wrong-dtype-size": (x(dtype="BF16"), "tensor 'x': data_offsets [0, 16] cover 16 bytes, expected 8 for BF16 [2, 2]"),
    "backwards": (x(data_offsets=[16, 0]), "tensor 'x': data_offsets [16, 0] end before they begin"),
    "negative-offset": (x(data_offsets=[-16, 0]), "tensor 'x': data_offsets are not two nonnegative integers"),
    "one-offset": (x(data_offsets=[16]), "tensor 'x': data_offsets are not two nonnegative integers"),
    "beyond": (x(data_offsets=[16, 32]), "tensor 'x': data_offsets [16, 32] lie beyond the 16 bytes of data; is the file truncated?"),
    "overlap": (encode({"x": entry(), "y": entry(8, 24)}, bytes(24)), "tensor 'y': data overlaps that of 'x'"),
    "same-place": (encode({"x": entry(), "y": entry()}), "tensor 'y': data overlaps that of 'x'"),
    "hole": (encode({"x": entry(8, 24)}, bytes(24)), "tensor 'x': a hole of 8 bytes before the data"),
    "trailing": (SOUND + b"more", "4 bytes after the last tensor"),
    "metadata-no-object": (encode({"__metadata__": "pt", "x": entry()}), "__metadata__ is not an object"),
    "metadata-no-strings": (encode({"__metadata__": {"step": 5}, "x": entry()}), "__metadata__: the value of 'step' is not a string"),
    "missing": (encode({}, b""), "no tensor 'x', expected 'tensor<2x2xf32>'"),
    "surplus": (encode({"x": entry(), "y": entry(16, 20, shape=[1])}, bytes(20)), "tensor 'y' (F32 [1]) is no parameter of the model"),
    "other-shape": (x(shape=[4]), "tensor 'x' is 'tensor<4xf32>', expected 'tensor<2x2xf32>'"),
    "other-dtype": (x(dtype="I32"), "tensor 'x' is 'tensor<2x2xi32>', expected 'tensor<2x2xf32>'"),
}


def load(module, file):
    command = ["mod-opt", module, f"--mod-load-params=file={file}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def check(module, file, contents, message):
    file.write_bytes(contents)
    code, _, stderr = load(module, file)
    expected = f"error: {file}: {message}"
    first = stderr.splitlines()[0] if stderr else ""
    if code == 1 and first.endswith(expected):
        return True
    print(f"{file.name}: exit code {code}\n  expected {expected}\n  got      {stderr}")
    return False


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    module = folder / "module.mlir"
    module.write_text(MODULE)
    sound = folder / "sound.safetensors"
    sound.write_bytes(SOUND)
    code, stdout, stderr = load(module, sound)
    assert code == 0 and "dense_resource<x>" in stdout, stderr
    results = [
        check(module, folder / f"{name}.safetensors", *case) for name, case in CASES.items()
    ]
    sys.exit(not all(results))


main()
