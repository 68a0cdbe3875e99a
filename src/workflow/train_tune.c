/* train_tune.c - the second way of training: through the network itself, or from scratch. Beside the model lie its
 * history as JSON, the learning curve as a picture, and while it runs a checkpoint. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "whisker/chart.h"
#include "whisker/clock.h"
#include "whisker/output.h"
#include "workflow/workflow.h"

/* "pets.whisker" and ".json" give "pets.json". */
static char *beside_model(const char *out, const char *ending) {
  size_t n = strlen(out), cut = sizeof ".whisker" - 1;
  if (n > cut && !strcmp(out + n - cut, ".whisker"))
    n -= cut;
  return wk_asprintf("%.*s%s", (int)n, out, ending);
}

wk_status wk_finetune_check_outputs(const char *out, const wk_finetune_options *o, wk_error *err) {
  static const struct {
    const char *ending, *mark;
  } file[] = {{".json", "\"made_by\":\"whisker"},
              {".svg", "drawn by whisker"},
              {".checkpoint", "whisker.tune"},
              {"-rates.svg", "drawn by whisker"}};
  wk_status st = WK_OK;
  for (int i = 0; i < (o->find_lr ? 4 : 3) && st == WK_OK; i++) {
    char *path = beside_model(out, file[i].ending);
    st = path ? wk_output_check_own(path, file[i].mark, err) : wk_no_memory(err);
    wk_free(path);
  }
  return st;
}

/* Opens the model of the teacher and checks that its classes are those of the data. */
static wk_status open_teacher(wk_model **out, wk_call *call, const char *name, const wk_dataset *data, wk_error *err) {
  wk_model *m = NULL;
  WK_RETURN_IF_ERROR(wk_call_open_model(&m, call, name, NULL, err));
  bool same = m->label_count == data->class_count;
  for (int i = 0; same && i < data->class_count; i++)
    same = !strcmp(m->labels[i], data->classes[i]);
  if (same) {
    *out = m;
    return WK_OK;
  }
  wk_status st =
      WK_FAIL(err, WK_ERR_ARGUMENT,
              "--teacher %s: it tells %d classes (%s, ...), but must tell the %d of these photos (%s, ...); train it "
              "on the same folders",
              name, m->label_count, m->label_count ? m->labels[0] : "none", data->class_count, data->classes[0]);
  wk_model_free(m);
  return st;
}

/* ---- pictures ---------------------------------------------------------------------------------- */

/* The share right over the epochs where there are check photos, else the loss. */
static wk_status draw_curve(const char *path, const wk_finetune_result *r, wk_error *err) {
  size_t n = (size_t)r->epochs;
  double *x = wk_alloc_array(4 * n, sizeof *x);
  if (!x)
    return wk_no_memory(err);
  bool checked = false;
  for (size_t i = 0; i < n; i++) {
    x[i] = r->history[i].epoch;
    x[n + i] = r->history[i].train_loss;
    x[2 * n + i] = r->history[i].val_top1;
    x[3 * n + i] = r->history[i].attacked_top1;
    checked = checked || isfinite(r->history[i].val_top1);
  }
  const wk_series s[2] = {{.name = checked ? "check" : "loss", .n = n, .x = x, .y = checked ? x + 2 * n : x + n},
                          {.name = "check, attacked", .n = n, .x = x, .y = x + 3 * n}};
  wk_chart chart = {.title = "Learning curve",
                    .x_label = "epoch",
                    .y_label = checked ? "top-1 on the check photos" : "loss",
                    .series = s,
                    .count = r->attacked ? 2 : 1,
                    .percent = checked};
  wk_status st = wk_chart_save(path, &chart, err);
  wk_free(x);
  return st;
}

/* The rates that were tried. */
static wk_status draw_rates(const char *path, const wk_finetune_result *r, wk_error *err) {
  wk_series s = {.name = "loss", .n = (size_t)r->rates.steps, .x = r->rates.lr, .y = r->rates.loss};
  wk_chart chart = {.title = "Learning rates tried",
                    .x_label = "learning rate",
                    .y_label = "loss",
                    .series = &s,
                    .count = 1,
                    .log_x = true};
  return wk_chart_save(path, &chart, err);
}

/* History, curve and rates beside the model. */
static wk_status write_beside(wk_training *t, wk_error *err) {
  wk_train_report *r = t->report;
  if (!t->o->out)
    return WK_OK;
  WK_RETURN_IF_ERROR(wk_finetune_history_save(r->history, r->finetune, err));
  WK_RETURN_IF_ERROR(draw_curve(r->curve, r->finetune, err));
  if (r->finetune->rates.steps < 2)
    return WK_OK;
  if (!(r->rates = beside_model(t->o->out, "-rates.svg")))
    return wk_no_memory(err);
  return draw_rates(r->rates, r->finetune, err);
}

/* ---- the model --------------------------------------------------------------------------------- */

static char *recipe_of(const wk_training *t) {
  const wk_train_report *r = t->report;
  const wk_finetune_options *o = &t->finetune;
  json_t *recipe = json_pack(
      "{s:s,s:s,s:s?,s:b,s:i,s:i,s:i,s:I,s:I,s:I,s:o,s:I}", "made_by", "whisker " WK_VERSION, "head", "linear", "tune",
      r->kind == WK_TRAIN_SCRATCH ? "from scratch" : o->depth, "tuned", r->finetune->tuned, "epochs", o->epochs,
      "best_epoch", r->finetune->best, "batch_size", o->batch, "seed", (json_int_t)t->call.ctx.seed, "train_images",
      (json_int_t)r->train_count, "val_images", (json_int_t)r->val_count, "val_top1",
      r->val ? wk_report_number(r->val->top1.value) : json_null(), "trained_params", (json_int_t)r->finetune->params);
  if (recipe && o->adversary.eps_255 > 0)
    json_object_set_new(recipe, "adversarial_eps_255", json_real(o->adversary.eps_255));
  return wk_report_compact(recipe);
}

static wk_status make_model(wk_training *t, wk_error *err) {
  wk_finetune_result *r = t->report->finetune;
  char *recipe = recipe_of(t);
  if (!recipe)
    return wk_no_memory(err);
  wk_backbone **from = r->backbone ? &r->backbone : &t->backbone;
  wk_status st = wk_model_create(&t->model, *from, r->head, (const char *const *)t->split.data->classes, recipe, err);
  wk_free(recipe);
  if (st != WK_OK)
    return st;
  *from = NULL;
  r->head = NULL;
  /* What was checked on has chosen the epoch, and whether the tuned network is kept. */
  WK_RETURN_IF_ERROR(wk_holdout_learned(&t->model->learned, &t->split, true, err));
  /* Tuned weights are nowhere else: a light model would lose them. */
  return wk_training_save(t, t->o->light && !r->tuned, err);
}

/* ---- the run ----------------------------------------------------------------------------------- */

typedef struct teller {
  const wk_training *training;
  double started; /* when everything that is computed once was there */
} teller;

static void on_start(void *user, const char *line) {
  teller *t = user;
  t->started = wk_clock_seconds();
  wk_call_note(&t->training->call, "%s", line);
}

static void on_epoch(void *user, const wk_finetune_epoch *epoch) {
  const wk_train_options *o = ((teller *)user)->training->o;
  if (o->on_epoch)
    o->on_epoch(o->user, epoch);
}

static wk_status run(wk_training *t, const char *checkpoint, wk_error *err) {
  wk_status st = WK_OK;
  const wk_holdout *s = &t->split;
  wk_train_report *report = t->report;
  const size_t learn = s->photos.count - s->held_count;
  const wk_finetune_data train = {s->photos.paths, s->photos.labels, learn};
  const wk_finetune_data val = {s->photos.paths + learn, s->photos.labels + learn, s->held_count};
  wk_model *teacher = NULL;
  teller told = {.training = t};
  wk_finetune_options o = t->finetune;
  o.on_start = on_start;
  o.on_epoch = on_epoch;
  o.user = &told;
  o.scratch_folder = wk_session_scratch_folder(t->call.session);
  wk_session_features_options(&o.features, t->call.session);
  o.checkpoint = checkpoint;
  double start = wk_clock_seconds();
  if (t->o->teacher)
    WK_TRY(open_teacher(&teacher, &t->call, t->o->teacher, s->data, err));
  o.teacher = teacher;
  WK_TRY(wk_finetune(&report->finetune, t->backbone, &train, val.photo_count ? &val : NULL, s->data->class_count, &o,
                     &t->call.ctx, err));
  double begun = told.started > 0 ? told.started : start;
  report->seconds_features = begun - start;
  report->seconds_fit = wk_clock_seconds() - begun;
done:
  wk_model_free(teacher);
  return st;
}

static void sum_up(wk_training *t) {
  wk_train_report *r = t->report;
  r->val = r->finetune->tuned ? r->finetune->tuned_val : r->finetune->probe_val;
  r->train_count = t->split.photos.count - t->split.held_count;
  r->val_count = t->split.held_count;
  r->left_out_learned = t->split.left_out_learned;
  r->broken = r->finetune->broken;
  r->probe = r->finetune->probe;
  r->adversarial_eps_255 = t->finetune.adversary.eps_255;
  if (r->val) {
    r->checked_on = WK_CHECKED_ON_HELD_BACK;
    r->val_top1 = r->val->top1;
  }
}

wk_status wk_train_tune(wk_training *t, wk_error *err) {
  wk_status st = WK_OK;
  wk_train_report *r = t->report;
  char *checkpoint = NULL;
  if (t->o->out) {
    checkpoint = beside_model(t->o->out, ".checkpoint");
    r->history = beside_model(t->o->out, ".json");
    r->curve = beside_model(t->o->out, ".svg");
    WK_FAIL_IF(!checkpoint || !r->history || !r->curve, err, WK_ERR_MEMORY, "out of memory");
  }
  WK_TRY(run(t, checkpoint, err));
  sum_up(t);
  WK_TRY(make_model(t, err)); /* first: it is what the epochs were for */
  WK_TRY(write_beside(t, err));
  /* A finished run needs no checkpoint. */
  if (checkpoint && !r->finetune->cancelled)
    unlink(checkpoint);
done:
  wk_free(checkpoint);
  return st;
}
