//===- DeviceMemory.h - Where values of a program live ----------*- C++ -*-===//
//
// Buffers as places behind the pointers that a program is given, and numbers
// as what the host or only the device knows.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_NVPTX_DEVICEMEMORY_H
#define MOD_CODEGEN_NVPTX_DEVICEMEMORY_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"

namespace mlir::mod {

/// What a view is of.
Value getRoot(Value buffer);

/// A place in one of the program's blocks of memory.
struct DevicePlace {
  BlockArgument root;
  int64_t bytes = 0;   ///< from its start
  Value elements = {}; ///< more of them, where only the host knows how many
};

/// The place of a buffer; an error at its definition where it has none.
FailureOr<DevicePlace> getDevicePlace(Value buffer);

/// The size of a dimension of a buffer: a number or an index.
OpFoldResult getBufferSize(Value buffer, unsigned dim);

/// A type of the same elements with static sizes, at most as large, and
/// strides from the buffer's own address on.
FailureOr<MemRefType> getStaticType(Value buffer);

/// The elements from the first to the last of a static type.
int64_t getExtent(MemRefType type);

/// Whether the host can compute a number: from what the program was called
/// with, without reading memory.
bool isKnownToHost(Value number);

/// The address of a buffer for a launch, as `extent` flat elements.
Value createFlatView(OpBuilder &builder, Location loc, const DevicePlace &place,
                     int64_t extent, Type element);

} // namespace mlir::mod

#endif // MOD_CODEGEN_NVPTX_DEVICEMEMORY_H
