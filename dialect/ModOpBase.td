//===- ModOpBase.td - What ops have in common --------------*- tablegen -*-===//
//
// Types of operands, and the class of ops with three forms.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_OP_BASE
#define MOD_OP_BASE

include "dialect/ModAttrs.td"
include "dialect/ModDialect.td"
include "dialect/ModInterfaces.td"
include "dialect/ModTypes.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/Interfaces/ValueBoundsOpInterface.td"

class Mod_Op<string mnemonic, list<Trait> traits = []>
    : Op<Mod_Dialect, mnemonic, traits>;

/// A ranked tensor, or the memref that it becomes. Dimensions from `dynamic` on
/// are static: only batch, tokens and capacity are ever unknown.
class Mod_Shaped<list<Type> elements, list<int> ranks, int dynamic>
    : ConfinedType<
          AnyTypeOf<[TensorRankOf<elements, ranks>, MemRefRankOf<elements, ranks>]>,
          [CPred<"!::llvm::is_contained(::llvm::cast<::mlir::ShapedType>($_self)"
                 ".getShape().drop_front(" # dynamic # "), "
                 "::mlir::ShapedType::kDynamic)">],
          !interleave(!foreach(rank, ranks, rank # "D"), "/")
          # " tensor or memref of "
          # !interleave(!foreach(type, elements, type.summary), " or ")
          # " values with a static " # !if(dynamic, "width", "shape")>;

def Mod_Ids : Mod_Shaped<[I32], [2], 2>;            // [batch, tokens]
def Mod_Scores : Mod_Shaped<[F32], [2], 2>;         // [batch, tokens]
def Mod_Hidden : Mod_Shaped<[AnyFloat], [3], 2>;    // [batch, tokens, width]
def Mod_Vector : Mod_Shaped<[AnyFloat], [1], 0>;    // [width]
def Mod_Matrix : Mod_Shaped<[AnyFloat], [2], 0>;    // [out, in]
def Mod_Input : Mod_Shaped<[AnyFloat, I8, I16], [3], 2>;       // Mod_Hidden
def Mod_Weight : Mod_Shaped<[AnyFloat, I8, I32], [2, 3, 4], 0>; // or packed
def Mod_Scales : Mod_Shaped<[F32], [1, 2, 3], 0>;    // of a Mod_Weight
def Mod_Shares : Mod_Shaped<[F32], [3], 3>;          // [experts, batch, tokens]
def Mod_Panels : MemRefRankOf<[AnyFloat], [4, 5]>;    // see mod.append_panels
def Mod_PerToken : Mod_Shaped<[AnyFloat, I32], [2, 3], 2>;

/// An op with the three forms that the dialect's description lists. Its memory
/// effects follow from its operands: reads of memrefs, a write to `into`.
class Mod_DestinationOp<string mnemonic, list<Trait> traits = []>
    : Mod_Op<mnemonic, traits # [
        DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
        AlwaysSpeculatable,
        DeclareOpInterfaceMethods<Mod_DestinationOpInterface>]>;

#endif // MOD_OP_BASE
