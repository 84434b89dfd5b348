//===- Readers.h - Parts of a configuration ---------------------*- C++ -*-===//
//
// The objects of `config.json` that say how tokens are routed.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_TOOLS_IMPORT_READERS_H
#define MOD_TOOLS_IMPORT_READERS_H

#include "tools/import/Config.h"
#include "tools/import/Json.h"

namespace mlir::mod {

/// `0.25` is a ratio, `64` a count up to the context.
Capacity readCapacity(ObjectReader &object,
                      const ObjectReader::Element &element, int64_t context);

/// The layers that the `mod` object routes, with their capacities; all else of
/// it is known.
void readLayers(ObjectReader &mod, Config &config);

/// The `mod` object, or a preset; nothing where there is neither.
void readRouting(ObjectReader &root, StringRef preset, Config &config);

/// The experts of a family that has some.
void readExperts(ObjectReader &root, Family family, Config &config);

} // namespace mlir::mod

#endif // MOD_TOOLS_IMPORT_READERS_H
