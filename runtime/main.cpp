//===- main.cpp - The main program of a compiled model --------------------===//
//
// A library of its own, so that a shared library of a model can hold the whole
// runtime without it.
//
//===----------------------------------------------------------------------===//

#include "runtime/modrt.h"

int main(int argc, char **argv) {
  return modrt_main(mod_model(MODRT_ABI_VERSION), argc, argv);
}
