//===- Import.cpp - Model directories as IR ---------------------*- C++ -*-===//
//
// Finds a model's files and puts the configuration, the checkpoint and the
// forward pass together.
//
//===----------------------------------------------------------------------===//

#include "tools/import/Import.h"
#include "codegen/weights/Checkpoint.h"
#include "mlir/IR/Verifier.h"
#include "tools/import/BuildForward.h"
#include "tools/import/Config.h"
#include "tools/import/Presets.h"
#include "tools/import/tokenizer/Tokenizer.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace mlir::mod;
namespace path = llvm::sys::path;

static constexpr llvm::StringLiteral kTokenizerFile = "tokenizer.json";

static std::string getFile(StringRef directory, StringRef name) {
  SmallString<128> file(directory);
  path::append(file, name);
  return file.str().str();
}

/// The directory's own name, also where it is given as `.` or with a slash.
static std::string getName(StringRef directory) {
  SmallString<128> real;
  if (llvm::sys::fs::real_path(directory, real))
    real = directory;
  StringRef name = path::filename(real);
  return name.empty() || name == "/" ? "model" : name.str();
}

/// What later phases and the compiled model must know of the model.
static DictionaryAttr describeModel(StringRef directory, StringRef name,
                                    const Config &config,
                                    MLIRContext *context) {
  Builder builder(context);
  StringRef tokenizer = config.vocab == 256 ? "bytes" : "none";
  if (llvm::sys::fs::exists(getFile(directory, kTokenizerFile)))
    tokenizer = kTokenizerFile;
  return builder.getDictionaryAttr({
      builder.getNamedAttr("name", builder.getStringAttr(name)),
      builder.getNamedAttr("context",
                           builder.getI64IntegerAttr(config.context)),
      builder.getNamedAttr("vocab", builder.getI64IntegerAttr(config.vocab)),
      builder.getNamedAttr("eos",
                           builder.getDenseI32ArrayAttr(config.eosTokens)),
      builder.getNamedAttr("tokenizer", builder.getStringAttr(tokenizer)),
  });
}

/// Whether routed layers are wrapped as astramind's `apply_mod_to_hf` does.
static bool hasWrappedLayers(const Checkpoint &checkpoint) {
  return llvm::any_of(checkpoint.getEntries(), [](Checkpoint::Entry entry) {
    return StringRef(entry.tensor->name).contains(kWrappedRouter);
  });
}

static FailureOr<Config> getConfig(StringRef directory, MLIRContext *context,
                                   const ImportOptions &options,
                                   StringRef preset) {
  if (!llvm::sys::fs::is_directory(directory))
    return emitError(UnknownLoc::get(context))
           << "'" << directory << "' is not a model directory";
  FailureOr<Config> config =
      readConfig(getFile(directory, "config.json"), context, preset);
  if (failed(config) || !options.decode)
    return config;
  config->routing.causal = *options.decode;
  if (config->routing.causal == Causal::predictor &&
      !config->routing.layers.empty() && !config->routing.predictorHidden)
    return emitError(UnknownLoc::get(context))
           << "'" << directory
           << "' has no predictor to decode with, expected router or always";
  return config;
}

FailureOr<OwningOpRef<ModuleOp>>
mod::importModel(StringRef directory, MLIRContext *context,
                 const ImportOptions &options) {
  FailureOr<Config> config =
      getConfig(directory, context, options, options.preset);
  if (failed(config))
    return failure();
  llvm::Expected<Checkpoint> checkpoint = Checkpoint::open(directory);
  if (!checkpoint)
    return emitError(UnknownLoc::get(context))
           << llvm::toString(checkpoint.takeError());

  // Nothing in config.json need say that layers are routed.
  if (config->routing.layers.empty() && hasWrappedLayers(*checkpoint))
    config = getConfig(directory, context, options, kAstramindPreset);
  if (failed(config))
    return failure();

  std::string name = options.name.empty() ? getName(directory) : options.name;
  OwningOpRef<ModuleOp> module =
      ModuleOp::create(UnknownLoc::get(context), StringRef(name));
  if (failed(buildForward(*config, *checkpoint, *module)))
    return failure();
  (*module)->setAttr("mod.model",
                     describeModel(directory, name, *config, context));
  if (failed(verify(*module)))
    return failure();
  return module;
}

LogicalResult mod::loadTokenizer(StringRef directory, ModuleOp module) {
  auto model = module->getAttrOfType<DictionaryAttr>("mod.model");
  auto name = model ? model.getAs<StringAttr>("tokenizer") : StringAttr();
  if (!name || name.getValue() != kTokenizerFile)
    return success();
  MLIRContext *context = module.getContext();
  FailureOr<Tokenizer> tokenizer =
      readTokenizer(getFile(directory, kTokenizerFile),
                    model.getAs<IntegerAttr>("vocab").getInt(), context);
  if (failed(tokenizer))
    return failure();
  NamedAttrList facts(model);
  facts.set("tokenizer", StringAttr::get(context, tokenizer->kind));
  module->setAttr("mod.model", facts.getDictionary(context));
  module->setAttr("mod.tokenizer", StringAttr::get(context, tokenizer->table));
  return success();
}
