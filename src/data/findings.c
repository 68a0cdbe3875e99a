/* findings.c - the list of what is wrong with a collection: adding to it, and its order, worst first. */
#include <stdlib.h>

#include "data/check.h"

const char *wk_check_kind_name(wk_check_kind kind) {
  static const char *const name[] = {"unreadable", "truncated", "labels",  "mislabelled", "leak",   "copy",
                                     "twin",       "blank",     "outlier", "tiny",        "ending", "sideways",
                                     "grey",       "shape",     "few",     "imbalance",   "needs",  "ignored"};
  return (unsigned)kind < sizeof name / sizeof *name ? name[kind] : "unknown";
}

void wk_check_add(wk_check *c, wk_finding f) {
  if (f.what && c->finding_count == c->finding_cap) {
    const size_t cap = c->finding_cap ? c->finding_cap * 2 : 16;
    wk_finding *grown = wk_grow(c->findings, c->finding_count * sizeof *grown, cap * sizeof *grown);
    if (grown) {
      c->findings = grown;
      c->finding_cap = cap;
    }
  }
  if (!f.what || c->finding_count == c->finding_cap) {
    c->failed = true;
    wk_free(f.what);
    return;
  }
  wk_one_line(f.what);
  c->count[f.kind]++;
  c->findings[c->finding_count++] = f;
}

/* Classes and the whole come in the order they were found in, which `score` counts down for them. */
static int worst_first(const void *a, const void *b) {
  const wk_finding *x = a, *y = b;
  if (x->kind != y->kind)
    return x->kind < y->kind ? -1 : 1;
  if (x->score != y->score)
    return x->score > y->score ? -1 : 1;
  if (x->photo != y->photo)
    return x->photo < y->photo ? -1 : 1;
  return (x->other > y->other) - (x->other < y->other);
}

void wk_check_sort(wk_check *c) {
  if (c->finding_count)
    qsort(c->findings, c->finding_count, sizeof *c->findings, worst_first);
}

void wk_check_free(wk_check *c) {
  if (!c)
    return;
  for (size_t i = 0; i < c->finding_count; i++)
    wk_free(c->findings[i].what);
  for (size_t i = 0; i < c->group_count; i++)
    wk_free(c->groups[i].photos);
  wk_free(c->findings);
  wk_free(c->groups);
  wk_free(c->class_photos);
  wk_free(c->sha256);
  wk_free(c->first);
  wk_free(c);
}
