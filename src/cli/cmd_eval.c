/* cmd_eval.c - `whisker eval`: how often a model is right on photos whose class is known, how sure one can be of that,
 * and where it goes wrong. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

typedef struct eval {
  wk_model *model;
  wk_dataset *data;
  cli_photos photos;
  wk_features *features;
  float *p;   /* [rows, labels] */
  int *truth; /* [rows] */
  wk_metrics *metrics;
  const char *split;
} eval;

static void eval_free(eval *e) {
  wk_metrics_free(e->metrics);
  free(e->truth);
  wk_free(e->p);
  wk_features_free(e->features);
  cli_photos_free(&e->photos);
  wk_dataset_free(e->data);
  wk_model_free(e->model);
}

/* test/ when the data have one, else val/, else everything. */
static bool choose_part(eval *e, int wanted) {
  static const wk_split splits[] = {WK_SPLIT_ALL, WK_SPLIT_TRAIN, WK_SPLIT_VAL, WK_SPLIT_TEST};
  static const char *const name[] = {"all", "train", "val", "test"};
  if (wanted > 0) {
    e->split = name[wanted - 1];
    return cli_photos_of(&e->photos, e->data, splits[wanted - 1]);
  }
  for (int i = 3; i >= 0; i--) {
    if (i == 1)
      continue;
    if (!cli_photos_of(&e->photos, e->data, splits[i]))
      return false;
    e->split = name[i];
    if (e->photos.n)
      return true;
    cli_photos_free(&e->photos);
  }
  return true;
}

static wk_status run(eval *e, cli *c, const char *model, const char *arch, const char *data, bool names, int part,
                     int k, wk_error *err) {
  wk_status st = wk_model_open(&e->model, model, arch, &c->pull, &c->ctx, err);
  if (st != WK_OK)
    return st;
  wk_dataset_options o;
  cli_dataset_options(&o, c);
  o.labels_from_name = names;
  o.classes = (const char *const *)e->model->labels;
  o.class_count = e->model->label_count;
  if ((st = wk_dataset_open(&e->data, data, &o, err)) != WK_OK)
    return st;
  if (!choose_part(e, part))
    return cli_no_memory(err);
  if (!e->photos.n)
    return cli_error(err, WK_ERR_NOT_FOUND, "%s: no photos in its %s part; `whisker eval --part all` takes every photo",
                     data, e->split);
  wk_features_options f;
  wk_features_options_init(&f);
  f.cache_folder = c->features;
  f.name = e->photos.name;
  if ((st = wk_model_predict(&e->p, &e->features, e->model, e->photos.path, e->photos.n, &f, &c->ctx, err)) != WK_OK)
    return st;
  if (!e->features->rows)
    return cli_error(err, WK_ERR_FORMAT, "%s: none of its %zu photos could be read", data, e->photos.n);
  if (!(e->truth = malloc(e->features->rows * sizeof *e->truth)))
    return cli_no_memory(err);
  for (size_t i = 0; i < e->features->rows; i++)
    e->truth[i] = e->photos.label[e->features->index[i]];
  return wk_metrics_compute(&e->metrics, e->p, e->truth, e->features->rows, e->model->label_count, k, err);
}

static json_t *class_json(const wk_metrics *m, int i) {
  return json_pack("{s:I,s:o,s:o,s:o}", "images", (json_int_t)m->support[i], "recall",
                   cli_json_number(m->recall[i].value), "interval", cli_json_interval(m->recall[i]), "precision",
                   cli_json_number(m->precision[i]));
}

static json_t *result_json(const eval *e, json_t *warnings) {
  const wk_metrics *m = e->metrics;
  json_t *per_class = json_object(), *confusion = json_array(), *wrong = json_array();
  for (int i = 0; i < m->class_count; i++) {
    if (m->support[i])
      json_object_set_new(per_class, e->model->labels[i], class_json(m, i));
    json_t *row = json_array();
    for (int j = 0; j < m->class_count; j++)
      json_array_append_new(row,
                            json_integer((json_int_t)m->confusion[(size_t)i * (size_t)m->class_count + (size_t)j]));
    json_array_append_new(confusion, row);
  }
  for (size_t i = 0; i < e->features->rows; i++) {
    const float *p = e->p + i * (size_t)m->class_count;
    int top = 0;
    for (int j = 1; j < m->class_count; j++)
      top = p[j] > p[top] ? j : top;
    if (top != e->truth[i])
      json_array_append_new(wrong,
                            json_pack("{s:o,s:o,s:o,s:o}", "file", cli_json_text(e->photos.name[e->features->index[i]]),
                                      "truth", cli_json_text(e->model->labels[e->truth[i]]), "predicted",
                                      cli_json_text(e->model->labels[top]), "p", cli_json_number((double)p[top])));
  }
  return json_pack("{s:I,s:I,s:s,s:o,s:o,s:o,s:o,s:i,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:O}", "images",
                   (json_int_t)m->photo_count, "broken", (json_int_t)e->features->broken, "part", e->split, "top1",
                   cli_json_number(m->top1.value), "top1_interval", cli_json_interval(m->top1), "top5",
                   cli_json_number(m->topk.value), "top5_interval", cli_json_interval(m->topk), "k", m->k, "loss",
                   cli_json_number(m->loss.value), "loss_interval", cli_json_interval(m->loss), "ece",
                   cli_json_number(m->ece.value), "ece_interval", cli_json_interval(m->ece), "per_class", per_class,
                   "confusion", confusion, "labels", cli_json_labels(e->model->labels, m->class_count), "mistakes",
                   wrong, "warnings", warnings);
}

/* The classes that go wrong most, and what they are taken for. */
static void say_classes(cli *c, const eval *e) {
  const wk_metrics *m = e->metrics;
  enum { SHOWN = 40 };
  int present = 0;
  for (int i = 0; i < m->class_count; i++)
    present += m->support[i] > 0;
  if (present > SHOWN)
    cli_say(c, "\n%d classes are in these photos; those that are not always right:\n", present);
  else
    cli_say(c, "\n");
  int shown = 0;
  for (int i = 0; i < m->class_count && shown < SHOWN; i++) {
    const size_t *row = m->confusion + (size_t)i * (size_t)m->class_count;
    if (!m->support[i] || (present > SHOWN && row[i] == m->support[i]))
      continue;
    int worst = -1;
    for (int j = 0; j < m->class_count; j++)
      if (j != i && row[j] && (worst < 0 || row[j] > row[worst]))
        worst = j;
    cli_say(c, "  %-28.28s %4zu of %-4zu %6s (%s)", e->model->labels[i], row[i], m->support[i],
            cli_percent(m->recall[i].value), cli_interval(m->recall[i]));
    if (worst >= 0)
      cli_say(c, "  taken for %s %zux", e->model->labels[worst], row[worst]);
    cli_say(c, "\n");
    shown++;
  }
}

int cli_eval(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const parts[] = {"auto", "all", "train", "val", "test", NULL}, *const from[] = {"folder", "name",
                                                                                                     NULL};
  int part = 0, names = 0, k = 0;
  const char *arch = NULL;
  const cli_flag flags[] = {
      {"part", 0, CLI_CHOICE, &part, "PART", "photos to test on; auto: test/, else val/, else all", 0, 0, parts},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where a photo's class is", 0, 0, from},
      {"top", 'k', CLI_INT, &k, "K", "right if among the K best; 0: 5, or fewer when there are fewer classes", 0, 1000,
       NULL},
      {"arch", 0, CLI_STRING, &arch, "NAME", "what a weight file holds, where that cannot be seen", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 2, 2, argc, argv)
  eval e = {0};
  wk_error err = {0};
  int rc;
  if (run(&e, c, argv[0], arch, argv[1], names == 1, part, k, &err) != WK_OK) {
    rc = cli_fail(c, &err);
  } else {
    const wk_metrics *m = e.metrics;
    size_t right = 0;
    for (int i = 0; i < m->class_count; i++)
      right += m->confusion[(size_t)i * (size_t)m->class_count + (size_t)i];
    cli_say(c, "right %s of %s   %s   (95%% interval %s)\n", cli_count(right), cli_count(m->photo_count),
            cli_percent(m->top1.value), cli_interval(m->top1));
    if (m->class_count > 2)
      cli_say(c, "among the best %d   %s   (%s)\n", m->k, cli_percent(m->topk.value), cli_interval(m->topk));
    cli_say(c, "log loss %.4f (%.4f\u2013%.4f)   calibration error %s (%s)\n", m->loss.value, m->loss.low, m->loss.high,
            cli_percent(m->ece.value), cli_interval(m->ece));
    if (e.features->broken)
      cli_say(c, "%zu photos could not be read and do not count\n", e.features->broken);
    say_classes(c, &e);
    rc = cli_print_json(c, c->json ? result_json(&e, c->warnings) : NULL);
  }
  eval_free(&e);
  return rc;
}
