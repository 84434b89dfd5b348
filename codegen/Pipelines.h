//===- Pipelines.h - The phases of a compilation ----------------*- C++ -*-===//
//
// One pipeline per phase (docs/architecture.md), by its name.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_PIPELINES_H
#define MOD_CODEGEN_PIPELINES_H

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"
#include <optional>
#include <string>

namespace mlir::mod {

/// The phases of a compilation, in order. `imported` is what the importer or
/// the parser gives; no pipeline makes it.
enum class Phase {
  imported,
  specialized,
  derived,
  fused,
  packed,
  bufferized,
  lowered,
  llvm
};

StringRef stringifyPhase(Phase phase);
std::optional<Phase> symbolizePhase(StringRef name);

/// What the pipelines need to know, as options of each of them.
struct PhaseOptions : PassPipelineOptions<PhaseOptions> {
  Option<int64_t> context{
      *this, "context",
      llvm::cl::desc("tokens of a sequence; 0 for the model's own")};
  Option<int64_t> batch{*this, "batch",
                        llvm::cl::desc("sequences that are decoded together"),
                        llvm::cl::init(1)};
  Option<std::string> decodeRouting{
      *this, "decode-routing",
      llvm::cl::desc("predictor, router or always; empty for the model's own")};
  Option<std::string> prefillRouting{
      *this, "prefill-routing",
      llvm::cl::desc(
          "of prompts: top_k, predictor, router or always; empty for "
          "the model's own")};
  Option<std::string> kvDtype{
      *this, "kv-dtype",
      llvm::cl::desc("what KV caches hold: f32, bf16 or f16; empty for f32 "
                     "where weights are, f16 where they are f16, else bf16")};
  Option<int64_t> kvTokens{
      *this, "kv-tokens",
      llvm::cl::desc("tokens that a cache of a routed block holds; 0 for a "
                     "context")};
  Option<std::string> dtype{*this, "dtype", llvm::cl::desc("type of products"),
                            llvm::cl::init("f32")};
  Option<unsigned> vectorBits{*this, "vector-bits",
                              llvm::cl::desc("bits of one vector"),
                              llvm::cl::init(256)};
  Option<int64_t> level2Bytes{
      *this, "level2-bytes",
      llvm::cl::desc("second level cache of a core; 0 for what is common"),
      llvm::cl::init(0)};
  Option<bool> bf16Dot{
      *this, "bf16-dot",
      llvm::cl::desc("the CPU multiplies pairs of bf16 faster than f32")};
  Option<bool> byteDot{*this, "byte-dot",
                       llvm::cl::desc("the CPU multiplies fours of i8")};
  Option<bool> tiles{*this, "tiles",
                     llvm::cl::desc("the CPU multiplies tiles (AMX)")};
  Option<std::string> target{*this, "target",
                             llvm::cl::desc("what the code is for")};
  Option<std::string> features{*this, "features",
                               llvm::cl::desc("CPU features it needs")};
  ListOption<std::string> chips{
      *this, "chips",
      llvm::cl::desc("NVIDIA GPUs to compile for, as sm_80; none: a CPU")};
  Option<bool> warpgroups{
      *this, "warpgroups",
      llvm::cl::desc("make products of many rows by wgmma, on sm_90a")};
  Option<std::string> ptxas{*this, "ptxas",
                            llvm::cl::desc("NVIDIA's assembler, or nothing")};
  Option<std::string> weightsFile{
      *this, "weights-file",
      llvm::cl::desc("file beside the model with its weights")};

  /// The type of caches that was asked for, or that goes with the products.
  std::string getKvDtype() const {
    if (!kvDtype.empty() || dtype == "f32" || dtype == "tf32")
      return kvDtype;
    return dtype == "f16" ? "f16" : "bf16";
  }
  /// Whether programs run on a GPU.
  bool isGpu() const { return !chips.empty(); }
};

/// Adds the passes that lead from the phase before to `phase`.
void buildPhase(OpPassManager &pm, Phase phase, const PhaseOptions &options);

/// Registers a pipeline `mod-to-NAME` for each phase, from the one before.
void registerPhasePipelines();

} // namespace mlir::mod

#endif // MOD_CODEGEN_PIPELINES_H
