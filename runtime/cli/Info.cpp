//===- Info.cpp - What a compiled model is and needs ----------------------===//
//
// Prints the descriptor. Does not need the weights.
//
//===----------------------------------------------------------------------===//

#include "runtime/cli/Command.h"
#include "runtime/cli/Json.h"

#include <cstdio>
#include <cstring>

using namespace modrt;

static void addCaches(Json &json, const modrt_model &model) {
  json.beginArray("caches");
  for (int64_t i = 0; i < model.num_caches; ++i)
    json.beginObject()
        .member("layer", model.caches[i].layer)
        .member("length", model.caches[i].length)
        .member("row_bytes", model.caches[i].row_bytes)
        .end();
  json.end();
}

static void addBlocks(Json &json, const modrt_model &model) {
  json.beginArray("blocks");
  for (int64_t i = 0; i < model.num_blocks; ++i) {
    const modrt_block &block = model.blocks[i];
    json.beginObject()
        .member("layer", block.layer)
        .member("capacity", block.capacity)
        .member("kv_tokens", kvTokens(model, block))
        .member("flops_per_token", block.flops_per_token)
        .member("flops_per_pair", block.flops_per_pair)
        .member("flops_per_key", block.flops_per_key)
        .member("weight_bytes", block.weight_bytes)
        .member("cache_row_bytes", block.cache_row_bytes);
    if (block.prefill)
      json.member("prefill", std::string(block.prefill))
          .member("decode", std::string(block.decode));
    json.end();
  }
  json.end();
}

static void addBuild(Json &json, const modrt_model &model) {
  json.member("name", std::string(model.name))
      .member("producer", std::string(model.producer))
      .member("target", std::string(model.target))
      .member("features", std::string(model.features))
      .member("abi_version", int64_t(model.abi_version))
      .member("runtime_version", int64_t(modrt_api_version()))
      .beginArray("programs")
      .member(nullptr, std::string("forward"))
      .member(nullptr, std::string("prefill"))
      .member(nullptr, std::string("decode"));
  if (model.decode_batch)
    json.member(nullptr, std::string("decode_batch"));
  json.end();
}

static void addSizes(Json &json, const modrt_model &model) {
  json.member("tokenizer", std::string(model.tokenizer))
      .member("context", model.context)
      .member("batch", model.batch)
      .member("vocab", model.vocab)
      .beginArray("eos");
  for (int64_t i = 0; i < model.num_eos; ++i)
    json.element(model.eos[i]);
  json.end();
  if (model.weights_file)
    json.member("weights_file", std::string(model.weights_file));
  else
    json.null("weights_file");
  json.member("weights_bytes", model.weights_bytes)
      .member("arena_bytes", model.arena_bytes)
      .member("caches_bytes", model.caches_bytes)
      .member("logits_flops", model.logits_flops)
      .member("logits_weight_bytes", model.logits_weight_bytes);
}

static void printJson(const modrt_model &model) {
  Json json;
  json.beginObject();
  addBuild(json, model);
  addSizes(json, model);
  addCaches(json, model);
  addBlocks(json, model);
  bool hasReport = model.report && model.report[0];
  json.verbatim("report", hasReport ? model.report : "null").end().print();
}

static void printBlocks(const modrt_model &model) {
  printf(
      "\nlayer    FLOPs/token   FLOPs/pair     weights   KV/token   prompts by"
      "      then by\n");
  for (int64_t i = 0; i < model.num_blocks; ++i) {
    const modrt_block &block = model.blocks[i];
    std::string layer =
        block.layer < 0 ? "others" : std::to_string(block.layer);
    printf("%-8s %11lld %12lld %11s %10s %12s %12s\n", layer.c_str(),
           static_cast<long long>(block.flops_per_token),
           static_cast<long long>(block.flops_per_pair + block.flops_per_key),
           formatBytes(block.weight_bytes).c_str(),
           formatBytes(block.cache_row_bytes).c_str(),
           block.prefill ? block.prefill : "-",
           block.decode ? block.decode : "-");
  }
  printf("%-8s %11lld %12s %11s\n", "logits",
         static_cast<long long>(model.logits_flops), "-",
         formatBytes(model.logits_weight_bytes).c_str());
}

static void printShortCaches(const modrt_model &model) {
  for (int64_t i = 1; i < model.num_blocks; ++i) {
    const modrt_block &block = model.blocks[i];
    int64_t tokens = kvTokens(model, block);
    if (tokens < model.context)
      printf("            layer %lld: %lld tokens; more bypass it\n",
             static_cast<long long>(block.layer),
             static_cast<long long>(tokens));
  }
}

static void printTable(const modrt_model &model) {
  printf("model       %s\ncompiled by %s\nfor         %s (%s)\n"
         "tokenizer   %s\ncontext     %lld tokens\nvocabulary  %lld\n",
         model.name, model.producer, model.target, model.features,
         model.tokenizer, static_cast<long long>(model.context),
         static_cast<long long>(model.vocab));
  printf("weights     %s, %s\narena       %s\nKV caches   at most %s\n",
         formatBytes(model.weights_bytes).c_str(),
         model.weights_file ? model.weights_file : "in this file",
         formatBytes(model.arena_bytes).c_str(),
         formatBytes(model.caches_bytes).c_str());
  printShortCaches(model);
  printBlocks(model);
}

int modrt::info(const Invocation &invocation) {
  bool json = false;
  int64_t threads = 0;
  Syntax syntax = {"Prints what the model is, what it needs and how it was "
                   "compiled.",
                   {jsonOption(json), threadsOption(threads)}};
  if (std::optional<int> code = parse(invocation, syntax))
    return *code;
  json ? printJson(*invocation.model) : printTable(*invocation.model);
  return Success;
}
