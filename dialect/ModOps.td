//===- ModOps.td - Operations of the mod dialect -----------*- tablegen -*-===//
//
// The ops: parts of a transformer, routing, experts, and state.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_OPS
#define MOD_OPS

include "dialect/ModTransformerOps.td"
include "dialect/ModRoutingOps.td"
include "dialect/ModExpertOps.td"
include "dialect/ModStateOps.td"

#endif // MOD_OPS
