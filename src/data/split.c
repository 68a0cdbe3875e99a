/* split.c - which photos are held out. One shuffle a class, each from a random stream of its own, so adding photos to
 * one class does not move those of another. Copies of one photo stay together. */
#include <math.h>

#include "base/base.h"
#include "whisker/data.h"

#define SPLIT_STREAM 0x73706c6974000000u /* "split" */

/* Copies of one photo are a chain: next[i] is the next of i's group, or UINT32_MAX. */
typedef struct split {
  bool *held_out;
  const int *label;
  uint32_t *first, *next; /* [photos]; NULL: no photo has a copy */
  size_t *total, *held;   /* [classes] */
} split;

static wk_status chain(split *s, const uint32_t *group, size_t n, wk_error *err) {
  s->first = wk_alloc_array(n, sizeof *s->first);
  s->next = wk_alloc_array(n, sizeof *s->next);
  if (!s->first || !s->next)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for splitting %zu photos", n);
  for (size_t i = 0; i < n; i++)
    s->first[i] = UINT32_MAX;
  for (size_t i = n; i-- > 0;) {
    s->next[i] = s->first[group[i]];
    s->first[group[i]] = (uint32_t)i;
  }
  return WK_OK;
}

/* Holds a photo out with all of its copies, if every class keeps a photo to learn from and class `c` does not get more
 * than `room`. */
static bool hold_group(split *s, uint32_t photo, uint32_t group, int c, size_t room, size_t *in_class) {
  bool fits = true;
  size_t mine = 0;
  for (uint32_t i = s->first[group]; i != UINT32_MAX; i = s->next[i]) {
    if (s->label[i] < 0)
      continue;
    in_class[s->label[i]]++;
    mine += s->label[i] == c;
  }
  for (uint32_t i = s->first[group]; i != UINT32_MAX; i = s->next[i])
    if (s->label[i] >= 0) {
      int k = s->label[i];
      fits = fits && s->held[k] + in_class[k] < s->total[k];
    }
  fits = fits && mine <= room && !s->held_out[photo];
  for (uint32_t i = s->first[group]; i != UINT32_MAX; i = s->next[i]) {
    if (s->label[i] < 0)
      continue;
    in_class[s->label[i]] = 0;
    if (fits) {
      s->held_out[i] = true;
      s->held[s->label[i]]++;
    }
  }
  return fits;
}

/* Where every group of a class is larger than its share: the smallest, the first of those in the shuffled order. */
static void hold_smallest(split *s, const uint32_t *photo, size_t n, const uint32_t *group, int c, size_t *in_class) {
  size_t least = SIZE_MAX;
  uint32_t best = 0;
  for (size_t k = 0; k < n; k++) {
    size_t size = 0;
    for (uint32_t i = s->first[group[photo[k]]]; i != UINT32_MAX && size < least; i = s->next[i])
      size++;
    if (size < least) {
      least = size;
      best = photo[k];
    }
  }
  hold_group(s, best, group[best], c, SIZE_MAX, in_class);
}

static wk_status check(const int *label, size_t n, int classes, double fraction, wk_error *err) {
  if (!(fraction > 0 && fraction < 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "a fraction of %g cannot be held out: it must lie between 0 and 1, such as 0.2", fraction);
  if (classes < 1 || n >= UINT32_MAX)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "cannot split %zu photos of %d classes", n, classes);
  for (size_t i = 0; i < n; i++)
    if (label[i] < -1 || label[i] >= classes)
      return WK_FAIL(err, WK_ERR_ARGUMENT,
                     "photo %zu has label %d, but there are only %d classes (0 to %d, or -1 for none)", i, label[i],
                     classes, classes - 1);
  return WK_OK;
}

wk_status wk_split_grouped(bool *held_out, const int *label, const uint32_t *group, size_t n, int classes,
                           double fraction, uint64_t seed, wk_error *err) {
  wk_status st = WK_OK;
  size_t *start = NULL, *in_class = NULL;
  uint32_t *index = NULL;
  split s = {.held_out = held_out, .label = label};

  WK_RETURN_IF_ERROR(check(label, n, classes, fraction, err));
  /* Photos sorted by class, keeping their order (a counting sort). */
  start = wk_calloc((size_t)classes + 1, sizeof *start);
  s.total = wk_calloc((size_t)classes, sizeof *s.total);
  s.held = wk_calloc((size_t)classes, sizeof *s.held);
  in_class = wk_calloc((size_t)classes, sizeof *in_class);
  index = wk_alloc_array(n, sizeof *index);
  WK_FAIL_IF(!start || !s.total || !s.held || !in_class || !index, err, WK_ERR_MEMORY,
             "out of memory for splitting %zu photos", n);
  if (group)
    WK_TRY(chain(&s, group, n, err));
  for (size_t i = 0; i < n; i++)
    if (label[i] >= 0) {
      start[label[i] + 1]++;
      s.total[label[i]]++;
    }
  for (int c = 0; c < classes; c++)
    start[c + 1] += start[c];
  for (size_t i = 0; i < n; i++) {
    held_out[i] = false;
    if (label[i] >= 0)
      index[start[label[i]]++] = (uint32_t)i;
  }

  /* Filling moved each start to its class's end. */
  size_t begin = 0;
  for (int c = 0; c < classes; c++) {
    size_t count = start[c] - begin;
    if (count >= 2) {
      size_t out = (size_t)llround(fraction * (double)count);
      out = out < 1 ? 1 : out > count - 1 ? count - 1 : out;
      wk_rng rng;
      wk_rng_init(&rng, seed, SPLIT_STREAM + (uint64_t)c);
      wk_rng_shuffle(&rng, index + begin, count);
      for (size_t i = 0; i < count && s.held[c] < out; i++) {
        uint32_t photo = index[begin + i];
        if (group) {
          hold_group(&s, photo, group[photo], c, out - s.held[c], in_class);
        } else {
          held_out[photo] = true;
          s.held[c]++;
        }
      }
      if (group && s.held[c] == 0)
        hold_smallest(&s, index + begin, count, group, c, in_class);
    }
    begin = start[c];
  }
done:
  wk_free(start);
  wk_free(s.total);
  wk_free(s.held);
  wk_free(in_class);
  wk_free(s.first);
  wk_free(s.next);
  wk_free(index);
  return st;
}

wk_status wk_split_stratified(bool *held_out, const int *label, size_t n, int classes, double fraction, uint64_t seed,
                              wk_error *err) {
  return wk_split_grouped(held_out, label, NULL, n, classes, fraction, seed, err);
}
