//===- PlanArena.cpp - One static arena for all buffers ---------*- C++ -*-===//
//
// Gives every buffer of a program a fixed place in one arena.
//
//===----------------------------------------------------------------------===//

#include "codegen/Passes.h"
#include "dialect/ModOps.h"
#include "dialect/Programs.h"
#include "mlir/IR/Remarks.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "llvm/Support/MathExtras.h"

namespace mlir::mod {
#define GEN_PASS_DEF_PLANARENAPASS
#include "codegen/Passes.h.inc"
} // namespace mlir::mod

using namespace mlir;
using namespace mlir::mod;

namespace {

constexpr int64_t kAlignment = 64;

/// A buffer: how large it may become, from which to which operation of the
/// program it lives, and where it was put.
struct Buffer {
  memref::AllocOp alloc;
  int64_t bytes;
  int64_t first, last;
  int64_t offset = -1;

  bool overlaps(const Buffer &other) const {
    return first <= other.last && other.first <= last;
  }
};

struct PlanArenaPass : mod::impl::PlanArenaPassBase<PlanArenaPass> {
  void runOnOperation() override;
  FailureOr<int64_t> plan(func::FuncOp program);
};

/// The operations of a program in the order in which they run.
class Schedule {
public:
  explicit Schedule(func::FuncOp program) {
    program.walk<WalkOrder::PreOrder>(
        [&](Operation *op) { position[op] = position.size(); });
  }
  int64_t getFirst(Operation *op) const { return position.at(op); }

  /// The position of the last operation inside `op`.
  int64_t getLast(Operation *op) const {
    int64_t last = position.at(op);
    op->walk(
        [&](Operation *inner) { last = std::max(last, position.at(inner)); });
    return last;
  }

private:
  llvm::DenseMap<Operation *, int64_t> position;
};

} // namespace

/// The largest size of a buffer in bytes.
static FailureOr<int64_t> getUpperBound(memref::AllocOp alloc) {
  MemRefType type = alloc.getType();
  int64_t bytes = llvm::divideCeil(type.getElementTypeBitWidth(), 8);
  for (int64_t dim : type.getShape())
    if (!ShapedType::isDynamic(dim))
      bytes *= dim;
  for (Value size : alloc.getDynamicSizes()) {
    FailureOr<int64_t> bound = ValueBoundsConstraintSet::computeConstantBound(
        presburger::BoundType::UB, size, /*stopCondition=*/nullptr,
        /*closedUB=*/true);
    if (failed(bound))
      return alloc.emitOpError("has a size without a static upper bound");
    bytes *= *bound;
  }
  return llvm::alignTo(std::max<int64_t>(bytes, 1), kAlignment);
}

/// Whether an op makes a number of numbers, or of what is in a buffer.
static bool makesNumber(Operation *op) {
  return op->getNumResults() == 1 &&
         op->getResult(0).getType().isIntOrIndexOrFloat() &&
         (isa<memref::LoadOp>(op) || isPure(op));
}

/// The operations that may touch a buffer: its users and those of its views,
/// also of views that leave a branch as its result. A number that was read from
/// it counts as a part of it: a GPU reads it where it is needed.
static void collectUsers(Value buffer, SetVector<Operation *> &users) {
  for (OpOperand &use : buffer.getUses()) {
    Operation *user = use.getOwner();
    if (!users.insert(user))
      continue;
    if (isa<ViewLikeOpInterface, arith::SelectOp>(user) || makesNumber(user))
      collectUsers(user->getResult(0), users);
    if (isa<scf::YieldOp>(user) && isa<scf::IfOp>(user->getParentOp()))
      collectUsers(user->getParentOp()->getResult(use.getOperandNumber()),
                   users);
  }
}

/// From the allocation to the last use; a use inside a loop that the
/// allocation is not in lasts as long as the loop.
static void setLifetime(Buffer &buffer, const Schedule &schedule) {
  SetVector<Operation *> users;
  collectUsers(buffer.alloc, users);
  buffer.first = buffer.last = schedule.getFirst(buffer.alloc);
  Region *home = buffer.alloc->getParentRegion();
  for (Operation *user : users) {
    Operation *ancestor = home->findAncestorOpInRegion(*user);
    buffer.last =
        std::max(buffer.last, schedule.getLast(ancestor ? ancestor : user));
  }
}

/// Puts each buffer, the largest first, at the lowest offset that no buffer
/// alive at the same time takes. Returns the size of the arena.
static int64_t place(MutableArrayRef<Buffer> buffers) {
  SmallVector<Buffer *> bySize = llvm::to_vector(
      llvm::map_range(buffers, [](Buffer &buffer) { return &buffer; }));
  llvm::sort(bySize, [](Buffer *a, Buffer *b) {
    return std::make_pair(-a->bytes, a->first) <
           std::make_pair(-b->bytes, b->first);
  });
  SmallVector<Buffer *> placed; // by offset
  int64_t size = 0;
  for (Buffer *buffer : bySize) {
    int64_t offset = 0;
    for (Buffer *other : placed) {
      if (!buffer->overlaps(*other))
        continue;
      if (other->offset - offset >= buffer->bytes)
        break;
      offset = std::max(offset, other->offset + other->bytes);
    }
    buffer->offset = offset;
    size = std::max(size, offset + buffer->bytes);
    placed.insert(llvm::upper_bound(placed, buffer,
                                    [](Buffer *a, Buffer *b) {
                                      return a->offset < b->offset;
                                    }),
                  buffer);
  }
  return size;
}

static void replaceByView(Buffer &buffer, Value arena) {
  OpBuilder builder(buffer.alloc);
  Location loc = buffer.alloc.getLoc();
  for (Operation *user : llvm::make_early_inc_range(buffer.alloc->getUsers()))
    if (isa<memref::DeallocOp>(user))
      user->erase();
  Value offset = arith::ConstantIndexOp::create(builder, loc, buffer.offset);
  Value view =
      memref::ViewOp::create(builder, loc, buffer.alloc.getType(), arena,
                             offset, buffer.alloc.getDynamicSizes());
  buffer.alloc.replaceAllUsesWith(view);
  buffer.alloc.erase();
}

FailureOr<int64_t> PlanArenaPass::plan(func::FuncOp program) {
  SmallVector<Buffer> buffers;
  Schedule schedule(program);
  int64_t total = 0;
  WalkResult sized = program.walk([&](memref::AllocOp alloc) {
    FailureOr<int64_t> bytes = getUpperBound(alloc);
    if (failed(bytes))
      return WalkResult::interrupt();
    buffers.push_back({alloc, *bytes, 0, 0});
    setLifetime(buffers.back(), schedule);
    total += *bytes;
    return WalkResult::advance();
  });
  if (sized.wasInterrupted())
    return failure();
  int64_t size = place(buffers);
  Builder builder(&getContext());
  Value arena = addArgument(
      program, MemRefType::get({size}, builder.getI8Type()), role::kArena);
  for (Buffer &buffer : buffers)
    replaceByView(buffer, arena);
  remark::analysis(program.getLoc(), remark::RemarkOpts::name("arena")
                                         .category("plan-arena")
                                         .function(program.getName()))
      << "placed " << remark::metric("buffers", int64_t(buffers.size()))
      << " buffers of " << remark::metric("bytes", total) << " bytes in "
      << remark::metric("arena", size);
  program->setAttr("mod.arena_bytes", builder.getI64IntegerAttr(size));
  return size;
}

void PlanArenaPass::runOnOperation() {
  int64_t bytes = 0;
  for (func::FuncOp program : getPrograms(getOperation())) {
    FailureOr<int64_t> size = plan(program);
    if (failed(size))
      return signalPassFailure();
    bytes = std::max(bytes, *size);
  }
  getOperation()->setAttr("mod.arena_bytes",
                          Builder(&getContext()).getI64IntegerAttr(bytes));
}
