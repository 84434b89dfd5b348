//===- Fiber.h - Stacks that take turns -------------------------*- C++ -*-===//
//
// A switch between stacks: the registers that a call keeps are on the stack
// that is left.
//
//===----------------------------------------------------------------------===//

#ifndef NVEMU_FIBER_H
#define NVEMU_FIBER_H

#include <cstddef>
#include <cstdint>

extern "C" void nvemu_switch(void **leave, void *enter);

namespace nvemu {

/// Where a stack was left.
struct Fiber {
  void *top = nullptr;

  /// Makes `entry` start when the fiber is first switched to.
  void prepare(char *stack, size_t bytes, void (*entry)()) {
    auto end = (reinterpret_cast<uintptr_t>(stack) + bytes) & ~uintptr_t(63);
    auto *word = reinterpret_cast<uintptr_t *>(end);
    *--word = 0; // where `entry` would return to; it never does
    *--word = reinterpret_cast<uintptr_t>(entry);
    for (int i = 0; i < 6; ++i)
      *--word = 0;
    top = word;
  }
};

inline void switchTo(Fiber &from, Fiber &to) {
  nvemu_switch(&from.top, to.top);
}

} // namespace nvemu

#endif // NVEMU_FIBER_H
