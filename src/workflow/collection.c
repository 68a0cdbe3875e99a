/* collection.c - see whisker/collection.h. */
#include <string.h>

#include "workflow/workflow.h"

/* ---- lists of photos --------------------------------------------------------------------------- */

wk_status wk_photos_of(wk_photo_list *out, const wk_dataset *d, wk_split split, wk_error *err) {
  wk_photo_list p = {.paths = wk_alloc_array(d->photo_count + 1, sizeof *p.paths),
                     .names = wk_alloc_array(d->photo_count + 1, sizeof *p.names),
                     .labels = wk_alloc_array(d->photo_count + 1, sizeof *p.labels)};
  if (!p.paths || !p.names || !p.labels) {
    wk_photo_list_free(&p);
    return wk_no_memory(err);
  }
  for (size_t i = 0; i < d->photo_count; i++)
    if (split == WK_SPLIT_ALL || d->photos[i].split == split) {
      p.paths[p.count] = d->photos[i].path;
      p.names[p.count] = d->photos[i].name;
      p.labels[p.count++] = d->photos[i].label;
    }
  *out = p;
  return WK_OK;
}

wk_status wk_photos_thin_out(wk_photo_list *p, int classes, int most, wk_error *err) {
  int *seen = wk_calloc((size_t)classes + 1, sizeof *seen);
  size_t kept = 0;
  if (!seen)
    return wk_no_memory(err);
  for (size_t i = 0; i < p->count; i++)
    if (seen[p->labels[i] + 1]++ < most) {
      p->paths[kept] = p->paths[i];
      p->names[kept] = p->names[i];
      p->labels[kept++] = p->labels[i];
    }
  p->count = kept;
  wk_free(seen);
  return WK_OK;
}

wk_status wk_photos_to_test(wk_photo_list *out, const char **split_name, const wk_dataset *d, int most, wk_error *err) {
  static const wk_split order[] = {WK_SPLIT_TEST, WK_SPLIT_VAL, WK_SPLIT_ALL};
  static const char *const name[] = {"test", "val", "all"};
  wk_photo_list p = {0};
  int i = 0;
  for (; i < 3; i++) {
    WK_RETURN_IF_ERROR(wk_photos_of(&p, d, order[i], err));
    if (p.count || i == 2)
      break;
    wk_photo_list_free(&p);
  }
  wk_status st = most ? wk_photos_thin_out(&p, d->class_count, most, err) : WK_OK;
  if (st != WK_OK) {
    wk_photo_list_free(&p);
    return st;
  }
  if (split_name)
    *split_name = name[i];
  *out = p;
  return WK_OK;
}

void wk_photo_list_free(wk_photo_list *p) {
  if (!p)
    return;
  wk_free(p->paths);
  wk_free(p->names);
  wk_free(p->labels);
  *p = (wk_photo_list){0};
}

/* ---- a collection as one model sees it --------------------------------------------------------- */

/* The model's classes first: then labels have the model's names. A collection of anything else is fine as well. */
static wk_status open_data(wk_feature_set *s, const wk_session *session, const wk_context *ctx, const wk_model *m,
                           const char *path, bool names, wk_error *err) {
  wk_dataset_options o;
  wk_session_dataset_options(&o, session);
  o.ctx = ctx;
  o.labels_from_name = names;
  if (m->label_count) {
    o.classes = (const char *const *)m->labels;
    o.class_count = m->label_count;
    wk_error ignored;
    if (wk_dataset_open(&s->data, path, &o, &ignored) == WK_OK) {
      s->of_model = true;
      return WK_OK;
    }
    o.classes = NULL;
    o.class_count = 0;
  }
  o.allow_unlabelled = true;
  return wk_dataset_open(&s->data, path, &o, err);
}

static const char *within(const char *root, const char *path) {
  size_t n = strlen(root);
  while (n && root[n - 1] == '/')
    n--;
  return !strncmp(path, root, n) && path[n] == '/' && path[n + 1] ? path + n + 1 : path;
}

wk_status wk_call_feature_set(wk_feature_set *s, const wk_call *call, const wk_model *m, const char *data,
                              bool labels_from_name, int most, wk_error *err) {
  WK_RETURN_IF_ERROR(open_data(s, call->session, &call->ctx, m, data, labels_from_name, err));
  WK_RETURN_IF_ERROR(wk_photos_of(&s->photos, s->data, WK_SPLIT_ALL, err));
  if (most)
    WK_RETURN_IF_ERROR(wk_photos_thin_out(&s->photos, s->data->class_count, most, err));
  wk_features_options o;
  wk_session_features_options(&o, call->session);
  o.name = s->photos.names;
  WK_RETURN_IF_ERROR(
      wk_features_compute(&s->features, m->backbone, s->photos.paths, s->photos.count, &o, &call->ctx, err));
  size_t rows = s->features->rows;
  if (!rows)
    return WK_FAIL(err, WK_ERR_FORMAT, "%s: none of its %zu photos could be read", data, s->photos.count);
  s->paths = wk_alloc_array(rows, sizeof *s->paths);
  s->names = wk_alloc_array(rows, sizeof *s->names);
  s->labels = wk_alloc_array(rows, sizeof *s->labels);
  if (!s->paths || !s->names || !s->labels)
    return wk_no_memory(err);
  for (size_t i = 0; i < rows; i++) {
    size_t photo = s->features->index[i];
    s->paths[i] = s->photos.paths[photo];
    s->names[i] = within(s->data->root, s->photos.names[photo]);
    s->labels[i] = s->photos.labels[photo];
  }
  s->classes = s->data->classes;
  s->class_count = s->data->class_count;
  return WK_OK;
}

void wk_feature_set_free(wk_feature_set *s) {
  if (!s)
    return;
  wk_free(s->paths);
  wk_free(s->names);
  wk_free(s->labels);
  wk_features_free(s->features);
  wk_photo_list_free(&s->photos);
  wk_dataset_free(s->data);
  *s = (wk_feature_set){0};
}
