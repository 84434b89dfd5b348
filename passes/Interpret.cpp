//===- Interpret.cpp - Run the reference interpreter ------------*- C++ -*-===//
//
// Gives a function its arguments and prints its results.
//
//===----------------------------------------------------------------------===//

#include "dialect/ModDialect.h"
#include "dialect/Programs.h"
#include "dialect/interpreter/Interpreter.h"
#include "passes/Passes.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

namespace mlir::mod {
#define GEN_PASS_DEF_INTERPRETPASS
#include "passes/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {
struct InterpretPass : mod::impl::InterpretPassBase<InterpretPass> {
  using Base::Base;
  void runOnOperation() override;
};
} // namespace

/// One sequence that begins with `tokens`, as long as its type says.
static FailureOr<InterpreterValue> getTokens(func::FuncOp function,
                                             RankedTensorType type,
                                             ArrayRef<int64_t> tokens) {
  int64_t length = type.isDynamicDim(1) ? tokens.size() : type.getDimSize(1);
  if (length < int64_t(tokens.size()) || tokens.empty())
    return function.emitError("takes 1 to ")
           << length << " tokens, but is given " << tokens.size();
  InterpreterValue value(ArrayRef<int64_t>{1, length});
  llvm::copy(tokens, value.data.begin());
  return value;
}

static FailureOr<InterpreterValue>
getArgument(func::FuncOp function, unsigned index, ArrayRef<int64_t> tokens) {
  Type type = function.getArgumentTypes()[index];
  auto role = function.getArgAttrOfType<StringAttr>(index, kRoleAttr);
  InterpreterValue value;
  if (isa<KVCacheType>(type)) {
    value.cache = std::make_shared<InterpreterCache>();
    return value;
  }
  if (isa<TraceType>(type))
    return value;
  if (role && role == role::kCount)
    return InterpreterValue(double(tokens.size()));
  if (role && (role == role::kStart || role == role::kFrom))
    return InterpreterValue(0.0);
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (tensor && tensor.getRank() == 2 && tensor.getElementType().isInteger(32))
    return getTokens(function, tensor, tokens);
  if (tensor && tensor.hasStaticShape() && role && role == role::kLogits)
    return InterpreterValue(tensor.getShape());
  return function.emitError("the interpreter has no value for argument ")
         << index << " of type " << type;
}

static void print(unsigned number, const InterpreterValue &value) {
  llvm::raw_ostream &os = llvm::outs();
  os << "result " << number << ": [";
  llvm::interleaveComma(value.shape, os);
  os << "]";
  int64_t width = value.shape.empty() ? 1 : value.shape.back();
  for (auto [i, number] : llvm::enumerate(value.data))
    os << (i % width ? " " : "\n  ") << llvm::format("%.6g", number);
  os << "\n";
}

void InterpretPass::runOnOperation() {
  markAllAnalysesPreserved();
  auto program = getOperation().lookupSymbol<func::FuncOp>(function);
  if (!program) {
    getOperation().emitError("has no function '") << function << "'";
    return signalPassFailure();
  }
  SmallVector<InterpreterValue> arguments;
  for (unsigned i = 0; i < program.getNumArguments(); ++i) {
    FailureOr<InterpreterValue> value = ::getArgument(program, i, tokens);
    if (failed(value))
      return signalPassFailure();
    arguments.push_back(*value);
  }
  auto results = interpret(program, arguments);
  if (failed(results))
    return signalPassFailure();
  for (auto [number, result] : llvm::enumerate(*results))
    print(number, result);
}
