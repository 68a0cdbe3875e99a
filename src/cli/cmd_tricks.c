/* cmd_tricks.c - `whisker tricks`: the tricks of training as one measured table. A small network is trained from
 * scratch on the user's photos, with one thing changed at a time, and several seeds each. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tune_flags.h"

/* One change to the base recipe. */
typedef struct trick {
  const char *name, *setting;
  void (*apply)(wk_finetune_options *o, wk_preprocess *p, double value);
  double value;
} trick;

static void nothing(wk_finetune_options *o, wk_preprocess *p, double v) { (void)o, (void)p, (void)v; }
static void two_sided(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)o;
  for (int c = 0; c < 3; c++)
    p->mean[c] = p->std[c] = (float)v;
}
static void scaling(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)o;
  for (int c = 0; c < 3; c++) {
    p->mean[c] = 0;
    p->std[c] = (float)v;
  }
}
static void init(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  o->init = (wk_init_kind)v;
}
static void norm(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  o->norm = (wk_norm_mode)v;
}
static void dropout(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  o->dropout = (float)v;
}
static void patience(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  o->patience = (int)v;
}
static void decay(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  o->optim.weight_decay = v;
}
static void average(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  o->average = (wk_finetune_average)v;
}
static void optimiser(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  wk_optim_options_init(&o->optim, (wk_optim_kind)v);
}
static void clip(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  o->clip_norm = v;
}
static void schedule(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  wk_schedule_options_init(&o->schedule, (wk_schedule_kind)v);
}
static void smoothing(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  o->loss.smoothing = v;
}
static void mixup(wk_finetune_options *o, wk_preprocess *p, double v) {
  (void)p;
  o->mix.mixup = v;
}

static const trick tricks[] = {
    {"the base recipe", "--from-scratch, no --augment", nothing, 0},
    {"input scaling", "0 to 255, none", scaling, 1},
    {"input scaling", "0 to 1", scaling, 255},
    {"input scaling", "-1 to 1", two_sided, 127.5},
    {"first weights", "uniform", init, WK_INIT_UNIFORM},
    {"first weights", "normal", init, WK_INIT_NORMAL},
    {"first weights", "1/sqrt(n)", init, WK_INIT_LECUN},
    {"first weights", "Xavier", init, WK_INIT_XAVIER},
    {"first weights", "He", init, WK_INIT_HE},
    {"first weights", "orthogonal", init, WK_INIT_ORTHOGONAL},
    {"batch norm", "off", norm, WK_NORM_FROZEN},
    {"dropout", "0", dropout, 0},
    {"dropout", "0.1", dropout, 0.1},
    {"dropout", "0.3", dropout, 0.3},
    {"dropout", "0.5", dropout, 0.5},
    {"dropout", "0.8", dropout, 0.8},
    {"early stopping", "never", patience, 0},
    {"early stopping", "after 2 epochs", patience, 2},
    {"weight decay", "0", decay, 0},
    {"weight decay", "0.1", decay, 0.1},
    {"averaging", "none", average, WK_AVERAGE_NONE},
    {"averaging", "moving (EMA)", average, WK_AVERAGE_EMA},
    {"averaging", "last quarter (SWA)", average, WK_AVERAGE_SWA},
    {"averaging", "epochs that help", average, WK_AVERAGE_CHECKPOINTS},
    {"optimiser", "SGD", optimiser, WK_OPTIM_SGD},
    {"optimiser", "momentum", optimiser, WK_OPTIM_MOMENTUM},
    {"optimiser", "Adagrad", optimiser, WK_OPTIM_ADAGRAD},
    {"optimiser", "RMSProp", optimiser, WK_OPTIM_RMSPROP},
    {"optimiser", "Adam", optimiser, WK_OPTIM_ADAM},
    {"optimiser", "AdamW", optimiser, WK_OPTIM_ADAMW},
    {"gradient clipping", "none", clip, 0},
    {"gradient clipping", "length 1", clip, 1},
    {"gradient clipping", "length 10", clip, 10},
    {"learning rate", "constant", schedule, WK_SCHEDULE_CONSTANT},
    {"learning rate", "x 0.98 an epoch", schedule, WK_SCHEDULE_EXPONENTIAL},
    {"learning rate", "cosine", schedule, WK_SCHEDULE_COSINE},
    {"learning rate", "one cycle", schedule, WK_SCHEDULE_ONE_CYCLE},
    {"label smoothing", "0", smoothing, 0},
    {"label smoothing", "0.1", smoothing, 0.1},
    {"mixup", "0.2", mixup, 0.2},
};
enum { TRICKS = sizeof tricks / sizeof *tricks };

typedef struct table {
  cli *cli;
  cli_split split;
  const wk_arch *arch;
  int epochs, seeds, size;
  double mean[TRICKS], deviation[TRICKS], seconds[TRICKS];
  json_t *rows;
} table;

/* One run: the share right of the photos it did not learn from. A run that diverges has learned nothing: its score is
 * what the first weights had, and is told as it is. */
static wk_status once(double *top1, table *t, const trick *k, uint64_t seed, wk_error *err) {
  const cli_split *s = &t->split;
  size_t learn = s->photos.n - s->held_count;
  wk_finetune_data train = {s->photos.path, s->photos.label, learn};
  wk_finetune_data val = {s->photos.path + learn, s->photos.label + learn, s->held_count};
  wk_finetune_options o;
  wk_finetune_options_scratch(&o);
  o.epochs = t->epochs;
  o.keep = WK_KEEP_FINETUNED;
  o.scratch_folder = t->cli->unpacked;
  wk_context ctx = t->cli->ctx;
  ctx.seed = seed;
  ctx.progress = NULL;
  wk_backbone *b = NULL;
  wk_finetune_result *r = NULL;
  wk_status st = wk_backbone_init_random(&b, t->arch, o.init, seed, err);
  if (st != WK_OK)
    return st;
  if (t->size)
    wk_preprocess_set_size(&b->preprocess, t->size, 0);
  k->apply(&o, &b->preprocess, k->value);
  st = wk_finetune(&r, b, &train, &val, s->data->class_count, &o, &ctx, err);
  *top1 = NAN;
  if (st == WK_OK && r->cancelled)
    st = cli_error(err, WK_ERR_CANCELLED, "stopped");
  else if (st == WK_OK && r->tuned_val)
    *top1 = r->tuned_val->top1.value;
  else if (st == WK_ERR_NUMERIC)
    st = WK_OK;
  wk_finetune_result_free(r);
  wk_backbone_free(b);
  return st;
}

static wk_status measure(table *t, int i, wk_error *err) {
  const trick *k = &tricks[i];
  double sum = 0, square = 0, start = cli_seconds();
  int done = 0;
  for (int s = 0; s < t->seeds; s++) {
    double top1;
    wk_status st = once(&top1, t, k, t->cli->ctx.seed + (uint64_t)s, err);
    if (st != WK_OK)
      return st;
    if (!isfinite(top1))
      continue;
    sum += top1;
    square += top1 * top1;
    done++;
  }
  t->mean[i] = done ? sum / done : NAN;
  t->deviation[i] = done > 1 ? sqrt(fmax(0, (square - sum * sum / done) / (done - 1))) : done ? 0 : NAN;
  t->seconds[i] = (cli_seconds() - start) / t->seeds;
  char gain[32] = "";
  if (i && done)
    snprintf(gain, sizeof gain, "%+.1f", 100 * (t->mean[i] - t->mean[0]));
  cli_say(t->cli, "%-18s %-26s %7s \u00b1 %-5.1f %7s %8.1f%s\n", k->name, k->setting, cli_percent(t->mean[i]),
          100 * t->deviation[i], gain, t->seconds[i], done < t->seeds ? "   diverged" : "");
  json_array_append_new(t->rows,
                        json_pack("{s:s,s:s,s:o,s:o,s:f,s:i,s:i}", "trick", k->name, "setting", k->setting, "top1",
                                  cli_json_number(t->mean[i]), "deviation", cli_json_number(t->deviation[i]), "seconds",
                                  t->seconds[i], "seeds", t->seeds, "diverged", t->seeds - done));
  return WK_OK;
}

static wk_status draw(const table *t, const char *out, wk_error *err) {
  double low[TRICKS], high[TRICKS];
  char label[TRICKS][64];
  const char *names[TRICKS];
  for (int i = 0; i < TRICKS; i++) {
    low[i] = t->mean[i] - t->deviation[i];
    high[i] = t->mean[i] + t->deviation[i];
    snprintf(label[i], sizeof label[i], "%s%s%s", tricks[i].name, i ? ": " : "", i ? tricks[i].setting : "");
    names[i] = label[i];
  }
  wk_series s = {.name = "top-1", .n = TRICKS, .y = t->mean, .low = low, .high = high};
  wk_chart chart = {.title = "What each trick does",
                    .y_label = "top-1, mean \u00b1 deviation over seeds",
                    .series = &s,
                    .count = 1,
                    .names = names,
                    .percent = true};
  return wk_chart_save(out, &chart, err);
}

static wk_status run(table *t, const char *data, const cli_split_options *o, const char *out, wk_error *err) {
  wk_status st = out ? cli_check_output(out, false, err) : WK_OK;
  if (st == WK_OK)
    st = cli_split_open(&t->split, t->cli, data, o, err);
  if (st == WK_OK && !t->split.held_count)
    st = cli_error(err, WK_ERR_ARGUMENT, "%s: no photos to check on; give some with --val, such as --val 0.3", data);
  if (st != WK_OK)
    return st;
  cli_say(t->cli,
          "%s: %s photos to learn from, %s to check on; %s from scratch, %d epochs, %d seeds\n\n%-18s %-26s %7s   %-5s "
          "%7s %8s\n",
          data, cli_count(t->split.photos.n - t->split.held_count), cli_count(t->split.held_count), t->arch->name,
          t->epochs, t->seeds, "trick", "setting", "top-1", "dev.", "points", "s a run");
  for (int i = 0; i < TRICKS && st == WK_OK; i++)
    st = measure(t, i, err);
  return st == WK_OK && out ? draw(t, out, err) : st;
}

int cli_tricks(cli *c, const cli_command *self, int argc, char **argv) {
  static const char *const from[] = {"folder", "name", NULL};
  const char *backbone = "simple_cnn", *out = NULL;
  int names = 0;
  cli_split_options o = {0};
  table t = {.cli = c, .epochs = 10, .seeds = 3};
  const cli_flag flags[] = {
      {"backbone", 'b', CLI_STRING, &backbone, "NAME", "the architecture that is trained", 0, 0, NULL},
      {"epochs", 0, CLI_INT, &t.epochs, "N", "times through the photos", 1, 100000, NULL},
      {"seeds", 0, CLI_INT, &t.seeds, "N", "runs of each row", 1, 1000, NULL},
      {"size", 0, CLI_INT, &t.size, "PIXELS", "input side; 0: the architecture's own", 0, 4096, NULL},
      {"val", 0, CLI_STRING, &o.val, "DATA|FRACTION", "photos to check on; without: val/, test/, else a fifth", 0, 0,
       NULL},
      {"labels-from", 0, CLI_CHOICE, &names, "WHERE", "where a photo's class is", 0, 0, from},
      {"output", 'o', CLI_STRING, &out, "FILE.svg", "a picture of the table", 0, 0, NULL},
      {0}};
  CLI_PARSE(n, c, self, flags, 1, 1, argc, argv)
  o.labels_from_name = names == 1;
  o.seed = c->ctx.seed;
  o.test_checks = true;
  wk_error err = {0};
  t.arch = wk_arch_find(backbone);
  t.rows = json_array();
  wk_status st =
      t.arch ? run(&t, argv[0], &o, out, &err)
             : cli_error(&err, WK_ERR_NOT_FOUND, "%s: no such architecture; simple_cnn is small and quick", backbone);
  int rc;
  if (st == WK_OK) {
    if (out)
      cli_say(c, "\nThe picture is in %s\n", out);
    rc = cli_print_json(c, json_pack("{s:O,s:o,s:O}", "rows", t.rows, "out", out ? cli_json_text(out) : json_null(),
                                     "warnings", c->warnings));
  } else {
    rc = cli_fail(c, &err);
  }
  json_decref(t.rows);
  cli_split_free(&t.split);
  return rc;
}
