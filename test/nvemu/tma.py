"""Copies by TMA as the emulator makes them: each way in which chunks change places, boxes that leave the matrix; against
NumPy, at once and as late as may be. Each line of FAULTS leaves something out or does it wrongly, and says what then happens.

RUN: %python %s %{build}
"""

import ctypes
import pathlib
import sys

import numpy as np

from kernel_runner import compile_kernel, encode_map, run

THREADS = 64
# By the mode of a map: the bytes of a row of the box, and which chunk of a row lies where (PTX ISA, "Swizzling modes").
MODES = {0: (48, lambda row: 0), 1: (32, lambda row: row // 4 % 2), 2: (64, lambda row: row // 2 % 4),
         3: (128, lambda row: row % 8)}
# Mode, rows of the box, rows and columns of the matrix, and the place of the box.
CASES = [(0, 16, 40, 80, (0, 0)), (1, 32, 40, 24, (8, 16)), (2, 64, 136, 72, (64, 64)), (2, 64, 100, 72, (128, 0)),
         (3, 24, 40, 80, (-8, -32))]

KERNEL = """
module {
  gpu.module @kernels {
    llvm.mlir.global internal @tile() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<WORDS x i32>
    llvm.mlir.global internal @barrier() {addr_space = 3 : i32, alignment = 8 : i64} : !llvm.array<1 x i64>
    llvm.func @load(%in: !llvm.ptr, %map: !llvm.ptr, %out: !llvm.ptr)
        attributes {gpu.kernel, nvvm.kernel, nvvm.reqntid = array<i32: 64, 1, 1>} {
      %tile = llvm.mlir.addressof @tile : !llvm.ptr<3>
      %barrier = llvm.mlir.addressof @barrier : !llvm.ptr<3>
      %thread = nvvm.read.ptx.sreg.tid.x : i32
      %zero = llvm.mlir.constant(0 : i32) : i32
      %one = llvm.mlir.constant(1 : i32) : i32
      %bytes = llvm.mlir.constant(BYTES : i32) : i32
      %size = llvm.mlir.constant(128 : i32) : i32
      %column = llvm.mlir.constant(COLUMN : i32) : i32
      %row = llvm.mlir.constant(ROW : i32) : i32
      %window = llvm.addrspacecast %tile : !llvm.ptr<3> to !llvm.ptr<7>
      %isFirst = llvm.icmp "eq" %thread, %zero : i32
      llvm.cond_br %isFirst, ^copy, ^all
    ^copy:
      {init}
      {fence}
      {acquire}
      {expect}
      {copy}
      llvm.br ^all
    ^all:
      {barrier}
      llvm.br ^wait
    ^wait:
      {wait}
      llvm.cond_br %done, ^done, ^wait
    ^done:
COPIES
      llvm.return
    }
  }
}
"""
PARTS = {
    "init": "nvvm.mbarrier.init %barrier, %one : !llvm.ptr<3>, i32",
    "fence": "nvvm.fence.mbarrier.init",
    "acquire": "nvvm.fence.proxy.acquire #nvvm.mem_scope<sys> %map, %size",
    "expect": "nvvm.mbarrier.arrive.expect_tx %barrier, %bytes : !llvm.ptr<3>, i32",
    "copy": "nvvm.cp.async.bulk.tensor.shared.cluster.global %window, %map, %barrier, box[%column, %row] :"
            " !llvm.ptr<7>, !llvm.ptr",
    "barrier": "nvvm.barrier0",
    "wait": "%done = nvvm.mbarrier.try_wait %barrier, %zero : !llvm.ptr<3>, i32 -> i1",
}
COPY_OUT = """      %n{i} = llvm.mlir.constant({at} : i32) : i32
      %i{i} = llvm.add %thread, %n{i} : i32
      %f{i} = llvm.getelementptr %tile[%i{i}] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, i32
      %t{i} = llvm.getelementptr %out[%i{i}] : (!llvm.ptr, i32) -> !llvm.ptr, i32
      %v{i} = llvm.load %f{i} : !llvm.ptr<3> -> i32
      llvm.store %v{i}, %t{i} : i32, !llvm.ptr"""
NO_WAIT = "%done = llvm.mlir.constant(true) : i1"
OTHER_PARITY = PARTS["wait"].replace("%zero", "%one")
TWICE = PARTS["expect"] + "\n" + PARTS["expect"]
MORE = "%more = llvm.add %bytes, %one : i32\n" + PARTS["expect"].replace("%bytes", "%more")
LESS = "%less = llvm.sub %bytes, %one : i32\n" + PARTS["expect"].replace("%bytes", "%less")
ASIDE = ("%aside = llvm.getelementptr %tile[16] : (!llvm.ptr<3>) -> !llvm.ptr<3>, i32\n"
         "%near = llvm.addrspacecast %aside : !llvm.ptr<3> to !llvm.ptr<7>\n" + PARTS["copy"].replace("%window", "%near"))
OTHER_MAP = PARTS["copy"].replace("%map", "%in")
RACES = {"NVEMU_RACES": "1"}
FAULTS = [
    ({"wait": NO_WAIT}, {}, "wrong"),
    ({"wait": NO_WAIT}, {"NVEMU_COPIES": "eager"}, "fine"),
    ({"wait": NO_WAIT}, RACES, "before a copy by TMA arrived there"),
    ({"wait": OTHER_PARITY}, RACES, "before a copy by TMA arrived there"),
    ({"expect": MORE}, {}, "waits for a barrier that 1 bytes do not reach"),
    ({"expect": LESS}, {}, "expects 2047 bytes, but copies bring 2048"),
    ({"expect": ""}, {}, "waits for a barrier that"),
    ({"expect": TWICE}, {}, "arrives at a barrier that is still waited for"),
    ({"init": ""}, {}, "uses a barrier that nobody made"),
    ({"fence": ""}, {}, "without fence.mbarrier_init"),
    ({"acquire": ""}, {}, "did not acquire by fence.proxy.tensormap"),
    ({"barrier": ""}, {"NVEMU_ORDER": "reverse"}, "uses a barrier that nobody made"),
    ({"barrier": ""}, RACES, "race for byte"),
    ({"copy": ASIDE}, {}, "a box that is not aligned to 128 bytes"),
    ({"copy": OTHER_MAP}, {}, "a tensor map that nobody encoded"),
]


def describe(case):
    mode, box_rows, rows, columns, _ = case
    return dict(buffer=0, rows=rows, columns=columns, box_rows=box_rows, box_columns=MODES[mode][0] // 2, swizzle=mode)


def lay_out(numbers, case):
    """The box as it lies in shared memory."""
    mode, box_rows, rows, columns, (first, left) = case
    width, turn = MODES[mode]
    box = np.zeros((box_rows, width // 2), np.uint16)
    for i in range(box_rows):
        for j in range(width // 2):
            if 0 <= first + i < rows and 0 <= left + j < columns:
                box[i, j] = numbers[first + i, left + j]
    chunks, tile = box.reshape(box_rows, -1, 8), np.empty((box_rows, width // 16, 8), np.uint16)
    for row in range(box_rows):
        for chunk in range(width // 16):
            tile[row, chunk ^ turn(row)] = chunks[row, chunk]
    return tile.tobytes()


def make_case(case, changes={}):
    mode, box_rows, rows, columns, (row, column) = case
    numbers = np.random.default_rng(3).integers(1, 1 << 16, (rows, columns), np.uint16)
    expected = lay_out(numbers, case)
    count = len(expected) // 4 // THREADS
    text = KERNEL.replace("COPIES", "\n".join(COPY_OUT.format(i=i, at=i * THREADS) for i in range(count)))
    for name, part in {**PARTS, **changes}.items():
        text = text.replace("{" + name + "}", part)
    for name, value in [("WORDS", len(expected) // 4), ("BYTES", len(expected)), ("COLUMN", column), ("ROW", row)]:
        text = text.replace(name, str(value))
    buffers = [numbers.tobytes(), describe(case), bytes(len(expected))]
    return (compile_kernel(text), "load", [1, 1, 1, THREADS], buffers, [(0, 0)] * 3), expected


def check_cases(library):
    works, expected = zip(*map(make_case, CASES))
    for copies in "lazy", "eager":
        results, said = run(library, list(works), NVEMU_COPIES=copies, NVEMU_RACES="1", NVEMU_BOUNDS="1")
        assert results, said
        for case, (_, _, box), tile in zip(CASES, results, expected):
            assert box == tile, f"{case}, {copies}"


def check_faults(library):
    for changes, environment, what in FAULTS:
        work, expected = make_case((2, 32, 40, 72, (8, 32)), changes)
        results, said = run(library, [work], **environment)
        got = said or ("fine" if results[0][2] == expected else "wrong")
        assert what in got, f"{changes} {environment}: expected {what}, got {got}"


def check_rules(library):
    """What the driver takes, and what it refuses (CUDA driver API, cuTensorMapEncodeTiled)."""
    driver = ctypes.CDLL(library)
    good = dict(rows=9, columns=72, box_rows=64, box_columns=32, swizzle=2)
    assert encode_map(driver, good, 4096)[1] == 0
    invalid_value = 1
    for change in [dict(shift=8), dict(rows=0), dict(rows=(1 << 32) + 1), dict(row_bytes=152), dict(row_bytes=128),
                   dict(row_bytes=1 << 40), dict(box_rows=0), dict(box_rows=257), dict(box_columns=4),
                   dict(box_columns=40), dict(swizzle=7), dict(swizzle=-1)]:
        assert encode_map(driver, {**good, **change}, 4096)[1] == invalid_value, change
    assert encode_map(driver, good, 4104)[1] == invalid_value


if __name__ == "__main__":
    emulator = str(pathlib.Path(sys.argv[1]) / "lib/libmodrt-nvemu.so")
    check_rules(emulator)
    check_cases(emulator)
    check_faults(emulator)
