/* tricks.c - the tricks of training as one measured table. A small network is trained from scratch on the user's
 * photos, with one thing changed at a time, and several seeds each. */
#include <math.h>

#include "whisker/chart.h"
#include "whisker/clock.h"
#include "whisker/output.h"
#include "workflow/workflow.h"

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

typedef struct measuring {
  wk_call call;
  const wk_tricks_options *o;
  const wk_arch *arch;
  wk_holdout split;
  wk_tricks *table;
  double *scores; /* [TRICKS, seeds] right of each run; NaN: it diverged */
} measuring;

void wk_tricks_options_init(wk_tricks_options *o) {
  *o = (wk_tricks_options){.backbone = "simple_cnn", .epochs = 10, .seeds = 3};
}

wk_status wk_tricks_options_validate(const wk_tricks_options *o, wk_error *err) {
  if (!o->backbone || !wk_arch_find(o->backbone))
    return WK_FAIL(err, WK_ERR_NOT_FOUND, "%s: no such architecture; simple_cnn is small and quick",
                   o->backbone ? o->backbone : "NULL");
  if (o->epochs < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "epochs must be at least 1 (got %d)", o->epochs);
  if (o->seeds < 1)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "seeds must be at least 1 (got %d)", o->seeds);
  if (o->size < 0)
    return WK_FAIL(err, WK_ERR_ARGUMENT,
                   "the input's side must be at least 0, which means the architecture's own (got %d)", o->size);
  return WK_OK;
}

void wk_tricks_free(wk_tricks *t) {
  if (!t)
    return;
  wk_free(t->rows);
  wk_free(t->out);
  wk_lines_free(&t->warnings);
  wk_free(t);
}

/* One run: the share right of the photos it did not learn from. A run that diverges has learned nothing: its score is
 * what the first weights had, and is told as it is. */
static wk_status once(double *top1, const measuring *x, const trick *k, uint64_t seed, wk_error *err) {
  wk_status st = WK_OK;
  const wk_holdout *s = &x->split;
  const size_t learn = s->photos.count - s->held_count;
  const wk_finetune_data train = {s->photos.paths, s->photos.labels, learn};
  const wk_finetune_data val = {s->photos.paths + learn, s->photos.labels + learn, s->held_count};
  wk_finetune_options o;
  wk_finetune_options_scratch(&o);
  o.epochs = x->o->epochs;
  o.keep = WK_KEEP_FINETUNED;
  o.scratch_folder = wk_session_scratch_folder(x->call.session);
  wk_context ctx = x->call.ctx;
  ctx.seed = seed;
  ctx.progress = NULL;
  wk_backbone *b = NULL;
  wk_finetune_result *r = NULL;
  *top1 = NAN;
  WK_TRY(wk_backbone_init_random(&b, x->arch, o.init, seed, err));
  if (x->o->size)
    wk_preprocess_set_size(&b->preprocess, x->o->size, 0);
  k->apply(&o, &b->preprocess, k->value);
  st = wk_finetune(&r, b, &train, &val, s->data->class_count, &o, &ctx, err);
  if (st == WK_OK && r->cancelled)
    st = WK_FAIL(err, WK_ERR_CANCELLED, "stopped");
  else if (st == WK_OK && r->tuned_val)
    *top1 = r->tuned_val->top1.value;
  else if (st == WK_ERR_NUMERIC)
    st = WK_OK;
done:
  wk_finetune_result_free(r);
  wk_backbone_free(b);
  return st;
}

/* A row beside the base recipe. */
static wk_verdict judge(const measuring *x, size_t i) {
  const wk_trick_row *r = &x->table->rows[i], *base = &x->table->rows[0];
  const double *own = x->scores + i * (size_t)x->o->seeds, *other = x->scores;
  if (!i)
    return WK_VERDICT_BASE;
  if (r->diverged == r->seeds || base->diverged == base->seeds) /* what has learned nothing is worse than what has */
    return r->diverged == base->diverged ? WK_VERDICT_SAME
           : r->diverged == r->seeds     ? WK_VERDICT_WORSE
                                         : WK_VERDICT_BETTER;
  bool same = true;
  for (int s = 0; s < x->o->seeds; s++)
    same &= own[s] == other[s];
  if (same)
    return WK_VERDICT_SAME;
  const double difference = r->top1 - base->top1;
  if (isfinite(r->deviation) && isfinite(base->deviation)) {
    const double error = sqrt(r->deviation * r->deviation / (r->seeds - r->diverged) +
                              base->deviation * base->deviation / (base->seeds - base->diverged));
    if (fabs(difference) <= 2 * error)
      return WK_VERDICT_LEVEL;
  } else {
    const size_t n = x->split.held_count;
    const wk_interval a = wk_wilson((size_t)lround(r->top1 * (double)n), n);
    const wk_interval b = wk_wilson((size_t)lround(base->top1 * (double)n), n);
    if (a.low <= b.high && b.low <= a.high)
      return WK_VERDICT_LEVEL;
  }
  return difference > 0 ? WK_VERDICT_BETTER : WK_VERDICT_WORSE;
}

static wk_status measure(measuring *x, const trick *k, wk_error *err) {
  double *scores = x->scores + x->table->row_count * (size_t)x->o->seeds;
  double sum = 0, square = 0, start = wk_clock_seconds();
  const int seeds = x->o->seeds;
  int done = 0;
  for (int s = 0; s < seeds; s++) {
    double top1;
    WK_RETURN_IF_ERROR(once(&top1, x, k, x->call.ctx.seed + (uint64_t)s, err));
    scores[s] = top1;
    if (!isfinite(top1))
      continue;
    sum += top1;
    square += top1 * top1;
    done++;
  }
  wk_trick_row *row = &x->table->rows[x->table->row_count];
  *row = (wk_trick_row){.trick = k->name, .setting = k->setting, .seeds = seeds, .diverged = seeds - done};
  row->top1 = done ? sum / done : NAN;
  row->deviation = done > 1 ? sqrt(fmax(0, (square - sum * sum / done) / (done - 1))) : NAN;
  row->seconds = (wk_clock_seconds() - start) / seeds;
  row->verdict = judge(x, x->table->row_count);
  x->table->row_count++;
  if (x->o->on_row)
    x->o->on_row(x->o->user, row);
  return WK_OK;
}

static wk_status draw(const wk_tricks *t, const char *out, wk_error *err) {
  double mean[TRICKS], low[TRICKS], high[TRICKS];
  char label[TRICKS][64];
  const char *names[TRICKS];
  for (size_t i = 0; i < t->row_count; i++) {
    const wk_trick_row *r = &t->rows[i];
    mean[i] = r->top1;
    low[i] = r->top1 - r->deviation;
    high[i] = r->top1 + r->deviation;
    snprintf(label[i], sizeof label[i], "%s%s%s", r->trick, i ? ": " : "", i ? r->setting : "");
    names[i] = label[i];
  }
  wk_series s = {.name = "top-1", .n = t->row_count, .y = mean, .low = low, .high = high};
  wk_chart chart = {
      .title = "What each trick does",
      .y_label = "top-1, mean \u00b1 deviation over seeds",
      .series = &s,
      .count = 1,
      .names = names,
      .percent = true,
      .chance = t->chance,
      .compared_with = 1,
      .note = "Hatched, with the dotted line: the base recipe, of which each row changes one thing. Chance: always "
              "naming the commonest class."};
  return wk_chart_save(out, &chart, err);
}

wk_status wk_tricks_measure(wk_tricks **out, wk_session *s, const char *data, const wk_tricks_options *options,
                            wk_error *err) {
  WK_NEED(err, out, s, data);
  wk_status st = WK_OK;
  wk_tricks_options o;
  wk_tricks_options_init(&o);
  if (options)
    o = *options;
  measuring x = {.o = &o};
  wk_call_begin(&x.call, s);
  WK_TRY(wk_tricks_options_validate(&o, err));
  x.arch = wk_arch_find(o.backbone);
  if (o.out)
    WK_TRY(wk_output_check(o.out, false, err));
  x.table = wk_calloc(1, sizeof *x.table);
  WK_FAIL_IF(!x.table || !(x.table->rows = wk_calloc(TRICKS, sizeof *x.table->rows)), err, WK_ERR_MEMORY,
             "out of memory");
  WK_TRY(wk_holdout_open_to_check(&x.split, &x.call, data, o.labels_from_name, o.val, err));
  wk_holdout_tell(&x.split, data, o.on_data, o.user);
  x.table->row_total = TRICKS;
  WK_TRY(wk_holdout_chance(&x.table->chance, &x.split, err));
  x.scores = wk_alloc_array((size_t)TRICKS * (size_t)o.seeds, sizeof *x.scores);
  WK_FAIL_IF(!x.scores, err, WK_ERR_MEMORY, "out of memory");
  x.table->left_out_learned = x.split.left_out_learned;
  for (int i = 0; i < TRICKS && st == WK_OK; i++)
    st = measure(&x, &tricks[i], err);
  /* What was measured before a stop is worth keeping. */
  x.table->cancelled = st == WK_ERR_CANCELLED && x.table->row_count;
  if (x.table->cancelled)
    st = WK_OK;
  WK_TRY(st);
  if (o.out) {
    WK_TRY(draw(x.table, o.out, err));
    x.table->out = wk_strdup(o.out);
    WK_FAIL_IF(!x.table->out, err, WK_ERR_MEMORY, "out of memory");
  }
  WK_TRY(wk_call_take_warnings(&x.table->warnings, &x.call, err));
  *out = x.table;
  x.table = NULL;
done:
  wk_tricks_free(x.table);
  wk_free(x.scores);
  wk_holdout_free(&x.split);
  wk_call_end(&x.call);
  return st;
}

char *wk_tricks_json(const wk_tricks *t) {
  json_t *rows = json_array();
  for (size_t i = 0; i < t->row_count; i++) {
    const wk_trick_row *r = &t->rows[i];
    json_array_append_new(rows, json_pack("{s:s,s:s,s:o,s:o,s:f,s:i,s:i,s:s}", "trick", r->trick, "setting", r->setting,
                                          "top1", wk_report_number(r->top1), "deviation",
                                          wk_report_number(r->deviation), "seconds", r->seconds, "seeds", r->seeds,
                                          "diverged", r->diverged, "verdict", wk_verdict_name(r->verdict)));
  }
  return wk_report_print(json_pack("{s:o,s:o,s:o,s:b,s:o,s:I}", "rows", rows, "chance", wk_report_number(t->chance),
                                   "out", wk_report_text(t->out), "cancelled", t->cancelled, "warnings",
                                   wk_report_lines(&t->warnings), "left_out_learned", (json_int_t)t->left_out_learned));
}
