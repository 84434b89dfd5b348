//===- Programs.h - The signature of derived programs -----------*- C++ -*-===//
//
// Programs are functions whose arguments carry a role (docs/architecture.md).
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_PROGRAMS_H
#define MOD_DIALECT_PROGRAMS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace mlir::mod {

/// The argument attribute that names what a program's argument is for.
inline constexpr llvm::StringLiteral kRoleAttr = "mod.role";

namespace role {
inline constexpr llvm::StringLiteral kPool = "pool";
inline constexpr llvm::StringLiteral kWeights = "weights";
inline constexpr llvm::StringLiteral kArena = "arena";
inline constexpr llvm::StringLiteral kCaches = "caches";
inline constexpr llvm::StringLiteral kLengths = "lengths";
inline constexpr llvm::StringLiteral kTokens = "tokens";
inline constexpr llvm::StringLiteral kCount = "count";
inline constexpr llvm::StringLiteral kStart = "start";
inline constexpr llvm::StringLiteral kFrom = "from";
inline constexpr llvm::StringLiteral kSequences = "sequences";
inline constexpr llvm::StringLiteral kPositions = "positions";
inline constexpr llvm::StringLiteral kTrace = "trace";
inline constexpr llvm::StringLiteral kHasTrace = "has_trace";
inline constexpr llvm::StringLiteral kCache = "cache";
inline constexpr llvm::StringLiteral kLatch = "latch";
inline constexpr llvm::StringLiteral kLogits = "logits";
inline constexpr llvm::StringLiteral kHasLogits = "has_logits";
inline constexpr llvm::StringLiteral kNext = "next";
inline constexpr llvm::StringLiteral kChoice = "choice";
inline constexpr llvm::StringLiteral kDevice = "device";
} // namespace role

/// What a trace says of each token: its rows, in order.
enum class TraceRow { score, tested, chosen, tookPart };
inline constexpr int64_t kTraceRows = 4;

/// Whether a function is a program: at least one argument has a role.
bool isProgram(func::FuncOp func);

/// The programs of a module, in order.
SmallVector<func::FuncOp> getPrograms(ModuleOp module);

/// The first argument with this role, or null.
BlockArgument getArgument(func::FuncOp program, StringRef role);

/// Adds an argument with this role behind the others.
BlockArgument addArgument(func::FuncOp program, Type type, StringRef role);

} // namespace mlir::mod

#endif // MOD_DIALECT_PROGRAMS_H
