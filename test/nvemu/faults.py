"""The emulator finds what is wrong with a kernel: each line of CASES leaves
something out of it, and says what then happens.

RUN: %python %s %{build}
"""

import ctypes
import os
import pathlib
import re
import subprocess
import sys

THREADS = 64

# Each thread takes 16 bytes to shared memory and sums what its neighbour took.
KERNEL = """
module {
  gpu.module @kernels {
    llvm.mlir.global internal @tile() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<256 x f32>
    llvm.func @sum(%in: !llvm.ptr, %out: !llvm.ptr)
        attributes {gpu.kernel, nvvm.kernel, nvvm.reqntid = array<i32: 64, 1, 1>} {
      %tile = llvm.mlir.addressof @tile : !llvm.ptr<3>
      %c1 = llvm.mlir.constant(1 : i32) : i32
      %c4 = llvm.mlir.constant(4 : i32) : i32
      %c64 = llvm.mlir.constant(64 : i32) : i32
      %thread = nvvm.read.ptx.sreg.tid.x : i32
      %from = llvm.addrspacecast %in : !llvm.ptr to !llvm.ptr<1>
      %mine = llvm.mul %thread, %c4 : i32
      %source = llvm.getelementptr %from[%mine] : (!llvm.ptr<1>, i32) -> !llvm.ptr<1>, f32
      %place = llvm.getelementptr %tile[%mine] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
      {copy}
      {wait}
      {barrier}
      %next = llvm.add %thread, %c1 : i32
      %neighbour = llvm.urem %next, %c64 : i32
      %theirs = llvm.mul %neighbour, %c4 : i32
      %read = llvm.getelementptr %tile[%theirs] : (!llvm.ptr<3>, i32) -> !llvm.ptr<3>, f32
      %x = llvm.load %read {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xf32>
      %sum = "llvm.intr.vector.reduce.fadd"(%zero, %x) : (f32, vector<4xf32>) -> f32
      {store}
      llvm.return
    }
  }
}
"""

PARTS = {
    "copy": "%zero = llvm.mlir.constant(0.0 : f32) : f32\n"
    "nvvm.cp.async.shared.global %place, %source, 16, cache = cg : !llvm.ptr<3>, !llvm.ptr<1>\n"
    "nvvm.cp.async.commit.group",
    "wait": "nvvm.cp.async.wait.group 0",
    "barrier": "nvvm.barrier0",
    "store": "%to = llvm.getelementptr %out[%thread] : (!llvm.ptr, i32) -> !llvm.ptr, f32\n"
    "llvm.store %sum, %to : f32, !llvm.ptr",
}
MISALIGNED = PARTS["copy"].replace(
    "nvvm.cp.async.shared.global %place, %source",
    "%off = llvm.getelementptr %source[1] : (!llvm.ptr<1>) -> !llvm.ptr<1>, f32\n"
    "nvvm.cp.async.shared.global %place, %off",
)
FARTHER = PARTS["copy"].replace(
    "nvvm.cp.async.shared.global %place, %source",
    "%far = llvm.getelementptr %source[256] : (!llvm.ptr<1>) -> !llvm.ptr<1>, f32\n"
    "nvvm.cp.async.shared.global %place, %far",
)
SHIFTED = (
    "%mis = llvm.getelementptr %out[%thread] : (!llvm.ptr, i32) -> !llvm.ptr, f32\n"
    "%four = llvm.load %mis {alignment = 16 : i64} : !llvm.ptr -> vector<4xf32>\n"
    "llvm.store %four, %out {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr"
)
BEYOND = PARTS["store"].replace("%out[%thread]", "%out[%mine]")
UNKNOWN = PARTS["barrier"] + '\n%clock = nvvm.read.ptx.sreg.clock : i32'
# What is different, the environment, and what the run says.
CASES = [
    ({}, {}, "fine"),
    ({}, {"NVEMU_ORDER": "reverse", "NVEMU_COPIES": "eager"}, "fine"),
    ({}, {"NVEMU_ORDER": "random", "NVEMU_RACES": "1", "NVEMU_BOUNDS": "1"}, "fine"),
    ({"barrier": ""}, {}, "wrong"),
    ({"barrier": ""}, {"NVEMU_ORDER": "reverse"}, "wrong"),
    ({"barrier": ""}, {"NVEMU_RACES": "1"}, r"threads \d+ and \d+ race for byte"),
    ({"wait": ""}, {}, "wrong"),
    ({"wait": ""}, {"NVEMU_COPIES": "eager"}, "fine"),
    ({"copy": MISALIGNED}, {}, "a copy of 16 bytes is not aligned"),
    ({"copy": FARTHER}, {"NVEMU_BOUNDS": "1"}, "copies 16 bytes of memory that nobody allocated"),
    ({"store": BEYOND}, {"NVEMU_BOUNDS": "1"}, "writes memory that nobody allocated"),
    # Vectors are checked without being asked for.
    ({"store": SHIFTED}, {}, "accesses 16 bytes that are not aligned"),
    ({"barrier": UNKNOWN}, {}, r"not emulated:\s+llvm.nvvm.read.ptx.sreg.clock"),
]


def compile_kernel(changes):
    """The image of the kernel for the emulator."""
    text = KERNEL
    for name, part in {**PARTS, **changes}.items():
        text = text.replace("{" + name + "}", part)
    command = ["mod-opt", "--mod-compile-kernels=chips=sm_80"]
    output = subprocess.run(command, input=text.encode(), capture_output=True)
    if output.returncode:
        raise RuntimeError(output.stderr.decode())
    data = re.search(rb'data = "((?:[^"\\]|\\.)*)", kind = "llvm"', output.stdout).group(1)
    unescape = lambda match: bytes([int(match[1], 16)]) if len(match[1]) == 2 else match[1]
    return re.sub(rb"\\([0-9A-F]{2}|.)", unescape, data)


def run(library, image):
    """Runs the kernel by the functions of CUDA's driver."""
    driver = ctypes.CDLL(str(library))
    pointer = ctypes.c_void_p

    def call(name, *arguments):
        assert getattr(driver, name)(*arguments) == 0, name

    def allocate(count):
        address = pointer()
        call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(4 * count))
        return address

    module, function = pointer(), pointer()
    call("cuModuleLoadData", ctypes.byref(module), image)
    call("cuModuleGetFunction", ctypes.byref(function), module, b"sum")
    # One chunk more than is read, for a copy that is not aligned.
    source, result = allocate(4 * THREADS + 4), allocate(THREADS)
    given = (ctypes.c_float * (4 * THREADS))(*range(4 * THREADS))
    call("cuMemcpyHtoDAsync_v2", source, given, ctypes.c_size_t(ctypes.sizeof(given)), None)
    arguments = (pointer * 2)(*(ctypes.cast(ctypes.byref(a), pointer) for a in (source, result)))
    call("cuLaunchKernel", function, 1, 1, 1, THREADS, 1, 1, 0, None, arguments, None)
    sums = (ctypes.c_float * THREADS)()
    call("cuMemcpyDtoHAsync_v2", sums, result, ctypes.c_size_t(ctypes.sizeof(sums)), None)
    expected = [16 * ((i + 1) % THREADS) + 6 for i in range(THREADS)]
    print("fine" if list(sums) == expected else "wrong", flush=True)


def check(library):
    failed = 0
    for changes, environment, expected in CASES:
        image = compile_kernel(changes)
        command = [sys.executable, __file__, "--run", str(library)]
        output = subprocess.run(
            command, input=image, capture_output=True, env={**os.environ, **environment}
        )
        said = (output.stdout + output.stderr).decode()
        if not re.search(expected, said):
            failed += 1
            print(f"FAILED  {changes} {environment}: expected {expected}, got {said}")
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        run(sys.argv[2], sys.stdin.buffer.read())
    else:
        sys.exit(check(pathlib.Path(sys.argv[1]) / "lib/libmodrt-nvemu.so"))
