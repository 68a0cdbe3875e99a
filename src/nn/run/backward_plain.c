/* backward_plain.c - gradients of the layers of plain_ops.c: dx from dy and what the layer read. */
#include "nn/run/backward_plain.h"

#include <math.h>
#include <string.h>

#include "nn/ops/plain_ops.h"

typedef struct back {
  const wk_layer *l;
  const float *x, *dy;
  float *dx;
  size_t count; /* photos */
  bool accumulate;
} back;

static size_t values(wk_shape s) { return (size_t)s.height * (size_t)s.width * (size_t)s.channels; }

static void put(const back *b, size_t at, float v) { b->dx[at] = b->accumulate ? b->dx[at] + v : v; }

static void clear(const back *b) {
  if (!b->accumulate)
    memset(b->dx, 0, values(b->l->in) * b->count * sizeof *b->dx);
}

static void back_multiply(const back *b) { /* x is the other factor */
  for (size_t i = 0; i < values(b->l->in) * b->count; i++)
    put(b, i, b->dy[i] * b->x[i]);
}

static float slope(float x, wk_op op, float alpha) {
  float t;
  switch (op) {
  case WK_OP_LEAKY_RELU:
    return x > 0 ? 1 : alpha;
  case WK_OP_ELU:
    return x > 0 ? 1 : alpha * expf(x);
  default:
    t = tanhf(x);
    return 1 - t * t;
  }
}

static void back_curve(const back *b) {
  for (size_t i = 0; i < values(b->l->in) * b->count; i++)
    put(b, i, b->dy[i] * slope(b->x[i], b->l->op, b->l->extra.alpha));
}

/* Straight through (Bengio, Leonard, Courville: "Estimating or propagating gradients through stochastic neurons",
 * 2013), but for what was cut off. */
static void back_round(const back *b) {
  const wk_extra *e = &b->l->extra;
  const float least = e->alpha * ((float)e->first - 0.5f), most = e->alpha * ((float)e->count + 0.5f);
  for (size_t i = 0; i < values(b->l->in) * b->count; i++)
    put(b, i, b->x[i] >= least && b->x[i] <= most ? b->dy[i] : 0);
}

static void back_pad(const back *b) {
  const wk_shape in = b->l->in, out = b->l->out;
  for (size_t photo = 0; photo < b->count; photo++)
    for (int y = 0; y < in.height; y++)
      for (int x = 0; x < in.width; x++) {
        const float *dy =
            b->dy + photo * values(out) +
            ((size_t)(y + b->l->window.pad_top) * (size_t)out.width + (size_t)(x + b->l->window.pad_left)) *
                (size_t)out.channels +
            b->l->extra.first;
        const size_t at = photo * values(in) + ((size_t)y * (size_t)in.width + (size_t)x) * (size_t)in.channels;
        for (int c = 0; c < in.channels; c++)
          put(b, at + (size_t)c, dy[c]);
      }
}

static void back_slice(const back *b) {
  const size_t from = (size_t)b->l->in.channels, to = (size_t)b->l->out.channels;
  clear(b);
  for (size_t p = 0; p < values(b->l->in) / from * b->count; p++)
    for (size_t c = 0; c < to; c++)
      b->dx[p * from + (size_t)b->l->extra.first + c] += b->dy[p * to + c];
}

static void back_shuffle(const back *b) {
  const size_t channels = (size_t)b->l->in.channels, groups = (size_t)b->l->groups, each = channels / groups;
  for (size_t p = 0; p < values(b->l->in) / channels * b->count; p++)
    for (size_t g = 0; g < groups; g++)
      for (size_t i = 0; i < each; i++)
        put(b, p * channels + g * each + i, b->dy[p * channels + i * groups + g]);
}

/* With S the sums: dx_i = dy_i S_i^-beta - 2 alpha beta / count x_i (sum over the c that see i of dy_c x_c
 * S_c^(-beta-1)). */
static wk_status back_lrn(const back *b, wk_error *err) {
  const wk_extra *e = &b->l->extra;
  const int channels = b->l->in.channels, before = (e->count - 1) / 2, behind = e->count / 2;
  double *sum = wk_alloc_array(2 * (size_t)channels, sizeof *sum), *term = sum ? sum + channels : NULL;
  if (!sum)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", b->l->name);
  for (size_t p = 0; p < values(b->l->in) / (size_t)channels * b->count; p++) {
    const float *x = b->x + p * (size_t)channels, *dy = b->dy + p * (size_t)channels;
    for (int c = 0; c < channels; c++) {
      sum[c] = wk_lrn_sum(x, channels, e, c);
      term[c] = (double)dy[c] * (double)x[c] * pow(sum[c], -(double)e->beta - 1);
    }
    for (int i = 0; i < channels; i++) {
      const int first = i - behind < 0 ? 0 : i - behind, last = i + before >= channels ? channels - 1 : i + before;
      double all = 0;
      for (int c = first; c <= last; c++)
        all += term[c];
      const double own = (double)dy[i] * pow(sum[i], -(double)e->beta);
      put(b, p * (size_t)channels + (size_t)i,
          (float)(own - 2 * (double)e->alpha * (double)e->beta / e->count * (double)x[i] * all));
    }
  }
  wk_free(sum);
  return WK_OK;
}

wk_status wk_run_plain_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  const back b = {.l = &s->tape->plan->op[in->op].layer,
                  .x = wk_tape_exec_value(s, in->x),
                  .dy = wk_tape_exec_value(s, in->dy),
                  .dx = wk_tape_exec_value(s, in->dx),
                  .count = (size_t)s->count,
                  .accumulate = in->accumulate};
  switch (b.l->op) {
  case WK_OP_MULTIPLY:
    back_multiply(&b);
    break;
  case WK_OP_PAD:
    back_pad(&b);
    break;
  case WK_OP_SLICE:
    back_slice(&b);
    break;
  case WK_OP_SHUFFLE:
    back_shuffle(&b);
    break;
  case WK_OP_ROUND:
    back_round(&b);
    break;
  case WK_OP_LRN:
    return back_lrn(&b, err);
  default:
    back_curve(&b);
    break;
  }
  return WK_OK;
}
