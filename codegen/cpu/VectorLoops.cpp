//===- VectorLoops.cpp - Loops of kernels ---------------------------------===//
//
// Loops with carried values, parallel tasks, and rows taken vector by vector
// with a masked rest.
//
//===----------------------------------------------------------------------===//

#include "codegen/cpu/KernelBuilder.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mlir::mod;

void KernelBuilder::loop(Value from, Value to, int64_t step, Body body) {
  loop(from, to, step, {}, [&](Value i, ValueRange) {
    body(i);
    return Values();
  });
}

Values KernelBuilder::loop(Value from, Value to, int64_t step, ValueRange inits,
                           CarryingBody body) {
  auto loop = scf::ForOp::create(*this, from, to, index(step), inits);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(loop.getBody());
  Values results = body(loop.getInductionVar(), loop.getRegionIterArgs());
  setInsertionPointToEnd(loop.getBody());
  if (!inits.empty())
    scf::YieldOp::create(*this, results);
  return Values(loop.getResults());
}

void KernelBuilder::ifThen(Value condition, function_ref<void()> body) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  body();
}

void KernelBuilder::ifElse(Value condition, function_ref<void()> then,
                           function_ref<void()> otherwise) {
  auto branch = scf::IfOp::create(*this, condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  then();
  setInsertionPointToStart(branch.elseBlock());
  otherwise();
}

void KernelBuilder::switchOn(Value value, ArrayRef<int64_t> numbers,
                             function_ref<void(int64_t)> body) {
  if (std::optional<int64_t> known = getConstantIntValue(value))
    return body(*known);
  ArrayRef<int64_t> cases = numbers.drop_back();
  auto choice = scf::IndexSwitchOp::create(*this, TypeRange(), value, cases,
                                           cases.size());
  OpBuilder::InsertionGuard guard(*this);
  auto emit = [&](int64_t number, Region &region) {
    setInsertionPointToStart(&region.emplaceBlock());
    body(number);
    scf::YieldOp::create(*this);
  };
  for (auto [number, region] : llvm::zip_equal(cases, choice.getCaseRegions()))
    emit(number, region);
  emit(numbers.back(), choice.getDefaultRegion());
}

void KernelBuilder::forall(Value tasks, Body body) {
  auto forall =
      scf::ForallOp::create(*this, ArrayRef<OpFoldResult>{tasks},
                            /*outputs=*/ValueRange(), /*mapping=*/std::nullopt);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(forall.getBody());
  body(forall.getInductionVar(0));
}

void KernelBuilder::forallItems(Value items, int64_t block, Body body) {
  forall(ceilDiv(items, block), [&](Value task) {
    Value first = mul(task, block);
    loop(first, min(add(first, block), items), 1, body);
  });
}

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

Value KernelBuilder::firstLanes(Value valid) {
  return vector::CreateMaskOp::create(*this, vectorType(getI1Type()), valid);
}

Columns KernelBuilder::columnsAt(int64_t first, int64_t width) {
  if (first + target.getLanes() <= width)
    return {index(first)};
  return {index(first), firstLanes(index(width - first))};
}

void KernelBuilder::forColumns(int64_t width, ColumnsBody body) {
  forColumns(width, {}, [&](Columns columns, ValueRange) {
    body(columns);
    return Values();
  });
}

Values KernelBuilder::forColumns(int64_t width, ValueRange inits,
                                 CarryingColumnsBody body) {
  int64_t lanes = target.getLanes(), whole = width / lanes * lanes;
  Values carried(inits);
  if (whole)
    carried = loop(index(0), index(whole), lanes, carried,
                   [&](Value column, ValueRange carried) {
                     return body(Columns{column}, carried);
                   });
  if (whole < width)
    carried = body(columnsAt(whole, width), carried);
  return carried;
}

void KernelBuilder::forColumns(Value width, ColumnsBody body) {
  forColumns(width, {}, [&](Columns columns, ValueRange) {
    body(columns);
    return Values();
  });
}

Values KernelBuilder::forColumns(Value width, ValueRange inits,
                                 CarryingColumnsBody body) {
  if (std::optional<int64_t> known = getConstantIntValue(width))
    return forColumns(*known, inits, body);
  int64_t lanes = target.getLanes();
  Value whole = mul(div(width, lanes), lanes);
  Values carried = loop(index(0), whole, lanes, inits,
                        [&](Value column, ValueRange carried) {
                          return body(Columns{column}, carried);
                        });
  // At most one turn: a loop carries values where a branch would have to yield.
  return loop(whole, width, lanes, carried,
              [&](Value column, ValueRange carried) {
                Columns rest{column, firstLanes(sub(width, column))};
                return body(rest, carried);
              });
}
