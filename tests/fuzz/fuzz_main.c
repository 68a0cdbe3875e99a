/* fuzz_main.c - libFuzzer's door to fuzz_weights. */
#include "fuzz_weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  fuzz_weights(bytes, size);
  return 0;
}
