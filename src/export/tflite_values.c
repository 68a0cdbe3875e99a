/* tflite_values.c - the tensors of a TensorFlow Lite file: what layers give, and constants, as floats or as 8 bits. */
#include <math.h>
#include <string.h>

#include "export/tflite_layers.h"

char *wk_tfl_name(wk_tfl *t, const char *layer, const char *suffix) {
  const size_t n = strlen(layer), m = strlen(suffix);
  char *name = wk_net_alloc(t->n, n + m + 1, 1);
  if (!name) {
    t->f.failed = true;
    return t->none;
  }
  memcpy(name, layer, n);
  memcpy(name + n, suffix, m + 1);
  return name;
}

static void *copy_of(wk_tfl *t, const void *data, size_t bytes) {
  void *copy = wk_net_alloc(t->n, bytes, 1);
  if (copy)
    memcpy(copy, data, bytes);
  else
    t->f.failed = true;
  return copy;
}

/* The step and the zero of 8 bits that hold `r`, and 0 exactly. */
wk_tfl_quant wk_tfl_quant_of(wk_net_range r) {
  const double low = fmin((double)r.low, 0), high = fmax((double)r.high, 0);
  const double scale = high - low > 1e-12 ? (high - low) / 255 : 1.0 / 255;
  return (wk_tfl_quant){(float)scale, (int)fmin(fmax(lround(-128 - low / scale), -128), 127)};
}

int wk_tfl_value(wk_tfl *t, const char *name, const int32_t *shape, int ndim, wk_tfl_quant q) {
  wk_tflite_tensor v = {.name = name, .type = t->small ? WK_TFLITE_INT8 : WK_TFLITE_FLOAT32, .ndim = ndim};
  memcpy(v.shape, shape, (size_t)ndim * sizeof *shape);
  if (t->small) {
    v.scale = copy_of(t, &q.scale, sizeof q.scale);
    v.zero = copy_of(t, &(int64_t){q.zero}, sizeof(int64_t));
    v.scales = 1;
  }
  return wk_tflite_add_tensor(&t->f, &v);
}

int wk_tfl_layer_value(wk_tfl *t, const char *name, const wk_net_layer *l, wk_tfl_quant q) {
  const int32_t picture[4] = {1, l->to.height, l->to.width, l->to.channels}, flat[2] = {1, l->to.channels};
  return wk_tfl_value(t, name, l->flat ? flat : picture, l->flat ? 2 : 4, q);
}

int wk_tfl_ints(wk_tfl *t, const char *layer, const char *suffix, const int32_t *value, int count, int rows) {
  wk_tflite_tensor v = {.name = wk_tfl_name(t, layer, suffix),
                        .type = WK_TFLITE_INT32,
                        .ndim = rows ? 2 : 1,
                        .shape = {rows ? rows : count, 2},
                        .data = copy_of(t, value, (size_t)count * sizeof *value),
                        .bytes = (size_t)count * sizeof *value};
  return wk_tflite_add_tensor(&t->f, &v);
}

/* A list of floats, or one number; of 8 bits where the network is. */
int wk_tfl_floats(wk_tfl *t, const char *layer, const char *suffix, const float *value, int count, bool scalar) {
  wk_tflite_tensor v = {.name = wk_tfl_name(t, layer, suffix),
                        .type = WK_TFLITE_FLOAT32,
                        .ndim = scalar ? 0 : 1,
                        .shape = {count},
                        .bytes = (size_t)count * sizeof *value};
  if (!t->small) {
    v.data = copy_of(t, value, v.bytes);
    return wk_tflite_add_tensor(&t->f, &v);
  }
  wk_net_range r = {0, 0};
  for (int i = 0; i < count; i++) {
    r.low = fminf(r.low, value[i]);
    r.high = fmaxf(r.high, value[i]);
  }
  const wk_tfl_quant q = wk_tfl_quant_of(r);
  int8_t *bytes = wk_net_alloc(t->n, (size_t)count, 1);
  for (int i = 0; bytes && i < count; i++)
    bytes[i] = (int8_t)fmin(fmax(lround((double)value[i] / (double)q.scale) + q.zero, -128), 127);
  t->f.failed |= !bytes;
  v.type = WK_TFLITE_INT8;
  v.data = bytes;
  v.bytes = (size_t)count;
  v.scale = copy_of(t, &q.scale, sizeof q.scale);
  v.zero = copy_of(t, &(int64_t){q.zero}, sizeof(int64_t));
  v.scales = 1;
  return wk_tflite_add_tensor(&t->f, &v);
}

/* ---- weights ------------------------------------------------------------------------------------------ */

static int float_weight(wk_tfl *t, const char *name, const float *value, size_t count, const int32_t *shape, int ndim) {
  wk_tflite_tensor v = {.name = name, .ndim = ndim, .data = value, .bytes = count * sizeof *value};
  memcpy(v.shape, shape, (size_t)ndim * sizeof *shape);
  return wk_tflite_add_tensor(&t->f, &v);
}

/* Where in `shape` along `axis` number i lies; 0 where all are in one. */
static size_t slice_of(size_t i, const int32_t *shape, int ndim, int axis) {
  size_t inner = 1;
  for (int k = axis + 1; k < ndim; k++)
    inner *= (size_t)shape[k];
  return i / inner % (size_t)shape[axis];
}

/* As int8 around 0, a step for each slice along `axis` (-1: one for all), at least the one that scale[] comes with. */
static int small_weight(wk_tfl *t, const char *name, const float *value, size_t count, const int32_t *shape, int ndim,
                        int axis, float *scale, int scales) {
  int8_t *bytes = wk_net_alloc(t->n, count, 1);
  int64_t *zero = wk_net_alloc(t->n, (size_t)scales, sizeof *zero);
  if (!bytes || !zero) {
    t->f.failed = true;
    return -1;
  }
  memset(zero, 0, (size_t)scales * sizeof *zero);
  for (size_t i = 0; i < count; i++) {
    float *s = &scale[axis < 0 ? 0 : slice_of(i, shape, ndim, axis)];
    *s = fmaxf(*s, fabsf(value[i]) / 127);
  }
  for (size_t i = 0; i < count; i++)
    bytes[i] = (int8_t)lround((double)value[i] / (double)scale[axis < 0 ? 0 : slice_of(i, shape, ndim, axis)]);
  wk_tflite_tensor v = {.name = name,
                        .type = WK_TFLITE_INT8,
                        .ndim = ndim,
                        .data = bytes,
                        .bytes = count,
                        .scale = scale,
                        .zero = zero,
                        .scales = scales,
                        .axis = axis < 0 ? 0 : axis};
  memcpy(v.shape, shape, (size_t)ndim * sizeof *shape);
  return wk_tflite_add_tensor(&t->f, &v);
}

/* In steps of the input's times the weight's, so that sums can begin with it. */
static int small_bias(wk_tfl *t, const char *name, const float *value, int count, float in, const float *scale,
                      int scales) {
  int32_t *whole = wk_net_alloc(t->n, (size_t)count, sizeof *whole);
  float *step = wk_net_alloc(t->n, (size_t)scales, sizeof *step);
  int64_t *zero = wk_net_alloc(t->n, (size_t)scales, sizeof *zero);
  if (!whole || !step || !zero) {
    t->f.failed = true;
    return -1;
  }
  memset(zero, 0, (size_t)scales * sizeof *zero);
  for (int i = 0; i < scales; i++)
    step[i] = in * scale[i];
  for (int i = 0; i < count; i++)
    whole[i] =
        (int32_t)fmin(fmax(round((double)value[i] / (double)step[scales > 1 ? i : 0]), -2147483647.0), 2147483647.0);
  const wk_tflite_tensor v = {.name = name,
                              .type = WK_TFLITE_INT32,
                              .ndim = 1,
                              .shape = {count},
                              .data = whole,
                              .bytes = (size_t)count * sizeof *whole,
                              .scale = step,
                              .zero = zero,
                              .scales = scales};
  return wk_tflite_add_tensor(&t->f, &v);
}

void wk_tfl_weights(wk_tfl *t, int out[2], const char *layer, const float *weight, const int32_t *shape, int ndim,
                    int axis, const float *bias, int outputs, float in) {
  size_t count = 1;
  for (int i = 0; i < ndim; i++)
    count *= (size_t)shape[i];
  const char *weight_name = wk_tfl_name(t, layer, ".weight"), *bias_name = wk_tfl_name(t, layer, ".bias");
  if (!t->small) {
    out[0] = float_weight(t, weight_name, weight, count, shape, ndim);
    out[1] = float_weight(t, bias_name, bias, (size_t)outputs, &(int32_t){outputs}, 1);
    return;
  }
  const int scales = axis < 0 ? 1 : outputs;
  float *scale = wk_net_alloc(t->n, (size_t)scales, sizeof *scale);
  out[0] = out[1] = -1;
  if (!scale) {
    t->f.failed = true;
    return;
  }
  /* Channels whose weights are next to nothing live on their bias, which must fit into 32 bits of these steps. */
  for (int i = 0; i < scales; i++)
    scale[i] = 1e-12f;
  for (int i = 0; i < outputs; i++) {
    float *s = &scale[scales > 1 ? i : 0];
    *s = fmaxf(*s, fabsf(bias[i]) / in / (float)(1 << 30));
  }
  out[0] = small_weight(t, weight_name, weight, count, shape, ndim, axis, scale, scales);
  out[1] = small_bias(t, bias_name, bias, outputs, in, scale, scales);
}
