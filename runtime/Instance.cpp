//===- Instance.cpp - A model with its weights ----------------------------===//
//
// Opens models.
//
//===----------------------------------------------------------------------===//

#include "runtime/Instance.h"

#include "runtime/CpuFeatures.h"
#include "runtime/Weights.h"

#include <memory>

using namespace modrt;

uint32_t modrt_api_version(void) { return MODRT_API_VERSION; }

static modrt_status checkDescriptor(const modrt_model *model) {
  if (!model || model->magic != MODRT_MAGIC ||
      model->abi_version != MODRT_ABI_VERSION)
    return error(MODRT_MISMATCH,
                 "the model was not compiled for version %u of the runtime's "
                 "interface",
                 MODRT_ABI_VERSION);
  if (model->context < 1 || model->vocab < 1 || model->num_blocks < 1 ||
      model->weights_offset < 8 || model->weights_offset % 64 != 0 ||
      model->weights_bytes < model->weights_offset)
    return error(MODRT_MISMATCH, "the descriptor of model '%s' is damaged",
                 model->name);
  return ok();
}

modrt_status modrt_open(const modrt_model *model, const char *weights,
                        modrt_instance **instance) {
  MODRT_TRY(checkDescriptor(model));
  MODRT_TRY(checkCpuFeatures(model->features));
  auto opened = std::unique_ptr<modrt_instance>(new modrt_instance{*model, {}});
  MODRT_TRY(mapWeights(*model, weights, opened->file));
  if (model->tokenizer_table)
    MODRT_TRY(
        opened->tokenizer.open(model->tokenizer_table, model->tokenizer_bytes));
  *instance = opened.release();
  return ok();
}

modrt_status modrt_use_device(modrt_instance *instance, const char *device) {
  if (!instance->model.kernels)
    return error(MODRT_UNSUPPORTED, "the model was compiled for a CPU: %s",
                 instance->model.target);
  if (instance->device)
    return error(MODRT_INVALID, "a session of the model runs already");
  instance->deviceName = device;
  return ok();
}

modrt_status modrt_instance::openDevice() {
  std::lock_guard<std::mutex> guard(opening);
  if (!model.kernels || device)
    return ok();
  auto opened = std::make_unique<Device>();
  MODRT_TRY(opened->open(model, deviceName, file.data() + model.weights_offset,
                         model.weights_bytes - model.weights_offset));
  device = std::move(opened);
  return ok();
}

void modrt_close(modrt_instance *instance) { delete instance; }

const modrt_model *modrt_describe(const modrt_instance *instance) {
  return &instance->model;
}

modrt_status modrt::checkTokens(const modrt_model &model, const int32_t *tokens,
                                int64_t count) {
  for (int64_t i = 0; i < count; ++i)
    if (tokens[i] < 0 || tokens[i] >= model.vocab)
      return error(MODRT_INVALID,
                   "token %d at position %lld is not in [0, %lld)", tokens[i],
                   static_cast<long long>(i),
                   static_cast<long long>(model.vocab));
  return ok();
}
