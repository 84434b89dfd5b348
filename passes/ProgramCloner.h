//===- ProgramCloner.h - One program of a model -----------------*- C++ -*-===//
//
// What becomes of a model where its tokens are a whole sequence, a prompt, or
// one of each sequence.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_PASSES_PROGRAMCLONER_H
#define MOD_PASSES_PROGRAMCLONER_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Model.h"
#include "passes/ProgramSettings.h"
#include "passes/ShapeCloner.h"

namespace mlir::mod {

enum class Program { forward, prefill, decode, decodeBatch };

/// Clones the model as one program.
class ProgramCloner : public ShapeCloner {
public:
  ProgramCloner(OpBuilder &builder, func::FuncOp model, Program kind,
                const ProgramSettings &settings)
      : ShapeCloner(builder), model(model), kind(kind), settings(settings) {}

  LogicalResult run();

private:
  bool isCausal() const { return kind != Program::forward; }
  bool isDecode() const { return kind == Program::decode; }
  bool isBatch() const { return kind == Program::decodeBatch; }
  int64_t getContext();
  int64_t getMaxTokens();
  int64_t getNumSequences() const { return isBatch() ? settings.batch : 1; }

  // ProgramSignature.cpp
  BlockArgument addArgument(Type type, StringRef role);
  void addArguments();
  Value takeValid(StringRef role);
  void startBody();
  void findTail();
  void sliceTail(Value value);
  void cloneReturn(func::ReturnOp op);

  LogicalResult clone(Operation *op) override;
  LogicalResult checkLinalg(linalg::LinalgOp op) override;
  LogicalResult checkDim(tensor::DimOp op);
  int64_t getRoutedTokens(RoutedOp) override;
  void startRegion(Block &region, Block &body) override;
  LogicalResult finishRouted(RoutedOp routed) override;
  int64_t getExpertTokens(ExpertsOp) override;
  void finishExperts(ExpertsOp experts) override;
  void dropSoftmax(RoutedOp routed);
  KVCacheType getCacheType(KeysAndValues rows);
  Value getSequences(Location loc);
  void fillCache(KeysAndValues rows, Location loc);
  LogicalResult cloneAttention(AttentionOp op);
  void clonePool(PoolOp op);

  func::FuncOp model;
  Program kind;
  const ProgramSettings &settings;
  func::FuncOp program;
  Value count;                          // valid tokens; null in decode
  Value rows;                           // prefill: rows of logits
  Value positions;                      // of the program's tokens
  Value sequences;                      // decode_batch: of its tokens
  DenseMap<Block *, Value> sequencesOf; // of the tokens of a routed block
  Operation *tail = nullptr; // first of the ops that only the last tokens need
  /// By what they hold; those of a session are arguments.
  DenseMap<KeysAndValues, Value> caches;
  DenseSet<KeysAndValues> filled;
  SmallVector<BlockArgument> latches;
  unsigned nextLatch = 0;
};

} // namespace mlir::mod

#endif // MOD_PASSES_PROGRAMCLONER_H
