//===- Programs.cpp - The signature of derived programs ---------*- C++ -*-===//
//
// Finding and adding arguments by their role.
//
//===----------------------------------------------------------------------===//

#include "dialect/Programs.h"

using namespace mlir;
using namespace mlir::mod;

static StringRef getRole(func::FuncOp func, unsigned index) {
  auto role = func.getArgAttrOfType<StringAttr>(index, kRoleAttr);
  return role ? role.getValue() : StringRef();
}

bool mod::isProgram(func::FuncOp func) {
  return llvm::any_of(llvm::seq(func.getNumArguments()), [&](unsigned index) {
    return !getRole(func, index).empty();
  });
}

SmallVector<func::FuncOp> mod::getPrograms(ModuleOp module) {
  return llvm::filter_to_vector(module.getOps<func::FuncOp>(), isProgram);
}

BlockArgument mod::getArgument(func::FuncOp program, StringRef role) {
  for (BlockArgument argument : program.getArguments())
    if (getRole(program, argument.getArgNumber()) == role)
      return argument;
  return {};
}

BlockArgument mod::addArgument(func::FuncOp program, Type type,
                               StringRef role) {
  Builder builder(program.getContext());
  auto attrs = builder.getDictionaryAttr(
      builder.getNamedAttr(kRoleAttr, builder.getStringAttr(role)));
  unsigned index = program.getNumArguments();
  (void)program.insertArgument(index, type, attrs, program.getLoc());
  return program.getArgument(index);
}
