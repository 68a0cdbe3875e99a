/* reduce.c - see reduce.h: the same bits whichever micro-batch is done first. */
#include "nn/run/reduce.h"

static size_t places(int most) { return 2 * (size_t)most + 64; }

wk_status wk_tree_sum_init(wk_tree_sum *s, size_t floats, int most, wk_error *err) {
  *s = (wk_tree_sum){.floats = floats, .most = most};
  s->made = pthread_mutex_init(&s->lock, NULL) == 0;
  s->waiting = wk_calloc(places(most), sizeof *s->waiting);
  s->spare = wk_alloc_array(places(most), sizeof *s->spare);
  return s->made && s->waiting && s->spare ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for training");
}

float *wk_tree_sum_take(wk_tree_sum *s) {
  float *buffer = NULL;
  pthread_mutex_lock(&s->lock);
  if (s->spares)
    buffer = s->spare[--s->spares];
  pthread_mutex_unlock(&s->lock);
  return buffer ? buffer : wk_alloc_array(s->floats, sizeof *buffer);
}

static void spare(wk_tree_sum *s, float *buffer) { s->spare[s->spares++] = buffer; }

/* Places of a level lie behind those of the levels below. */
static size_t place(int level, int position, int count) {
  size_t at = 0;
  for (int k = 0, n = count; k < level; k++, n = (n + 1) / 2)
    at += (size_t)n;
  return at + (size_t)position;
}

void wk_tree_sum_give(wk_tree_sum *s, float *part, int index, int count) {
  int width = count, position = index;
  for (int level = 0; width > 1; level++, position /= 2, width = (width + 1) / 2) {
    int partner = position ^ 1;
    if (partner >= width)
      continue; /* the odd one out goes up alone */
    pthread_mutex_lock(&s->lock);
    float **waiting = &s->waiting[place(level, partner, count)], *other = *waiting;
    if (other)
      *waiting = NULL;
    else
      s->waiting[place(level, position, count)] = part;
    pthread_mutex_unlock(&s->lock);
    if (!other)
      return;
    float *left = position < partner ? part : other, *right = position < partner ? other : part;
    for (size_t i = 0; i < s->floats; i++)
      left[i] += right[i];
    pthread_mutex_lock(&s->lock);
    spare(s, right);
    pthread_mutex_unlock(&s->lock);
    part = left;
  }
  s->total = part;
}

/* A step that failed may have left parts waiting. */
void wk_tree_sum_reset(wk_tree_sum *s) {
  for (size_t i = 0; s->waiting && i < places(s->most); i++) {
    if (s->waiting[i])
      spare(s, s->waiting[i]);
    s->waiting[i] = NULL;
  }
  if (s->total)
    spare(s, s->total);
  s->total = NULL;
}

void wk_tree_sum_free(wk_tree_sum *s) {
  if (s->spare)
    wk_tree_sum_reset(s);
  for (int i = 0; i < s->spares; i++)
    wk_free(s->spare[i]);
  wk_free(s->waiting);
  wk_free(s->spare);
  if (s->made)
    pthread_mutex_destroy(&s->lock);
}

double wk_tree_sum_doubles(const double *part, int count) {
  if (count <= 2)
    return count == 2 ? part[0] + part[1] : count ? part[0] : 0.0;
  int half = 1;
  while (2 * half < count)
    half *= 2;
  return wk_tree_sum_doubles(part, half) + wk_tree_sum_doubles(part + half, count - half);
}
