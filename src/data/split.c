/* split.c - which photos are held out. One shuffle a class, each from a random stream of its own, so adding photos to
 * one class does not move those of another. */
#include <math.h>

#include "base/base.h"
#include "whisker/data.h"

#define SPLIT_STREAM 0x73706c6974000000u /* "split" */

wk_status wk_split_stratified(bool *held_out, const int *label, size_t n, int classes, double fraction, uint64_t seed,
                              wk_error *err) {
  wk_status st = WK_OK;
  size_t *start = NULL;
  uint32_t *index = NULL;

  WK_FAIL_IF(!(fraction > 0 && fraction < 1), err, WK_ERR_ARGUMENT,
             "a fraction of %g cannot be held out: it must lie between 0 and 1, such as 0.2", fraction);
  WK_FAIL_IF(classes < 1 || n > UINT32_MAX, err, WK_ERR_ARGUMENT, "cannot split %zu photos of %d classes", n, classes);
  for (size_t i = 0; i < n; i++)
    WK_FAIL_IF(label[i] < -1 || label[i] >= classes, err, WK_ERR_ARGUMENT,
               "photo %zu has label %d, but there are only %d classes (0 to %d, or -1 for none)", i, label[i], classes,
               classes - 1);

  /* Photos sorted by class, keeping their order (a counting sort). */
  start = wk_calloc((size_t)classes + 1, sizeof *start);
  index = wk_alloc_array(n, sizeof *index);
  WK_FAIL_IF(!start || !index, err, WK_ERR_MEMORY, "out of memory for splitting %zu photos", n);
  for (size_t i = 0; i < n; i++)
    if (label[i] >= 0)
      start[label[i] + 1]++;
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
      for (size_t i = 0; i < out; i++)
        held_out[index[begin + i]] = true;
    }
    begin = start[c];
  }
done:
  wk_free(start);
  wk_free(index);
  return st;
}
