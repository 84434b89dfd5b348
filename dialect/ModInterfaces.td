//===- ModInterfaces.td - Interfaces of the mod dialect ----*- tablegen -*-===//
//
// What passes may ask of an op without knowing which one it is.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_INTERFACES
#define MOD_INTERFACES

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def Mod_DestinationOpInterface : OpInterface<"DestinationOpInterface"> {
  let cppNamespace = "::mlir::mod";
  let description = [{
    An op that may be given the place of its result: `into(%place)`. The
    place is a tensor that the op overwrites, or a memref; in the buffer form
    it is required and the op has no tensor result.
  }];
  let methods = [
    InterfaceMethod<"The destination, if one is given.", "::mlir::Value",
                    "getInto">,
    InterfaceMethod<"The destination as a mutable operand range.",
                    "::mlir::MutableOperandRange", "getIntoMutable">,
    InterfaceMethod<[{
      The number of the operand whose dimension `dim` is as large as that of
      the result, where this is not static.
    }], "unsigned", "getSizeOperand", (ins "unsigned":$dim), "",
    [{ return 0; }]>,
    InterfaceMethod<"The dimension of that operand that is as large.",
                    "unsigned", "getSizeDim", (ins "unsigned":$dim), "",
    [{ return dim; }]>
  ];
  let extraSharedClassDeclaration = [{
    /// The destination as an operand, or null.
    ::mlir::OpOperand *getIntoOperand() {
      ::mlir::MutableOperandRange into = $_op.getIntoMutable();
      return into.empty() ? nullptr : &*into.begin();
    }
  }];
  let verify = [{ return detail::verifyDestinationOp($_op); }];
}

def Mod_TokenwiseOpInterface : OpInterface<"TokenwiseOpInterface"> {
  let cppNamespace = "::mlir::mod";
  let description = [{
    An op whose result for one token depends on that token of its first
    operand alone, so that it may be applied to any subset of the tokens.
  }];
}

def Mod_FlopsOpInterface : OpInterface<"FlopsOpInterface"> {
  let cppNamespace = "::mlir::mod";
  let description = [{
    An op that knows the useful floating point operations of its products: a
    multiply-add counts as two. Work that grows with the width but not with a
    product (norms, rotations, activations) is not counted, as is the custom.
  }];
  let methods = [
    InterfaceMethod<[{
      FLOPs for `tokens` new tokens per sequence after `past` earlier ones that
      attention sees.
    }], "int64_t", "getFlops", (ins "int64_t":$tokens, "int64_t":$past)>
  ];
}

#endif // MOD_INTERFACES
