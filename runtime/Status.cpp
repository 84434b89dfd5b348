//===- Status.cpp - Making a modrt_status ---------------------------------===//
//
// Formats messages.
//
//===----------------------------------------------------------------------===//

#include "runtime/Status.h"

#include <cstdarg>
#include <cstdio>

modrt_status modrt::error(modrt_code code, const char *format, ...) {
  modrt_status status;
  status.code = code;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(status.message, sizeof(status.message), format, arguments);
  va_end(arguments);
  return status;
}
