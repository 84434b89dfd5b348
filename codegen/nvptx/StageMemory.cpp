//===- StageMemory.cpp - The caller's memory on the device ------*- C++ -*-===//
//
// Copies what a program reads from the host to the device, and back what it
// leaves there.
//
//===----------------------------------------------------------------------===//

#include "codegen/nvptx/Passes.h"
#include "dialect/ModOps.h"
#include "dialect/Programs.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "runtime/modrt.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::mod {
#define GEN_PASS_DEF_STAGEMEMORYPASS
#include "codegen/nvptx/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {

constexpr int64_t kAlignment = 256;

/// Stages the arguments of one program.
class Staging {
public:
  explicit Staging(func::FuncOp program)
      : program(program), arena(getArgument(program, role::kArena)),
        builder(OpBuilder::atBlockBegin(&program.getBody().front())) {}

  /// Returns the bytes of the arena.
  int64_t run();

private:
  Value place(BlockArgument argument);
  Value getRows(StringRef role);
  Value takeRows(Value buffer, Value rows);
  void copyIn(Value device, Value host);
  void copyOut(Value device, Value host);
  void stageTokens();
  void stageStart();
  void stageLogits();
  void stageChoice(Value logits);
  void stageLengths();
  void stageTrace();
  void copyIf(Value isWanted, Value to, Value from);

  func::FuncOp program;
  BlockArgument arena;
  OpBuilder builder;
  int64_t bytes = 0;
};

struct StageMemoryPass : mod::impl::StageMemoryPassBase<StageMemoryPass> {
  void runOnOperation() override;
};

} // namespace

/// A view behind the arena, which takes the place of the argument everywhere.
Value Staging::place(BlockArgument argument) {
  auto type = cast<MemRefType>(argument.getType());
  bytes = llvm::alignTo(bytes, kAlignment);
  Location loc = program.getLoc();
  builder.setInsertionPointToStart(&program.getBody().front());
  Value offset = arith::ConstantIndexOp::create(builder, loc, bytes);
  Value view =
      memref::ViewOp::create(builder, loc, type, arena, offset, ValueRange());
  bytes += type.getNumElements() *
           int64_t(llvm::divideCeil(type.getElementTypeBitWidth(), 8));
  argument.replaceAllUsesWith(view);
  return view;
}

/// The rows of tokens or logits that the caller gives memory for; null where
/// that is static.
Value Staging::getRows(StringRef role) {
  BlockArgument count = getArgument(program, role::kCount);
  BlockArgument from = getArgument(program, role::kFrom);
  if (!count || role == role::kTokens || !from)
    return count;
  return arith::SubIOp::create(builder, program.getLoc(), count, from);
}

Value Staging::takeRows(Value buffer, Value rows) {
  if (!rows)
    return buffer;
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<OpFoldResult> offsets(type.getRank(), builder.getIndexAttr(0));
  SmallVector<OpFoldResult> strides(type.getRank(), builder.getIndexAttr(1));
  SmallVector<OpFoldResult> sizes;
  for (int64_t size : type.getShape())
    sizes.push_back(builder.getIndexAttr(size));
  sizes[1] = rows;
  return memref::SubViewOp::create(builder, program.getLoc(), buffer, offsets,
                                   sizes, strides);
}

void Staging::copyIn(Value device, Value host) {
  gpu::MemcpyOp::create(builder, program.getLoc(), TypeRange(), ValueRange(),
                        device, host);
}

void Staging::copyOut(Value device, Value host) {
  gpu::MemcpyOp::create(builder, program.getLoc(), TypeRange(), ValueRange(),
                        host, device);
}

void Staging::stageTokens() {
  BlockArgument host = getArgument(program, role::kTokens);
  if (!host)
    return;
  Value device = place(host);
  Value rows = getRows(role::kTokens);
  Value part = takeRows(device, rows);
  copyIn(part, takeRows(host, rows));
}

/// Without a number of tokens a program asks for the same each time it is
/// called, but for where its token is: that is read from memory, too.
void Staging::stageStart() {
  BlockArgument start = getArgument(program, role::kStart);
  if (!start || getArgument(program, role::kCount))
    return;
  SmallVector<OpOperand *> uses;
  for (OpOperand &use : start.getUses())
    uses.push_back(&use);
  start.setType(MemRefType::get({1}, builder.getI64Type()));
  Value device = place(start);
  copyIn(device, start);
  Location loc = program.getLoc();
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value number = memref::LoadOp::create(builder, loc, device, zero);
  number =
      arith::IndexCastOp::create(builder, loc, builder.getIndexType(), number);
  for (OpOperand *use : uses)
    use->set(number);
}

void Staging::stageLogits() {
  BlockArgument host = getArgument(program, role::kLogits);
  if (!host)
    return;
  Value device = place(host);
  if (!getArgument(program, role::kCount)) {
    stageChoice(device);
    return copyIf(addArgument(program, builder.getI1Type(), role::kHasLogits),
                  host, device);
  }
  builder.setInsertionPoint(program.getBody().front().getTerminator());
  Value rows = getRows(role::kLogits);
  Value part = takeRows(device, rows);
  copyOut(part, takeRows(host, rows));
}

/// The next token, chosen as the caller says.
void Staging::stageChoice(Value logits) {
  Builder types(program.getContext());
  auto numbers = MemRefType::get({sizeof(modrt_choice) / sizeof(double)},
                                 types.getF64Type());
  auto token = MemRefType::get({1, 1}, types.getI32Type());
  BlockArgument choice = addArgument(program, numbers, role::kChoice);
  BlockArgument next = addArgument(program, token, role::kNext);
  Value chosen = place(next), by = place(choice);
  copyIn(by, choice);
  Location loc = program.getLoc();
  builder.setInsertionPoint(program.getBody().front().getTerminator());
  Value scores = memref::CollapseShapeOp::create(
      builder, loc, logits, ArrayRef<ReassociationIndices>{{0}, {1, 2}});
  SampleOp::create(builder, loc, scores, by, chosen);
  copyOut(chosen, next);
}

void Staging::stageLengths() {
  BlockArgument host = getArgument(program, role::kLengths);
  if (!host)
    return;
  Value device = place(host);
  copyIn(device, host);
  builder.setInsertionPoint(program.getBody().front().getTerminator());
  copyOut(device, host);
}

void Staging::copyIf(Value isWanted, Value to, Value from) {
  Location loc = program.getLoc();
  auto branch = scf::IfOp::create(builder, loc, isWanted,
                                  /*withElseRegion=*/false);
  OpBuilder inner = branch.getThenBodyBuilder();
  gpu::MemcpyOp::create(inner, loc, TypeRange(), ValueRange(), to, from);
}

/// The caller may want no trace.
void Staging::stageTrace() {
  BlockArgument host = getArgument(program, role::kTrace);
  BlockArgument present = getArgument(program, role::kHasTrace);
  if (!host || !present)
    return;
  Value device = place(host);
  copyIf(present, device, host);
  builder.setInsertionPoint(program.getBody().front().getTerminator());
  copyIf(present, host, device);
}

int64_t Staging::run() {
  bytes = cast<MemRefType>(arena.getType()).getNumElements();
  stageTokens();
  stageStart();
  stageLogits();
  stageLengths();
  stageTrace();
  bytes = llvm::alignTo(bytes, kAlignment);
  arena.setType(MemRefType::get({bytes}, builder.getI8Type()));
  program.setFunctionType(builder.getFunctionType(
      program.getBody().getArgumentTypes(), program.getResultTypes()));
  program->setAttr("mod.arena_bytes", builder.getI64IntegerAttr(bytes));
  return bytes;
}

void StageMemoryPass::runOnOperation() {
  int64_t bytes = 0;
  for (func::FuncOp program : getPrograms(getOperation())) {
    if (!mod::getArgument(program, role::kArena)) {
      program.emitError("has no arena; run mod-plan-arena first");
      return signalPassFailure();
    }
    bytes = std::max(bytes, Staging(program).run());
  }
  getOperation()->setAttr("mod.arena_bytes",
                          Builder(&getContext()).getI64IntegerAttr(bytes));
}
