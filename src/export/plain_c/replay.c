/* replay.c - what was written as plain C, run: the same calls, the same kernels, the weights as they lie in the file.
 * It says whether a C compiler would make the network of it, without one. */
#include "export/plain_c/program.h"

#include "export/plain_c/runtime/float_kernels.h"

typedef void (*kernel)(const nn_layer *l, float *out, const float *in, const float *other, const float *w);

static const kernel kernels[] = {
#define ROW(name) nn_##name,
    WK_C_KERNELS(ROW)
#undef ROW
};

static void call(const wk_c_step *s, float *work, const uint8_t *rgb, const uint8_t *file) {
  const float *w = s->weights ? (const float *)(const void *)(file + s->weights) : NULL;
  float *out = work + s->out;
  if (s->kernel == WK_C_conv_rgb)
    nn_conv_rgb(&s->layer, out, rgb, NULL, w);
  else if (s->kernel == WK_C_rgb)
    nn_rgb(&s->layer, out, rgb, NULL, w);
  else
    kernels[s->kernel](&s->layer, out, work + s->in, s->other >= 0 ? work + s->other : NULL, w);
}

wk_status wk_c_replay(float *logits, const wk_c_program *p, const char *weights, const uint8_t *rgb, wk_error *err) {
  wk_status st = WK_OK;
  wk_file_view file = {0};
  float *work = NULL;
  WK_RETURN_IF_ERROR(wk_file_map(&file, weights, err));
  WK_FAIL_IF(file.size != p->weight_bytes, err, WK_ERR_FORMAT, "%s: %zu bytes were written, but there are %zu", weights,
             p->weight_bytes, file.size);
  work = wk_alloc_array(p->work_numbers ? p->work_numbers : 1, sizeof *work);
  WK_FAIL_IF(!work, err, WK_ERR_MEMORY, "out of memory for an export");
  for (int s = 0; s < p->steps; s++)
    call(&p->step[s], work, rgb, file.data);
  memcpy(logits, work + p->logits, (size_t)p->net->classes * sizeof *logits);
done:
  wk_free(work);
  wk_file_unmap(&file);
  return st;
}
