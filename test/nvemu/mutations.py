"""The emulator finds what is wrong with the compiler's own kernels: each is run as it is, in every order of threads, and
then without each of its barriers, without waiting for copies, with a buffer that is too small or not aligned.

RUN: %python %s %{build}
"""

import pathlib
import re
import sys

from kernel_runner import Kernel, compile_kernel, count_bytes, describe_map, make_choice, run

ATTENTION = "%n = arith.constant 200 : index\nmod.panel_attention %a, %b, %c of(%n) heads(2) "
# A program with one op on buffers %a, %b, ... of these types; and how many barriers nobody misses: the one before a block
# counts that it is done is for blocks beside it, and the emulator runs one after the other; few tokens are searched in
# another way than many, and neither needs the barriers of the other.
KERNELS = {
    "tensor product": (["1x128x96xbf16", "128x96xbf16", "1x128x128xf32"],
                       "mod.linear %a, %b into(%c) : (A, B, C) -> ()", 0),
    "tensor product in tf32": (["1x128x48xf32", "128x48xf32", "1x128x128xf32"],
                               "mod.linear %a, %b into(%c) {mod.tf32} : (A, B, C) -> ()", 0),
    "product of warpgroups": (["1x128x160xbf16", "128x160xbf16", "1x128x128xf32"],
                              "mod.linear %a, %b into(%c) {mod.warpgroups} : (A, B, C) -> ()", 0),
    "tiled product": (["1x64x40xf32", "64x40xf32", "1x64x64xf32"], "mod.linear %a, %b into(%c) : (A, B, C) -> ()", 0),
    "product of a row": (["1x1x96xbf16", "64x96xbf16", "1x1x64xf32"], "mod.linear %a, %b into(%c) : (A, B, C) -> ()", 0),
    "softmax": (["1x300xf32", "1x300xf32"], "mod.softmax %a into(%b) : (A, B) -> ()", 0),
    "selection": (["1x300xf32", "1x75xi32"], "%n = mod.select top_k(0.25) %a into(%b) : (A, B) -> index", 0),
    "choice among few": (["1x300xf32", "70xf64", "1x1xi32"], "mod.sample %a by(%b) into(%c) : A, B, C", 6),
    "choice among many": (["1x1500xf32", "70xf64", "1x1xi32"], "mod.sample %a by(%b) into(%c) : A, B, C", 8),
    "attention of a query": (["1x1x32xf32", "2x256x16x1xf32", "2x1x256x16xf32", "1x1x32xf32", "2x3x18xf32"],
                             ATTENTION + "partials(%e) into(%d) : A, B, C, D, E", 1),
    "tiled attention": (["1x70x32xf32", "2x256x16x1xf32", "2x1x256x16xf32", "1x70x32xf32"],
                        ATTENTION + "into(%d) : A, B, C, D", 0),
    "tensor attention": (["1x70x32xf32", "2x256x16x1xbf16", "2x1x256x16xbf16", "1x70x32xf32"],
                         ATTENTION + "into(%d) : A, B, C, D", 0),
}
# What products of warpgroups and copies by TMA cannot do without; what takes its place, and what the emulator says.
MUTATIONS = [
    (r"nvvm\.(?:fence\.proxy \{|wgmma\.fence|wgmma\.commit|wgmma\.wait).*", "", "wgmma"),
    (r"nvvm\.mbarrier\.init.*", "", "a barrier that nobody made"),
    (r"nvvm\.fence\.mbarrier\.init.*", "", "without fence.mbarrier_init"),
    (r"nvvm\.fence\.proxy\.acquire.*", "", "did not acquire by fence.proxy.tensormap"),
    (r"(nvvm\.mbarrier\.arrive\.expect_tx %\w+, )%\w+", r"%less = arith.constant 4096 : i32\n\1%less",
     "expects 4096 bytes, but copies bring 8192"),
    (r"(nvvm\.mbarrier\.arrive\.expect_tx %\w+, )%\w+", r"%more = arith.constant 8208 : i32\n\1%more",
     "waits for a barrier that 16 bytes do not reach"),
    (r"= nvvm\.mbarrier\.try_wait.*", "= arith.constant true", "before a copy by TMA arrived there"),
]


def make_numbers(kind, title):
    """Numbers about one of both signs, as bf16 and as f32; counters begin with zero, and f64 tell how to sample."""
    size = count_bytes(kind)
    if kind.endswith("f64"):
        top_k = 1200 if "many" in title else 120
        return make_choice(0, 0.7, top_k, top_p=0.8, min_p=0.1, temperature=0.9, penalty=3, recent=range(0, 300, 6))
    if kind.endswith("i32"):
        return bytes(size)
    numbers = (0x3f00 + k * 37 % 128 + (k * 53 % 2 << 15) for k in range(size // 2))
    return b"".join(number.to_bytes(2, "little") for number in numbers)


class Checker:
    def __init__(self, library, title):
        self.library, self.title, self.failed = library, title, 0
        types, op, self.spare = KERNELS[title]
        self.kernel = Kernel(types, op)
        self.buffers = [describe_map(types[1]) if kind == "128xi8" else make_numbers(kind, title)
                        for kind in self.kernel.arguments]
        self.last = max(i for i, kind in enumerate(self.kernel.arguments) if kind != "128xi8")
        self.image = compile_kernel(self.kernel.text)
        self.expected = self.run(self.image)

    def run(self, image, shift=0, more=0, **environment):
        """The buffers, the second `shift` bytes farther and the last `more` bytes larger, or what went wrong."""
        places = [(0, 0)] * len(self.buffers)
        places[1] = shift, 0
        places[self.last] = places[self.last][0], more
        result, said = run(self.library, [(image, self.kernel.name, self.kernel.grid, self.buffers, places)],
                           **environment)
        return result or said

    def require(self, condition, what, got=""):
        if not condition:
            self.failed += 1
            print(f"FAILED  {self.title}: {what}: {str(got)[:200]}")

    def check_orders(self):
        self.require(isinstance(self.expected, list), "does not run", self.expected)
        for order in "forward", "reverse", "random":
            for copies in "lazy", "eager":
                got = self.run(self.image, NVEMU_ORDER=order, NVEMU_COPIES=copies, NVEMU_RACES="1", NVEMU_BOUNDS="1")
                self.require(got == self.expected, f"{order}, {copies}", got)

    def check_barriers(self):
        places = [match.span() for match in re.finditer(r"gpu\.barrier\b.*", self.kernel.text)]
        missed = 0
        for first, end in places:
            image = compile_kernel(self.kernel.text[:first] + self.kernel.text[end:])
            missed += self.run(image, NVEMU_RACES="1", NVEMU_ORDER="random") == self.expected
        print(f"{self.title}: {len(places)} barriers, {missed} not missed")
        self.require(missed == self.spare, "barriers that nobody misses", str(missed))

    def check_copies(self):
        without = re.sub(r"nvvm\.cp\.async\.wait\.group \d+", "nvvm.cp.async.wait.group 7", self.kernel.text)
        if without != self.kernel.text:
            self.require(self.run(compile_kernel(without)) != self.expected, "copies that nobody waits for")

    def check_order(self):
        """What orders products of warpgroups, and copies by TMA, is missed."""
        text = self.kernel.text
        if "wgmma" not in text:
            return
        for pattern, change, expected in MUTATIONS:
            matches = list(re.finditer(pattern, text))
            self.require(matches, f"nothing is {pattern}")
            for match in matches:
                changed = text[:match.start()] + match.expand(change) + text[match.end():]
                got = self.run(compile_kernel(changed), NVEMU_RACES="1")
                self.require(expected in got, f"without {match[0]}", got)

    def check_memory(self):
        got = self.run(self.image, more=-4, NVEMU_BOUNDS="1")
        self.require("memory that nobody allocated" in got, "a buffer that is too small", got)
        if re.search(r"vector\.load|nvgpu\.device_async_copy", self.kernel.text):
            got = self.run(self.image, shift=8)
            self.require(re.search("not aligned|the driver refuses", str(got)), "a buffer that is not aligned", got)


def check(library, title):
    checker = Checker(library, title)
    checker.check_orders()
    checker.check_barriers()
    checker.check_copies()
    checker.check_order()
    checker.check_memory()
    return checker.failed


if __name__ == "__main__":
    emulator = str(pathlib.Path(sys.argv[1]) / "lib/libmodrt-nvemu.so")
    sys.exit(1 if sum([check(emulator, title) for title in KERNELS]) else 0)
