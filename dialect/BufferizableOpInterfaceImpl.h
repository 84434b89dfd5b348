//===- BufferizableOpInterfaceImpl.h - Bufferization ------------*- C++ -*-===//
//
// How the ops of the mod dialect go from tensors to buffers.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT_BUFFERIZABLEOPINTERFACEIMPL_H
#define MOD_DIALECT_BUFFERIZABLEOPINTERFACEIMPL_H

namespace mlir {
class DialectRegistry;
namespace mod {
void registerBufferizableOpInterfaceExternalModels(DialectRegistry &registry);
} // namespace mod
} // namespace mlir

#endif // MOD_DIALECT_BUFFERIZABLEOPINTERFACEIMPL_H
