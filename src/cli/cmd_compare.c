/* cmd_compare.c - `whisker compare`: several backbones, heads and depths of fine-tuning on one data set, with the same
 * split, as a table and a picture. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tune_flags.h"

typedef struct row {
  char *name;    /* "resnet18, linear", for the picture */
  char head[48]; /* "linear", "tuned last:1" */
  wk_interval top1;
  double loss, fit_seconds;
} row;

typedef struct compare {
  cli *cli;
  cli_split split;
  row *rows;
  size_t n;
  json_t *json;
  bool heads[3];
  const char *depths; /* with commas between; NULL: none */
  int epochs;
} compare;

static void compare_free(compare *x) {
  for (size_t i = 0; i < x->n; i++)
    free(x->rows[i].name);
  free(x->rows);
  json_decref(x->json);
  cli_split_free(&x->split);
}

/* One head on features that are there. */
static wk_status one_head(row *r, compare *x, const wk_features *f, int kind, wk_error *err) {
  const cli_split *s = &x->split;
  int classes = s->data->class_count;
  wk_probe_options o;
  wk_probe_options_init(&o);
  o.kind = (wk_head_kind)kind;
  o.mapped = f->mapped > 0;
  wk_head *head = NULL;
  wk_metrics *m = NULL;
  double start = cli_seconds();
  wk_status st = wk_probe_fit(&head, NULL, f->row, s->y, s->learn_rows, f->columns, classes, &o, &x->cli->ctx, err);
  if (st != WK_OK)
    return st;
  r->fit_seconds = cli_seconds() - start;
  snprintf(r->head, sizeof r->head, "%s", cli_head_names[kind]);
  float *p = malloc((s->check_rows + 1) * (size_t)classes * sizeof *p);
  if (p) {
    wk_head_predict_features(p, head, f, s->learn_rows, s->learn_rows + s->check_rows);
    st = wk_metrics_compute(&m, p, s->y + s->learn_rows, s->check_rows, classes, 0, err);
  } else {
    st = cli_no_memory(err);
  }
  if (st == WK_OK) {
    r->top1 = m->top1;
    r->loss = m->loss.value;
  }
  free(p);
  wk_metrics_free(m);
  wk_head_free(head);
  return st;
}

static wk_status keep_row(compare *x, const row *r, const char *backbone, const wk_backbone *b, const wk_features *f,
                          wk_error *err) {
  const char *slash = strrchr(backbone, '/'), *shown = slash && slash[1] ? slash + 1 : backbone; /* of a weight file */
  row *grown = realloc(x->rows, (x->n + 1) * sizeof *grown);
  char *name = malloc(strlen(shown) + strlen(r->head) + 8);
  if (grown)
    x->rows = grown;
  if (!grown || !name) {
    free(name);
    return cli_no_memory(err);
  }
  sprintf(name, "%s, %s", shown, r->head);
  x->rows[x->n] = *r;
  x->rows[x->n++].name = name;
  /* Kept features are quick to read: their speed would say nothing about the network's. */
  double rate = f->computed == f->rows && f->seconds > 0 ? (double)f->rows / f->seconds : NAN;
  size_t bytes = 0;
  for (size_t i = 0; i < wk_tensors_size(b->weights); i++)
    bytes += wk_tensors_at(b->weights, i)->bytes;
  cli_say(x->cli, "%-24s %-14s %7s  %-11s %8.4f %8s %9s %8.2f\n", shown, r->head, cli_percent(r->top1.value),
          cli_interval(r->top1), r->loss, isfinite(rate) ? cli_short(rate) : "kept", cli_bytes(bytes), r->fit_seconds);
  json_array_append_new(
      x->json, json_pack("{s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:f,s:I,s:i,s:I}", "backbone", cli_json_text(backbone), "head",
                         r->head, "top1", cli_json_number(r->top1.value), "interval", cli_json_interval(r->top1),
                         "loss", cli_json_number(r->loss), "photos_per_second", cli_json_number(rate),
                         "seconds_features", cli_json_number(f->seconds), "seconds_fit", r->fit_seconds, "bytes",
                         (json_int_t)bytes, "columns", f->columns, "computed", (json_int_t)f->computed));
  return WK_OK;
}

/* What a tuned network says of the photos to check on. */
static wk_status check_tuned(row *r, const compare *x, wk_finetune_result *t, wk_error *err) {
  const cli_split *s = &x->split;
  size_t learn = s->photos.n - s->held_count;
  wk_model *m = NULL;
  wk_features *f = NULL;
  wk_metrics *metrics = NULL;
  float *p = NULL;
  int *y = malloc((s->held_count + 1) * sizeof *y);
  wk_status st = y ? wk_model_create(&m, t->backbone, t->head, (const char *const *)s->data->classes, "{}", err)
                   : cli_no_memory(err);
  if (st == WK_OK) {
    wk_features_options o; /* nothing is kept: nobody else has these weights */
    wk_features_options_init(&o);
    t->backbone = NULL;
    t->head = NULL;
    st = wk_model_predict(&p, &f, m, s->photos.path + learn, s->held_count, &o, &x->cli->ctx, err);
  }
  for (size_t i = 0; st == WK_OK && i < f->rows; i++)
    y[i] = s->photos.label[learn + f->index[i]];
  if (st == WK_OK)
    st = wk_metrics_compute(&metrics, p, y, f->rows, s->data->class_count, 0, err);
  if (st == WK_OK) {
    r->top1 = metrics->top1;
    r->loss = metrics->loss.value;
  }
  wk_metrics_free(metrics);
  wk_features_free(f);
  wk_free(p);
  wk_model_free(m);
  free(y);
  return st;
}

/* One depth of fine-tuning with the defaults. The photos to check on choose nothing, not even the epoch: else a
 * network that was looked at in every epoch would be compared with a head that was not. */
static wk_status one_depth(row *r, const compare *x, const wk_backbone *b, const char *depth, wk_error *err) {
  const cli_split *s = &x->split;
  wk_finetune_data train = {s->photos.path, s->photos.label, s->photos.n - s->held_count};
  wk_finetune_options o;
  wk_finetune_result *t = NULL;
  wk_finetune_options_init(&o);
  o.depth = depth;
  o.epochs = x->epochs ? x->epochs : o.epochs;
  o.keep = WK_KEEP_FINETUNED;
  o.scratch_folder = x->cli->unpacked;
  o.features.cache_folder = x->cli->features;
  double start = cli_seconds();
  wk_status st = wk_finetune(&t, b, &train, NULL, s->data->class_count, &o, &x->cli->ctx, err);
  r->fit_seconds = cli_seconds() - start;
  snprintf(r->head, sizeof r->head, "tuned %.40s", depth);
  if (st == WK_OK && t->cancelled)
    st = cli_error(err, WK_ERR_CANCELLED, "stopped");
  if (st == WK_OK)
    st = check_tuned(r, x, t, err);
  wk_finetune_result_free(t);
  return st;
}

/* The next name of a comma-separated list, cut out in place; NULL at its end. */
static char *next_name(char **list) {
  char *name;
  do
    name = strsep(list, ",");
  while (name && !*name);
  return name;
}

static wk_status all_depths(compare *x, const char *name, const wk_backbone *b, const wk_features *f, wk_error *err) {
  char *list = strdup(x->depths ? x->depths : ""), *rest = list;
  wk_status st = list ? WK_OK : cli_no_memory(err);
  for (char *depth; st == WK_OK && (depth = next_name(&rest));) {
    row r = {0};
    if ((st = one_depth(&r, x, b, depth, err)) == WK_OK)
      st = keep_row(x, &r, name, b, f, err);
  }
  free(list);
  return st;
}

static wk_status one_backbone(compare *x, const char *name, wk_error *err) {
  cli *c = x->cli;
  wk_backbone *b = NULL;
  wk_features *f = NULL;
  wk_features_options o;
  wk_features_options_init(&o);
  o.cache_folder = c->features;
  wk_status st = wk_backbone_open(&b, name, NULL, &c->pull, &c->ctx, err);
  if (st == WK_OK)
    st = wk_features_compute(&f, b, x->split.photos.path, x->split.photos.n, &o, &c->ctx, err);
  if (st == WK_OK)
    st = cli_split_rows(&x->split, f, err);
  for (int k = 0; k < 3 && st == WK_OK; k++) {
    row r = {0};
    if (!x->heads[k])
      continue;
    if ((st = one_head(&r, x, f, k, err)) == WK_OK)
      st = keep_row(x, &r, name, b, f, err);
  }
  if (st == WK_OK)
    st = all_depths(x, name, b, f, err);
  wk_features_free(f);
  wk_backbone_free(b);
  return st;
}

static wk_status draw(const compare *x, const char *out, wk_error *err) {
  size_t n = x->n;
  double *v = malloc(n * 3 * sizeof *v);
  const char **names = malloc(n * sizeof *names);
  wk_status st = WK_OK;
  if (v && names) {
    for (size_t i = 0; i < n; i++) {
      v[i] = x->rows[i].top1.value;
      v[n + i] = x->rows[i].top1.low;
      v[2 * n + i] = x->rows[i].top1.high;
      names[i] = x->rows[i].name;
    }
    wk_series s = {.name = "top-1", .n = n, .y = v, .low = v + n, .high = v + 2 * n};
    wk_chart chart = {.title = "Right on photos that were not learned from",
                      .y_label = "top-1 with its 95% interval",
                      .series = &s,
                      .count = 1,
                      .names = names,
                      .percent = true};
    st = wk_chart_save(out, &chart, err);
  } else {
    st = cli_no_memory(err);
  }
  free(v);
  free(names);
  return st;
}

/* Fetches and opens every network: what is wrong with the last is told before the first has been computed. */
static wk_status try_all(cli *c, const char *backbones, wk_error *err) {
  char *list = strdup(backbones), *rest = list;
  wk_status st = list ? WK_OK : cli_no_memory(err);
  for (char *name; st == WK_OK && (name = next_name(&rest));) {
    wk_backbone *b = NULL;
    st = wk_backbone_open(&b, name, NULL, &c->pull, &c->ctx, err);
    wk_backbone_free(b);
  }
  free(list);
  return st;
}

static wk_status run(compare *x, const char *data, char *backbones, const cli_split_options *o, const char *out,
                     wk_error *err) {
  wk_status st = out ? cli_check_output(out, false, err) : WK_OK;
  if (st == WK_OK)
    st = cli_split_open(&x->split, x->cli, data, o, err);
  if (st != WK_OK)
    return st;
  if (!x->split.held_count)
    return cli_error(err, WK_ERR_ARGUMENT, "%s: no photos to check on; give some with --val, such as --val 0.3", data);
  if ((st = try_all(x->cli, backbones, err)) != WK_OK)
    return st;
  cli_say(x->cli, "%s: %s photos to learn from, %s to check on, %d classes\n\n%-24s %-14s %7s  %-11s %8s %8s %9s %8s\n",
          data, cli_count(x->split.photos.n - x->split.held_count), cli_count(x->split.held_count),
          x->split.data->class_count, "backbone", "head", "top-1", "interval", "log loss", "photos/s", "size",
          "fit, s");
  for (char *name; st == WK_OK && (name = next_name(&backbones));)
    st = one_backbone(x, name, err);
  return st == WK_OK && out ? draw(x, out, err) : st;
}

int cli_compare(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  const char *backbones = "efficientnet_lite0", *heads = "linear", *out = NULL;
  compare x = {.cli = c};
  int names = 0;
  cli_split_options o = {0};
  const cli_flag flags[] = {
      {"backbone", 'b', CLI_STRING, &backbones, "A,B,...", "names or weight files, with commas between", 0, 0, NULL},
      {"heads", 0, CLI_STRING, &heads, "A,B,...", "of linear, knn, mean", 0, 0, NULL},
      {"depths", 0, CLI_STRING, &x.depths, "A,B,...", "fine-tune as well: of head, last:N, all, a stage, from:LAYER", 0,
       0, NULL},
      {"epochs", 0, CLI_INT, &x.epochs, "N", "of fine-tuning; 0: as `train --tune`", 0, 100000, NULL},
      {"val", 0, CLI_STRING, &o.val, "DATA|FRACTION", "photos to check on; without: val/, test/, else a fifth", 0, 0,
       NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where a photo's class is", 0, 0, from},
      {"output", 'o', CLI_STRING, &out, "FILE.svg", "a picture of the table", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  o.labels_from_name = names == 1;
  o.seed = c->ctx.seed;
  o.test_checks = true;
  char *list = strdup(backbones), *head_list = strdup(heads), *rest = head_list;
  if (!list || !head_list) {
    free(list);
    free(head_list);
    return CLI_FAILED;
  }
  for (char *name; (name = next_name(&rest));) {
    int k = 0;
    while (cli_head_names[k] && strcmp(cli_head_names[k], name))
      k++;
    if (!cli_head_names[k]) {
      int rc = cli_usage_error(self, "--heads: '%s' is none of linear, knn, mean", name);
      free(list);
      free(head_list);
      return rc;
    }
    x.heads[k] = true;
  }
  x.json = json_array();
  wk_error err = {0};
  int rc;
  if (run(&x, argv[0], list, &o, out, &err) != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    if (out)
      cli_say(c, "\nThe picture is in %s\n", out);
    rc = cli_print_json(c, json_pack("{s:O,s:o,s:O}", "rows", x.json, "out", out ? cli_json_text(out) : json_null(),
                                     "warnings", c->warnings));
  }
  compare_free(&x);
  free(list);
  free(head_list);
  return rc;
}
