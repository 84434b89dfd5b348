//===- Assembly.cpp - Parts of the textual form -----------------*- C++ -*-===//
//
// Numbers, enums and clauses, and the routed block.
//
//===----------------------------------------------------------------------===//

#include "dialect/Assembly.h"

using namespace mlir;
using namespace mlir::mod;

ParseResult mod::parseFloat(AsmParser &parser, FloatAttr &attr) {
  double value;
  if (parser.parseFloat(value))
    return failure();
  attr = parser.getBuilder().getF64FloatAttr(value);
  return success();
}

void mod::printFloat(AsmPrinter &printer, Operation *, FloatAttr attr) {
  printer.printAttributeWithoutType(attr);
}

/// `(0.125)` behind how it is rounded.
static ParseResult parseRounded(AsmParser &parser, Rounding rounding,
                                Attribute &attr) {
  FloatAttr ratio;
  if (parser.parseLParen() || parseFloat(parser, ratio) || parser.parseRParen())
    return failure();
  attr = RoundedAttr::get(parser.getContext(), ratio, rounding);
  return success();
}

ParseResult mod::parseCapacity(AsmParser &parser, Attribute &attr) {
  int64_t count;
  OptionalParseResult parsed = parser.parseOptionalInteger(count);
  if (parsed.has_value()) {
    attr = parser.getBuilder().getI64IntegerAttr(count);
    return *parsed;
  }
  StringRef rounding;
  if (succeeded(parser.parseOptionalKeyword(&rounding, {"ceil", "nearest"})))
    return parseRounded(parser, *symbolizeRounding(rounding), attr);
  FloatAttr ratio;
  if (parseFloat(parser, ratio))
    return failure();
  attr = ratio;
  return success();
}

void mod::printCapacity(AsmPrinter &printer, Operation *, Attribute attr) {
  auto rounded = dyn_cast<RoundedAttr>(attr);
  if (!rounded)
    return printer.printAttributeWithoutType(attr);
  printer << stringifyRounding(rounded.getRounding()) << "(";
  printer.printAttributeWithoutType(rounded.getRatio());
  printer << ")";
}

Attribute RoundedAttr::parse(AsmParser &parser, Type) {
  StringRef rounding;
  Attribute attr;
  if (parser.parseLess() ||
      parser.parseOptionalKeyword(&rounding, {"ceil", "nearest"}) ||
      parseRounded(parser, *symbolizeRounding(rounding), attr) ||
      parser.parseGreater())
    return {};
  return attr;
}

void RoundedAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printCapacity(printer, nullptr, *this);
  printer << ">";
}

/// Parses a case of an enum.
template <typename Enum>
static ParseResult parseEnum(AsmParser &parser, Enum &value,
                             std::optional<Enum> (*symbolize)(StringRef)) {
  StringRef keyword;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<Enum> parsed = symbolize(keyword);
  if (!parsed)
    return parser.emitError(loc, "unknown case '") << keyword << "'";
  value = *parsed;
  return success();
}

ParseResult mod::parseActivation(AsmParser &parser, ActivationAttr &attr) {
  Activation activation;
  if (parseEnum<Activation>(parser, activation, symbolizeActivation))
    return failure();
  attr = ActivationAttr::get(parser.getContext(), activation);
  return success();
}

void mod::printActivation(AsmPrinter &printer, Operation *,
                          ActivationAttr attr) {
  printer << stringifyActivation(attr.getValue());
}

//===----------------------------------------------------------------------===//
// Selections
//===----------------------------------------------------------------------===//

/// `above` or `at_least`; whether equals pass.
static OptionalParseResult parseComparator(AsmParser &parser, bool &inclusive) {
  StringRef keyword;
  if (failed(parser.parseOptionalKeyword(&keyword, {"above", "at_least"})))
    return std::nullopt;
  inclusive = keyword == "at_least";
  return success();
}

static StringRef getComparator(ThresholdAttr threshold) {
  return threshold.getInclusive() ? "at_least" : "above";
}

/// `= 0.5` behind a comparator.
static ParseResult parseAssigned(AsmParser &parser, bool inclusive,
                                 ThresholdAttr &attr) {
  FloatAttr value;
  if (parser.parseEqual() || parseFloat(parser, value))
    return failure();
  attr = ThresholdAttr::get(parser.getContext(), value, inclusive);
  return success();
}

static void printAssigned(AsmPrinter &printer, ThresholdAttr threshold) {
  printer << getComparator(threshold) << " = ";
  printer.printAttributeWithoutType(threshold.getValue());
}

Attribute ThresholdAttr::parse(AsmParser &parser, Type) {
  bool inclusive;
  ThresholdAttr attr;
  if (parser.parseLess() || !parseComparator(parser, inclusive).has_value() ||
      parseAssigned(parser, inclusive, attr) || parser.parseGreater())
    return {};
  return attr;
}

void ThresholdAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printAssigned(printer, *this);
  printer << ">";
}

/// `positive`, `above(0.5)` or `at_least(0.5)`, if there is one.
static OptionalParseResult parseOptionalThreshold(AsmParser &parser,
                                                  ThresholdAttr &attr) {
  Builder builder(parser.getContext());
  if (succeeded(parser.parseOptionalKeyword("positive"))) {
    attr = ThresholdAttr::get(parser.getContext(), builder.getF64FloatAttr(0),
                              /*inclusive=*/false);
    return success();
  }
  bool inclusive;
  if (!parseComparator(parser, inclusive).has_value())
    return std::nullopt;
  FloatAttr value;
  if (parser.parseLParen() || parseFloat(parser, value) || parser.parseRParen())
    return failure();
  attr = ThresholdAttr::get(parser.getContext(), value, inclusive);
  return success();
}

ParseResult mod::parseThreshold(AsmParser &parser, ThresholdAttr &attr) {
  OptionalParseResult parsed = parseOptionalThreshold(parser, attr);
  if (parsed.has_value())
    return *parsed;
  return parser.emitError(parser.getCurrentLocation(),
                          "expected 'positive', 'above' or 'at_least'");
}

void mod::printThreshold(AsmPrinter &printer, Operation *, ThresholdAttr attr) {
  if (!attr.getInclusive() && attr.getValue().getValue().isPosZero()) {
    printer << "positive";
    return;
  }
  printer << getComparator(attr) << "(";
  printer.printAttributeWithoutType(attr.getValue());
  printer << ")";
}

/// `, ties = all, forced` behind a capacity; both may be missing.
static ParseResult parseTies(AsmParser &parser, TiesAttr &ties,
                             UnitAttr &forced) {
  while (succeeded(parser.parseOptionalComma())) {
    if (succeeded(parser.parseOptionalKeyword("forced"))) {
      forced = UnitAttr::get(parser.getContext());
      continue;
    }
    Ties value;
    if (parser.parseKeyword("ties") || parser.parseEqual() ||
        parseEnum<Ties>(parser, value, symbolizeTies))
      return failure();
    ties = TiesAttr::get(parser.getContext(), value);
  }
  return success();
}

static void printTies(AsmPrinter &printer, Ties ties, bool forced) {
  if (ties != Ties::first)
    printer << ", ties = " << stringifyTies(ties);
  if (forced)
    printer << ", forced";
}

ParseResult mod::parseSelect(AsmParser &parser, UnitAttr &rest,
                             Attribute &capacity, TiesAttr &ties,
                             UnitAttr &forced, ThresholdAttr &threshold) {
  if (succeeded(parser.parseOptionalKeyword("rest")))
    rest = UnitAttr::get(parser.getContext());
  ties = TiesAttr::get(parser.getContext(), Ties::first);
  if (succeeded(parser.parseOptionalKeyword("top_k")) &&
      (parser.parseLParen() || parseCapacity(parser, capacity) ||
       parseTies(parser, ties, forced) || parser.parseRParen()))
    return failure();
  OptionalParseResult parsed = parseOptionalThreshold(parser, threshold);
  return parsed.has_value() ? *parsed : success();
}

void mod::printSelect(AsmPrinter &printer, Operation *op, UnitAttr rest,
                      Attribute capacity, TiesAttr ties, UnitAttr forced,
                      ThresholdAttr threshold) {
  if (rest)
    printer << "rest ";
  if (capacity) {
    printer << "top_k(";
    printCapacity(printer, op, capacity);
    printTies(printer, ties.getValue(), bool(forced));
    printer << ")" << (threshold ? " " : "");
  }
  if (threshold)
    printThreshold(printer, op, threshold);
}

//===----------------------------------------------------------------------===//
// Gates
//===----------------------------------------------------------------------===//

ParseResult mod::parseGate(AsmParser &parser, GateAttr &attr) {
  GateKind kind;
  if (parseEnum<GateKind>(parser, kind, symbolizeGateKind))
    return failure();
  double scale = 1, bias = 0;
  while (succeeded(parser.parseOptionalComma())) {
    StringRef keyword;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&keyword))
      return failure();
    if (keyword != "scale" && keyword != "bias")
      return parser.emitError(loc, "expected 'scale' or 'bias'");
    if (parser.parseEqual() ||
        parser.parseFloat(keyword == "scale" ? scale : bias))
      return failure();
  }
  attr = GateAttr::get(parser.getContext(), kind, scale, bias);
  return success();
}

void mod::printGate(AsmPrinter &printer, Operation *op, GateAttr attr) {
  printer << stringifyGateKind(attr.getKind());
  if (attr.getScaleValue() != 1) {
    printer << ", scale = ";
    printFloat(printer, op, attr.getScale());
  }
  if (attr.getBiasValue() != 0) {
    printer << ", bias = ";
    printFloat(printer, op, attr.getBias());
  }
}

GateAttr GateAttr::get(MLIRContext *context, GateKind kind, double scale,
                       double bias) {
  Builder builder(context);
  return get(context, kind, builder.getF64FloatAttr(scale),
             builder.getF64FloatAttr(bias));
}

Attribute GateAttr::parse(AsmParser &parser, Type) {
  GateAttr gate;
  if (parser.parseLess() || parseGate(parser, gate) || parser.parseGreater())
    return {};
  return gate;
}

void GateAttr::print(AsmPrinter &printer) const {
  printer << "<";
  printGate(printer, nullptr, *this);
  printer << ">";
}

//===----------------------------------------------------------------------===//
// Routed blocks
//===----------------------------------------------------------------------===//

namespace {
/// The clauses of a routed block and the values that they name.
struct RoutedClauses {
  using Operand = OpAsmParser::UnresolvedOperand;

  RoutedClauses(OpAsmParser &parser, RoutedOp::Properties &properties)
      : parser(parser), context(parser.getContext()), properties(properties) {}

  ParseResult parse();
  ParseResult resolve(Type type, OperationState &state);

private:
  ParseResult parseValue(Operand &value);
  ParseResult parseSelect();
  ParseResult parseGated();
  ParseResult parsePrefill();
  ParseResult parseCausalClause();
  ParseResult parseCausal();

  OpAsmParser &parser;
  MLIRContext *context;
  RoutedOp::Properties &properties;
  Operand x, scores;
  /// None or one of each.
  SmallVector<Operand, 1> gateScores, logits;
  bool hasMembers = false;
};
} // namespace

/// `(%value)`.
ParseResult RoutedClauses::parseValue(Operand &value) {
  return failure(parser.parseLParen() || parser.parseOperand(value) ||
                 parser.parseRParen());
}

/// `select(expert_choice, capacity = 0.125, ties = all, forced)`, of which the
/// last two may be missing.
ParseResult RoutedClauses::parseSelect() {
  Selection selection;
  if (parser.parseKeyword("select") || parser.parseLParen() ||
      parseEnum<Selection>(parser, selection, symbolizeSelection) ||
      parser.parseComma() || parser.parseKeyword("capacity") ||
      parser.parseEqual() || parseCapacity(parser, properties.capacity))
    return failure();
  properties.ties = TiesAttr::get(context, Ties::first);
  if (parseTies(parser, properties.ties, properties.forced))
    return failure();
  properties.selection = SelectionAttr::get(context, selection);
  return parser.parseRParen();
}

/// `gate(sigmoid) by(%scores) replace`, of which the last two may be missing.
ParseResult RoutedClauses::parseGated() {
  if (parser.parseKeyword("gate") || parser.parseLParen() ||
      parseGate(parser, properties.gate) || parser.parseRParen())
    return failure();
  if (succeeded(parser.parseOptionalKeyword("by")) &&
      parseValue(gateScores.emplace_back()))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("replace")))
    properties.replace = UnitAttr::get(context);
  return success();
}

/// `= top_k` behind `prefill`.
ParseResult RoutedClauses::parsePrefill() {
  Prefill prefill;
  if (parser.parseEqual() ||
      parseEnum<Prefill>(parser, prefill, symbolizePrefill))
    return failure();
  properties.prefill = PrefillAttr::get(context, prefill);
  return success();
}

/// What may be behind a comma: `%logits`, `above = 0.5` or `prefill = top_k`.
ParseResult RoutedClauses::parseCausalClause() {
  bool inclusive;
  if (parseComparator(parser, inclusive).has_value())
    return parseAssigned(parser, inclusive, properties.threshold);
  if (succeeded(parser.parseOptionalKeyword("prefill")))
    return parsePrefill();
  return parser.parseOperand(logits.emplace_back());
}

/// `causal(predictor, %logits, above = 0.5, prefill = top_k)`, of which the
/// last two may be missing.
ParseResult RoutedClauses::parseCausal() {
  Causal causal;
  if (parser.parseKeyword("causal") || parser.parseLParen() ||
      parseEnum<Causal>(parser, causal, symbolizeCausal))
    return failure();
  properties.causal = CausalAttr::get(context, causal);
  while (succeeded(parser.parseOptionalComma()))
    if (parseCausalClause())
      return failure();
  return parser.parseRParen();
}

ParseResult RoutedClauses::parse() {
  if (parser.parseOperand(x) || parser.parseKeyword("by") ||
      parseValue(scores) || parseSelect() || parseGated() || parseCausal())
    return failure();
  hasMembers = succeeded(parser.parseOptionalKeyword("members"));
  return success();
}

/// The scores have the type that follows from the tokens'.
ParseResult RoutedClauses::resolve(Type type, OperationState &state) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || tensor.getRank() != 3)
    return parser.emitError(parser.getNameLoc(),
                            "expected a [batch, tokens, width] tensor");
  Type perToken = RankedTensorType::get(tensor.getShape().drop_back(),
                                        parser.getBuilder().getF32Type());
  if (parser.resolveOperand(x, type, state.operands) ||
      parser.resolveOperand(scores, perToken, state.operands) ||
      parser.resolveOperands(gateScores, perToken, state.operands) ||
      parser.resolveOperands(logits, perToken, state.operands))
    return failure();
  llvm::copy(ArrayRef<int32_t>{1, 1, int32_t(gateScores.size()),
                               int32_t(logits.size())},
             properties.operandSegmentSizes.begin());
  state.addTypes(type);
  if (hasMembers)
    state.addTypes(perToken);
  return success();
}

ParseResult RoutedOp::parse(OpAsmParser &parser, OperationState &state) {
  RoutedClauses clauses(parser, state.getOrAddProperties<Properties>());
  Type type;
  Region *body = state.addRegion(), *bypass = state.addRegion();
  if (clauses.parse() ||
      parser.parseOptionalAttrDictWithKeyword(state.attributes) ||
      parser.parseRegion(*body) ||
      (succeeded(parser.parseOptionalKeyword("bypass")) &&
       parser.parseRegion(*bypass)) ||
      parser.parseColonType(type))
    return failure();
  return clauses.resolve(type, state);
}

void RoutedOp::print(OpAsmPrinter &printer) {
  printer << " " << getX() << " by(" << getScores() << ") select("
          << stringifySelection(getSelection()) << ", capacity = ";
  printCapacity(printer, *this, getCapacity());
  printTies(printer, getTies(), getForced());
  printer << ") gate(";
  printGate(printer, *this, getGate());
  printer << ")";
  if (getGateScores())
    printer << " by(" << getGateScores() << ")";
  if (getReplace())
    printer << " replace";
  printer << " causal(" << stringifyCausal(getCausal());
  if (getLogits())
    printer << ", " << getLogits();
  if (getThreshold()) {
    printer << ", ";
    printAssigned(printer, *getThreshold());
  }
  if (getPrefill())
    printer << ", prefill = " << stringifyPrefill(*getPrefill());
  printer << (getMembers() ? ") members" : ")");
  printer.printOptionalAttrDictWithKeyword(
      (*this)->getAttrs(),
      {"selection", "capacity", "ties", "forced", "gate", "replace", "causal",
       "threshold", "prefill", "operandSegmentSizes"});
  printer << " ";
  printer.printRegion(getBody());
  if (!getBypass().empty()) {
    printer << " bypass ";
    printer.printRegion(getBypass());
  }
  printer << " : " << getX().getType();
}
