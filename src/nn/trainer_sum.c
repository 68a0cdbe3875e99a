/* trainer_sum.c - sums over shards as one fixed binary tree: the same bits whichever shard is done first. */
#include "nn/trainer.h"

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
static size_t place(int level, int position, int shards) {
  size_t at = 0;
  for (int k = 0, n = shards; k < level; k++, n = (n + 1) / 2)
    at += (size_t)n;
  return at + (size_t)position;
}

void wk_sum_give(wk_trainer *t, wk_sum *sum, float *part, int shard, int shards) {
  int width = shards, position = shard;
  for (int level = 0; width > 1; level++, position /= 2, width = (width + 1) / 2) {
    int partner = position ^ 1;
    if (partner >= width)
      continue; /* the odd one out goes up alone */
    pthread_mutex_lock(&t->lock);
    float **waiting = &sum->waiting[place(level, partner, shards)], *other = *waiting;
    if (other)
      *waiting = NULL;
    else
      sum->waiting[place(level, position, shards)] = part;
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
void wk_sum_reset(wk_sum *sum, int shards) {
  for (size_t i = 0; sum->waiting && i < WK_SUM_PLACES(shards); i++) {
    if (sum->waiting[i])
      spare(sum, sum->waiting[i]);
    sum->waiting[i] = NULL;
  }
  if (sum->total)
    spare(sum, sum->total);
  sum->total = NULL;
}

void wk_sum_free(wk_sum *sum, int shards) {
  if (sum->spare)
    wk_sum_reset(sum, shards);
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
