//===- StepGraph.cpp - A program as one graph of the driver ---------------===//
//
// Captures what a program asks for, and compares it with what it asks later.
//
//===----------------------------------------------------------------------===//

#include "runtime/cuda/StepGraph.h"

#include <cstring>

using namespace modrt;

// CUstreamCaptureMode: pinned memory may be allocated meanwhile.
static const int relaxed = 2;

static const uint64_t isUpload = 1, isDownload = 2;

void StepGraph::begin() {
  next = 0;
  isSame = true;
  failure = 0;
  if (isCapturing())
    note(driver.streamBeginCapture(stream, relaxed));
}

StepGraph::Step *StepGraph::find() {
  if (failure)
    return nullptr;
  if (isCapturing()) {
    steps.emplace_back();
    steps.back().constant = asked;
    return &steps.back();
  }
  isSame = isSame && next < steps.size() && steps[next].constant == asked;
  return isSame ? &steps[next++] : nullptr;
}

void StepGraph::pin(Step &step, size_t bytes) {
  step.bytes = bytes;
  note(driver.memAllocHost(&step.pinned, bytes));
}

void StepGraph::launch(Driver::Handle function, unsigned blocksX,
                       unsigned blocksY, unsigned threads, void **arguments,
                       size_t count) {
  asked = {reinterpret_cast<uintptr_t>(function), blocksX, blocksY, threads};
  for (size_t i = 0; i < count; ++i)
    asked.push_back(*static_cast<const uint64_t *>(arguments[i]));
  if (find() && isCapturing())
    note(driver.launchKernel(function, blocksX, blocksY, 1, threads, 1, 1, 0,
                             stream, arguments, nullptr));
}

StepGraph::Step *StepGraph::findPinned(size_t bytes) {
  Step *step = find();
  if (step && isCapturing())
    pin(*step, bytes);
  return failure ? nullptr : step;
}

void StepGraph::upload(Driver::Address to, const void *from, size_t bytes) {
  asked = {isUpload, to, bytes};
  Step *step = findPinned(bytes);
  if (!step)
    return;
  memcpy(step->pinned, from, bytes);
  if (isCapturing())
    note(driver.copyToDevice(to, step->pinned, bytes, stream));
}

void StepGraph::download(void *to, Driver::Address from, size_t bytes) {
  asked = {isDownload, from, bytes};
  Step *step = findPinned(bytes);
  if (!step)
    return;
  step->host = to;
  if (isCapturing())
    note(driver.copyToHost(step->pinned, from, bytes, stream));
}

/// Ends the capture in any case: the stream is used again.
void StepGraph::instantiate() {
  Driver::Handle captured = nullptr;
  note(driver.streamEndCapture(stream, &captured));
  if (!failure)
    note(driver.graphInstantiate(&graph, captured, /*flags=*/0));
  if (captured)
    driver.graphDestroy(captured);
}

int StepGraph::end(bool &differs) {
  differs = !isCapturing() && (!isSame || next != steps.size());
  if (isCapturing())
    instantiate();
  if (failure || differs)
    forget();
  return failure;
}

void StepGraph::deliver() const {
  for (const Step &step : steps)
    if (step.host)
      memcpy(step.host, step.pinned, step.bytes);
}

void StepGraph::forget() {
  if (graph)
    driver.graphExecDestroy(graph);
  graph = nullptr;
  for (const Step &step : steps)
    if (step.pinned)
      driver.memFreeHost(step.pinned);
  steps.clear();
}
