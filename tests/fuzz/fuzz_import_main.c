/* fuzz_import_main.c - libFuzzer's door to fuzz_import. */
#include "fuzz_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  fuzz_import(bytes, size);
  return 0;
}
