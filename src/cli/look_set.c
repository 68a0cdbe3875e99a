/* look_set.c - a collection as one model sees it, for the ways of looking at many photos. */
#include <stdlib.h>
#include <string.h>

#include "look.h"

/* The model's classes first: then labels have the model's names. A collection of anything else is fine as well. */
static wk_status open_data(cli_look_set *s, cli *c, const wk_model *m, const char *path, bool names, wk_error *err) {
  wk_dataset_options o;
  cli_dataset_options(&o, c);
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

/* All photos, or the first `most` of every class. */
static bool choose(cli_look_set *s, int most) {
  int *seen = calloc((size_t)s->data->class_count + 1, sizeof *seen);
  if (!seen || !cli_photos_of(&s->photos, s->data, WK_SPLIT_ALL)) {
    free(seen);
    return false;
  }
  size_t kept = 0;
  for (size_t i = 0; i < s->photos.n; i++)
    if (!most || seen[s->photos.label[i] + 1]++ < most) {
      s->photos.path[kept] = s->photos.path[i];
      s->photos.name[kept] = s->photos.name[i];
      s->photos.label[kept++] = s->photos.label[i];
    }
  s->photos.n = kept;
  free(seen);
  return true;
}

static const char *within(const char *root, const char *path) {
  size_t n = strlen(root);
  while (n && root[n - 1] == '/')
    n--;
  return !strncmp(path, root, n) && path[n] == '/' && path[n + 1] ? path + n + 1 : path;
}

wk_status cli_look_set_open(cli_look_set *s, cli *c, const wk_model *m, const char *data, bool labels_from_name,
                            int most, wk_error *err) {
  wk_status st = open_data(s, c, m, data, labels_from_name, err);
  if (st != WK_OK)
    return st;
  if (!choose(s, most))
    return cli_no_memory(err);
  wk_features_options o;
  wk_features_options_init(&o);
  o.cache_folder = c->features;
  o.name = s->photos.name;
  st = wk_features_compute(&s->features, m->backbone, s->photos.path, s->photos.n, &o, &c->ctx, err);
  if (st != WK_OK)
    return st;
  size_t rows = s->features->rows;
  if (!rows)
    return cli_error(err, WK_ERR_FORMAT, "%s: none of its %zu photos could be read", data, s->photos.n);
  s->path = malloc(rows * sizeof *s->path);
  s->name = malloc(rows * sizeof *s->name);
  s->label = malloc(rows * sizeof *s->label);
  if (!s->path || !s->name || !s->label)
    return cli_no_memory(err);
  for (size_t i = 0; i < rows; i++) {
    size_t photo = s->features->index[i];
    s->path[i] = s->photos.path[photo];
    s->name[i] = within(s->data->root, s->photos.name[photo]);
    s->label[i] = s->photos.label[photo];
  }
  s->classes = s->data->classes;
  s->class_count = s->data->class_count;
  return WK_OK;
}

void cli_look_set_free(cli_look_set *s) {
  free(s->path);
  free(s->name);
  free(s->label);
  wk_features_free(s->features);
  cli_photos_free(&s->photos);
  wk_dataset_free(s->data);
}
