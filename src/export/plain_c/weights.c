/* weights.c - the file of weights beside a header of plain C: behind 16 bytes of head, what each call reads, in the
 * order of the calls and in the orders that the kernels say. Little-endian float32, as the processors have it that such
 * networks run on. */
#include <math.h>
#include <string.h>

#include "export/plain_c/program.h"
#include "formats/formats.h"

/* FNV-1a over words: enough to notice the wrong file, or one cut short. */
static uint32_t fingerprint(uint32_t h, const void *bytes, size_t n) {
  const uint8_t *b = bytes;
  for (size_t i = 0; i + 4 <= n; i += 4)
    h = (h ^ wk_le32(b + i)) * 16777619u;
  return h;
}

typedef struct sink {
  wk_writer *w;
  uint32_t fingerprint;
} sink;

static wk_status put(sink *s, const void *bytes, size_t n, wk_error *err) {
  s->fingerprint = fingerprint(s->fingerprint, bytes, n);
  return wk_writer_write(s->w, bytes, n, err);
}

/* What each byte of a photo means to the network, a channel after the other. */
static void fill_table(float *out, const wk_preprocess *p) {
  uint8_t rgb[3 * 256];
  float value[3 * 256];
  wk_preprocess row = *p;
  row.height = 1, row.width = 256;
  for (int i = 0; i < 256; i++)
    for (int c = 0; c < 3; c++)
      rgb[3 * i + c] = (uint8_t)i;
  wk_preprocess_normalise(value, rgb, &row);
  for (int c = 0; c < 3; c++)
    for (int i = 0; i < 256; i++)
      out[c * 256 + i] = value[3 * i + c];
}

/* The weights of one layer in the kernel's order; `out` holds as many. */
static void turn(float *out, const wk_c_program *p, const wk_net_layer *l) {
  if (l->op == WK_OP_CONV) {
    wk_net_hwio(out, l);
  } else if (l->op == WK_OP_LINEAR) {
    wk_net_layer input = p->net->layer[l->in[0]];
    if (p->turned[l->in[0]])
      input.unflat = (wk_shape){0};
    wk_net_matrix(out, l, &input, true);
  } else {
    memcpy(out, l->weight, l->weights * sizeof *out);
  }
}

static wk_status put_step(sink *to, const wk_c_program *p, const wk_c_step *s, wk_error *err) {
  const wk_net_layer *l = &p->net->layer[s->of];
  const size_t bias = (size_t)l->to.channels * sizeof(float);
  if (s->kernel == WK_C_conv_rgb || s->kernel == WK_C_rgb) {
    float table[3 * 256];
    fill_table(table, &p->net->preprocess);
    WK_RETURN_IF_ERROR(put(to, table, sizeof table, err));
  }
  if (!l->weight)
    return WK_OK;
  float *turned = wk_alloc_array(l->weights, sizeof *turned);
  if (!turned)
    return wk_export_no_memory(err);
  turn(turned, p, l);
  wk_status st = s->kernel == WK_C_affine ? WK_OK : put(to, l->bias, bias, err);
  if (st == WK_OK)
    st = put(to, turned, l->weights * sizeof *turned, err);
  if (st == WK_OK && s->kernel == WK_C_affine)
    st = put(to, l->bias, bias, err);
  wk_free(turned);
  return st;
}

/* ---- in 8 bits ------------------------------------------------------------------------------------------- */

/* What a convolution of bytes reads: of each output what its sum is multiplied with and a 32-bit bias, and its weights
 * as bytes. `step` and `out` are the scales of what it reads and makes. */
static wk_status put_bytes(sink *to, const float *weight, size_t weights, const float *bias, size_t outputs,
                           double step, double out, wk_error *err) {
  wk_status st = WK_OK;
  float *scale = wk_calloc(outputs, sizeof *scale);
  int32_t *start = wk_calloc(outputs, sizeof *start);
  int8_t *byte = wk_calloc((weights + 3) / 4 * 4, 1);
  WK_FAIL_IF(!scale || !start || !byte, err, WK_ERR_MEMORY, "out of memory for an export");
  for (size_t i = 0; i < weights; i++)
    scale[i % outputs] = fmaxf(scale[i % outputs], fabsf(weight[i]));
  for (size_t o = 0; o < outputs; o++)
    scale[o] = scale[o] > 1e-30f ? scale[o] / 127 : 1;
  for (size_t i = 0; i < weights; i++)
    byte[i] = (int8_t)lround((double)weight[i] / (double)scale[i % outputs]);
  for (size_t o = 0; o < outputs; o++) {
    const double each = (double)scale[o] * step;
    start[o] = (int32_t)fmin(fmax(round((double)bias[o] / each), -1073741824.0), 1073741824.0);
    scale[o] = (float)(each / out);
  }
  WK_TRY(put(to, scale, outputs * sizeof *scale, err));
  WK_TRY(put(to, start, outputs * sizeof *start, err));
  WK_TRY(put(to, byte, (weights + 3) / 4 * 4, err));
done:
  wk_free(scale);
  wk_free(start);
  wk_free(byte);
  return st;
}

/* Of a photo's bytes: what they are divided by goes into the weights, and what the means lose when they become whole
 * numbers into the biases. */
static wk_status put_rgb_bytes(sink *to, const wk_c_program *p, const wk_c_step *s, float *weight, wk_error *err) {
  const wk_net_layer *l = &p->net->layer[s->of];
  const wk_preprocess *how = &p->net->preprocess;
  const size_t outputs = (size_t)l->to.channels;
  int32_t zero[3];
  float *bias = wk_alloc_array(outputs, sizeof *bias);
  if (!bias)
    return wk_export_no_memory(err);
  memcpy(bias, l->bias, outputs * sizeof *bias);
  for (int c = 0; c < 3; c++)
    zero[c] = (int32_t)lroundf(how->mean[c]);
  for (size_t i = 0; i < l->weights; i++) {
    const size_t c = i / outputs % 3;
    weight[i] /= how->std[c];
    bias[i % outputs] += weight[i] * ((float)zero[c] - how->mean[c]);
  }
  wk_status st = put(to, zero, sizeof zero, err);
  if (st == WK_OK)
    st = put_bytes(to, weight, l->weights, bias, outputs, 1, (double)s->of_out.scale, err);
  wk_free(bias);
  return st;
}

static wk_status put_step_bytes(sink *to, const wk_c_program *p, const wk_c_step *s, wk_error *err) {
  const wk_net_layer *l = &p->net->layer[s->of];
  if (s->kernel != WK_C_conv && s->kernel != WK_C_depthwise && s->kernel != WK_C_conv_rgb)
    return put_step(to, p, s, err);
  float *turned = wk_alloc_array(l->weights, sizeof *turned);
  if (!turned)
    return wk_export_no_memory(err);
  turn(turned, p, l);
  wk_status st = s->kernel == WK_C_conv_rgb ? put_rgb_bytes(to, p, s, turned, err)
                                            : put_bytes(to, turned, l->weights, l->bias, (size_t)l->to.channels,
                                                        (double)s->of_in.scale, (double)s->of_out.scale, err);
  wk_free(turned);
  return st;
}

/* ---- the file -------------------------------------------------------------------------------------------- */

wk_status wk_c_weights_write(wk_c_program *p, const char *path, wk_error *err) {
  wk_status st = WK_OK;
  sink to = {.fingerprint = 2166136261u};
  uint8_t head[WK_C_HEAD] = {'W', 'K', 'C', '1'};
  WK_FAIL_IF(p->weight_bytes > UINT32_MAX, err, WK_ERR_UNSUPPORTED,
             "the network is too large to be written as plain C");
  for (int i = 0; i < 4; i++)
    head[4 + i] = (uint8_t)(p->weight_bytes >> 8 * i);
  WK_TRY(wk_writer_open(&to.w, path, err));
  WK_TRY(wk_writer_write(to.w, head, sizeof head, err));
  if (p->quant)
    WK_TRY(put(&to, p->quant, (size_t)p->net->layers * sizeof *p->quant, err));
  for (int s = 0; s < p->steps; s++)
    if (p->step[s].weights)
      WK_TRY(p->quant ? put_step_bytes(&to, p, &p->step[s], err) : put_step(&to, p, &p->step[s], err));
  p->fingerprint = to.fingerprint;
  st = wk_writer_commit(to.w, err);
  to.w = NULL;
done:
  if (to.w)
    wk_writer_abort(to.w);
  return st;
}
