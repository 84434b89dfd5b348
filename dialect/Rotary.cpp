//===- Rotary.cpp - Frequencies of rotary embeddings ------------*- C++ -*-===//
//
// The equations of `#mod.rope_scaling`, and its textual form.
//
//===----------------------------------------------------------------------===//

#include "dialect/Rotary.h"
#include "dialect/Assembly.h"
#include "llvm/ADT/StringExtras.h"
#include <cmath>

using namespace mlir;
using namespace mlir::mod;

static constexpr llvm::StringLiteral kNames[] = {"factor", "original", "low",
                                                 "high", "magnitude"};

namespace {
/// The numbers of a scaling.
struct Scaling {
  explicit Scaling(RopeScalingAttr attr)
      : factor(attr.getFactor().getValueAsDouble()),
        original(attr.getOriginal().getValueAsDouble()),
        low(attr.getLow().getValueAsDouble()),
        high(attr.getHigh().getValueAsDouble()) {}

  double factor, original, low, high;

  /// Between the slowed frequency at 0 and the given one at 1.
  double mix(double frequency, double share) const {
    return (1 - share) * frequency / factor + share * frequency;
  }
};
} // namespace

static double scaleLlama3(const Scaling &scaling, double frequency) {
  double turns = scaling.original * frequency / (2 * M_PI);
  double share = (turns - scaling.low) / (scaling.high - scaling.low);
  return scaling.mix(frequency, std::clamp(share, 0.0, 1.0));
}

/// The pair, between whole ones, that turns `turns` times.
static double getPair(const Scaling &scaling, double turns, double theta,
                      int64_t headDim) {
  return headDim * std::log(scaling.original / (turns * 2 * M_PI)) /
         (2 * std::log(theta));
}

static void scaleYarn(const Scaling &scaling, double theta, int64_t headDim,
                      MutableArrayRef<double> frequencies) {
  double first =
      std::max(std::floor(getPair(scaling, scaling.high, theta, headDim)), 0.0);
  double last =
      std::min(std::ceil(getPair(scaling, scaling.low, theta, headDim)),
               double(headDim - 1));
  // No ramp is a step.
  if (first == last)
    last += 0.001;
  for (auto [i, frequency] : llvm::enumerate(frequencies)) {
    double ramp = std::clamp((double(i) - first) / (last - first), 0.0, 1.0);
    frequency = scaling.mix(frequency, 1 - ramp);
  }
}

RotaryFrequencies mod::getRotaryFrequencies(double theta, int64_t headDim,
                                            RopeScalingAttr attr) {
  RotaryFrequencies result;
  for (int64_t i = 0; i < headDim / 2; ++i)
    result.frequencies.push_back(std::pow(theta, -2.0 * i / headDim));
  if (!attr)
    return result;
  Scaling scaling(attr);
  result.magnitude = attr.getMagnitude().getValueAsDouble();
  if (attr.getKind() == RopeScalingKind::yarn)
    scaleYarn(scaling, theta, headDim, result.frequencies);
  else
    for (double &frequency : result.frequencies)
      frequency = attr.getKind() == RopeScalingKind::linear
                      ? frequency / scaling.factor
                      : scaleLlama3(scaling, frequency);
  return result;
}

//===----------------------------------------------------------------------===//
// #mod.rope_scaling
//===----------------------------------------------------------------------===//

LogicalResult
RopeScalingAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                        RopeScalingKind kind, FloatAttr factor,
                        FloatAttr original, FloatAttr low, FloatAttr high,
                        FloatAttr magnitude) {
  FloatAttr numbers[] = {factor, original, low, high, magnitude};
  for (auto [name, number] : llvm::zip_equal(kNames, numbers))
    if (!(number.getValueAsDouble() > 0) ||
        !std::isfinite(number.getValueAsDouble()))
      return emitError() << name << " must be positive";
  bool isLlama3 = kind == RopeScalingKind::llama3;
  if (isLlama3 && low.getValueAsDouble() >= high.getValueAsDouble())
    return emitError() << "low must be less than high";
  return success();
}

Attribute RopeScalingAttr::parse(AsmParser &parser, Type) {
  StringRef kindName, name;
  Builder builder(parser.getContext());
  SmallVector<FloatAttr> numbers(std::size(kNames),
                                 builder.getF64FloatAttr(1.0));
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseKeyword(&kindName))
    return {};
  std::optional<RopeScalingKind> kind = symbolizeRopeScalingKind(kindName);
  if (!kind)
    return parser.emitError(loc, "expected 'linear', 'llama3' or 'yarn'"),
           nullptr;
  while (succeeded(parser.parseOptionalComma())) {
    SMLoc nameLoc = parser.getCurrentLocation();
    if (parser.parseKeyword(&name))
      return {};
    const auto *known = llvm::find(kNames, name);
    if (known == std::end(kNames))
      return parser.emitError(nameLoc, "expected one of: ")
                 << llvm::join(ArrayRef(kNames), ", "),
             nullptr;
    if (parser.parseEqual() || parseFloat(parser, numbers[known - kNames]))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return getChecked([&] { return parser.emitError(loc); }, parser.getContext(),
                    *kind, numbers[0], numbers[1], numbers[2], numbers[3],
                    numbers[4]);
}

void RopeScalingAttr::print(AsmPrinter &printer) const {
  printer << '<' << stringifyRopeScalingKind(getKind());
  FloatAttr numbers[] = {getFactor(), getOriginal(), getLow(), getHigh(),
                         getMagnitude()};
  for (auto [name, number] : llvm::zip_equal(kNames, numbers)) {
    if (number.getValueAsDouble() == 1)
      continue;
    printer << ", " << name << " = ";
    printFloat(printer, nullptr, number);
  }
  printer << '>';
}
