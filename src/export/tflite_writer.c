/* tflite_writer.c - TensorFlow Lite, as floats or in whole numbers of 8 bits. Floats take normalised pixels and give
 * probabilities. In 8 bits the input is the photo's own bytes, which a first layer normalises, weights have a step for
 * each output, and the values between layers the ranges that were seen on photos. */
#include <string.h>

#include "export/tflite_layers.h"

/* ---- the steps of 8 bits ---------------------------------------------------------------------------- */

/* Operators that move numbers do not change their steps: what they read and give is one set. */
static bool moves(wk_op op) {
  return op == WK_OP_MAX_POOL || op == WK_OP_AVG_POOL || op == WK_OP_PAD || op == WK_OP_SLICE || op == WK_OP_SHUFFLE ||
         op == WK_OP_FLATTEN || op == WK_OP_CONCAT;
}

static int root_of(const int *set, int i) {
  while (set[i] != i)
    i = set[i];
  return i;
}

/* What pixels from 0 to 255 are once they are normalised. */
static wk_net_range pixel_range(const wk_preprocess *p) {
  wk_net_range r = {0, 0};
  for (int c = 0; c < 3; c++) {
    const float low = -p->mean[c] / p->std[c], high = (255 - p->mean[c]) / p->std[c];
    r.low = low < r.low ? low : r.low;
    r.high = high > r.high ? high : r.high;
  }
  return r;
}

static wk_status choose_steps(wk_tfl *t, const wk_net_range *seen, wk_error *err) {
  const wk_net *n = t->n;
  int *set = wk_net_alloc(t->n, (size_t)n->layers, sizeof *set);
  wk_net_range *range = wk_net_alloc(t->n, (size_t)n->layers, sizeof *range);
  if (!set || !range)
    return wk_export_no_memory(err);
  for (int i = 0; i < n->layers; i++) {
    set[i] = i;
    range[i] = i ? seen[i] : pixel_range(&n->preprocess);
    for (int k = 0; moves(n->layer[i].op) && k < n->layer[i].inputs; k++) {
      const int a = root_of(set, i), b = root_of(set, n->layer[i].in[k]);
      const wk_net_range both = {range[a].low < range[b].low ? range[a].low : range[b].low,
                                 range[a].high > range[b].high ? range[a].high : range[b].high};
      set[a] = b;
      range[b] = both;
    }
  }
  for (int i = 0; i < n->layers; i++)
    t->q[i] = wk_tfl_quant_of(range[root_of(set, i)]);
  return WK_OK;
}

/* ---- input and output --------------------------------------------------------------------------------- */

enum { OPTIONS_DEPTHWISE = 2, OPTIONS_SOFTMAX = 9, PADDING_VALID = 1 };

/* A tensor of bytes. */
static int bytes_value(wk_tfl *t, const char *name, const int32_t *shape, int ndim, float scale, int zero) {
  const int at = wk_tfl_value(t, name, shape, ndim, (wk_tfl_quant){scale, zero});
  if (at >= 0)
    t->f.tensor[at].type = WK_TFLITE_UINT8;
  return at;
}

/* The photo's bytes, moved to signed ones, then normalised channel by channel. */
static void add_small_input(wk_tfl *t) {
  const wk_net_layer *l = &t->n->layer[0];
  const wk_preprocess *p = &t->n->preprocess;
  const int32_t shape[4] = {1, l->to.height, l->to.width, 3};
  float *weight = wk_net_alloc(t->n, 3, 2 * sizeof *weight), *bias = weight + 3;
  int both[2];
  if (!weight) {
    t->f.failed = true;
    return;
  }
  for (int c = 0; c < 3; c++) {
    weight[c] = 1 / p->std[c];
    bias[c] = -p->mean[c] / p->std[c];
  }
  t->f.input = bytes_value(t, "image", shape, 4, 1, 0);
  const int pixels = wk_tfl_value(t, "image.signed", shape, 4, (wk_tfl_quant){1, -128});
  wk_tflite_add_op(&t->f, WK_TFLITE_QUANTIZE, pixels, (const int[]){t->f.input, -1}, 0);
  wk_tfl_weights(t, both, "normalise", weight, (const int32_t[]){1, 1, 1, 3}, 4, 3, bias, 3, 1);
  t->value[0] = wk_tfl_value(t, "pixels", shape, 4, t->q[0]);
  wk_tflite_op *op = wk_tflite_add_op(&t->f, WK_TFLITE_DEPTHWISE_CONV, t->value[0],
                                      (const int[]){pixels, both[0], both[1], -1}, OPTIONS_DEPTHWISE);
  wk_tflite_set(op, 0, 1, PADDING_VALID);
  wk_tflite_set(op, 1, 4, 1);
  wk_tflite_set(op, 2, 4, 1);
  wk_tflite_set(op, 3, 4, 1);
}

static void add_output(wk_tfl *t) {
  const int32_t shape[2] = {1, t->n->classes};
  const int p =
      wk_tfl_value(t, t->small ? "probability.signed" : "probability", shape, 2, (wk_tfl_quant){1.0f / 256, -128});
  wk_tflite_op *op =
      wk_tflite_add_op(&t->f, WK_TFLITE_SOFTMAX, p, (const int[]){t->value[t->n->layers - 1], -1}, OPTIONS_SOFTMAX);
  wk_tflite_set_real(op, 0, 1);
  t->f.output = p;
  if (!t->small)
    return;
  t->f.output = bytes_value(t, "probability", shape, 2, 1.0f / 256, 0);
  wk_tflite_add_op(&t->f, WK_TFLITE_QUANTIZE, t->f.output, (const int[]){p, -1}, 0);
}

/* ---- the file ------------------------------------------------------------------------------------------- */

static wk_status write_file(const wk_export_job *job, const wk_tfl *t, wk_error *err) {
  wk_status st = WK_OK;
  wk_writer *w = NULL;
  uint64_t bytes = 0;
  WK_TRY(wk_writer_open(&w, job->path, err));
  WK_TRY(wk_tflite_write(&bytes, &t->f, w, err));
  WK_TRY(wk_tflite_associated(w, bytes, job->net, t->small, err));
  st = wk_writer_commit(w, err);
  w = NULL;
done:
  wk_writer_abort(w);
  return st;
}

wk_status wk_export_tflite(const wk_export_job *job, wk_error *err) {
  wk_status st = WK_OK;
  wk_net *n = job->net;
  wk_tfl t = {.f = {.net = n}, .n = n, .small = job->range != NULL};
  uint8_t *metadata = NULL;
  t.q = wk_net_alloc(n, (size_t)n->layers, sizeof *t.q);
  t.value = wk_net_alloc(n, (size_t)n->layers, sizeof *t.value);
  WK_FAIL_IF(!t.q || !t.value, err, WK_ERR_MEMORY, "out of memory for an export");
  memset(t.q, 0, (size_t)n->layers * sizeof *t.q);
  if (t.small) {
    WK_TRY(choose_steps(&t, job->range, err));
    add_small_input(&t);
  } else {
    t.f.input = t.value[0] = wk_tfl_layer_value(&t, "pixels", &n->layer[0], t.q[0]);
  }
  for (int i = 1; i < n->layers; i++)
    WK_TRY(wk_tfl_layer(&t, i, err));
  add_output(&t);
  WK_TRY(wk_tflite_metadata(&metadata, &t.f.metadata_bytes, n, t.small, err));
  t.f.metadata = metadata;
  WK_FAIL_IF(t.f.failed, err, WK_ERR_MEMORY, "out of memory for an export");
  WK_TRY(write_file(job, &t, err));
done:
  wk_free(metadata);
  wk_tflite_free(&t.f);
  return st;
}
