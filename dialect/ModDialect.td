//===- ModDialect.td - The mod dialect ---------------------*- tablegen -*-===//
//
// The dialect that describes Mixture-of-Depths transformers.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_DIALECT
#define MOD_DIALECT

include "mlir/IR/OpBase.td"

def Mod_Dialect : Dialect {
  let name = "mod";
  let cppNamespace = "::mlir::mod";
  let summary = "Mixture-of-Depths transformers with a static compute budget";
  let description = [{
    A Mixture-of-Depths (MoD) transformer fixes its compute budget before
    training: in a *routed* block only a fixed number of tokens per sequence
    (the capacity) take part in attention and MLP; the others pass by on the
    residual (Raposo et al., arXiv:2404.02258).

    The dialect has ops for what MoD adds (router, predictor, routed block,
    selection, token gather and scatter, KV caches of routed length) and for
    the few parts of a transformer whose fused lowering and decode form the
    compiler must recognise. Everything else is said with upstream dialects:
    `ml_program` for parameters, `arith` and `linalg` for elementwise work.

    Token tensors have the shape `[batch, tokens, width]`. Batch, tokens and
    capacity are `?` until `mod-specialize` fixes them.

    Most ops exist in three forms that mean the same:

    | form | operands | result |
    |---|---|---|
    | functional | tensors | a new tensor |
    | destination | tensors, `into(%init)` | `%init`, overwritten |
    | buffer | memrefs, `into(%buffer)` | none; `%buffer` is written |

    A model is written in the functional form; bufferization makes the buffer
    form, which code generation lowers to loops.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::tensor::TensorDialect"
  ];
  let hasCanonicalizer = 1;
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

#endif // MOD_DIALECT
