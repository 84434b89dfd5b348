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

/// Calls a program; its caches and latches last from one call to the next.
class Caller {
public:
  Caller(func::FuncOp program) : program(program) {
    for (Type type : program.getArgumentTypes()) {
      caches.push_back(std::make_shared<InterpreterCache>());
      if (auto cache = dyn_cast<KVCacheType>(type))
        caches.back()->sequences.resize(cache.getSequences());
      if (auto latch = dyn_cast<LatchType>(type))
        caches.back()->sequences.resize(latch.getSequences());
    }
  }

  /// Prints what the program makes of `tokens`, the first at `start`.
  LogicalResult call(ArrayRef<int64_t> tokens, int64_t start);

private:
  FailureOr<InterpreterValue>
  getArgument(unsigned index, ArrayRef<int64_t> tokens, int64_t start);

  func::FuncOp program;
  SmallVector<std::shared_ptr<InterpreterCache>> caches;
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

static StringRef getRole(func::FuncOp program, unsigned index) {
  auto role = program.getArgAttrOfType<StringAttr>(index, kRoleAttr);
  return role ? role.getValue() : "";
}

FailureOr<InterpreterValue>
Caller::getArgument(unsigned index, ArrayRef<int64_t> tokens, int64_t start) {
  Type type = program.getArgumentTypes()[index];
  StringRef role = getRole(program, index);
  InterpreterValue value;
  if (isa<KVCacheType, LatchType>(type)) {
    value.cache = caches[index];
    return value;
  }
  if (isa<TraceType>(type))
    return value;
  if (role == role::kCount)
    return InterpreterValue(double(tokens.size()));
  if (role == role::kStart)
    return InterpreterValue(double(start));
  if (role == role::kFrom)
    return InterpreterValue(0.0);
  auto tensor = dyn_cast<RankedTensorType>(type);
  bool isPerToken =
      tensor && tensor.getRank() == 2 && tensor.getElementType().isInteger(32);
  if (isPerToken && role == role::kSequences)
    return getTokens(program, tensor,
                     llvm::to_vector(llvm::seq<int64_t>(0, tokens.size())));
  if (isPerToken && role == role::kPositions)
    return getTokens(program, tensor,
                     SmallVector<int64_t>(tokens.size(), start));
  if (isPerToken)
    return getTokens(program, tensor, tokens);
  if (tensor && tensor.hasStaticShape() && role == role::kLogits)
    return InterpreterValue(tensor.getShape());
  return program.emitError("the interpreter has no value for argument ")
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

LogicalResult Caller::call(ArrayRef<int64_t> tokens, int64_t start) {
  SmallVector<InterpreterValue> arguments;
  for (unsigned i = 0; i < program.getNumArguments(); ++i) {
    FailureOr<InterpreterValue> value = getArgument(i, tokens, start);
    if (failed(value))
      return failure();
    arguments.push_back(*value);
  }
  auto results = interpret(program, arguments);
  if (failed(results))
    return failure();
  for (auto [number, result] : llvm::enumerate(*results))
    print(number, result);
  return success();
}

/// How many tokens a program takes at a time, one of each of its sequences; 0
/// where it takes all tokens of one.
static unsigned getStepTokens(func::FuncOp program) {
  if (BlockArgument sequences = getArgument(program, role::kSequences))
    return cast<ShapedType>(sequences.getType()).getDimSize(1);
  return getArgument(program, role::kStart) &&
         !getArgument(program, role::kCount);
}

void InterpretPass::runOnOperation() {
  markAllAnalysesPreserved();
  auto program = getOperation().lookupSymbol<func::FuncOp>(function);
  if (!program) {
    getOperation().emitError("has no function '") << function << "'";
    return signalPassFailure();
  }
  Caller caller(program);
  ArrayRef<int64_t> rest = tokens;
  unsigned step = getStepTokens(program);
  int64_t start = 0;
  do {
    ArrayRef<int64_t> now = step ? rest.take_front(step) : rest;
    if (failed(caller.call(now, start++)))
      return signalPassFailure();
    rest = rest.drop_front(now.size());
  } while (!rest.empty());
}
