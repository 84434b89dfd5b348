"""Products of warpgroups as the emulator makes them of what descriptors say: each way in which chunks change places, rows of
several widths, steps within these; against NumPy.

RUN: %python %s %{build}
"""

import pathlib
import sys

import numpy as np

from kernel_runner import compile_kernel, from_bits, run, to_bits

ROWS, DEPTH, THREADS = 64, 16, 128
# The mode in a descriptor by the bytes of a row, and which chunk of a row lies where (PTX ISA, "Swizzling modes").
MODES = {16: (0, lambda row: 0), 32: (3, lambda row: row // 4 % 2), 64: (2, lambda row: row // 2 % 4),
         128: (1, lambda row: row % 8)}
# Bytes of a row, the step of 32 bytes within it, columns, type.
CASES = [(16, 0, 8, "bf16"), (16, 0, 24, "f16"), (32, 0, 16, "bf16"), (64, 0, 8, "f16"), (64, 1, 128, "bf16"),
         (128, 0, 16, "bf16"), (128, 3, 40, "f16")]

KERNEL = """
module {
  gpu.module @kernels {
    llvm.mlir.global internal @tile() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<WORDS x i32>
    llvm.func @multiply(%in: !llvm.ptr, %out: !llvm.ptr)
        attributes {gpu.kernel, nvvm.kernel, nvvm.reqntid = array<i32: 128, 1, 1>} {
      %tile = llvm.mlir.addressof @tile : !llvm.ptr<3>
      %thread = nvvm.read.ptx.sreg.tid.x : i32
COPIES
      nvvm.fence.proxy {kind = #nvvm.proxy_kind<async.shared>, space = #nvvm.shared_space<cta>}
      nvvm.barrier0
      %address = llvm.ptrtoint %tile : !llvm.ptr<3> to i64
      %mask = llvm.mlir.constant(0x3ffff : i64) : i64
      %four = llvm.mlir.constant(4 : i64) : i64
      %low = llvm.and %address, %mask : i64
      %start = llvm.lshr %low, %four : i64
      %left = llvm.mlir.constant(LEFT : i64) : i64
      %right = llvm.mlir.constant(RIGHT : i64) : i64
      %x = llvm.add %start, %left : i64
      %w = llvm.add %start, %right : i64
      %zeros = llvm.mlir.zero : STRUCT
      nvvm.wgmma.fence.aligned
      %sums = nvvm.wgmma.mma_async %x, %w, %zeros, <m=64, n=COLUMNS, k=16>, D [<f32>, <one>], A [<TYPE>, <one>, <row>],
          B [<TYPE>, <one>, <col>] : STRUCT -> STRUCT
      nvvm.wgmma.commit.group.sync.aligned
      nvvm.wgmma.wait.group.sync.aligned 0
STORES
      llvm.return
    }
  }
}
"""
COPY = """      %n{i} = llvm.mlir.constant({at} : i32) : i32
      %i{i} = llvm.add %thread, %n{i} : i32
      %f{i} = llvm.getelementptr %in[%i{i}] : (!llvm.ptr, i32) -> !llvm.ptr, i32
      %t{i} = llvm.getelementptr %tile[%i{i}] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
      %v{i} = llvm.load %f{i} : !llvm.ptr -> i32
      llvm.store %v{i}, %t{i} : i32, !llvm.ptr<3>"""
STORE = """      %s{i} = llvm.extractvalue %sums[{i}] : STRUCT
      %p{i} = llvm.getelementptr %place[{i}] : (!llvm.ptr) -> !llvm.ptr, f32
      llvm.store %s{i}, %p{i} : f32, !llvm.ptr"""


def lay_out(numbers, width, step):
    """The chunks of rows as they lie in shared memory, and the distance of eight rows."""
    rows, mode = len(numbers), MODES[width]
    chunks = numbers.reshape(rows, DEPTH // 8, 8)
    if width == 16:
        # Eight rows of one chunk are together, and behind them those of the next.
        return chunks.reshape(rows // 8, 8, 2, 8).transpose(0, 2, 1, 3).copy(), 256
    tile = np.full((rows, width // 16, 8), 0x7fff, np.uint16)
    for row in range(rows):
        for chunk in range(2):
            tile[row, (2 * step + chunk) ^ mode[1](row)] = chunks[row, chunk]
    return tile, 8 * width


def describe(start, stride, mode):
    leading = 128 // 16
    return start // 16 | leading << 16 | stride // 16 << 32 | mode << 62


def make_case(random, case):
    width, step, columns, kind = case
    x, w = (to_bits(random.standard_normal((rows, DEPTH)), kind).view(np.uint16) for rows in (ROWS, columns))
    (left, stride), (right, _) = lay_out(x, width, step), lay_out(w, width, step)
    data = left.tobytes() + right.tobytes()
    data += bytes(-len(data) % (4 * THREADS))
    mode, signed = MODES[width][0], lambda number: number - (1 << 64) if number >> 63 else number
    text = KERNEL.replace("COPIES", "\n".join(COPY.format(i=i, at=i * THREADS) for i in range(len(data) // 4 // THREADS)))
    place = (f"      %size = llvm.mlir.constant({columns // 2} : i32) : i32\n      %first = llvm.mul %thread, %size : i32\n"
             "      %place = llvm.getelementptr %out[%first] : (!llvm.ptr, i32) -> !llvm.ptr, f32\n")
    text = text.replace("STORES", place + "\n".join(STORE.replace("{i}", str(i)) for i in range(columns // 2)))
    for name, value in [("WORDS", len(data) // 4), ("COLUMNS", columns), ("TYPE", kind),
                        ("LEFT", signed(describe(32 * step, stride, mode))),
                        ("RIGHT", signed(describe(left.nbytes + 32 * step, stride, mode))),
                        ("STRUCT", f"!llvm.struct<({', '.join(['f32'] * (columns // 2))})>")]:
        text = text.replace(name, str(value))
    result = bytes(4 * THREADS * columns // 2)
    read = lambda bits: from_bits(bits if kind == "bf16" else bits.view(np.float16), kind).astype(float)
    return (compile_kernel(text), "multiply", [1, 1, 1, THREADS], [data, result], [(0, 0)] * 2), read(x) @ read(w).T


def gather(sums, columns):
    """The product from what each thread has of it (PTX ISA, "Register fragments for wgmma.mma_async.m64nNk16")."""
    product = np.empty((ROWS, columns), np.float32)
    for thread, own in enumerate(sums.reshape(THREADS, columns // 2)):
        for i, value in enumerate(own):
            row = thread // 32 * 16 + i // 2 % 2 * 8 + thread % 32 // 4
            product[row, i // 4 * 8 + thread % 4 * 2 + i % 2] = value
    return product


def main(library):
    works, expected = zip(*(make_case(np.random.default_rng(2), case) for case in CASES))
    results, said = run(library, list(works), NVEMU_RACES="1", NVEMU_BOUNDS="1")
    assert results, said
    for case, (_, sums), product in zip(CASES, results, expected):
        error = np.abs(gather(np.frombuffer(sums, np.float32), case[2]) - product).max()
        assert error < 1e-5, f"{case}: error {error}"


if __name__ == "__main__":
    main(str(pathlib.Path(sys.argv[1]) / "lib/libmodrt-nvemu.so"))
