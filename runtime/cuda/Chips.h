//===- Chips.h - What GPUs can do at most ----------------------*- C++ -*-===//
//
// Peaks by the data sheets: what a report of the compiler divides by, and what
// a benchmark compares with.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CUDA_CHIPS_H
#define RUNTIME_CUDA_CHIPS_H

#include <cctype>
#include <cstdint>
#include <cstring>

namespace modrt {

struct Chip {
  const char *name; // a word of the driver's name for it
  const char *source;
  double gigabytes;       // each second
  double teraflops;       // FP32 multiply-adds
  double tensorTeraflops; // products of bf16 or f16, sums in FP32, dense
  double tf32Teraflops;   // the same of tf32
  // What a multiprocessor has room for: CUDA C++ programming guide, "Technical
  // Specifications per Compute Capability".
  int64_t warps, blocks, sharedBytes;
};

inline constexpr Chip chips[] = {
    {"A100", "NVIDIA A100 data sheet, SXM 80 GB", 2039, 19.5, 312, 156, 64, 32,
     164 << 10},
    {"H100", "NVIDIA H100 data sheet, SXM", 3350, 67, 989, 494.5, 64, 32,
     228 << 10},
    {"H200", "NVIDIA H200 data sheet, SXM", 4800, 67, 989, 494.5, 64, 32,
     228 << 10},
    {"L4", "NVIDIA L4 data sheet", 300, 30.3, 121, 60, 48, 24, 100 << 10},
    {"RTX 4090", "NVIDIA Ada GPU architecture white paper, appendix A", 1008,
     82.6, 165.2, 82.6, 48, 24, 100 << 10},
};

/// By the driver's name, as "NVIDIA H100 80GB HBM3"; null where unknown.
inline const Chip *findChip(const char *name) {
  for (const Chip &chip : chips) {
    const char *found = strstr(name, chip.name);
    if (found && !isalnum(static_cast<unsigned char>(found[strlen(chip.name)])))
      return &chip;
  }
  return nullptr;
}

} // namespace modrt

#endif // RUNTIME_CUDA_CHIPS_H
