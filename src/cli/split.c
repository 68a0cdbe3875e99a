/* split.c - labelled photos cut into those to learn from and those to check on: the one place that decides, for every
 * command that learns. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static bool join_photos(cli_photos *a, const cli_photos *b) {
  const char **path = realloc(a->path, (a->n + b->n + 1) * sizeof *path);
  a->path = path ? path : a->path;
  const char **name = realloc(a->name, (a->n + b->n + 1) * sizeof *name);
  a->name = name ? name : a->name;
  int *label = realloc(a->label, (a->n + b->n + 1) * sizeof *label);
  a->label = label ? label : a->label;
  if (!path || !name || !label)
    return false;
  if (b->n) { /* without photos it has no arrays either */
    memcpy(a->path + a->n, b->path, b->n * sizeof *path);
    memcpy(a->name + a->n, b->name, b->n * sizeof *name);
    memcpy(a->label + a->n, b->label, b->n * sizeof *label);
  }
  a->n += b->n;
  return true;
}

/* Moves a stratified share of the photos behind the others. */
static wk_status hold_back(cli_split *t, double fraction, uint64_t seed, wk_error *err) {
  cli_photos *p = &t->photos, moved;
  bool *held = calloc(p->n + 1, sizeof *held);
  if (!held || !cli_photos_of(&moved, t->data, WK_SPLIT_ALL)) {
    free(held);
    return cli_no_memory(err);
  }
  wk_status st = wk_split_stratified(held, p->label, p->n, t->data->class_count, fraction, seed, err);
  if (st == WK_OK) {
    size_t at = 0;
    for (int pass = 0; pass < 2; pass++)
      for (size_t i = 0; i < p->n; i++)
        if (held[i] == (pass == 1)) {
          moved.path[at] = p->path[i];
          moved.name[at] = p->name[i];
          moved.label[at++] = p->label[i];
          t->held_count += held[i];
        }
    moved.n = at;
    cli_photos old = *p;
    *p = moved;
    moved = old;
  }
  cli_photos_free(&moved);
  free(held);
  return st;
}

/* Opens the data and decides what is learned from and what is checked on:
 *   --val DATA      those photos check            --val FRACTION   a stratified share of the training photos
 *   a val/ folder   checks                        test/ but no val/: nothing is held back here, test/ is for eval
 *   otherwise       a fifth is held back (a tenth for fine-tuning where there is a test/) */
wk_status cli_split_open(cli_split *t, cli *c, const char *path, const cli_split_options *o, wk_error *err) {
  wk_dataset_options d;
  cli_dataset_options(&d, c);
  d.labels_from_name = o->labels_from_name;
  wk_status st = wk_dataset_open(&t->data, path, &d, err);
  if (st != WK_OK)
    return st;
  bool parts = false;
  for (size_t i = 0; i < t->data->photo_count; i++)
    parts = parts || t->data->photos[i].split == WK_SPLIT_TRAIN;
  if (!cli_photos_of(&t->photos, t->data, parts ? WK_SPLIT_TRAIN : WK_SPLIT_ALL))
    return cli_no_memory(err);
  size_t tests = 0;
  for (size_t i = 0; i < t->data->photo_count; i++)
    tests += t->data->photos[i].split == WK_SPLIT_TEST;
  char *end = NULL;
  double fraction = o->val ? strtod(o->val, &end) : 0;
  bool number = o->val && end != o->val && !*end;
  cli_photos extra = {0};
  if (number && !(fraction >= 0 && fraction < 1))
    return cli_error(err, WK_ERR_ARGUMENT, "--val %s: a fraction lies from 0 to below 1", o->val);
  if (o->val && !number) {
    d.classes = (const char *const *)t->data->classes;
    d.class_count = t->data->class_count;
    if ((st = wk_dataset_open(&t->val_data, o->val, &d, err)) != WK_OK)
      return st;
    if (!cli_photos_of(&extra, t->val_data, WK_SPLIT_ALL))
      return cli_no_memory(err);
  } else if (!o->val && parts && !cli_photos_of(&extra, t->data, WK_SPLIT_VAL)) {
    return cli_no_memory(err);
  }
  if (!o->val && !extra.n && tests && o->test_checks) {
    cli_photos_free(&extra);
    if (!cli_photos_of(&extra, t->data, WK_SPLIT_TEST))
      return cli_no_memory(err);
  }
  if (!o->val && !extra.n && (!tests || o->always))
    fraction = tests && o->always ? 0.1 : 0.2;
  if (fraction > 0)
    st = hold_back(t, fraction, o->seed, err);
  t->held_count += extra.n;
  bool joined = join_photos(&t->photos, &extra);
  cli_photos_free(&extra);
  return joined ? st : cli_no_memory(err);
}

/* Labels of the rows, and how many of them are to learn from: the first ones, as the photos are. */
wk_status cli_split_rows(cli_split *t, const wk_features *f, wk_error *err) {
  free(t->y);
  t->learn_rows = 0;
  if (!(t->y = malloc((f->rows + 1) * sizeof *t->y)))
    return cli_no_memory(err);
  for (size_t i = 0; i < f->rows; i++) {
    t->y[i] = t->photos.label[f->index[i]];
    t->learn_rows += f->index[i] < t->photos.n - t->held_count;
  }
  t->check_rows = f->rows - t->learn_rows;
  for (int k = 0; k < t->data->class_count; k++) {
    size_t have = 0;
    for (size_t i = 0; i < t->learn_rows; i++)
      have += t->y[i] == k;
    if (!have)
      return cli_error(err, WK_ERR_FORMAT,
                       "%s: the class '%s' has no photo that can be read to learn from; add photos, or remove its "
                       "folder or its lines in the list",
                       t->data->root, t->data->classes[k]);
  }
  return WK_OK;
}

void cli_split_free(cli_split *t) {
  free(t->y);
  cli_photos_free(&t->photos);
  wk_dataset_free(t->val_data);
  wk_dataset_free(t->data);
}
