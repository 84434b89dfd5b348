"""The emulator finds what is wrong with the compiler's own kernels: each is run as it is, in every order of threads, and
then without each of its barriers, without waiting for copies, with a buffer that is too small or not aligned.

RUN: %python %s %{build}
"""

import ctypes
import os
import pathlib
import re
import subprocess
import sys

ARENA = 1 << 20
BYTES = {"bf16": 2, "f32": 4, "i32": 4, "i64": 8}
# A program with one op on buffers %a, %b, ... of these types; and how many barriers nobody misses, each alone: a reduction
# begins with one for what an earlier round of a loop left, where there is no loop or others are in it; without indices
# each thread of a softmax writes what it made zero itself.
KERNELS = {
    "tensor product": (["1x128x96xbf16", "128x96xbf16", "1x128x128xf32"],
                       "mod.linear %a, %b into(%c) : (A, B, C) -> ()", 0),
    "tiled product": (["1x64x40xf32", "64x40xf32", "1x64x64xf32"], "mod.linear %a, %b into(%c) : (A, B, C) -> ()", 0),
    "product of a row": (["1x1x96xbf16", "64x96xbf16", "1x1x64xf32"], "mod.linear %a, %b into(%c) : (A, B, C) -> ()", 0),
    "softmax": (["1x300xf32", "1x300xf32"], "mod.softmax %a into(%b) : (A, B) -> ()", 3),
    "selection": (["1x300xf32", "1x75xi32"], "%n = mod.select top_k(0.25) %a into(%b) : (A, B) -> index", 3),
    "attention": (["1x1x32xf32", "2x256x16x1xf32", "2x1x256x16xf32", "1x1x32xf32"],
                  "%n = arith.constant 200 : index\n"
                  "mod.panel_attention %a, %b, %c of(%n) heads(2) into(%d) : A, B, C, D", 3),
}
TOOLS = [
    ["mlir-opt", "--pass-pipeline=builtin.module(gpu.module(expand-strided-metadata,lower-affine,convert-scf-to-cf,"
     "convert-nvgpu-to-nvvm))"],
    ["mod-opt", "--pass-pipeline=builtin.module(gpu.module(mod-expand-gpu-math))"],
    ["mlir-opt", "--pass-pipeline=builtin.module(gpu.module(convert-gpu-to-nvvm{use-bare-ptr-memref-call-conv=1},"
     "reconcile-unrealized-casts,canonicalize,cse))"],
    ["mod-opt", "--mod-compile-kernels=chips=sm_80"],
]


def pipe(command, text):
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr}")
    return done.stdout


def lower(types, op):
    """The module of the kernel, its name, its arguments and how it is launched."""
    names = "abcd"[:len(types)]
    for name, kind in zip(names, types):
        op = re.sub(rf"\b{name.upper()}\b", f"memref<{kind}>", op)
    views = "".join(f"%o{n} = arith.constant {i * ARENA // 4} : index\n"
                    f"%{n} = memref.view %arena[%o{n}][] : memref<{ARENA}xi8> to memref<{kind}>\n"
                    for i, (n, kind) in enumerate(zip(names, types)))
    program = f'func.func @forward(%arena: memref<{ARENA}xi8> {{mod.role = "arena"}}) {{\n{views}{op}\nreturn\n}}'
    text = pipe(["mod-opt", "--mod-lower-to-gpu", "--canonicalize", "--cse"], program)
    launch = re.search(r"@kernels::@(\w+) blocks in \((.*?)\) +threads in \((.*?)\) +args\((.*?)\)", text)
    number = lambda name: int(re.search(rf"{name} = arith.constant (\d+) : index", text)[1])
    grid = [number(name) for name in launch[2].split(", ")] + [number(launch[3].split(", ")[0])]
    arguments = [(int(count), kind) for count, kind in re.findall(r"memref<(\d+)x(\w+)>", launch[4])]
    return "module {\n" + text[text.index("gpu.module"):], launch[1], arguments, grid


def compile_kernel(text):
    """The image of the kernel for the emulator."""
    for command in TOOLS:
        text = pipe(command, text)
    data = re.search(r'data = "((?:[^"\\]|\\.)*)", kind = "llvm"', text)[1].encode()
    return re.sub(rb"\\([0-9A-F]{2}|.)", lambda m: bytes([int(m[1], 16)]) if len(m[1]) == 2 else m[1], data)


def run(library, name, arguments, grid, change):
    """Runs the kernel by the functions of CUDA's driver; prints what is in its buffers."""
    driver, pointer = ctypes.CDLL(library), ctypes.c_void_p
    sizes = [count * BYTES[kind] for count, kind in arguments]
    places = []
    for i, size in enumerate(sizes):
        address = pointer()
        small = 4 if change == "small" and i == len(sizes) - 1 else 0
        shift = 8 if change == "shift" and i == 0 else 0
        driver.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size + shift - small))
        places.append(pointer(address.value + shift))
        # Numbers about one of both signs, as bf16 and as f32.
        values = (ctypes.c_uint16 * (size // 2))(*(0x3f00 + k * 37 % 128 + (k * 53 % 2 << 15) for k in range(size // 2)))
        driver.cuMemcpyHtoDAsync_v2(places[i], values, ctypes.c_size_t(size - small), None)
    module, function = pointer(), pointer()
    driver.cuModuleLoadData(ctypes.byref(module), sys.stdin.buffer.read())
    assert driver.cuModuleGetFunction(ctypes.byref(function), module, name.encode()) == 0
    given = (pointer * len(places))(*(ctypes.cast(ctypes.byref(place), pointer) for place in places))
    driver.cuLaunchKernel(function, *grid[:3], grid[3], 1, 1, 0, None, given, None)
    for place, size in zip(places, sizes):
        result = (ctypes.c_uint8 * size)()
        driver.cuMemcpyDtoHAsync_v2(result, place, ctypes.c_size_t(size), None)
        print(bytes(result).hex(), end="")


class Checker:
    def __init__(self, library, title):
        self.library, self.title, self.failed = library, title, 0
        types, op, self.spare = KERNELS[title]
        self.text, self.name, self.arguments, self.grid = lower(types, op)
        self.image = compile_kernel(self.text)
        self.expected = self.run(self.image)

    def run(self, image, change="", **environment):
        command = [sys.executable, __file__, "--run", self.library, self.name, repr(self.arguments), repr(self.grid), change]
        done = subprocess.run(command, input=image, capture_output=True, env={**os.environ, **environment})
        return (done.stdout + done.stderr).decode()

    def require(self, condition, what, got=""):
        if not condition:
            self.failed += 1
            print(f"FAILED  {self.title}: {what}: {got[:200]}")

    def check_orders(self):
        self.require(re.fullmatch("[0-9a-f]+", self.expected), "does not run", self.expected)
        for order in "forward", "reverse", "random":
            for copies in "lazy", "eager":
                got = self.run(self.image, NVEMU_ORDER=order, NVEMU_COPIES=copies, NVEMU_RACES="1", NVEMU_BOUNDS="1")
                self.require(got == self.expected, f"{order}, {copies}", got)

    def check_barriers(self):
        places = [match.span() for match in re.finditer(r"gpu\.barrier\b.*", self.text)]
        missed = 0
        for first, end in places:
            image = compile_kernel(self.text[:first] + self.text[end:])
            missed += self.run(image, NVEMU_RACES="1", NVEMU_ORDER="random") == self.expected
        print(f"{self.title}: {len(places)} barriers, {missed} not missed")
        self.require(missed == self.spare, "barriers that nobody misses", str(missed))

    def check_copies(self):
        without = re.sub(r"nvvm\.cp\.async\.wait\.group \d+", "nvvm.cp.async.wait.group 7", self.text)
        if without != self.text:
            self.require(self.run(compile_kernel(without)) != self.expected, "copies that nobody waits for")

    def check_memory(self):
        got = self.run(self.image, "small", NVEMU_BOUNDS="1")
        self.require("memory that nobody allocated" in got, "a buffer that is too small", got)
        if re.search(r"vector\.load|nvgpu\.device_async_copy", self.text):
            got = self.run(self.image, "shift")
            self.require("not aligned" in got, "a buffer that is not aligned", got)


def check(library, title):
    checker = Checker(library, title)
    checker.check_orders()
    checker.check_barriers()
    checker.check_copies()
    checker.check_memory()
    return checker.failed


if __name__ == "__main__":
    if sys.argv[1] == "--run":
        run(sys.argv[2], sys.argv[3], eval(sys.argv[4]), eval(sys.argv[5]), sys.argv[6])
    else:
        emulator = str(pathlib.Path(sys.argv[1]) / "lib/libmodrt-nvemu.so")
        sys.exit(1 if sum([check(emulator, title) for title in KERNELS]) else 0)
