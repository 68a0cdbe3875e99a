/* replay.c - what was written as plain C, run: the same calls, the same kernels, the weights as they lie in the file.
 * It says whether a C compiler would make the network of it, without one. */
#include "export/plain_c/program.h"

#include "export/plain_c/runtime/float_kernels.h"
#include "export/plain_c/runtime/int8_kernels.h"

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

typedef void (*kernel8)(const nn_layer *l, const nn_steps *s, signed char *out, const signed char *in,
                        const signed char *other, const unsigned char *w);

/* Those that there are in 8 bits. */
static const kernel8 kernels8[WK_C_KERNEL_COUNT] = {
    [WK_C_conv] = nn_conv8,         [WK_C_depthwise] = nn_depthwise8,
    [WK_C_affine] = nn_affine8,     [WK_C_curves] = nn_curves8,
    [WK_C_add] = nn_add8,           [WK_C_multiply] = nn_multiply8,
    [WK_C_scale] = nn_scale8,       [WK_C_max_pool] = nn_max_pool8,
    [WK_C_avg_pool] = nn_avg_pool8, [WK_C_adaptive_avg_pool] = nn_adaptive_avg_pool8,
    [WK_C_flatten] = nn_flatten8,   [WK_C_copy] = nn_copy8,
    [WK_C_slice] = nn_slice8,       [WK_C_pad] = nn_pad8,
    [WK_C_shuffle] = nn_shuffle8,
};

static void call8(const wk_c_step *s, signed char *work, const uint8_t *rgb, const uint8_t *file) {
  const nn_steps steps = {s->of_in.scale, s->of_other.scale, s->of_out.scale,
                          s->of_in.zero,  s->of_other.zero,  s->of_out.zero};
  signed char *out = work + s->out;
  const uint8_t *w = file + s->weights;
  if (s->kernel == WK_C_conv_rgb)
    nn_conv_rgb8(&s->layer, &steps, out, rgb, NULL, w);
  else if (s->kernel == WK_C_rgb)
    nn_rgb8(&s->layer, &steps, out, rgb, NULL, w);
  else
    kernels8[s->kernel](&s->layer, &steps, out, work + s->in, s->other >= 0 ? work + s->other : NULL, w);
}

wk_status wk_c_replay(float *logits, const wk_c_program *p, const uint8_t *file, const uint8_t *rgb, wk_error *err) {
  const size_t classes = (size_t)p->net->classes;
  void *work = wk_calloc(p->work_numbers + 1, p->quant ? 1 : sizeof(float));
  if (!work)
    return wk_export_no_memory(err);
  for (int s = 0; s < p->steps; s++)
    if (p->quant)
      call8(&p->step[s], work, rgb, file);
    else
      call(&p->step[s], work, rgb, file);
  if (!p->quant)
    memcpy(logits, (float *)work + p->logits, classes * sizeof *logits);
  for (size_t i = 0; p->quant && i < classes; i++)
    logits[i] = nn_real(((signed char *)work)[(size_t)p->logits + i], p->end.scale, p->end.zero);
  wk_free(work);
  return WK_OK;
}
