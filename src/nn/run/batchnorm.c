/* batchnorm.c - batch norm over a whole batch: each micro-batch sums its own photos, the micro-batches meet and the
 * sums are put together, and each goes on with the same numbers (Ioffe and Szegedy, "Batch normalization", ICML 2015).
 */
#include "nn/run/batchnorm.h"

#include <math.h>
#include <string.h>

#include "nn/kernels/f32/elementwise.h"
#include "nn/kernels/f32/elementwise_grad.h"

static void (*const sums[])(double *, const float *, const float *, const float *, size_t,
                            int) = WK_ISA_TABLE(wk_channel_sums);

/* Where micro-batch `index` leaves its two numbers a channel. */
static double *part_of(const wk_norm_data *n, int index) { return n->part + 2 * (size_t)n->channels * (size_t)index; }

/* ---- in the micro_batches ---------------------------------------------------------------------------------- */

/* Mean and sum of squared differences from it. */
wk_status wk_run_norm_stats(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  const wk_norm_data *n = &wk_trainer_of(s)->norm[in->index];
  wk_isa isa = s->tape->plan->isa;
  size_t c = (size_t)n->channels, pixels = wk_tape_exec_count(s, in->x) / c;
  const float *x = wk_tape_exec_value(s, in->x);
  double *part = part_of(n, s->index);
  float *mean = wk_alloc_array(c, sizeof *mean);
  if (!mean)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for layer '%s'", wk_tape_exec_op(in, s)->layer.name);
  sums[isa](part, x, NULL, NULL, pixels, n->channels);
  for (size_t i = 0; i < c; i++)
    mean[i] = (float)(part[i] / (double)pixels);
  /* sum (x - m)^2 = sum x (x - m) - m sum (x - m), for any m near the mean; the second part is small */
  sums[isa](part + c, x, x, mean, pixels, n->channels);
  for (size_t i = 0; i < c; i++) {
    double m = (double)mean[i], exact = part[i] / (double)pixels;
    part[c + i] -= m * (part[i] - m * (double)pixels) + (exact - m) * (exact - m) * (double)pixels;
    part[i] = exact;
  }
  wk_free(mean);
  return WK_OK;
}

wk_status wk_run_norm_apply(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  static void (*const affine[])(float *, const float *, const float *, const float *, size_t, int, wk_act) =
      WK_ISA_TABLE(wk_affine);
  (void)err;
  const wk_norm_data *n = &wk_trainer_of(s)->norm[in->index];
  const wk_plan_op *op = wk_tape_exec_op(in, s);
  affine[s->tape->plan->isa](wk_tape_exec_value(s, op->out), wk_tape_exec_value(s, in->x), n->scale, n->shift,
                             wk_tape_exec_count(s, in->x) / (size_t)n->channels, n->channels, op->layer.act);
  return WK_OK;
}

/* Sums of dy (x - mean) and of dy. */
wk_status wk_run_norm_sums(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)err;
  const wk_norm_data *n = &wk_trainer_of(s)->norm[in->index];
  wk_isa isa = s->tape->plan->isa;
  size_t c = (size_t)n->channels, pixels = wk_tape_exec_count(s, in->x) / c;
  const float *x = wk_tape_exec_value(s, in->x), *dy = wk_tape_exec_value(s, in->dy);
  double *part = part_of(n, s->index);
  sums[isa](part, dy, x, n->shift_mean, pixels, n->channels);
  sums[isa](part + c, dy, NULL, NULL, pixels, n->channels);
  return WK_OK;
}

wk_status wk_run_norm_back(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  static void (*const rows[])(float *, const float *, const float *, const float *, const float *, const float *,
                              const float *, size_t, int, bool) = WK_ISA_TABLE(wk_batchnorm_grad);
  (void)err;
  const wk_norm_data *n = &wk_trainer_of(s)->norm[in->index];
  rows[s->tape->plan->isa](wk_tape_exec_value(s, in->dx), wk_tape_exec_value(s, in->dy), wk_tape_exec_value(s, in->x),
                           n->shift_mean, n->k, n->mean_dy, n->slope,
                           wk_tape_exec_count(s, in->x) / (size_t)n->channels, n->channels, in->accumulate);
  return WK_OK;
}

wk_status wk_run_nothing(const wk_instr *in, wk_tape_exec *s, wk_error *err) {
  (void)in, (void)s, (void)err;
  return WK_OK;
}

/* ---- where they meet ---------------------------------------------------------------------------------- */

static size_t photos_of(const wk_trainer *t, int micro_batch) {
  int left = t->count - micro_batch * t->o.micro_batch;
  return (size_t)(left < t->o.micro_batch ? left : t->o.micro_batch);
}

static void meet_forward(wk_trainer *t, const wk_plan_op *s, wk_norm_data *n, int micro_batches) {
  const wk_node_def *node = &t->graph->node[s->head];
  const float *gamma = t->param[node->first_param], *beta = t->param[node->first_param + 1];
  size_t c = (size_t)n->channels, pixels = (size_t)s->layer.in.height * (size_t)s->layer.in.width;
  for (size_t i = 0; i < c; i++) {
    double count = 0, mean = 0, squares = 0; /* Chan, Golub and LeVeque's rule for joining two parts */
    for (int k = 0; k < micro_batches; k++) {
      double more = (double)(photos_of(t, k) * pixels), delta = part_of(n, k)[i] - mean;
      squares += part_of(n, k)[c + i] + delta * delta * count * more / (count + more);
      mean += delta * more / (count + more);
      count += more;
    }
    n->mean[i] = mean;
    n->variance[i] = squares / count > 0 ? squares / count : 0;
    double scale = (double)gamma[i] / sqrt(n->variance[i] + (double)node->eps);
    n->scale[i] = (float)scale;
    n->shift[i] = (float)((double)beta[i] - mean * scale);
    n->shift_mean[i] = (float)mean;
  }
}

static void meet_backward(wk_trainer *t, const wk_plan_op *s, wk_norm_data *n, int micro_batches) {
  const wk_node_def *node = &t->graph->node[s->head];
  const float *gamma = t->param[node->first_param];
  int slot[2] = {t->slot_of[node->first_param], t->slot_of[node->first_param + 1]};
  size_t c = (size_t)n->channels;
  double pixels = (double)t->count * s->layer.in.height * s->layer.in.width;
  for (size_t i = 0; i < c; i++) {
    double product = 0, sum = 0;
    for (int k = 0; k < micro_batches; k++) {
      product += part_of(n, k)[i];
      sum += part_of(n, k)[c + i];
    }
    double inverse = 1.0 / sqrt(n->variance[i] + (double)node->eps);
    n->k[i] = (float)((double)gamma[i] * inverse);
    n->mean_dy[i] = (float)(sum / pixels);
    n->slope[i] = (float)(product / pixels * inverse * inverse);
    if (t->input_gradient)
      continue;
    if (slot[0] >= 0)
      t->gradient[t->slot[slot[0]].offset + i] = (float)(product * inverse);
    if (slot[1] >= 0)
      t->gradient[t->slot[slot[1]].offset + i] = (float)sum;
  }
}

void wk_trainer_meet(wk_trainer *t, int instr, int micro_batches) {
  const wk_tape *p = t->tape;
  const wk_instr *in = &p->instr[instr];
  const wk_plan_op *s = &p->plan->op[in->op];
  if (instr < p->loss)
    meet_forward(t, s, &t->norm[in->index], micro_batches);
  else
    meet_backward(t, s, &t->norm[in->index], micro_batches);
}

/* PyTorch keeps the variance that a sample estimates: divided by n - 1. */
void wk_trainer_move_stats(wk_trainer *t) {
  const wk_tape *p = t->tape;
  double m = (double)t->o.norm_momentum;
  for (int k = 0; k < p->norms; k++) {
    const wk_node_def *node = &t->graph->node[p->norm[k]];
    const wk_norm_data *n = &t->norm[k];
    float *mean = (float *)t->param[node->first_param + 2], *variance = (float *)t->param[node->first_param + 3];
    int op = 0;
    while (p->plan->op[op].head != p->norm[k])
      op++;
    wk_shape s = p->plan->op[op].layer.in;
    double count = (double)t->count * s.height * s.width, unbiased = count > 1 ? count / (count - 1) : 1;
    for (int i = 0; i < n->channels; i++) {
      mean[i] = (float)((1 - m) * (double)mean[i] + m * n->mean[i]);
      variance[i] = (float)((1 - m) * (double)variance[i] + m * n->variance[i] * unbiased);
    }
  }
}
