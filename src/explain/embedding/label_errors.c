/* label_errors.c - what a map tells about labels: photos among whose most similar ones hardly any is of their class. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "whisker/embedding_map.h"

typedef struct candidate {
  wk_label_error error;
  float alike; /* sum of the cosines of those that voted */
} candidate;

static int compare(const void *a, const void *b) {
  const candidate *x = a, *y = b;
  if (x->error.votes != y->error.votes)
    return y->error.votes - x->error.votes;
  if (x->alike != y->alike)
    return x->alike < y->alike ? 1 : -1;
  return x->error.row < y->error.row ? -1 : 1;
}

/* The class that most neighbours of `row` have, of equals the one whose photos are more alike. */
static candidate vote(const wk_embedding_map *a, const int *label, uint32_t row) {
  candidate best = {{row, -1, 0}, 0};
  const uint32_t *near = a->near + (size_t)row * (size_t)a->neighbours;
  const float *cosine = a->cosine + (size_t)row * (size_t)a->neighbours;
  for (int i = 0; i < a->neighbours; i++) {
    candidate f = {{row, label[near[i]], 0}, 0};
    for (int j = 0; j < a->neighbours; j++)
      if (label[near[j]] == f.error.looks_like) {
        f.error.votes++;
        f.alike += cosine[j];
      }
    if (f.error.looks_like >= 0 &&
        (f.error.votes > best.error.votes || (f.error.votes == best.error.votes && f.alike > best.alike)))
      best = f;
  }
  return best;
}

wk_status wk_label_errors_find(wk_label_error **out, size_t *count, double *agree, const wk_embedding_map *a,
                               const int *label, int classes, wk_error *err) {
  size_t n = 0, labelled = 0, same = 0;
  for (size_t i = 0; i < a->rows; i++)
    if (label[i] < -1 || label[i] >= classes)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "photo %zu has class %d of %d", i, label[i], classes);
  candidate *list = wk_alloc_array(a->rows, sizeof *list);
  if (!list)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for comparing labels");
  for (size_t i = 0; i < a->rows; i++) {
    if (label[i] < 0 || !a->neighbours)
      continue;
    labelled++;
    same += label[a->near[i * (size_t)a->neighbours]] == label[i];
    candidate f = vote(a, label, (uint32_t)i);
    if (f.error.looks_like >= 0 && f.error.looks_like != label[i] && 4 * f.error.votes >= 3 * a->neighbours)
      list[n++] = f;
  }
  qsort(list, n, sizeof *list, compare);
  wk_label_error *found = wk_alloc_array(n + 1, sizeof *found);
  for (size_t i = 0; found && i < n; i++)
    found[i] = list[i].error;
  wk_free(list);
  if (!found)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for comparing labels");
  *out = found;
  *count = n;
  if (agree)
    *agree = labelled ? (double)same / (double)labelled : NAN;
  return WK_OK;
}
