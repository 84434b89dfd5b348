//===- Budget.h - What a model costs ----------------------------*- C++ -*-===//
//
// FLOPs and bytes of a static model, known before it runs.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_PASSES_BUDGET_H
#define MOD_PASSES_BUDGET_H

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/JSON.h"

namespace mlir::mod {

/// The module attribute that holds the budget.
inline constexpr llvm::StringLiteral kBudgetAttr = "mod.budget";

/// The cost of a model per token and per block, from which that of any run
/// follows. FLOPs are those of products; a multiply-add counts as two.
struct Budget {
  /// Attention that sees no more than the last keys: what it has of
  /// `flopsPerPair` and `flopsPerKey` of its block. As `modrt_window`.
  struct Window {
    int64_t size = 0;       // keys
    int64_t ofSequence = 0; // whether of all tokens, not of those of the block
    int64_t flopsPerPair = 0; // per query and key of the block
    int64_t flopsPerKey = 0;  // per query and key, of all tokens
  };

  /// Tokens that go through the same ops, and what they cost.
  /// `modrt_block` in `runtime/modrt.h` is the same for the runtime.
  struct Block {
    int64_t layer = -1;        // number of the layer; -1 outside routed blocks
    int64_t capacity = 0;      // tokens of a full context that take part
    int64_t flopsPerToken = 0; // products with weights
    int64_t flopsPerPair = 0;  // attention, per query and key of the block
    int64_t flopsPerKey = 0;   // attention to all tokens, per query and key
    int64_t weightBytes = 0;   // as the programs read them
    int64_t cacheRowBytes = 0; // keys and values of one token
    int64_t firstCache = 0;    // number of its first attention
    int64_t numCaches = 0;     // attentions
    SmallVector<Window> windows;
  };

  /// The FLOPs of a run, and of a model that routes every token everywhere.
  struct Run {
    int64_t flops = 0;
    int64_t denseFlops = 0;
    double getRatio() const {
      return denseFlops ? double(flops) / denseFlops : 1;
    }
  };

  int64_t context = 0;
  int64_t parameters = 0;        // number of values
  int64_t parameterBytes = 0;    // as stored
  int64_t parameterF32Bytes = 0; // as f32
  int64_t logitsFlops = 0;       // of the head, per row of logits
  int64_t logitsWeightBytes = 0; // of the head
  int64_t routingFlops = 0;      // of routers and predictors, per token; they
                                 // are in blocks[0] as well
  /// blocks[0] stands for everything outside routed blocks and without the
  /// head, the others for one routed block each, in program order.
  SmallVector<Block> blocks;

  /// The budget of the static `@forward` of a module whose products will have
  /// weights of `dtype` (mod-quantize-weights).
  static FailureOr<Budget> compute(ModuleOp module, StringRef dtype = "f32");

  /// A whole context with all its logits.
  Run getForward() const;
  /// A whole context with the logits of one token; as many tokens are expected
  /// in routed blocks as their capacity says.
  Run getPrefill() const;
  /// The last token of a context, expected to take part in routed blocks as
  /// often as their capacity says.
  Run getDecode() const;
  /// One block's part of `getForward`.
  int64_t getForwardFlops(const Block &block) const;

  DictionaryAttr toAttribute(MLIRContext *context) const;
  /// The budget that the attribute holds; failure where a field is missing.
  static FailureOr<Budget> fromAttribute(DictionaryAttr attribute);
  /// The budget with the three runs, for reports.
  llvm::json::Value toJSON() const;
};

} // namespace mlir::mod

#endif // MOD_PASSES_BUDGET_H
