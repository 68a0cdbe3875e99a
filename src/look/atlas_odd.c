/* atlas_odd.c - what a map tells about labels: photos among whose most similar ones hardly any is of their class. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "whisker/atlas.h"

typedef struct found {
  wk_atlas_odd odd;
  float alike; /* sum of the cosines of those that voted */
} found;

static int compare(const void *a, const void *b) {
  const found *x = a, *y = b;
  if (x->odd.votes != y->odd.votes)
    return y->odd.votes - x->odd.votes;
  if (x->alike != y->alike)
    return x->alike < y->alike ? 1 : -1;
  return x->odd.row < y->odd.row ? -1 : 1;
}

/* The class that most neighbours of `row` have, of equals the one whose photos are more alike. */
static found vote(const wk_atlas *a, const int *label, uint32_t row) {
  found best = {{row, -1, 0}, 0};
  const uint32_t *near = a->near + (size_t)row * (size_t)a->neighbours;
  const float *cosine = a->cosine + (size_t)row * (size_t)a->neighbours;
  for (int i = 0; i < a->neighbours; i++) {
    found f = {{row, label[near[i]], 0}, 0};
    for (int j = 0; j < a->neighbours; j++)
      if (label[near[j]] == f.odd.looks_like) {
        f.odd.votes++;
        f.alike += cosine[j];
      }
    if (f.odd.looks_like >= 0 &&
        (f.odd.votes > best.odd.votes || (f.odd.votes == best.odd.votes && f.alike > best.alike)))
      best = f;
  }
  return best;
}

wk_status wk_atlas_find_odd(wk_atlas_odd **out, size_t *count, double *agree, const wk_atlas *a, const int *label,
                            int classes, wk_error *err) {
  size_t n = 0, labelled = 0, same = 0;
  for (size_t i = 0; i < a->rows; i++)
    if (label[i] < -1 || label[i] >= classes)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "photo %zu has class %d of %d", i, label[i], classes);
  found *list = wk_alloc_array(a->rows, sizeof *list);
  if (!list)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for comparing labels");
  for (size_t i = 0; i < a->rows; i++) {
    if (label[i] < 0 || !a->neighbours)
      continue;
    labelled++;
    same += label[a->near[i * (size_t)a->neighbours]] == label[i];
    found f = vote(a, label, (uint32_t)i);
    if (f.odd.looks_like >= 0 && f.odd.looks_like != label[i] && 4 * f.odd.votes >= 3 * a->neighbours)
      list[n++] = f;
  }
  qsort(list, n, sizeof *list, compare);
  wk_atlas_odd *odd = wk_alloc_array(n + 1, sizeof *odd);
  for (size_t i = 0; odd && i < n; i++)
    odd[i] = list[i].odd;
  wk_free(list);
  if (!odd)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for comparing labels");
  *out = odd;
  *count = n;
  if (agree)
    *agree = labelled ? (double)same / (double)labelled : NAN;
  return WK_OK;
}
