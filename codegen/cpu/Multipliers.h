//===- Multipliers.h - Products in each type --------------------*- C++ -*-===//
//
// How a tile of tokens is multiplied with a panel of weights, by the types of
// both.
//
//===----------------------------------------------------------------------===//

#ifndef MOD_CODEGEN_CPU_MULTIPLIERS_H
#define MOD_CODEGEN_CPU_MULTIPLIERS_H

#include "codegen/cpu/RegisterTile.h"
#include "dialect/ModOps.h"
#include <memory>

namespace mlir::mod {

/// A packed weight as kernels read it.
struct PackedWeight {
  PackedWeight(KernelBuilder &builder, LinearOp op);

  LinearOp op;
  /// `[panels, steps, columns]`, with the inputs that lie together among the
  /// columns, or the weight where those are one word.
  Value panels;
  /// Steps of the loop along the inputs.
  int64_t steps;
};

/// The panels of one tile: `count` of them, `stride` apart.
struct TilePanels {
  Value first, stride;
  int64_t count;
  /// What to ask memory for meanwhile: of as many panels beside each other,
  /// from `panel` on, the steps from `step` on. The first `done` of them are
  /// there, and with each step of the tile comes `rate / kWhole` of one, at
  /// most a quarter. Null for nothing.
  struct Ahead {
    static constexpr int64_t kWhole = 1 << 16, kLeastTiles = 4;
    Value panel, step, done, rate;
  } ahead = {};

  Value get(KernelBuilder &b, int64_t i) const {
    return b.add(first, b.mul(stride, i));
  }
};

/// Rows of the input with panels of a weight.
class LinearMultiplier : public Multiplier {
public:
  LinearMultiplier(KernelBuilder &builder, PackedWeight weight,
                   TilePanels panels, ArrayRef<Value> rows)
      : Multiplier(builder), op(weight.op), weight(weight),
        panelVectors(op.getPanel() / b.target.getLanes()), panels(panels),
        rows(rows) {}

  /// The multiplier for the types of a product.
  static std::unique_ptr<LinearMultiplier> create(KernelBuilder &builder,
                                                  PackedWeight weight,
                                                  TilePanels panels,
                                                  ArrayRef<Value> rows);
  /// The same for inputs that keep their sign, as tiles of AMX take them.
  static std::unique_ptr<LinearMultiplier> createSigned(KernelBuilder &builder,
                                                        PackedWeight weight,
                                                        TilePanels panels,
                                                        ArrayRef<Value> rows);

  /// The sums of a tile, in f32; scales of groups are in them.
  virtual Values emitSums(RegisterTile tile);
  /// `sums`, integers by their bits, with the steps from `first` to `end`, in
  /// f32.
  Values emitSums(RegisterTile tile, Value first, Value end, ValueRange sums);

  /// Asks memory for the places that outputs go to, row by row, while the first
  /// steps are done. No rows for nothing.
  struct {
    int64_t rows = 0;
    std::function<void(Value row)> prefetch;
  } outputs;

protected:
  /// What the sums begin with.
  virtual Values getInits(RegisterTile tile);
  virtual Value toFloat(Value sum) { return sum; }
  /// A sum whose bits are given as f32.
  virtual Value fromBits(Value bits) { return bits; }
  void lookAhead(Value step, int64_t number) override;

  /// `count` numbers of row `i` from `first` on as one word in every lane.
  Value loadWord(int64_t i, Value first, int64_t count);
  /// The numbers of `step` in vector `j`, `count` for each output.
  Value loadPanel(int64_t j, Value step, int64_t count);
  /// The panel that vector `j` belongs to, and which of the panel's it is.
  std::pair<Value, int64_t> locate(int64_t j) {
    return {panels.get(b, j / panelVectors), j % panelVectors};
  }

  void prefetchOutputs(Value row);

  LinearOp op;
  PackedWeight weight;
  int64_t panelVectors;
  TilePanels panels;
  ArrayRef<Value> rows;

private:
  void prefetchAhead(Value step);
  Values emitSteps(RegisterTile tile, Value first, Value end, ValueRange inits);
  void prefetchPanels(Value step);
};

/// Registers that hold one operand of one step.
int64_t getOperandRegisters(CpuTarget target, LinearOp op);

/// Rows of a tile of so many panels that stays in registers, beside so many
/// constants of what surrounds it.
int64_t getTileRows(CpuTarget target, LinearOp op, int64_t panels = 1,
                    int64_t constants = 0);

/// Bytes of one panel of a packed weight.
int64_t getPanelBytes(LinearOp op);

} // namespace mlir::mod

#endif // MOD_CODEGEN_CPU_MULTIPLIERS_H
