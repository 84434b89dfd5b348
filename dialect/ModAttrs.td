//===- ModAttrs.td - Attributes of the mod dialect ---------*- tablegen -*-===//
//
// What differs between MoD implementations is an attribute, never an
// assumption.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_ATTRS
#define MOD_ATTRS

include "dialect/ModDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Mod_Selection : I32Enum<"Selection", "how a routed block picks its tokens", [
  I32EnumCase<"expert_choice", 0>,
  I32EnumCase<"causal", 1>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_SelectionAttr : EnumAttr<Mod_Dialect, Mod_Selection, "selection"> {
  let summary = "how a routed block picks its tokens";
  let description = [{
    `expert_choice`: the tokens with the `k` largest scores, as in training.
    `causal`: each token by itself, as the block's `causal` clause says.
  }];
}

def Mod_Causal : I32Enum<"Causal", "the predicate that routes without the future", [
  I32EnumCase<"router", 0>,
  I32EnumCase<"predictor", 1>,
  I32EnumCase<"always", 2>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_CausalAttr : EnumAttr<Mod_Dialect, Mod_Causal, "causal"> {
  let summary = "the predicate that routes without the future";
  let description = [{
    `router`: the router's score is positive. `predictor`: the auxiliary
    predictor's logit is positive. `always`: every token takes part.
  }];
}

def Mod_Gate : I32Enum<"Gate", "the weight of a routed block's update", [
  I32EnumCase<"raw", 0>,
  I32EnumCase<"sigmoid", 1>,
  I32EnumCase<"tanh", 2>,
  I32EnumCase<"none", 3>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_GateAttr : EnumAttr<Mod_Dialect, Mod_Gate, "gate"> {
  let summary = "the weight of a routed block's update";
  let description = [{
    The update of a token with router score `r` is multiplied by `r` (`raw`),
    `sigmoid(r)`, `tanh(r)` or 1 (`none`).
  }];
}

def Mod_Activation : I32Enum<"Activation", "the activation of a gated product", [
  I32EnumCase<"silu", 0>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_ActivationAttr : EnumAttr<Mod_Dialect, Mod_Activation, "activation"> {
  let summary = "the activation of a gated product";
  let description = [{
    `silu(x) = x * sigmoid(x)` (Shazeer, arXiv:2002.05202).
  }];
}

/// A ratio in (0, 1] or a count >= 1: `k(n) = max(1, floor(ratio * n))` or
/// `min(count, n)` for n valid tokens.
def Mod_CapacityAttr : AnyAttrOf<[F64Attr, I64Attr], "a ratio or a count">;

#endif // MOD_ATTRS
