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
  I32EnumCase<"causal", 1>,
  I32EnumCase<"token_choice", 2>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_SelectionAttr : EnumAttr<Mod_Dialect, Mod_Selection, "selection"> {
  let summary = "how a routed block picks its tokens";
  let description = [{
    `expert_choice`: the tokens with the `k` largest scores, as in training.
    `token_choice`: of these the ones whose own score passes the threshold.
    `causal`: each token by itself, as the block's `causal` clause says.
  }];
}

def Mod_Ties : I32Enum<"Ties", "what becomes of scores that equal the k-th largest", [
  I32EnumCase<"first", 0>,
  I32EnumCase<"none", 1>,
  I32EnumCase<"all", 2>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_TiesAttr : EnumAttr<Mod_Dialect, Mod_Ties, "ties"> {
  let summary = "what becomes of scores that equal the k-th largest";
  let description = [{
    `first`: the lowest indices take part, until there are k. `all`: all of them
    take part, as many as they are (a comparison `>=`). `none`: none of them
    does (`>`), so that k - 1 distinct scores do; where k is 1 that would be
    nobody, and all of them do.
  }];
}

def Mod_ThresholdAttr : AttrDef<Mod_Dialect, "Threshold"> {
  let mnemonic = "threshold";
  let summary = "what a value must exceed, or reach";
  let description = [{
    Clauses say it without the name: `above = 0.5` is `> 0.5`, `at_least = 0.5`
    is `>= 0.5`.

    Example: `#mod.threshold<at_least = 0.5>`
  }];
  let parameters = (ins "::mlir::FloatAttr":$value, "bool":$inclusive);
  let extraClassDeclaration = [{
    /// Whether `tested` passes.
    bool isPassedBy(double tested) const {
      double value = getValue().getValueAsDouble();
      return getInclusive() ? tested >= value : tested > value;
    }
  }];
  let hasCustomAssemblyFormat = 1;
}

def Mod_Pooling : I32Enum<"Pooling", "how the scores of a sequence become one", [
  I32EnumCase<"mean", 0>,
  I32EnumCase<"first", 1>,
  I32EnumCase<"last", 2>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_PoolingAttr : EnumAttr<Mod_Dialect, Mod_Pooling, "pooling"> {
  let summary = "how the scores of a sequence become one";
  let description = [{
    `mean`: their mean. `first`, `last`: the score of this token.
  }];
}

def Mod_Rounding : I32Enum<"Rounding", "how a share of the tokens becomes whole", [
  I32EnumCase<"ceil", 0>,
  I32EnumCase<"nearest", 1>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_RoundedAttr : AttrDef<Mod_Dialect, "Rounded"> {
  let mnemonic = "rounded";
  let summary = "a ratio of the tokens that is not rounded down";
  let description = [{
    A capacity of `ceil(ratio)` is the least whole number of tokens that is not
    below the share, `nearest(ratio)` the nearest one, the larger of two.

    Example: `#mod.rounded<ceil(0.125)>`
  }];
  let parameters = (ins "::mlir::FloatAttr":$ratio, "::mlir::mod::Rounding":$rounding);
  let hasCustomAssemblyFormat = 1;
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
    `router`: the router's score passes the threshold. `predictor`: the
    auxiliary predictor's logit does. `always`: every token takes part. The
    threshold is `above = 0.0` where nothing else is said.
  }];
}

/// The first are those of Mod_Causal, by the same numbers.
def Mod_Prefill : I32Enum<"Prefill", "how the tokens of a prompt are routed", [
  I32EnumCase<"router", 0>,
  I32EnumCase<"predictor", 1>,
  I32EnumCase<"always", 2>,
  I32EnumCase<"top_k", 3>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_PrefillAttr : EnumAttr<Mod_Dialect, Mod_Prefill, "prefill"> {
  let summary = "how the tokens of a prompt are routed";
  let description = [{
    `router`, `predictor`, `always`: each token by itself, as a causal predicate
    of that name says. `top_k`: as the block's `select` clause says, among the
    tokens that one run of `@prefill` is given; a prompt in two runs is routed
    in two parts.
  }];
}

def Mod_GateKind : I32Enum<"GateKind", "what a gate makes of a score", [
  I32EnumCase<"raw", 0>,
  I32EnumCase<"sigmoid", 1>,
  I32EnumCase<"tanh", 2>,
  I32EnumCase<"none", 3>,
  I32EnumCase<"softmax", 4>,
  I32EnumCase<"softmax_topk", 5>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_GateAttr : AttrDef<Mod_Dialect, "Gate"> {
  let mnemonic = "gate";
  let summary = "the weight of a routed block's update";
  let description = [{
    The update of a token with router score `r` is multiplied by `scale * a +
    bias`, where `a` is `r` (`raw`), `sigmoid(r)`, `tanh(r)`, 1 (`none`), or the
    token's share in a softmax of the scores of the sequence (`softmax`) or of
    its selected tokens (`softmax_topk`).

    Clauses say it without the name: `gate(tanh, scale = 0.5, bias = 1.0)`.

    Example: `#mod.gate<sigmoid, scale = 0.1>`
  }];
  let parameters = (ins "::mlir::mod::GateKind":$kind, "::mlir::FloatAttr":$scale,
                        "::mlir::FloatAttr":$bias);
  let builders = [
    AttrBuilder<(ins "::mlir::mod::GateKind":$kind, CArg<"double", "1.0">:$scale,
                     CArg<"double", "0.0">:$bias)>
  ];
  let extraClassDeclaration = [{
    /// Whether it weighs a token by what other tokens' scores are.
    bool isSoftmax() const {
      return getKind() == GateKind::softmax || getKind() == GateKind::softmax_topk;
    }
    double getScaleValue() const { return getScale().getValueAsDouble(); }
    double getBiasValue() const { return getBias().getValueAsDouble(); }
    /// The same scale and bias of something else.
    GateAttr withKind(GateKind kind) const {
      return get(getContext(), kind, getScaleValue(), getBiasValue());
    }
  }];
  let hasCustomAssemblyFormat = 1;
}

def Mod_RopeScalingKind : I32Enum<"RopeScalingKind", "how rotations are slowed", [
  I32EnumCase<"linear", 0>,
  I32EnumCase<"llama3", 1>,
  I32EnumCase<"yarn", 2>
]> {
  let cppNamespace = "::mlir::mod";
}
def Mod_RopeScalingAttr : AttrDef<Mod_Dialect, "RopeScaling"> {
  let mnemonic = "rope_scaling";
  let summary = "rotations slowed for contexts longer than those of training";
  let description = [{
    Changes the frequencies `f = theta^(-2 i / head_dim)` of `mod.rope`. With
    `t = original * f / (2 pi)`, the turns that pair `i` makes in the original
    context:

    - `linear`: `f / factor` (Chen et al., arXiv:2306.15595);
    - `llama3`: `f / factor` where `t < low`, `f` where `t > high`, and between
      these `(1 - s) * f / factor + s * f` with `s = (t - low) / (high - low)`
      (Llama 3.1, arXiv:2407.21783, as its authors' code has it);
    - `yarn`: `(1 - s) * f / factor + s * f`, where `s` falls evenly from 1 at
      pair `a` to 0 at pair `b`, those that make `high` and `low` turns:
      `pair(t) = head_dim * ln(original / (2 pi t)) / (2 ln(theta))`,
      `a = max(floor(pair(high)), 0)`, `b = min(ceil(pair(low)), head_dim - 1)`;
      cosines and sines are multiplied by `magnitude` (Peng et al.,
      arXiv:2309.00071).

    Numbers that are 1 are left out.

    Example: `#mod.rope_scaling<llama3, factor = 8.0, original = 8192.0, high = 4.0>`
  }];
  let parameters = (ins "::mlir::mod::RopeScalingKind":$kind,
                        "::mlir::FloatAttr":$factor, "::mlir::FloatAttr":$original,
                        "::mlir::FloatAttr":$low, "::mlir::FloatAttr":$high,
                        "::mlir::FloatAttr":$magnitude);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
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
/// `min(count, n)` for n valid tokens; a ratio may say how else it is rounded.
def Mod_CapacityAttr
    : AnyAttrOf<[F64Attr, I64Attr, Mod_RoundedAttr], "a ratio or a count">;

#endif // MOD_ATTRS
