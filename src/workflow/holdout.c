/* holdout.c - labelled photos cut into those to learn from and those to check on: the one place that decides, for every
 * command that learns. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workflow/exclusion.h"
#include "workflow/roster.h"
#include "workflow/workflow.h"

static wk_status join_photos(wk_photo_list *a, const wk_photo_list *b, wk_error *err) {
  size_t both = a->count + b->count + 1;
  const char **path = wk_grow(a->paths, a->count * sizeof *path, both * sizeof *path);
  a->paths = path ? path : a->paths;
  const char **name = wk_grow(a->names, a->count * sizeof *name, both * sizeof *name);
  a->names = name ? name : a->names;
  int *label = wk_grow(a->labels, a->count * sizeof *label, both * sizeof *label);
  a->labels = label ? label : a->labels;
  if (!path || !name || !label)
    return wk_no_memory(err);
  if (b->count) { /* without photos it has no arrays either */
    memcpy(a->paths + a->count, b->paths, b->count * sizeof *path);
    memcpy(a->names + a->count, b->names, b->count * sizeof *name);
    memcpy(a->labels + a->count, b->labels, b->count * sizeof *label);
  }
  a->count += b->count;
  return WK_OK;
}

/* What of the photos is known: they are read once, before it is decided what is learned from. */
typedef struct known {
  wk_prints *prints; /* of the photos in the order they were opened */
  uint32_t *group;   /* [photos] wk_prints_group */
  size_t *order;     /* [photos] their numbers in the order they have in the end: learned from, then checked on */
  size_t count;      /* of `order` */
  size_t copies;     /* photos that are copies of others */
  size_t *number;    /* [photos] of the collection; SIZE_MAX: it is not from there */
  uint8_t (*sha256)[WK_SHA256_BYTES]; /* [photos] those that were known before */
} known;

/* A list's paths are the collection's, split after split, each in its order. */
static void number_photos(known *k, const wk_holdout *t) {
  const wk_photo_list *p = &t->photos;
  size_t at = 0;
  for (int pass = 0; pass < 2; pass++)
    for (size_t i = 0; i < t->data->photo_count && at < p->count; i++)
      if (p->paths[at] == t->data->photos[i].path)
        k->number[at++] = i;
  for (; at < p->count; at++)
    k->number[at] = SIZE_MAX;
}

static wk_status look_at_photos(known *k, wk_holdout *t, const wk_call *call, const char *group_by, wk_error *err) {
  const wk_photo_list *p = &t->photos;
  k->group = wk_alloc_array(p->count + 1, sizeof *k->group);
  k->order = wk_alloc_array(p->count + 1, sizeof *k->order);
  k->number = wk_alloc_array(p->count + 1, sizeof *k->number);
  k->sha256 = wk_calloc(p->count + 1, sizeof *k->sha256);
  if (!k->group || !k->order || !k->number || !k->sha256)
    return wk_no_memory(err);
  number_photos(k, t);
  for (size_t i = 0; i < p->count; i++)
    if (k->number[i] != SIZE_MAX)
      memcpy(k->sha256[i], t->known[k->number[i]], sizeof *k->sha256);
  WK_RETURN_IF_ERROR(wk_call_prints(&k->prints, call, p, (const uint8_t(*)[WK_SHA256_BYTES])k->sha256, err));
  for (size_t i = 0; i < p->count; i++)
    if (k->number[i] != SIZE_MAX)
      memcpy(t->known[k->number[i]], wk_prints_sha256(k->prints, i), sizeof *t->known);
  while (k->count < p->count) {
    k->order[k->count] = k->count;
    k->count++;
  }
  WK_RETURN_IF_ERROR(wk_prints_group(k->group, k->prints, &call->ctx, err));
  for (size_t i = 0; i < p->count; i++)
    k->copies += k->group[i] != i;
  return group_by ? wk_group_photos(k->group, p->names, p->count, group_by, err) : WK_OK;
}

/* Of the photos behind the first `learn` ones, which are to be checked on, takes out what is a copy of those. */
static wk_status drop_learned(wk_holdout *t, known *k, const wk_call *call, size_t learn, wk_error *err) {
  const size_t all = k->count;
  bool *learned = wk_calloc(all + 1, sizeof *learned);
  if (!learned)
    return wk_no_memory(err);
  for (size_t i = 0; i < learn; i++)
    learned[k->group[i]] = true;
  k->count = learn;
  for (size_t i = learn; i < all; i++)
    if (!learned[k->group[i]])
      k->order[k->count++] = i;
  t->held_count = k->count - learn;
  wk_free(learned);
  const size_t dropped = t->left_out_learned = all - k->count;
  if (dropped)
    wk_warn(&call->ctx, "%zu photo%s to check on %s of photos to learn from: not checked on", dropped, WK_S(dropped),
            dropped == 1 ? "is a copy" : "are copies");
  return WK_OK;
}

/* Moves a stratified share of the photos behind the others; copies of one photo stay together. */
static wk_status hold_back(wk_holdout *t, known *k, const wk_call *call, double fraction, wk_error *err) {
  wk_status st = WK_OK;
  const size_t n = k->count, copies = k->copies;
  bool *held = wk_calloc(n + 1, sizeof *held);
  WK_FAIL_IF(!held, err, WK_ERR_MEMORY, "out of memory");
  if (copies)
    wk_warn(&call->ctx, "%zu photo%s of others: each stays on the side of its twin", copies,
            copies == 1 ? " is a copy or near twin" : "s are copies or near twins");
  WK_TRY(wk_split_grouped(held, t->photos.labels, k->group, n, t->data->class_count, fraction, call->ctx.seed, err));
  k->count = 0;
  for (int pass = 0; pass < 2; pass++)
    for (size_t i = 0; i < n; i++)
      if (held[i] == (pass == 1)) {
        k->order[k->count++] = i;
        t->held_count += held[i];
      }
done:
  wk_free(held);
  return st;
}

/* The photos, and what they are known by, in the order that was decided. */
static wk_status put_in_order(wk_holdout *t, const known *k, wk_error *err) {
  const wk_photo_list *from = &t->photos;
  wk_photo_list to = {.paths = wk_alloc_array(k->count + 1, sizeof *to.paths),
                      .names = wk_alloc_array(k->count + 1, sizeof *to.names),
                      .labels = wk_alloc_array(k->count + 1, sizeof *to.labels)};
  t->hashes = wk_alloc_array(k->count + 1, sizeof *t->hashes);
  t->sha256 = wk_alloc_array(k->count + 1, sizeof *t->sha256);
  t->number = wk_alloc_array(k->count + 1, sizeof *t->number);
  t->group = wk_alloc_array(k->count + 1, sizeof *t->group);
  uint32_t *first = wk_alloc_array(from->count + 1, sizeof *first); /* of a group, in the new order */
  for (size_t i = 0; first && i < from->count; i++)
    first[i] = UINT32_MAX;
  if (!t->group || !first || !to.paths || !to.names || !to.labels || !t->hashes || !t->sha256 || !t->number) {
    wk_photo_list_free(&to);
    wk_free(first);
    return wk_no_memory(err);
  }
  for (; to.count < k->count; to.count++) {
    const size_t i = k->order[to.count];
    to.paths[to.count] = from->paths[i];
    to.names[to.count] = from->names[i];
    to.labels[to.count] = from->labels[i];
    t->number[to.count] = k->number[i];
    if (first[k->group[i]] == UINT32_MAX)
      first[k->group[i]] = (uint32_t)to.count;
    t->group[to.count] = first[k->group[i]];
    t->hashes[to.count] = wk_prints_get(k->prints, i);
    memcpy(t->sha256[to.count], wk_prints_sha256(k->prints, i), sizeof *t->sha256);
  }
  wk_photo_list_free(&t->photos);
  wk_free(first);
  t->photos = to;
  return WK_OK;
}

/* Which photos are learned from, which checked on: a share of them, or those behind the first `learn` ones. */
static wk_status divide(wk_holdout *t, const wk_call *call, size_t learn, double fraction, const char *group_by,
                        wk_error *err) {
  wk_status st = WK_OK;
  known k = {0};
  const bool extra = learn < t->photos.count;
  WK_TRY(look_at_photos(&k, t, call, group_by, err));
  if (extra)
    WK_TRY(drop_learned(t, &k, call, learn, err));
  else if (fraction > 0)
    WK_TRY(hold_back(t, &k, call, fraction, err));
  WK_TRY(put_in_order(t, &k, err));
done:
  wk_prints_free(k.prints);
  wk_free(k.group);
  wk_free(k.order);
  wk_free(k.number);
  wk_free(k.sha256);
  return st;
}

static size_t count_split(const wk_dataset *d, wk_split split) {
  size_t n = 0;
  for (size_t i = 0; i < d->photo_count; i++)
    n += d->photos[i].split == split;
  return n;
}

/* "0.3" is a share, anything else is data. */
static wk_status read_fraction(double *fraction, bool *is_fraction, const char *val, wk_error *err) {
  char *end = NULL;
  *fraction = val ? strtod(val, &end) : 0;
  *is_fraction = val && end != val && !*end;
  if (*is_fraction && !(*fraction >= 0 && *fraction < 1))
    return WK_FAIL(err, WK_ERR_ARGUMENT, "--val %s: a fraction lies from 0 to below 1", val);
  return WK_OK;
}

/* The photos of `val`, sorted into the classes that are learned. */
static wk_status open_val(wk_holdout *t, wk_photo_list *extra, const wk_dataset_options *like, const char *val,
                          wk_error *err) {
  wk_dataset_options d = *like;
  d.classes = (const char *const *)t->data->classes;
  d.class_count = t->data->class_count;
  WK_RETURN_IF_ERROR(wk_dataset_open(&t->val_data, val, &d, err));
  return wk_photos_of(extra, t->val_data, WK_SPLIT_ALL, err);
}

static wk_status open_nothing(wk_dataset **out, wk_error *err) {
  wk_dataset *d = wk_calloc(1, sizeof *d);
  if (!d || !(d->root = wk_strdup("the model's own photos"))) {
    wk_free(d);
    return wk_no_memory(err);
  }
  *out = d;
  return WK_OK;
}

/* Opens the data and decides what is learned from and what is checked on:
 *   --val DATA      those photos check            --val FRACTION   a stratified share of the training photos
 *   a val/ folder   checks                        test/ but no val/: nothing is held back here, test/ is for eval
 *   otherwise       a fifth is held back (a tenth for fine-tuning where there is a test/) */
wk_status wk_holdout_open(wk_holdout *t, wk_call *call, const char *path, const wk_holdout_options *o, wk_error *err) {
  wk_status st = WK_OK;
  wk_photo_list extra = {0};
  wk_dataset_options d;
  double fraction;
  bool is_fraction;
  wk_session_dataset_options(&d, call->session);
  d.ctx = &call->ctx;
  d.labels_from_name = o->labels_from_name;
  d.allow_one_class = o->add != NULL;
  if (path)
    WK_TRY(wk_dataset_open(&t->data, path, &d, err));
  else
    WK_TRY(open_nothing(&t->data, err));
  d.allow_one_class = false;
  if (o->add)
    WK_TRY(wk_roster_merge(t->data, &t->known, o->add, t->added, err));
  if (o->labels)
    WK_TRY(wk_correct_labels(t->data, o->labels, &call->ctx, err));
  if (o->exclude)
    WK_TRY(wk_exclude_photos(t->data, t->known, o->exclude, &call->ctx, err));
  if (!t->known)
    t->known = wk_calloc(t->data->photo_count + 1, sizeof *t->known);
  WK_FAIL_IF(!t->known, err, WK_ERR_MEMORY, "out of memory");
  bool parts = count_split(t->data, WK_SPLIT_TRAIN) > 0;
  size_t tests = count_split(t->data, WK_SPLIT_TEST);
  WK_TRY(wk_photos_of(&t->photos, t->data, parts ? WK_SPLIT_TRAIN : WK_SPLIT_ALL, err));
  WK_TRY(read_fraction(&fraction, &is_fraction, o->val, err));
  if (o->val && !is_fraction)
    WK_TRY(open_val(t, &extra, &d, o->val, err));
  else if (!o->val && parts)
    WK_TRY(wk_photos_of(&extra, t->data, WK_SPLIT_VAL, err));
  if (!o->val && !extra.count && tests && o->test_checks) {
    wk_photo_list_free(&extra);
    WK_TRY(wk_photos_of(&extra, t->data, WK_SPLIT_TEST, err));
  }
  if (!o->val && !extra.count && (!tests || o->always))
    fraction = tests && o->always ? 0.1 : 0.2;
  size_t learn = t->photos.count;
  WK_TRY(join_photos(&t->photos, &extra, err));
  WK_TRY(divide(t, call, learn, fraction, o->group_by, err));
done:
  wk_photo_list_free(&extra);
  return st;
}

wk_status wk_holdout_open_to_check(wk_holdout *t, wk_call *call, const char *path, bool labels_from_name,
                                   const char *val, wk_error *err) {
  const wk_holdout_options o = {.labels_from_name = labels_from_name, .val = val, .test_checks = true};
  WK_RETURN_IF_ERROR(wk_holdout_open(t, call, path, &o, err));
  if (!t->held_count)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%s: no photos to check on; give some with --val, such as --val 0.3", path);
  return WK_OK;
}

/* The first row of each row's group; nothing where there are no copies. */
static wk_status group_rows(wk_holdout *t, const wk_features *f, wk_error *err) {
  bool copies = false;
  uint32_t *first = wk_calloc(t->photos.count + 1, sizeof *first); /* row + 1; 0: none yet */
  t->row_group = wk_alloc_array(f->rows + 1, sizeof *t->row_group);
  if (!first || !t->row_group) {
    wk_free(first);
    return wk_no_memory(err);
  }
  for (size_t i = 0; i < f->rows; i++) {
    uint32_t *of = &first[t->group[f->index[i]]];
    *of = *of ? *of : (uint32_t)i + 1;
    t->row_group[i] = *of - 1;
    copies = copies || t->row_group[i] != i;
  }
  if (!copies) {
    wk_free(t->row_group);
    t->row_group = NULL;
  }
  wk_free(first);
  return WK_OK;
}

/* Labels of the rows, and how many of them are to learn from: the first ones, as the photos are. */
wk_status wk_holdout_rows(wk_holdout *t, const wk_features *f, wk_error *err) {
  wk_free(t->y);
  wk_free(t->row_group);
  t->row_group = NULL;
  t->learn_rows = 0;
  if (!(t->y = wk_alloc_array(f->rows + 1, sizeof *t->y)))
    return wk_no_memory(err);
  for (size_t i = 0; i < f->rows; i++) {
    t->y[i] = t->photos.labels[f->index[i]];
    t->learn_rows += f->index[i] < t->photos.count - t->held_count;
  }
  t->check_rows = f->rows - t->learn_rows;
  WK_RETURN_IF_ERROR(group_rows(t, f, err));
  for (int k = 0; k < t->data->class_count; k++) {
    size_t have = 0;
    for (size_t i = 0; i < t->learn_rows; i++)
      have += t->y[i] == k;
    if (!have)
      return WK_FAIL(err, WK_ERR_FORMAT,
                     "%s: the class '%s' has no photo that can be read to learn from; add photos, or remove its folder "
                     "or its lines in the list",
                     t->data->root, t->data->classes[k]);
  }
  return WK_OK;
}

wk_status wk_holdout_chance(double *chance, const wk_holdout *t, wk_error *err) {
  size_t *count = wk_calloc((size_t)t->data->class_count + 1, sizeof *count), most = 0;
  if (!count)
    return wk_no_memory(err);
  for (size_t i = t->photos.count - t->held_count; i < t->photos.count; i++) {
    size_t n = ++count[t->photos.labels[i]];
    most = n > most ? n : most;
  }
  *chance = t->held_count ? (double)most / (double)t->held_count : NAN;
  wk_free(count);
  return WK_OK;
}

void wk_holdout_free(wk_holdout *t) {
  wk_free(t->y);
  wk_free(t->hashes);
  wk_free(t->sha256);
  wk_free(t->known);
  wk_free(t->number);
  wk_free(t->group);
  wk_free(t->row_group);
  wk_photo_list_free(&t->photos);
  wk_dataset_free(t->val_data);
  wk_dataset_free(t->data);
}

wk_status wk_holdout_learned(wk_photo_set **out, const wk_holdout *t, bool all, wk_error *err) {
  return wk_photo_set_create(out, t->hashes, t->photos.count - (all ? 0 : t->held_count), err);
}
