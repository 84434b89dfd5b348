//===- TracePage.h - The page of `trace` -----------------------*- C++ -*-===//
//
// runtime/cli/trace.html, embedded when the runtime is built.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_CLI_TRACEPAGE_H
#define RUNTIME_CLI_TRACEPAGE_H

namespace modrt {

/// A page that lacks its data: TRACE_JSON stands where it belongs.
extern const char tracePage[];

} // namespace modrt

#endif // RUNTIME_CLI_TRACEPAGE_H
