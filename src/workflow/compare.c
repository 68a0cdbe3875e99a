/* compare.c - several backbones, heads and depths of fine-tuning on one data set, with the same split, as a table and a
 * picture. */
#include <math.h>
#include <string.h>

#include "base/choice.h"
#include "base/softmax.h"
#include "whisker/chart.h"
#include "whisker/clock.h"
#include "whisker/output.h"
#include "workflow/workflow.h"

typedef struct comparing {
  wk_call call;
  const wk_compare_options *o;
  wk_holdout split;
  wk_comparison *table;
  uint8_t *answers; /* [rows, split.held_count] of `enum answer` */
} comparing;

enum answer { UNREAD, WRONG, RIGHT };

static const char *const verdict_names[] = {"base", "same", "level", "better", "worse"};

const char *wk_verdict_name(wk_verdict v) {
  return (unsigned)v < sizeof verdict_names / sizeof *verdict_names ? verdict_names[v] : NULL;
}

/* The next name of a comma-separated list, cut out in place; NULL at its end. */
static char *next_name(char **list) {
  char *name;
  do
    name = strsep(list, ",");
  while (name && !*name);
  return name;
}

/* ---- options ----------------------------------------------------------------------------------- */

enum { HEADS = 3 };
typedef bool head_set[HEADS]; /* by wk_head_kind */

static void heads_init(void *field) { (*(head_set *)field)[WK_HEAD_LINEAR] = true; }

static wk_status heads_read(void *field, const char *text, wk_error *err) {
  const char *const names[HEADS] = {wk_head_kind_name(0), wk_head_kind_name(1), wk_head_kind_name(2)};
  head_set read = {false};
  char *list = wk_strdup(text), *rest = list;
  wk_status st = list ? WK_OK : wk_no_memory(err);
  for (char *name; st == WK_OK && (name = next_name(&rest));) {
    int kind = 0;
    if ((st = wk_choice_parse(&kind, "head", name, names, HEADS, err)) == WK_OK)
      read[kind] = true;
  }
  wk_free(list);
  if (st == WK_OK)
    memcpy(field, read, sizeof read);
  return st;
}

static char *heads_write(const void *field) {
  const bool *has = field;
  wk_text t = {0};
  for (int k = 0; k < HEADS; k++)
    if (has[k])
      wk_text_add(&t, "%s%s", t.len ? "," : "", wk_head_kind_name(k));
  if (!t.len)
    wk_text_add(&t, ",");
  if (t.failed)
    wk_text_free(&t);
  return t.data;
}

static wk_status heads_check(const void *field, wk_error *err) {
  (void)field, (void)err;
  return WK_OK;
}

static const wk_option_codec heads_codec = {heads_init, heads_read, heads_write, heads_check};
static const wk_option option_rows[] = {
    {.name = "backbone",
     .letter = 'b',
     WK_ROW_TEXT(wk_compare_options, backbones),
     .text = "efficientnet_lite0",
     .placeholder = "A,B,...",
     .help = "comma-separated backbones, by name or weight file"},
    {.name = "heads",
     WK_ROW_CODEC(wk_compare_options, heads, &heads_codec),
     .placeholder = "A,B,...",
     .help = "comma-separated heads: linear, knn, mean"},
    {.name = "depths",
     WK_ROW_TEXT(wk_compare_options, depths),
     .placeholder = "A,B,...",
     .help = "also fine-tune, at these comma-separated depths: head, last:N, all, a stage, from:LAYER"},
    {.name = "epochs",
     WK_ROW_INT(wk_compare_options, epochs),
     .min = 0,
     .max = 100000,
     .placeholder = "N",
     .help = "epochs of fine-tuning; 0: those of `train --tune`"},
    {.name = "labels-from-name",
     WK_ROW_BOOL(wk_compare_options, labels_from_name),
     .flags = WK_OPTION_NO_FLAG,
     .help = "a photo's class is in its name"},
    {.name = "val",
     WK_ROW_TEXT(wk_compare_options, val),
     .placeholder = "DATA|FRACTION",
     .help = "validation photos, or the share to hold out; default: val/, else test/, else a fifth"},
    {.name = "output",
     .letter = 'o',
     WK_ROW_TEXT(wk_compare_options, out),
     .placeholder = "FILE.svg",
     .help = "draw the table as a picture"},
    {0}};

static wk_status check_options(const void *options, wk_error *err) {
  const wk_compare_options *o = options;
  if (!o->backbones || !o->backbones[strspn(o->backbones, ",")])
    return WK_FAIL(err, WK_ERR_ARGUMENT, "name at least one backbone to compare, such as efficientnet_lite0");
  return WK_OK;
}

static const wk_option_table option_table = {"compare_options", sizeof(wk_compare_options), option_rows, check_options};
const wk_option_table *wk_compare_options_table(void) { return &option_table; }

void wk_compare_options_init(wk_compare_options *o) { wk_options_init(o, &option_table); }

wk_status wk_compare_options_validate(const wk_compare_options *o, wk_error *err) {
  return wk_options_validate(o, &option_table, err);
}

static void row_free(wk_compare_row *r) {
  wk_free(r->backbone);
  wk_free(r->shown);
}

void wk_comparison_free(wk_comparison *c) {
  if (!c)
    return;
  for (size_t i = 0; i < c->row_count; i++)
    row_free(&c->rows[i]);
  wk_free(c->rows);
  wk_free(c->out);
  wk_lines_free(&c->warnings);
  wk_free(c);
}

/* ---- which photos a row got right --------------------------------------------------------------- */

/* Room for the answers of the next row. */
static wk_status answers_grow(comparing *x, wk_error *err) {
  const size_t held = x->split.held_count, rows = x->table->row_count;
  uint8_t *grown = wk_grow(x->answers, rows * held, (rows + 1) * held);
  if (!grown)
    return wk_no_memory(err);
  x->answers = grown;
  memset(grown + rows * held, UNREAD, held);
  return WK_OK;
}

/* p [rows, classes], photo[i]: the place of row i among the photos to check on, beginning at `first`. */
static void answers_note(comparing *x, const float *p, const int *y, const size_t *photo, size_t first, size_t rows) {
  const int classes = x->split.data->class_count;
  uint8_t *answer = x->answers + x->table->row_count * x->split.held_count;
  for (size_t i = 0; i < rows; i++, p += classes)
    answer[photo[i] - first] = wk_best_class(p, classes, -1) == y[i] ? RIGHT : WRONG;
}

/* Every row beside the one that is right most often. */
static void judge(comparing *x) {
  wk_comparison *t = x->table;
  const size_t held = x->split.held_count;
  for (size_t i = 1; i < t->row_count; i++)
    if (t->rows[i].top1.value > t->rows[t->best].top1.value)
      t->best = i;
  const uint8_t *best = x->answers + t->best * held;
  for (size_t i = 0; i < t->row_count; i++) {
    wk_compare_row *r = &t->rows[i];
    const uint8_t *own = x->answers + i * held;
    for (size_t k = 0; k < held; k++) {
      r->only_best += best[k] == RIGHT && own[k] == WRONG;
      r->only_this += best[k] == WRONG && own[k] == RIGHT;
    }
    r->p_value = wk_mcnemar(r->only_best, r->only_this);
    r->above_chance = r->top1.low > t->chance;
    r->verdict = i == t->best                     ? WK_VERDICT_BASE
                 : !r->only_best && !r->only_this ? WK_VERDICT_SAME
                 : r->p_value >= 0.05             ? WK_VERDICT_LEVEL
                                                  : WK_VERDICT_WORSE;
  }
}

/* ---- rows -------------------------------------------------------------------------------------- */

/* One head on features that are there. */
static wk_status one_head(wk_compare_row *r, comparing *x, const wk_features *f, int kind, wk_error *err) {
  wk_status st = WK_OK;
  const wk_holdout *s = &x->split;
  int classes = s->data->class_count;
  wk_head *head = NULL;
  wk_metrics *m = NULL;
  size_t cells;
  float *p = NULL;
  wk_probe_options o;
  wk_probe_options_init(&o);
  o.kind = (wk_head_kind)kind;
  o.mapped = f->mapped > 0;
  o.group = s->row_group;
  double start = wk_clock_seconds();
  WK_TRY(wk_probe_fit(&head, NULL, f->row, s->y, s->learn_rows, f->columns, classes, &o, &x->call.ctx, err));
  r->seconds_fit = wk_clock_seconds() - start;
  snprintf(r->head, sizeof r->head, "%s", wk_head_kind_name(kind));
  p = wk_mul_overflow(&cells, s->check_rows + 1, (size_t)classes) ? NULL : wk_alloc_array(cells, sizeof *p);
  WK_FAIL_IF(!p, err, WK_ERR_MEMORY, "out of memory");
  wk_head_predict_features(p, head, f, s->learn_rows, s->learn_rows + s->check_rows);
  WK_TRY(wk_metrics_compute(&m, p, s->y + s->learn_rows, s->check_rows, classes, 0, err));
  r->top1 = m->top1;
  r->loss = m->loss.value;
  WK_TRY(answers_grow(x, err));
  answers_note(x, p, s->y + s->learn_rows, f->index + s->learn_rows, s->photos.count - s->held_count, s->check_rows);
done:
  wk_free(p);
  wk_metrics_free(m);
  wk_head_free(head);
  return st;
}

/* What a tuned network says of the photos to check on. */
static wk_status check_tuned(wk_compare_row *r, comparing *x, wk_finetune_result *t, wk_error *err) {
  wk_status st = WK_OK;
  const wk_holdout *s = &x->split;
  size_t learn = s->photos.count - s->held_count;
  wk_model *m = NULL;
  wk_features *f = NULL;
  wk_metrics *metrics = NULL;
  float *p = NULL;
  wk_features_options o; /* nothing is kept: nobody else has these weights */
  wk_features_options_init(&o);
  int *y = wk_alloc_array(s->held_count + 1, sizeof *y);
  WK_FAIL_IF(!y, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_model_create(&m, t->backbone, t->head, (const char *const *)s->data->classes, "{}", err));
  t->backbone = NULL;
  t->head = NULL;
  WK_TRY(wk_model_predict(&p, &f, m, s->photos.paths + learn, s->held_count, &o, &x->call.ctx, err));
  for (size_t i = 0; i < f->rows; i++)
    y[i] = s->photos.labels[learn + f->index[i]];
  WK_TRY(wk_metrics_compute(&metrics, p, y, f->rows, s->data->class_count, 0, err));
  r->top1 = metrics->top1;
  r->loss = metrics->loss.value;
  WK_TRY(answers_grow(x, err));
  answers_note(x, p, y, f->index, 0, f->rows);
done:
  wk_metrics_free(metrics);
  wk_features_free(f);
  wk_free(p);
  wk_model_free(m);
  wk_free(y);
  return st;
}

/* One depth of fine-tuning with the defaults. The photos to check on choose nothing, not even the epoch: else a
 * network that was looked at in every epoch would be compared with a head that was not. */
static wk_status one_depth(wk_compare_row *r, comparing *x, const wk_backbone *b, const char *depth, wk_error *err) {
  wk_status st = WK_OK;
  const wk_holdout *s = &x->split;
  const wk_finetune_data train = {s->photos.paths, s->photos.labels, s->photos.count - s->held_count};
  wk_finetune_options o;
  wk_finetune_result *t = NULL;
  wk_finetune_options_init(&o);
  o.depth = depth;
  o.epochs = x->o->epochs ? x->o->epochs : o.epochs;
  o.keep = WK_KEEP_FINETUNED;
  o.scratch_folder = wk_session_scratch_folder(x->call.session);
  wk_session_features_options(&o.features, x->call.session);
  snprintf(r->head, sizeof r->head, "tuned %.40s", depth);
  double start = wk_clock_seconds();
  WK_TRY(wk_finetune(&t, b, &train, NULL, s->data->class_count, &o, &x->call.ctx, err));
  r->seconds_fit = wk_clock_seconds() - start;
  WK_FAIL_IF(t->cancelled, err, WK_ERR_CANCELLED, "stopped");
  WK_TRY(check_tuned(r, x, t, err));
done:
  wk_finetune_result_free(t);
  return st;
}

static wk_status keep_row(comparing *x, wk_compare_row *r, const char *backbone, const wk_backbone *b,
                          const wk_features *f, wk_error *err) {
  wk_comparison *t = x->table;
  const char *base = wk_path_base(backbone);
  wk_compare_row *grown = wk_grow(t->rows, t->row_count * sizeof *grown, (t->row_count + 1) * sizeof *grown);
  if (grown)
    t->rows = grown;
  r->backbone = wk_strdup(backbone);
  r->shown = wk_strdup(*base ? base : backbone);
  if (!grown || !r->backbone || !r->shown) {
    row_free(r);
    return wk_no_memory(err);
  }
  /* Kept features are quick to read: their speed would say nothing about the network's. */
  r->photos_per_second = f->computed == f->rows && f->seconds > 0 ? (double)f->rows / f->seconds : NAN;
  r->seconds_features = f->seconds;
  r->columns = f->columns;
  r->computed_count = f->computed;
  for (size_t i = 0; i < wk_tensors_size(b->weights); i++)
    r->bytes += wk_tensors_at(b->weights, i)->bytes;
  t->rows[t->row_count++] = *r;
  if (x->o->on_row)
    x->o->on_row(x->o->user, &t->rows[t->row_count - 1]);
  return WK_OK;
}

/* ---- networks ---------------------------------------------------------------------------------- */

static wk_status all_depths(comparing *x, const char *name, const wk_backbone *b, const wk_features *f, wk_error *err) {
  char *list = wk_strdup(x->o->depths ? x->o->depths : ""), *rest = list;
  wk_status st = list ? WK_OK : wk_no_memory(err);
  for (char *depth; st == WK_OK && (depth = next_name(&rest));) {
    wk_compare_row r = {0};
    if ((st = one_depth(&r, x, b, depth, err)) == WK_OK)
      st = keep_row(x, &r, name, b, f, err);
  }
  wk_free(list);
  return st;
}

static wk_status one_backbone(comparing *x, const char *name, wk_error *err) {
  wk_status st = WK_OK;
  wk_backbone *b = NULL;
  wk_features *f = NULL;
  wk_features_options o;
  wk_session_features_options(&o, x->call.session);
  WK_TRY(wk_backbone_open(&b, name, NULL, wk_session_pull_options(x->call.session), &x->call.ctx, err));
  WK_TRY(wk_features_compute(&f, b, x->split.photos.paths, x->split.photos.count, &o, &x->call.ctx, err));
  WK_TRY(wk_holdout_rows(&x->split, f, err));
  for (int k = 0; k < HEADS; k++) {
    wk_compare_row r = {0};
    if (!x->o->heads[k])
      continue;
    WK_TRY(one_head(&r, x, f, k, err));
    WK_TRY(keep_row(x, &r, name, b, f, err));
  }
  WK_TRY(all_depths(x, name, b, f, err));
done:
  wk_features_free(f);
  wk_backbone_free(b);
  return st;
}

/* Fetches and opens every network: what is wrong with the last is told before the first has been computed. */
static wk_status try_all(comparing *x, wk_error *err) {
  char *list = wk_strdup(x->o->backbones), *rest = list;
  wk_status st = list ? WK_OK : wk_no_memory(err);
  for (char *name; st == WK_OK && (name = next_name(&rest));) {
    wk_backbone *b = NULL;
    st = wk_backbone_open(&b, name, NULL, wk_session_pull_options(x->call.session), &x->call.ctx, err);
    wk_backbone_free(b);
  }
  wk_free(list);
  return st;
}

static wk_status all_backbones(comparing *x, wk_error *err) {
  char *list = wk_strdup(x->o->backbones), *rest = list;
  wk_status st = list ? WK_OK : wk_no_memory(err);
  for (char *name; st == WK_OK && (name = next_name(&rest));)
    st = one_backbone(x, name, err);
  wk_free(list);
  return st;
}

static wk_status draw(const wk_comparison *t, const char *out, wk_error *err) {
  wk_status st = WK_OK;
  size_t n = t->row_count;
  double *v = wk_alloc_array(n, 3 * sizeof *v);
  char **names = wk_calloc(n + 1, sizeof *names);
  WK_FAIL_IF(!v || !names, err, WK_ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < n; i++) {
    v[i] = t->rows[i].top1.value;
    v[n + i] = t->rows[i].top1.low;
    v[2 * n + i] = t->rows[i].top1.high;
    names[i] = wk_asprintf("%s, %s", t->rows[i].shown, t->rows[i].head);
    WK_FAIL_IF(!names[i], err, WK_ERR_MEMORY, "out of memory");
  }
  wk_series s = {.name = "top-1", .n = n, .y = v, .low = v + n, .high = v + 2 * n};
  wk_chart chart = {.title = "Right on photos that were not learned from",
                    .y_label = "top-1 with its 95% interval",
                    .series = &s,
                    .count = 1,
                    .names = (const char *const *)names,
                    .percent = true,
                    .chance = t->chance,
                    .compared_with = t->best + 1,
                    .note =
                        "Hatched, with the dotted line: right most often. Chance: always naming the commonest class."};
  WK_TRY(wk_chart_save(out, &chart, err));
done:
  for (size_t i = 0; names && i < n; i++)
    wk_free(names[i]);
  wk_free(names);
  wk_free(v);
  return st;
}

wk_status wk_compare(wk_comparison **out, wk_session *s, const char *data, const wk_compare_options *options,
                     wk_error *err) {
  WK_NEED(err, out, s, data);
  wk_status st = WK_OK;
  wk_compare_options o;
  wk_compare_options_init(&o);
  if (options)
    o = *options;
  comparing x = {.o = &o};
  wk_call_begin(&x.call, s);
  WK_TRY(wk_compare_options_validate(&o, err));
  if (o.out)
    WK_TRY(wk_output_check(o.out, false, err));
  x.table = wk_calloc(1, sizeof *x.table);
  WK_FAIL_IF(!x.table, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_holdout_open_to_check(&x.split, &x.call, data, o.labels_from_name, o.val, err));
  x.table->left_out_learned = x.split.left_out_learned;
  WK_TRY(try_all(&x, err));
  wk_holdout_tell(&x.split, data, o.on_data, o.user);
  WK_TRY(wk_holdout_chance(&x.table->chance, &x.split, err));
  WK_TRY(all_backbones(&x, err));
  judge(&x);
  if (o.out) {
    WK_TRY(draw(x.table, o.out, err));
    x.table->out = wk_strdup(o.out);
    WK_FAIL_IF(!x.table->out, err, WK_ERR_MEMORY, "out of memory");
  }
  WK_TRY(wk_call_take_warnings(&x.table->warnings, &x.call, err));
  *out = x.table;
  x.table = NULL;
done:
  wk_comparison_free(x.table);
  wk_free(x.answers);
  wk_holdout_free(&x.split);
  wk_call_end(&x.call);
  return st;
}

char *wk_comparison_json(const wk_comparison *c) {
  json_t *rows = json_array();
  for (size_t i = 0; i < c->row_count; i++) {
    const wk_compare_row *r = &c->rows[i];
    json_array_append_new(
        rows,
        json_pack("{s:o,s:s,s:o,s:o,s:o,s:o,s:o,s:f,s:I,s:i,s:I,s:s,s:I,s:I,s:f,s:b}", "backbone",
                  wk_report_text(r->backbone), "head", r->head, "top1", wk_report_number(r->top1.value), "interval",
                  wk_report_interval(r->top1), "loss", wk_report_number(r->loss), "photos_per_second",
                  wk_report_number(r->photos_per_second), "seconds_features", wk_report_number(r->seconds_features),
                  "seconds_fit", r->seconds_fit, "bytes", (json_int_t)r->bytes, "columns", r->columns, "computed",
                  (json_int_t)r->computed_count, "verdict", i == c->best ? "best" : wk_verdict_name(r->verdict),
                  "only_best", (json_int_t)r->only_best, "only_this", (json_int_t)r->only_this, "p_value", r->p_value,
                  "above_chance", r->above_chance));
  }
  return wk_report_print(json_pack("{s:o,s:I,s:o,s:o,s:o,s:I}", "rows", rows, "best", (json_int_t)c->best, "chance",
                                   wk_report_number(c->chance), "out", wk_report_text(c->out), "warnings",
                                   wk_report_lines(&c->warnings), "left_out_learned", (json_int_t)c->left_out_learned));
}
