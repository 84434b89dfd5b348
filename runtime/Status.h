//===- Status.h - Making and passing on a modrt_status ---------*- C++ -*-===//
//
// How the runtime's functions say that something failed.
//
//===----------------------------------------------------------------------===//

#ifndef RUNTIME_STATUS_H
#define RUNTIME_STATUS_H

#include "runtime/modrt.h"

namespace modrt {

// Not `= {}`: decode should not clear half a kilobyte per token.
inline modrt_status ok() {
  modrt_status status;
  status.code = MODRT_OK;
  status.message[0] = '\0';
  return status;
}

inline bool failed(const modrt_status &status) {
  return status.code != MODRT_OK;
}

/// A message as by printf.
[[gnu::format(printf, 2, 3)]] modrt_status error(modrt_code code,
                                                 const char *format, ...);

} // namespace modrt

/// Returns from the calling function where a call fails.
#define MODRT_TRY(CALL)                                                        \
  do {                                                                         \
    if (modrt_status status = (CALL); ::modrt::failed(status))                 \
      return status;                                                           \
  } while (false)

#endif // RUNTIME_STATUS_H
