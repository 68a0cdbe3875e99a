/* fuzz_studio_main.c - libFuzzer's door to fuzz_studio. */
#include "fuzz_studio.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  fuzz_studio(bytes, size);
  return 0;
}
