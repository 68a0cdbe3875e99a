/* fuzz_weights.c - see fuzz_weights.h. */
#include "fuzz_weights.h"

#include <stdlib.h>
#include <string.h>

#include "whisker/formats.h"

/* Reads every byte of every tensor, and checks what the readers promise about them. */
static void use(const wk_tensors *t) {
  static float numbers[4096];
  uint8_t hash[32];
  for (size_t i = 0; i < wk_tensors_size(t); i++) {
    const wk_tensor *x = wk_tensors_at(t, i);
    int64_t count = wk_tensor_count(x->ndim, x->shape);
    if (count < 0 || (size_t)count * wk_dtype_size(x->dtype) != x->bytes || wk_tensors_find(t, x->name) != x)
      abort();
    if (count <= 4096 && wk_tensor_to_f32(numbers, x, NULL) != WK_OK && x->dtype != WK_BOOL)
      abort();
  }
  wk_tensors_sha256(hash, t);
}

void fuzz_weights(const uint8_t *bytes, size_t size) {
  wk_error err;
  wk_tensors *t = NULL;
  if (wk_safetensors_parse(&t, bytes, size, &err) == WK_OK) {
    use(t);
    wk_tensors_free(t);
  }
  t = NULL;
  if (wk_torch_parse(&t, bytes, size, &err) == WK_OK) {
    use(t);
    wk_tensors_free(t);
  }
  t = NULL;
  if (wk_npz_parse(&t, bytes, size, &err) == WK_OK) {
    use(t);
    wk_tensors_free(t);
  }
  if (wk_weights_sniff(bytes, size) > WK_WEIGHTS_INDEX)
    abort();
}
