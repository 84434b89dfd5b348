//===- OutlineElementwise.cpp - Elementwise ops become kernels ------------===//
//
// One function per distinct elementwise op, called from where the ops were:
// layers are alike, and each copy would be compiled.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/StringMap.h"

namespace mlir::mod {
#define GEN_PASS_DEF_OUTLINEELEMENTWISEPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
/// Makes functions of ops and remembers them.
class Outliner {
public:
  Outliner(ModuleOp module) : module(module), symbols(module) {}

  /// Replaces `op` by a call of its function.
  void outline(Operation *op);

  unsigned getNumFunctions() const { return functions.size(); }

private:
  func::FuncOp create(Operation *op, ValueRange arguments,
                      ArrayRef<Value> constants);
  func::FuncOp getOrCreate(Operation *op, ValueRange arguments,
                           ArrayRef<Value> constants);

  ModuleOp module;
  SymbolTable symbols;
  llvm::StringMap<func::FuncOp> functions;
};

struct OutlineElementwisePass
    : mod::impl::OutlineElementwisePassBase<OutlineElementwisePass> {
  using Base::Base;
  void runOnOperation() override;
};
} // namespace

/// A function that does what `op` does, not yet in the module.
func::FuncOp Outliner::create(Operation *op, ValueRange arguments,
                              ArrayRef<Value> constants) {
  OpBuilder builder(op->getContext());
  Location loc = op->getLoc();
  auto function = func::FuncOp::create(
      loc, ("elementwise." + op->getName().stripDialect()).str(),
      builder.getFunctionType(arguments.getTypes(), TypeRange()));
  function.setPrivate();
  Block *body = function.addEntryBlock();
  builder.setInsertionPointToStart(body);
  IRMapping mapping;
  mapping.map(arguments, body->getArguments());
  for (Value constant : constants)
    builder.clone(*constant.getDefiningOp(), mapping);
  builder.clone(*op, mapping);
  func::ReturnOp::create(builder, loc);
  return function;
}

func::FuncOp Outliner::getOrCreate(Operation *op, ValueRange arguments,
                                   ArrayRef<Value> constants) {
  func::FuncOp function = create(op, arguments, constants);
  std::string text;
  llvm::raw_string_ostream os(text);
  function.print(os, OpPrintingFlags().useLocalScope());
  auto [entry, isNew] = functions.try_emplace(text, function);
  if (isNew)
    symbols.insert(function);
  else
    function.erase();
  return entry->second;
}

void Outliner::outline(Operation *op) {
  SetVector<Value> used, arguments;
  used.insert_range(op->getOperands());
  getUsedValuesDefinedAbove(op->getRegions(), used);
  SmallVector<Value> constants;
  for (Value value : used) {
    if (matchPattern(value, m_Constant()))
      constants.push_back(value);
    else
      arguments.insert(value);
  }
  OpBuilder builder(op);
  func::FuncOp function = getOrCreate(op, arguments.getArrayRef(), constants);
  func::CallOp::create(builder, op->getLoc(), function,
                       arguments.getArrayRef());
  op->erase();
}

void OutlineElementwisePass::runOnOperation() {
  ModuleOp module = getOperation();
  SmallVector<Operation *> ops;
  module.walk([&](Operation *op) {
    auto linalgOp = dyn_cast<linalg::LinalgOp>(op);
    if (isa<memref::CopyOp>(op) ||
        (linalgOp && linalgOp.hasPureBufferSemantics()))
      ops.push_back(op);
  });
  Outliner outliner(module);
  for (Operation *op : ops)
    outliner.outline(op);
  remark::passed(
      module.getLoc(),
      remark::RemarkOpts::name("Outlined").category(getArgumentName()))
      << remark::metric("ops", int64_t(ops.size()))
      << remark::metric("functions", int64_t(outliner.getNumFunctions()));
}
