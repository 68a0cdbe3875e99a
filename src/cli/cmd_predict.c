/* cmd_predict.c - `whisker predict` names what is in photos; `whisker embed` writes their features. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* The k best classes of one row, best first; ties go to the lower index. */
static void best(int *out, int k, const float *p, int classes) {
  for (int i = 0; i < k; i++) {
    int at = -1;
    for (int j = 0; j < classes; j++) {
      bool taken = false;
      for (int t = 0; t < i; t++)
        taken = taken || out[t] == j;
      if (!taken && (at < 0 || p[j] > p[at]))
        at = j;
    }
    out[i] = at;
  }
}

static json_t *show_photo(cli *c, const wk_model *m, const char *path, const float *p, int k) {
  int top[64];
  k = k < m->label_count ? k : m->label_count;
  best(top, k, p, m->label_count);
  bool imagenet = !m->head && m->label_count == WK_IMAGENET_CLASSES;
  json_t *list = json_array();
  cli_say(c, "%s\n", path);
  for (int i = 0; i < k; i++) {
    json_t *row = json_pack("{s:o,s:o,s:i}", "label", cli_json_text(m->labels[top[i]]), "p",
                            cli_json_number((double)p[top[i]]), "index", top[i]);
    if (imagenet)
      json_object_set_new(row, "wnid", json_string(wk_imagenet_wnid(top[i])));
    json_array_append_new(list, row);
    cli_say(c, "  %6s  %s\n", cli_percent((double)p[top[i]]), m->labels[top[i]]);
  }
  return json_pack("{s:o,s:o}", "file", cli_json_text(path), "top", list);
}

/* Photos of the command line; a folder among them stands for the photos in it. */
typedef struct photos {
  wk_dataset **set;
  size_t sets;
  const char **path;
  const char **name; /* what people know them by */
  size_t n;
} photos;

static void photos_free(photos *p) {
  for (size_t i = 0; i < p->sets; i++)
    wk_dataset_free(p->set[i]);
  free(p->set);
  free(p->path);
  free(p->name);
}

static wk_status photos_gather(photos *out, cli *c, char **name, int names, wk_error *err) {
  wk_dataset_options o;
  cli_dataset_options(&o, c);
  o.allow_unlabelled = true;
  out->set = calloc((size_t)names, sizeof *out->set);
  if (!out->set)
    return cli_no_memory(err);
  size_t capacity = 0;
  for (int i = 0; i < names; i++) {
    wk_dataset *d = NULL;
    if (cli_is_collection(name[i])) {
      wk_status status = wk_dataset_open(&d, name[i], &o, err);
      if (status != WK_OK)
        return status;
      out->set[out->sets++] = d;
    }
    size_t more = d ? d->photo_count : 1;
    if (out->n + more > capacity) {
      capacity = 2 * (out->n + more);
      const char **grown = realloc(out->path, capacity * sizeof *grown);
      if (!grown)
        return cli_no_memory(err);
      out->path = grown;
      if (!(grown = realloc(out->name, capacity * sizeof *grown)))
        return cli_no_memory(err);
      out->name = grown;
    }
    for (size_t j = 0; j < more; j++) {
      out->path[out->n] = d ? d->photos[j].path : name[i];
      out->name[out->n++] = d ? d->photos[j].name : name[i];
    }
  }
  return WK_OK;
}

int cli_predict(cli *c, const cli_command *self, int argc, char **argv) {
  int top = 5;
  const char *arch = NULL;
  const cli_flag flags[] = {
      {"top", 'k', CLI_INT, &top, "K", "how many labels a photo", 1, 64, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "what a weight file holds, where that cannot be seen", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 2, 1 << 30, argc, argv)
  wk_error err = {0};
  wk_model *m = NULL;
  wk_features *f = NULL;
  float *p = NULL;
  photos all = {0};
  json_t *list = json_array(), *broken = json_array();
  wk_features_options o;
  wk_features_options_init(&o);
  o.cache_folder = c->features;
  int rc;
  wk_status st = photos_gather(&all, c, argv + 1, n - 1, &err);
  if (st == WK_OK)
    st = wk_model_open(&m, argv[0], arch, &c->pull, &c->ctx, &err);
  o.name = all.name;
  if (st == WK_OK)
    st = wk_model_predict(&p, &f, m, all.path, all.n, &o, &c->ctx, &err);
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
    goto done;
  }
  for (size_t i = 0; i < f->rows; i++)
    json_array_append_new(list, show_photo(c, m, all.name[f->index[i]], p + i * (size_t)m->label_count, top));
  for (size_t i = 0; i < all.n; i++)
    if (!f->usable[i])
      json_array_append_new(broken, cli_json_text(all.name[i]));
  rc = cli_print_json(c, json_pack("{s:O,s:O,s:O}", "predictions", list, "broken", broken, "warnings", c->warnings));
  if (rc == CLI_DONE && f->broken) {
    cli_error(&err, WK_ERR_FORMAT, "%zu of %zu photos could not be read", f->broken, all.n);
    rc = cli_fail(c, &err);
  }
done:
  json_decref(list);
  json_decref(broken);
  wk_free(p);
  wk_features_free(f);
  wk_model_free(m);
  photos_free(&all);
  return rc;
}

int cli_embed(cli *c, const cli_command *self, int argc, char **argv) {
  const char *out = NULL, *layer = NULL, *arch = NULL;
  const cli_flag flags[] = {
      {"output", 'o', CLI_STRING, &out, "FILE.npy", "where the features go: float32, one row a photo", 0, 0, NULL},
      {"layer", 0, CLI_STRING, &layer, "NAME",
       "any layer of `whisker info`, flattened (h, w, c); without: the pooled features", 0, 0, NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "what a weight file holds, where that cannot be seen", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 2, 1 << 30, argc, argv)
  if (!out)
    return cli_usage_error(self, "say where the features go with -o FILE.npy");
  wk_error err = {0};
  wk_model *m = NULL;
  wk_features *f = NULL;
  photos all = {0};
  wk_features_options o;
  wk_features_options_init(&o);
  o.cache_folder = c->features;
  o.layer = layer;
  int rc;
  wk_status st = cli_check_output(out, false, &err);
  if (st == WK_OK)
    st = photos_gather(&all, c, argv + 1, n - 1, &err);
  if (st == WK_OK)
    st = wk_model_open(&m, argv[0], arch, &c->pull, &c->ctx, &err);
  o.name = all.name;
  if (st == WK_OK)
    st = wk_features_compute(&f, m->backbone, all.path, all.n, &o, &c->ctx, &err);
  if (st == WK_OK && f->rows == 0)
    st = cli_error(&err, WK_ERR_FORMAT, "none of the %zu photos could be read; nothing was written", all.n);
  if (st == WK_OK)
    st = wk_npy_write(out, f->row, 2, (const int64_t[]){(int64_t)f->rows, f->columns}, &err);
  if (st != WK_OK) {
    rc = cli_fail(c, &err);
    goto done;
  }
  json_t *files = json_array();
  for (size_t i = 0; i < f->rows; i++)
    json_array_append_new(files, cli_json_text(all.name[f->index[i]]));
  cli_say(c, "%s: %s rows of %s features\n", out, cli_count(f->rows), cli_count((uint64_t)f->columns));
  rc = cli_print_json(c, json_pack("{s:I,s:i,s:o,s:o,s:O}", "rows", (json_int_t)f->rows, "columns", f->columns, "out",
                                   cli_json_text(out), "files", files, "warnings", c->warnings));
  if (rc == CLI_DONE && f->broken) {
    cli_error(&err, WK_ERR_FORMAT, "%zu of %zu photos could not be read and have no row", f->broken, all.n);
    rc = cli_fail(c, &err);
  }
done:
  wk_features_free(f);
  wk_model_free(m);
  photos_free(&all);
  return rc;
}
