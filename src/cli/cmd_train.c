/* cmd_train.c - `whisker train`: photos in class folders to a model in one file. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tune_flags.h"

typedef struct train_flags {
  const char *backbone, *arch, *out, *list;
  cli_split_options split;
  int head, k, size, resize, precision;
  double l2;
  bool balance, light, refit;
  cli_tune tune;
} train_flags;

typedef struct train {
  train_flags *flags;
  cli *cli;
  wk_backbone *backbone;
  cli_split split;
  wk_features *features;
  wk_head *head;
  wk_probe_report report;
  wk_metrics *check;
  cli_precision precision;
  json_t *precision_json;
  double seconds_features, seconds_fit;
} train;

static void train_free(train *t) {
  json_decref(t->precision_json);
  wk_metrics_free(t->check);
  wk_head_free(t->head);
  wk_features_free(t->features);
  cli_split_free(&t->split);
  wk_backbone_free(t->backbone);
}

static wk_status fit(train *t, wk_error *err) {
  wk_probe_options o;
  wk_probe_options_init(&o);
  o.kind = (wk_head_kind)t->flags->head;
  o.balance = t->flags->balance;
  o.k = t->flags->k;
  o.mapped = t->features->mapped > 0;
  if (!isnan(t->flags->l2))
    o.l2 = t->flags->l2;
  double start = cli_seconds();
  int columns = t->features->columns, classes = t->split.data->class_count;
  wk_status st = wk_probe_fit(&t->head, &t->report, t->features->row, t->split.y, t->split.learn_rows, columns, classes,
                              &o, &t->cli->ctx, err);
  if (st == WK_OK && t->split.check_rows) {
    float *p = malloc(t->split.check_rows * (size_t)classes * sizeof *p);
    if (!p)
      return cli_no_memory(err);
    wk_head_predict_features(p, t->head, t->features, t->split.learn_rows, t->split.learn_rows + t->split.check_rows);
    st = wk_metrics_compute(&t->check, p, t->split.y + t->split.learn_rows, t->split.check_rows, classes, 0, err);
    free(p);
  }
  if (st == WK_OK && t->flags->refit && t->split.check_rows) {
    wk_head_free(t->head);
    t->head = NULL;
    if (o.kind == WK_HEAD_LINEAR) {
      o.l2 = t->report.l2;
      o.temperature = t->report.temperature;
    }
    st = wk_probe_fit(&t->head, NULL, t->features->row, t->split.y, t->split.learn_rows + t->split.check_rows, columns,
                      classes, &o, &t->cli->ctx, err);
  }
  t->seconds_fit = cli_seconds() - start;
  return st;
}

/* What was checked: held-back photos, or else those that the penalty was chosen on. */
static wk_interval checked(const train *t, size_t *n) {
  if (t->check) {
    *n = t->check->photo_count;
    return t->check->top1;
  }
  if (isnan(t->report.held_out_top1)) {
    *n = 0;
    return wk_wilson(0, 0);
  }
  *n = t->report.held_out;
  return wk_wilson((size_t)llround(t->report.held_out_top1 * (double)*n), *n);
}

static wk_status save(train *t, const char *out, wk_error *err) {
  size_t n;
  wk_interval top1 = checked(t, &n);
  json_t *recipe = json_pack("{s:s,s:o,s:s,s:I,s:I,s:I,s:I,s:o,s:o,s:b,s:b}", "made_by", "whisker " WK_VERSION, "data",
                             cli_json_text(t->split.data->root), "head", cli_head_names[t->flags->head], "seed",
                             (json_int_t)t->cli->ctx.seed, "train_images", (json_int_t)t->split.learn_rows,
                             "val_images", (json_int_t)n, "columns", (json_int_t)t->features->columns, "l2",
                             cli_json_number(t->report.l2), "val_top1", cli_json_number(n ? top1.value : NAN),
                             "balance", t->flags->balance, "refit", t->flags->refit);
  if (recipe && t->backbone->precision != WK_PRECISION_FLOAT32)
    json_object_set_new(recipe, "precision", json_string(wk_precision_name(t->backbone->precision)));
  char *text = recipe ? json_dumps(recipe, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(recipe);
  if (!text)
    return cli_no_memory(err);
  wk_model *m = NULL;
  wk_status st = wk_model_create(&m, t->backbone, t->head, (const char *const *)t->split.data->classes, text, err);
  free(text);
  if (st != WK_OK)
    return st;
  t->backbone = NULL;
  t->head = NULL;
  st = wk_model_save(m, out, t->flags->light, err);
  wk_model_free(m);
  return st;
}

static int report(train *t, const char *out, double began) {
  cli *c = t->cli;
  size_t n;
  wk_interval top1 = checked(t, &n);
  double total = cli_seconds() - began;
  struct stat st;
  uint64_t bytes = stat(out, &st) == 0 ? (uint64_t)st.st_size : 0;
  if (t->check && t->check->class_count > 3)
    cli_say(c, "classifier  top-1 %s  top-%d %s  (%s photos it did not learn from, interval %s)\n",
            cli_percent(top1.value), t->check->k, cli_percent(t->check->topk.value), cli_count(n), cli_interval(top1));
  else if (n)
    cli_say(c, "classifier  %s right  (%s photos %s, interval %s)\n", cli_percent(top1.value), cli_count(n),
            t->check                    ? "it did not learn from"
            : t->report.cross_validated ? "in turn left out"
                                        : "held back to choose its L2",
            cli_interval(top1));
  if (t->flags->head == WK_HEAD_LINEAR)
    cli_say(c, "            L2 %g%s\n", t->report.l2,
            isnan(t->report.held_out_top1) ? "" : ", chosen on photos left out");
  cli_say(c, "Saved %s (%s) in %.1f s.%s\n", out, cli_bytes(bytes), total,
          c->features ? " The features are kept: another --head, --l2 or split takes a moment." : "");
  json_t *j = json_pack(
      "{s:i,s:o,s:I,s:I,s:o,s:o,s:o,s:I,s:o,s:s,s:{s:f,s:f,s:f},s:o,s:I,s:O}", "classes", t->split.data->class_count,
      "labels", cli_json_labels(t->split.data->classes, t->split.data->class_count), "train_images",
      (json_int_t)t->split.learn_rows, "val_images", (json_int_t)n, "val_top1",
      n ? cli_json_number(top1.value) : json_null(), "val_interval", n ? cli_json_interval(top1) : json_null(), "l2",
      cli_json_number(t->report.l2), "broken", (json_int_t)t->features->broken, "val_top5",
      t->check ? cli_json_number(t->check->topk.value) : json_null(), "head", cli_head_names[t->flags->head], "seconds",
      "features", t->seconds_features, "fit", t->seconds_fit, "total", total, "model", cli_json_text(out), "bytes",
      (json_int_t)bytes, "warnings", c->warnings);
  json_object_set_new(j, "precision", t->precision_json);
  t->precision_json = NULL;
  return cli_print_json(c, j);
}

static void introduce(train *t, const char *name) {
  cli *c = t->cli;
  size_t smallest = SIZE_MAX, largest = 0;
  for (int k = 0; k < t->split.data->class_count; k++) {
    size_t have = 0;
    for (size_t i = 0; i < t->split.photos.n; i++)
      have += t->split.photos.label[i] == k;
    smallest = have < smallest ? have : smallest;
    largest = have > largest ? have : largest;
  }
  cli_say(c, "%s: %s photos, %d classes, %s", name, cli_count(t->split.photos.n), t->split.data->class_count,
          cli_count(smallest));
  if (largest != smallest)
    cli_say(c, " to %s", cli_count(largest));
  cli_say(c, " a class");
  if (t->split.held_count)
    cli_say(c, " (%s to learn from, %s to check on)", cli_count(t->split.photos.n - t->split.held_count),
            cli_count(t->split.held_count));
  cli_say(c, "\n");
  size_t others = t->split.data->ignored - t->split.data->aside;
  if (others)
    cli_say(c, "  ! %zu file%s: left out\n", others, others == 1 ? " is no photo" : "s are not photos");
  if (smallest < 2)
    cli_say(
        c,
        "  ! some classes have one photo: it is learned from, so nothing tells how well they are known; 10 each are a "
        "start\n");
  if (largest > 5 * smallest && !t->flags->balance)
    cli_say(c, "  ! some classes have over 5 times as many photos as others: --balance gives each the same weight\n");
}

/* The backbone that is learned with: pretrained, or the bare architecture. */
static wk_status open_backbone(train *t, wk_error *err) {
  const train_flags *f = t->flags;
  wk_status st;
  if (f->tune.from_scratch) {
    const wk_arch *a = wk_arch_find(f->backbone);
    if (!a)
      return cli_error(err, WK_ERR_NOT_FOUND,
                       "%s: --from-scratch needs the name of an architecture, such as simple_cnn or resnet18",
                       f->backbone);
    st = wk_backbone_init_random(&t->backbone, a, (wk_init_kind)f->tune.init, t->cli->ctx.seed, err);
  } else {
    st = wk_backbone_open(&t->backbone, f->backbone, f->arch, &t->cli->pull, &t->cli->ctx, err);
  }
  if (st == WK_OK && (f->size || f->resize)) {
    wk_preprocess *p = &t->backbone->preprocess;
    wk_preprocess_set_size(p, f->size ? f->size : p->width, f->resize);
    st = wk_preprocess_validate(p, err);
  }
  return st;
}

static wk_status prepare(train *t, const char *path, const char *out, wk_error *err) {
  wk_status st = cli_check_output(out, true, err);
  if (st == WK_OK && (t->flags->tune.depth || t->flags->tune.from_scratch))
    st = cli_tune_check_outputs(out, &t->flags->tune, err);
  if (st == WK_OK)
    st = cli_split_open(&t->split, t->cli, path, &t->flags->split, err);
  if (st == WK_OK)
    st = open_backbone(t, err);
  if (st == WK_OK)
    introduce(t, path);
  if (st == WK_OK && t->flags->tune.from_scratch)
    st = cli_suit_scratch(t->cli, &t->split, &t->backbone->preprocess, &t->flags->tune, err);
  return st;
}

/* --show-augment by itself trains nothing: only tuned networks see changed photos. */
static wk_status show(train *t, wk_error *err) {
  wk_finetune_options o;
  cli_tune_options(&o, &t->flags->tune);
  wk_status st = cli_check_output(t->flags->tune.show_augment, false, err);
  return st == WK_OK
             ? cli_show_augment(t->cli, &t->split, &t->backbone->preprocess, &o, t->flags->tune.show_augment, err)
             : st;
}

static int report_shown(train *t) {
  char *text = wk_augment_text(&t->flags->tune.augment);
  json_t *j = json_pack("{s:o,s:o,s:O}", "out", cli_json_text(t->flags->tune.show_augment), "augment",
                        text ? cli_json_text(text) : json_null(), "warnings", t->cli->warnings);
  wk_free(text);
  return cli_print_json(t->cli, j);
}

/* The linear probe, or another head on the same features. */
static wk_status probe(train *t, const char *out, wk_error *err) {
  wk_features_options o;
  wk_features_options_init(&o);
  o.cache_folder = t->cli->features;
  o.scratch_folder = t->cli->unpacked;
  wk_status st = cli_precision_choose(&t->precision, t->cli, t->backbone, t->flags->precision, &t->split, &o, err);
  if (st != WK_OK)
    return st;
  t->precision_json = cli_precision_json(&t->precision, t->backbone);
  double start = cli_seconds();
  o.name = t->split.photos.name;
  st = wk_features_compute(&t->features, t->backbone, t->split.photos.path, t->split.photos.n, &o, &t->cli->ctx, err);
  t->seconds_features = cli_seconds() - start;
  if (st == WK_OK && t->features->broken)
    cli_say(t->cli, "  ! %zu photos could not be read: left out\n", t->features->broken);
  if (st == WK_OK)
    st = cli_split_rows(&t->split, t->features, err);
  if (st == WK_OK)
    st = fit(t, err);
  return st == WK_OK ? save(t, out, err) : st;
}

static int tune(train *t, const char *out, double began) {
  const train_flags *f = t->flags;
  cli_tune_job job = {.cli = t->cli,
                      .flags = &f->tune,
                      .split = &t->split,
                      .backbone = t->backbone,
                      .backbone_name = f->backbone,
                      .out = out,
                      .light = f->light,
                      .balance = f->balance,
                      .began = began};
  int rc = cli_tune_run(&job);
  t->backbone = job.backbone;
  return rc;
}

/* photos/ -> photos.whisker; NULL: no memory. */
static char *default_output(const char *data) {
  char *name = strdup(data);
  if (!name)
    return NULL;
  for (size_t n = strlen(name); n > 1 && name[n - 1] == '/'; n--)
    name[n - 1] = 0;
  const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
  char *out = malloc(strlen(base) + sizeof ".whisker" + 5);
  if (out)
    sprintf(out, "%s.whisker", !*base || !strcmp(base, ".") || !strcmp(base, "..") ? "model" : base);
  free(name);
  return out;
}

int cli_train(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  double began = cli_seconds();
  int names = 0;
  train_flags f = {.backbone = "efficientnet_lite0", .k = 5, .l2 = NAN};
  cli_tune fresh, attacked;
  cli_tune_init(&f.tune, CLI_TUNE_PLAIN);
  cli_tune_init(&fresh, CLI_TUNE_SCRATCH);
  cli_tune_init(&attacked, CLI_TUNE_ADVERSARIAL);
  const cli_flag own[] = {
      {"backbone", 'b', CLI_STRING, &f.backbone, "NAME|FILE", "pretrained network, by name or a weight file", 0, 0,
       NULL},
      {"output", 'o', CLI_STRING, &f.out, "MODEL", "where the model goes; without: DATA's name and .whisker", 0, 0,
       NULL},
      {"val", 0, CLI_STRING, &f.split.val, "DATA|FRACTION",
       "photos to check on; without: val/, else a fifth (none when there is a test/)", 0, 0, NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where a photo's class is", 0, 0, from},
      {"list", 0, CLI_STRING, &f.list, "CSV", "a list of photos and labels (columns file,label) instead of folders", 0,
       0, NULL},
      {"head", 0, CLI_CHOICE, &f.head, "KIND", "what learns", 0, 0, cli_head_names},
      {"l2", 0, CLI_DOUBLE, &f.l2, "W", "penalty on the weights; without: chosen on photos left out", 0, 1e9, NULL},
      {"precision", 0, CLI_CHOICE, &f.precision, "KIND",
       "what features are computed in, also by the model later; auto: int8, or else bf16, where that is faster and as "
       "accurate",
       0, 0, cli_precision_names},
      {"balance", 0, CLI_BOOL, &f.balance, NULL, "give every class the same weight, however many photos it has", 0, 0,
       NULL},
      {"refit", 0, CLI_BOOL, &f.refit, NULL, "after checking, fit once more on all photos", 0, 0, NULL},
      {"adversarial", 0, CLI_DOUBLE, &f.tune.adversarial, "EPS",
       "fine-tune (--tune all, unless that is given) on photos attacked by up to EPS grey levels of 255 as well; 0: no",
       0, 255, NULL},
      {"k", 0, CLI_INT, &f.k, "K", "neighbours of --head knn", 1, 1000, NULL},
      {"size", 0, CLI_INT, &f.size, "PIXELS", "input side; 0: the backbone's own", 0, 4096, NULL},
      {"resize", 0, CLI_INT, &f.resize, "PIXELS", "shorter side before the crop; 0: in the backbone's own ratio", 0,
       8192, NULL},
      {"light", 0, CLI_BOOL, &f.light, NULL, "keep the backbone's name and hash in the file, not its weights", 0, 0,
       NULL},
      {"arch", 0, CLI_STRING, &f.arch, "NAME", "what a weight file holds, where that cannot be seen", 0, 0, NULL}};
  enum { OWN = sizeof own / sizeof *own };
  cli_flag flags[OWN + CLI_TUNE_FLAGS + 1] = {0};
  memcpy(flags, own, sizeof own);
  cli_tune_table(flags + OWN, &f.tune);
  cli_flag other[CLI_TUNE_FLAGS + 1] = {0};
  cli_tune_table(other, &fresh);
  c->other = other;
  c->other_when = "from scratch";
  CLI_PARSE(n, c, self, flags, 0, 1, argc, argv)
  bool adversarial = f.tune.adversarial > 0;
  if (adversarial && !f.tune.from_scratch)
    cli_tune_table(other, &attacked);
  if (adversarial || f.tune.from_scratch)
    cli_take_other(c, flags);
  c->other = NULL;
  bool tuning = f.tune.depth || f.tune.from_scratch;
  wk_error wrong = {0};
  if (cli_tune_read(&f.tune, &wrong) != WK_OK)
    return cli_usage_error(self, "%s", wrong.message);
  bool showing = !tuning && f.tune.show_augment;
  const char *misplaced = tuning || showing ? NULL : cli_tune_misplaced(c, &f.tune);
  if (misplaced || (!tuning && !showing && f.tune.augment_text))
    return cli_usage_error(
        self, "--%s goes with --tune, --from-scratch or --adversarial: without them nothing but a classifier is fitted",
        misplaced ? misplaced : "augment");
  if (tuning && (f.head != WK_HEAD_LINEAR || f.refit))
    return cli_usage_error(
        self, "--tune, --from-scratch and --adversarial train a linear head: --head and --refit do not go with them");
  if (tuning && f.precision != WK_PRECISION_FLOAT32 && f.precision != CLI_PRECISION_AUTO)
    return cli_usage_error(self,
                           "--precision %s is for fitting a classifier: --tune, --from-scratch and --adversarial "
                           "train through the network, in float32",
                           cli_precision_names[f.precision]);
  if (f.precision != CLI_PRECISION_AUTO && wk_precision_check((wk_precision)f.precision, &wrong) != WK_OK)
    return cli_fail(c, &wrong);
  if (n == 0 && !f.list)
    return cli_usage_error(self, "say where the photos are: whisker train DATA");
  const char *data = f.list ? f.list : argv[0];
  f.split.labels_from_name = names == 1;
  f.split.seed = c->ctx.seed;
  f.split.always = tuning;
  wk_error err = {0};
  train t = {.flags = &f, .cli = c};
  char *out = f.out ? strdup(f.out) : default_output(data);
  struct stat exists;
  wk_status st = WK_OK;
  if (!out)
    st = cli_no_memory(&err);
  else if (!f.out && !showing && stat(out, &exists) == 0)
    st = cli_error(&err, WK_ERR_IO, "%s: is there already; name the file to write with -o", out);
  if (st == WK_OK)
    st = prepare(&t, data, out, &err);
  if (st == WK_OK && f.tune.show_augment)
    st = show(&t, &err);
  if (st == WK_OK && !tuning && !showing)
    st = probe(&t, out, &err);
  int rc = st != WK_OK ? cli_fail(c, &err)
           : tuning    ? tune(&t, out, began)
           : showing   ? report_shown(&t)
                       : report(&t, out, began);
  free(out);
  train_free(&t);
  return rc;
}
