/* validation.c - how good the network is by now: the tail's scores on photos it does not train on, without dropout and
 * with the statistics of batch norm that prediction will use. */
#include <math.h>
#include <string.h>

#include "base/softmax.h"
#include "train/finetune/finetune_parts.h"
#include "train/metrics/temperature_scaling.h"

#define BATCH 8

typedef struct scoring {
  const wk_finetune_input *in;
  const wk_context *ctx;
  wk_plan *plan;
  wk_exec **exec; /* [threads], made by the worker that first needs it */
  float **batch;  /* [threads] */
  float *out;
  size_t columns;
  uint64_t epoch;
} scoring;

static wk_status score_job(void *user, size_t index, int worker, wk_error *err) {
  scoring *s = user;
  const wk_finetune_input *in = s->in;
  size_t first = index * BATCH, n = in->rows - first < BATCH ? in->rows - first : BATCH;
  if (!s->batch[worker])
    s->batch[worker] = wk_alloc_array(BATCH, in->columns * sizeof(float));
  if (!s->batch[worker])
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %d photos of %zu values", BATCH, in->columns);
  if (!s->exec[worker])
    WK_RETURN_IF_ERROR(wk_exec_create(&s->exec[worker], s->plan, err));
  uint32_t photo[BATCH];
  for (size_t i = 0; i < n; i++)
    photo[i] = (uint32_t)(first + i);
  wk_context alone;
  wk_context_init(&alone);
  alone.threads = 1;
  WK_RETURN_IF_ERROR(wk_finetune_input_gather(s->batch[worker], in, photo, (int)n, s->epoch, &alone, err));
  WK_RETURN_IF_ERROR(wk_exec_run(s->exec[worker], s->batch[worker], (int)n, err));
  memcpy(s->out + first * s->columns, wk_exec_output(s->exec[worker], 0), n * s->columns * sizeof *s->out);
  return WK_OK;
}

wk_status wk_finetune_outputs(float *out, const wk_graph *tail, wk_node at, size_t columns, const wk_tensors *weights,
                              const wk_finetune_input *in, uint64_t epoch, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  int threads = wk_context_threads(ctx);
  scoring s = {.in = in, .ctx = ctx, .out = out, .columns = columns, .epoch = epoch};
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.batch = BATCH;
  o.output = &at;
  o.outputs = 1;
  WK_TRY(wk_plan_create(&s.plan, tail, weights, &o, err));
  s.exec = wk_calloc((size_t)threads, sizeof(wk_exec *));
  s.batch = wk_calloc((size_t)threads, sizeof(float *));
  WK_FAIL_IF(!s.exec || !s.batch, err, WK_ERR_MEMORY, "out of memory for %d threads", threads);
  WK_TRY(wk_parallel(ctx, threads, (in->rows + BATCH - 1) / BATCH, score_job, &s, err));
done:
  for (int i = 0; i < threads; i++) {
    if (s.exec)
      wk_exec_free(s.exec[i]);
    if (s.batch)
      wk_free(s.batch[i]);
  }
  wk_free(s.exec);
  wk_free(s.batch);
  wk_plan_free(s.plan);
  return st;
}

wk_status wk_finetune_scores(float *score, const wk_graph *tail, const wk_tensors *weights, const wk_finetune_input *in,
                             int classes, const wk_context *ctx, wk_error *err) {
  return wk_finetune_outputs(score, tail, wk_graph_logits(tail), (size_t)classes, weights, in, 0, ctx, err);
}

wk_status wk_finetune_judge(double *loss, double *top1, double *temperature, const float *score, const int *label,
                            size_t rows, int classes, wk_error *err) {
  size_t k = (size_t)classes, right = 0;
  double *wide = wk_alloc_array(rows, k * sizeof *wide);
  if (!wide)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for the scores of %zu photos", rows);
  bool finite = true;
  for (size_t r = 0; r < rows; r++) {
    for (size_t c = 0; c < k; c++) {
      wide[r * k + c] = (double)score[r * k + c];
      finite &= isfinite(wide[r * k + c]) != 0;
    }
    right += wk_best_class_wide(wide + r * k, (int)k) == label[r];
  }
  *temperature = 1;
  *loss = INFINITY; /* worse than anything */
  if (finite)
    wk_temperature_fit(temperature, loss, wide, label, NULL, rows, classes);
  *top1 = (double)right / (double)rows;
  wk_free(wide);
  return WK_OK;
}

void wk_finetune_probabilities(float *score, size_t rows, int classes, double temperature) {
  for (size_t r = 0; r < rows; r++) {
    float *s = score + r * (size_t)classes;
    wk_scores_softmax(s, s, classes, temperature);
  }
}
