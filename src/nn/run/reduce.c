/* reduce.c - sums over micro-batches as one fixed binary tree: the same bits whichever micro-batch is done first. */
#include "nn/run/trainer.h"

float *wk_sum_take(wk_trainer *t, wk_sum *sum) {
  float *buffer = NULL;
  pthread_mutex_lock(&t->lock);
  if (sum->spares)
    buffer = sum->spare[--sum->spares];
  pthread_mutex_unlock(&t->lock);
  return buffer ? buffer : wk_alloc_array(sum->floats, sizeof *buffer);
}

static void spare(wk_sum *sum, float *buffer) { sum->spare[sum->spares++] = buffer; }

/* Places of a level lie behind those of the levels below. */
static size_t place(int level, int position, int micro_batches) {
  size_t at = 0;
  for (int k = 0, n = micro_batches; k < level; k++, n = (n + 1) / 2)
    at += (size_t)n;
  return at + (size_t)position;
}

void wk_sum_give(wk_trainer *t, wk_sum *sum, float *part, int micro_batch, int micro_batches) {
  int width = micro_batches, position = micro_batch;
  for (int level = 0; width > 1; level++, position /= 2, width = (width + 1) / 2) {
    int partner = position ^ 1;
    if (partner >= width)
      continue; /* the odd one out goes up alone */
    pthread_mutex_lock(&t->lock);
    float **waiting = &sum->waiting[place(level, partner, micro_batches)], *other = *waiting;
    if (other)
      *waiting = NULL;
    else
      sum->waiting[place(level, position, micro_batches)] = part;
    pthread_mutex_unlock(&t->lock);
    if (!other)
      return;
    float *left = position < partner ? part : other, *right = position < partner ? other : part;
    for (size_t i = 0; i < sum->floats; i++)
      left[i] += right[i];
    pthread_mutex_lock(&t->lock);
    spare(sum, right);
    pthread_mutex_unlock(&t->lock);
    part = left;
  }
  sum->total = part;
}

/* A step that failed may have left parts waiting. */
void wk_sum_reset(wk_sum *sum, int micro_batches) {
  for (size_t i = 0; sum->waiting && i < WK_SUM_PLACES(micro_batches); i++) {
    if (sum->waiting[i])
      spare(sum, sum->waiting[i]);
    sum->waiting[i] = NULL;
  }
  if (sum->total)
    spare(sum, sum->total);
  sum->total = NULL;
}

void wk_sum_free(wk_sum *sum, int micro_batches) {
  if (sum->spare)
    wk_sum_reset(sum, micro_batches);
  for (int i = 0; i < sum->spares; i++)
    wk_free(sum->spare[i]);
  wk_free(sum->waiting);
  wk_free(sum->spare);
}

double wk_tree_sum(const double *part, int count) {
  if (count <= 2)
    return count == 2 ? part[0] + part[1] : count ? part[0] : 0.0;
  int half = 1;
  while (2 * half < count)
    half *= 2;
  return wk_tree_sum(part, half) + wk_tree_sum(part + half, count - half);
}
