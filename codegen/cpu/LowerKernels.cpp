//===- LowerKernels.cpp - Turn mod ops into calls of kernels --------------===//
//
// One function of loops and vectors per distinct op.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "codegen/cpu/Kernels.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Remarks.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::mod {
#define GEN_PASS_DEF_LOWERKERNELSPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

int64_t mod::getStaticDim(Value shaped, unsigned dim) {
  return cast<ShapedType>(shaped.getType()).getDimSize(dim);
}

namespace {
/// Makes kernels and remembers them.
class Kernels {
public:
  Kernels(ModuleOp module, CpuTarget target)
      : symbols(module), target(target) {}

  /// Replaces `op` by a call of its kernel.
  void lower(Operation *op);

private:
  using Key = std::tuple<StringAttr, Attribute, FunctionType>;

  func::FuncOp getOrCreate(Operation *op);
  func::FuncOp create(Operation *op, FunctionType type);

  SymbolTable symbols;
  CpuTarget target;
  DenseMap<Key, func::FuncOp> kernels;
};

struct LowerKernelsPass : mod::impl::LowerKernelsPassBase<LowerKernelsPass> {
  using LowerKernelsPassBase::LowerKernelsPassBase;
  void runOnOperation() override;
};
} // namespace

/// Writes the loops of `op` at the builder's insertion point; false where it
/// has no kernel.
static bool emitOp(KernelBuilder &builder, Operation *op) {
  return TypeSwitch<Operation *, bool>(op)
      .Case<LinearOp, RowScalesOp, QuantizeOp, AppendPanelsOp, PanelAttentionOp,
            RMSNormOp, InverseRMSOp, RopeOp, EmbeddingOp, PositionsOp, RouterOp,
            PredictorOp, GatherOp, ScatterOp, SoftmaxOp, MembersOp, PoolOp,
            NoiseOp, SharesOp, SelectOp>([&](auto op) {
        emitKernel(builder, op);
        return true;
      })
      .Default(false);
}

static bool hasKernel(Operation *op) {
  return isa<LinearOp, RowScalesOp, QuantizeOp, AppendPanelsOp,
             PanelAttentionOp, RMSNormOp, InverseRMSOp, RopeOp, EmbeddingOp,
             PositionsOp, RouterOp, PredictorOp, GatherOp, ScatterOp, SoftmaxOp,
             MembersOp, PoolOp, NoiseOp, SharesOp, SelectOp>(op);
}

/// What a person would call the kernel: the op and its widths.
static std::string getName(Operation *op) {
  std::string name = op->getName().getStringRef().str();
  auto append = [&](ArrayRef<int64_t> sizes) {
    llvm::raw_string_ostream os(name);
    os << ".";
    llvm::interleave(sizes, os, "x");
  };
  TypeSwitch<Operation *>(op)
      .Case(
          [&](LinearOp op) { append({op.getNumInputs(), op.getNumOutputs()}); })
      .Case([&](PanelAttentionOp op) {
        append({int64_t(op.getHeads()), op.getHeadDim()});
      })
      .Case([&](AppendPanelsOp op) {
        int64_t heads = getStaticDim(op.getKeys(), 0);
        append({heads, getStaticDim(op.getKey(), 2) / heads});
      })
      .Case([&](RopeOp op) {
        int64_t heads = op.getHeads();
        append({heads, getStaticDim(op.getX(), 2) / heads});
      })
      .Case<RMSNormOp, InverseRMSOp, RouterOp, PredictorOp, ScatterOp,
            RowScalesOp, QuantizeOp>(
          [&](auto op) { append({getStaticDim(op.getX(), 2)}); })
      .Case([&](EmbeddingOp op) {
        append(cast<ShapedType>(op.getTable().getType()).getShape());
      });
  return name;
}

func::FuncOp Kernels::create(Operation *op, FunctionType type) {
  OpBuilder outer(op->getContext());
  auto kernel = func::FuncOp::create(op->getLoc(), getName(op), type);
  kernel.setPrivate();
  symbols.insert(kernel);
  Block *body = kernel.addEntryBlock();
  outer.setInsertionPointToStart(body);
  IRMapping arguments;
  arguments.map(op->getOperands(), body->getArguments());
  Operation *clone = outer.clone(*op, arguments);
  func::ReturnOp::create(outer, op->getLoc(), clone->getResults());
  outer.setInsertionPoint(clone);
  KernelBuilder builder(op->getLoc(), outer, target);
  emitOp(builder, clone);
  clone->erase();
  return kernel;
}

func::FuncOp Kernels::getOrCreate(Operation *op) {
  auto type = FunctionType::get(op->getContext(), op->getOperandTypes(),
                                op->getResultTypes());
  Key key{op->getName().getIdentifier(), op->getPropertiesAsAttribute(), type};
  auto [entry, isNew] = kernels.try_emplace(key);
  if (isNew)
    entry->second = create(op, type);
  return entry->second;
}

void Kernels::lower(Operation *op) {
  OpBuilder builder(op);
  auto call = func::CallOp::create(builder, op->getLoc(), getOrCreate(op),
                                   op->getOperands());
  op->replaceAllUsesWith(call);
  op->erase();
}

/// Whether panels of keys and values may hold this.
static bool isPanelElement(Type element) {
  return element.isF32() || element.isBF16();
}

/// Checks that an operand is what kernels take: f32 or integers in memory, one
/// sequence; products know bf16 as well.
static LogicalResult verifyOperand(Operation *op, ShapedType type) {
  if (!isa<MemRefType>(type))
    return op->emitOpError("must be in the buffer form, but has ") << type;
  Type element = type.getElementType();
  if (type.getRank() >= 4 && isPanelElement(element))
    return success();
  bool takesBF16 = isa<LinearOp, QuantizeOp>(op) && element.isBF16();
  if (isa<FloatType>(element) && !element.isF32() && !takesBF16)
    return op->emitOpError("has no kernel for ")
           << element << "; kernels compute in f32";
  return success();
}

static LogicalResult verifyPanel(LinearOp op, CpuTarget target) {
  if (op.getPanel() == target.getPanel())
    return success();
  return op->emitOpError("has panels of ")
         << op.getPanel() << " columns, expected " << target.getPanel()
         << " for vectors of " << target.vectorBits << " bits";
}

/// Checks panels of keys and values.
static LogicalResult verifyPanels(Operation *op, Value keys, Value values,
                                  CpuTarget target) {
  int64_t keyPanel = getStaticDim(keys, 3),
          valuePanel = getStaticDim(values, 3);
  if (keyPanel == target.getPanel() && valuePanel <= keyPanel &&
      valuePanel % target.getLanes() == 0)
    return success();
  return op->emitOpError("has panels of ")
         << keyPanel << " keys and " << valuePanel << " columns, expected "
         << target.getPanel() << " and up to as many for vectors of "
         << target.vectorBits << " bits";
}

/// Checks that there is a kernel for the types of a product, and that narrow
/// inputs are as wide as the weight.
static LogicalResult verifyTypes(LinearOp op) {
  Type x = cast<ShapedType>(op.getInput().getType()).getElementType();
  Type w = cast<ShapedType>(op.getWeight().getType()).getElementType();
  int64_t together = op.getInputsTogether();
  bool isKnown = (x.isF32() && w.isF32()) ||
                 (together == 2 && w.isBF16() && (x.isF32() || x.isBF16())) ||
                 (together == 2 && w.isInteger(8) && x.isInteger(16)) ||
                 (together == 4 && w.isInteger(8) && x.isInteger(8)) ||
                 (op.isFourBit() && x.isInteger(16));
  if (!isKnown)
    return op->emitOpError("has no kernel for inputs of ")
           << x << " and weights of " << op.getWeight().getType();
  if (x.isF32() || op.getNumInputs() % together == 0)
    return success();
  return op->emitOpError("has ")
         << op.getNumInputs() << " inputs, expected a multiple of " << together;
}

static LogicalResult verifyLinear(LinearOp op, CpuTarget target) {
  if (failed(verifyTypes(op)))
    return failure();
  return op.isPacked() ? verifyPanel(op, target) : success();
}

static LogicalResult verifyOp(Operation *op, CpuTarget target) {
  for (Type operand : op->getOperandTypes())
    if (auto type = dyn_cast<ShapedType>(operand))
      if (failed(verifyOperand(op, type)))
        return failure();
  int64_t batch = getStaticDim(op->getOperand(0), 0);
  if (batch != 1)
    return op->emitOpError("has a batch of ")
           << batch << "; kernels take one sequence";
  if (auto linear = dyn_cast<LinearOp>(op))
    return verifyLinear(linear, target);
  if (auto append = dyn_cast<AppendPanelsOp>(op))
    return verifyPanels(op, append.getKeys(), append.getValues(), target);
  if (auto attention = dyn_cast<PanelAttentionOp>(op))
    return verifyPanels(op, attention.getKeys(), attention.getValues(), target);
  return success();
}

void LowerKernelsPass::runOnOperation() {
  ModuleOp module = getOperation();
  if (!CpuTarget::isSupported(vectorBits)) {
    module.emitError("no vectors have ")
        << vectorBits.getValue() << " bits; expected 128, 256 or 512";
    return signalPassFailure();
  }
  CpuTarget target = CpuTarget::get(vectorBits);
  target.hasBF16Dot = bf16Dot;
  target.hasByteDot = byteDot;
  if (tiles)
    target.addTiles();
  if (level2Bytes)
    target.level2Bytes = level2Bytes;
  SmallVector<Operation *> ops;
  WalkResult result = module.walk([&](Operation *op) {
    if (isa<AttentionOp>(op))
      return WalkResult(
          op->emitOpError("has no kernel; expected attention over "
                          "a cache"));
    if (!hasKernel(op))
      return WalkResult::advance();
    ops.push_back(op);
    return WalkResult(verifyOp(op, target));
  });
  if (result.wasInterrupted())
    return signalPassFailure();
  Kernels kernels(module, target);
  for (Operation *op : ops)
    kernels.lower(op);
}
