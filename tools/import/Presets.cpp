//===- Presets.cpp - What implementations say nowhere -----------*- C++ -*-===//
//
// One JSON object for each implementation; docs/model-directories.md has them
// as a table.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Presets.h"
#include "llvm/ADT/STLExtras.h"
#include <array>

using namespace mlir;
using namespace mlir::mod;

namespace {
struct Preset {
  StringRef name, object;
};
} // namespace

static constexpr Preset kPresets[] = {
    {"paper", R"({"routed_layers": "odd", "gate": "raw",
                  "selected": "x + g*f"})"},
    {kAstramindPreset, R"({"routed_layers": "odd", "gate": "raw",
                           "selected": "g*B", "ties": "none",
                           "decode": "always"})"},
    {"epfml", R"({"routed_layers": "even", "gate": "raw",
                  "selected": "x + g*B", "decode": "always"})"},
    {"meta-llama-mod", R"({"routed_layers": "odd", "gate": "sigmoid",
                           "selected": "2*x + attn + g*mlp",
                           "decode": "router"})"},
    {"softmax", R"({"routed_layers": "all", "gate": "softmax_topk",
                    "selected": "x + g*B", "decode": "always"})"},
    // The value of router_input would end a raw string without a delimiter.
    {"router-tuning", R"json({"routed_layers": "all", "routing": "threshold",
                              "router_input": "norm(x)", "comparison": ">=",
                              "gate": "none", "selected": "x + g*f",
                              "decode": "router"})json"},
    {"d-llm", R"({"routed_layers": "all", "routing": "argmax", "gate": "none",
                  "selected": "x + g*f", "forced_tokens": 2,
                  "decode": "router"})"},
    {"mindskip", R"json({"routed_layers": "all", "routing": "sequence",
                         "pooling": "mean", "scope": "attention",
                         "router_input": "norm(x)", "comparison": ">=",
                         "gate": "none", "selected": "x + g*f",
                         "decode": "router"})json"},
    {"mor", R"({"recursions": 3, "gate": "sigmoid", "gate_scale": 0.1,
                "selected": "x + g*B", "decode": "always"})"},
    {"p-mod", R"({"routed_layers": "odd", "gate": "tanh",
                  "selected": "x + attn + g*mlp", "skipped": "g*x",
                  "decode": "always"})"},
};

ArrayRef<StringRef> mod::getPresetNames() {
  static const auto names = [] {
    std::array<StringRef, std::size(kPresets)> names;
    llvm::transform(kPresets, names.begin(),
                    [](const Preset &preset) { return preset.name; });
    return names;
  }();
  return names;
}

llvm::json::Object mod::getPreset(StringRef name) {
  for (const Preset &preset : kPresets)
    if (preset.name == name)
      return *llvm::cantFail(llvm::json::parse(preset.object)).getAsObject();
  return {};
}
