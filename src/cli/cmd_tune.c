/* cmd_tune.c - `whisker train --tune` and `--from-scratch`: the epochs as they go by, and what is kept at the end: the
 * model, its history as JSON, and the learning curve as a picture beside it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tune_flags.h"

typedef struct teller {
  cli *cli;
  int epochs;
  double started; /* when everything that is computed once was there */
} teller;

static void on_start(void *user, const char *line) {
  teller *t = user;
  t->started = cli_seconds();
  cli_say(t->cli, "%s\n", line);
}

/* Eight heights of a bar, for the share right. */
static const char *bar(double share) {
  static const char *const height[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  int at = isfinite(share) ? (int)(share * 8) : 0;
  return height[at < 0 ? 0 : at > 7 ? 7 : at];
}

static void say_attacked(cli *c, const wk_finetune_epoch *e) {
  if (isfinite(e->attacked_top1))
    cli_say(c, "  attacked %6s  %s", cli_percent(e->attacked_top1), bar(e->attacked_top1));
}

static void on_epoch(void *user, const wk_finetune_epoch *e) {
  teller *t = user;
  if (e->epoch == 0) {
    if (isfinite(e->val_top1))
      cli_say(t->cli, "epoch %3d/%-3d              check %6s  %s", 0, t->epochs, cli_percent(e->val_top1),
              bar(e->val_top1));
    say_attacked(t->cli, e);
    if (isfinite(e->val_top1))
      cli_say(t->cli, "  before the first step\n");
    return;
  }
  cli_say(t->cli, "epoch %3d/%-3d  loss %-7.4f", e->epoch, t->epochs, e->train_loss);
  if (isfinite(e->val_top1))
    cli_say(t->cli, " check %6s  %s", cli_percent(e->val_top1), bar(e->val_top1));
  say_attacked(t->cli, e);
  cli_say(t->cli, "  %.1f s%s\n", e->seconds, e->best && isfinite(e->val_top1) ? "   best so far, kept" : "");
}

/* "pets.whisker" and ".json" give "pets.json". */
static char *beside(const char *out, const char *ending) {
  size_t n = strlen(out), cut = sizeof ".whisker" - 1;
  if (n > cut && !strcmp(out + n - cut, ".whisker"))
    n -= cut;
  char *path = malloc(n + strlen(ending) + 1);
  if (path) {
    memcpy(path, out, n);
    strcpy(path + n, ending);
  }
  return path;
}

wk_status cli_tune_check_outputs(const char *out, const cli_tune *t, wk_error *err) {
  static const struct {
    const char *ending, *mark;
  } file[] = {{".json", "\"made_by\":\"whisker"},
              {".svg", "drawn by whisker"},
              {".checkpoint", "whisker.tune"},
              {"-rates.svg", "drawn by whisker"}};
  wk_status st = WK_OK;
  for (int i = 0; i < (t->find_lr ? 4 : 3) && st == WK_OK; i++) {
    char *path = beside(out, file[i].ending);
    st = path ? cli_check_own(path, file[i].mark, err) : cli_no_memory(err);
    free(path);
  }
  return st;
}

/* The share right over the epochs where there are check photos, else the loss. */
static wk_status draw(const char *path, const wk_finetune_result *r, wk_error *err) {
  size_t n = (size_t)r->epochs;
  double *x = malloc(4 * n * sizeof *x);
  if (!x)
    return cli_no_memory(err);
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
  free(x);
  return st;
}

static const wk_metrics *kept(const wk_finetune_result *r) { return r->tuned ? r->tuned_val : r->probe_val; }

static wk_status save(cli_tune_job *j, wk_finetune_result *r, size_t learn, size_t check, wk_error *err) {
  const wk_metrics *m = kept(r);
  json_t *recipe =
      json_pack("{s:s,s:o,s:s,s:s?,s:b,s:i,s:i,s:i,s:I,s:I,s:I,s:o,s:I}", "made_by", "whisker " WK_VERSION, "data",
                cli_json_text(j->split->data->root), "head", "linear", "tune",
                j->flags->from_scratch ? "from scratch" : j->flags->depth, "tuned", r->tuned, "epochs",
                j->flags->epochs, "best_epoch", r->best, "batch_size", j->flags->batch, "seed",
                (json_int_t)j->cli->ctx.seed, "train_images", (json_int_t)learn, "val_images", (json_int_t)check,
                "val_top1", m ? cli_json_number(m->top1.value) : json_null(), "trained_params", (json_int_t)r->params);
  if (recipe && j->flags->adversarial > 0)
    json_object_set_new(recipe, "adversarial_eps_255", json_real(j->flags->adversarial));
  char *text = recipe ? json_dumps(recipe, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;
  json_decref(recipe);
  if (!text)
    return cli_no_memory(err);
  wk_model *model = NULL;
  wk_backbone **from = r->backbone ? &r->backbone : &j->backbone;
  wk_status st = wk_model_create(&model, *from, r->head, (const char *const *)j->split->data->classes, text, err);
  free(text);
  if (st != WK_OK)
    return st;
  *from = NULL;
  r->head = NULL;
  /* Tuned weights are nowhere else: a light model would lose them. */
  st = wk_model_save(model, j->out, j->light && !r->tuned, err);
  wk_model_free(model);
  return st;
}

/* The rates that were tried, as a picture beside the model. */
static wk_status draw_rates(cli *c, const wk_finetune_result *r, const char *out, wk_error *err) {
  char *path = r->rates.steps > 1 ? beside(out, "-rates.svg") : NULL;
  if (r->rates.steps < 2)
    return WK_OK;
  if (!path)
    return cli_no_memory(err);
  wk_series s = {.name = "loss", .n = (size_t)r->rates.steps, .x = r->rates.lr, .y = r->rates.loss};
  wk_chart chart = {.title = "Learning rates tried",
                    .x_label = "learning rate",
                    .y_label = "loss",
                    .series = &s,
                    .count = 1,
                    .log_x = true};
  wk_status st = wk_chart_save(path, &chart, err);
  if (st == WK_OK)
    cli_say(c, "Learning rate %.3g, where the loss fell fastest: %s\n", r->rates.suggested, path);
  free(path);
  return st;
}

/* What adversarial training bought; what it cost is told by the line on right answers. */
static void say_withstood(cli *c, const wk_finetune_result *r, const cli_tune_job *j) {
  if (!r->attacked)
    return;
  cli_say(c, "Attacked by up to %g/255 (a few steps, %zu check photos), %s stayed right", j->flags->adversarial,
          r->attacked, cli_percent(r->attacked_after));
  if (!j->flags->from_scratch)
    cli_say(c, "; before the training %s", cli_percent(r->attacked_before));
  cli_say(c, ". `whisker robust` attacks harder, and photos that were not seen here.\n");
}

static void say_result(cli *c, const wk_finetune_result *r, const cli_tune_job *j) {
  if (r->trouble)
    cli_say(c, "  ! %s\n", r->trouble);
  if (r->cancelled)
    cli_say(c, "Stopped by you: the best epoch so far (%d) is what is saved; --resume goes on.\n", r->best);
  else if (r->stopped_early)
    cli_say(c, "No better epoch for a while: stopped early. Epoch %d is kept.\n", r->best);
  if (r->probe_val && r->tuned_val) {
    long better = lround(r->tuned_val->top1.value * (double)r->tuned_val->photo_count) -
                  lround(r->probe_val->top1.value * (double)r->probe_val->photo_count);
    cli_say(c, "The plain classifier had %s; tuned %s (interval %s): ", cli_percent(r->probe_val->top1.value),
            cli_percent(r->tuned_val->top1.value), cli_interval(r->tuned_val->top1));
    bool overlap =
        r->tuned_val->top1.low <= r->probe_val->top1.high && r->probe_val->top1.low <= r->tuned_val->top1.high;
    if (better == 0)
      cli_say(c, "no difference in right answers");
    else
      cli_say(c, "%s by %ld photo%s of %zu%s", better > 0 ? "better" : "worse", labs(better),
              labs(better) == 1 ? "" : "s", r->tuned_val->photo_count, overlap ? ", which may be luck" : "");
    cli_say(c, ". Kept the %s; --keep %s keeps the other.\n", r->tuned ? "tuned one" : "plain one",
            r->tuned ? "probe" : "tuned");
  } else if (kept(r)) {
    cli_say(c, "right on %s of the check photos (interval %s)\n", cli_percent(kept(r)->top1.value),
            cli_interval(kept(r)->top1));
  }
  say_withstood(c, r, j);
  if (r->tuned && r->tuned_val && r->calibration.temperature != 1)
    cli_say(c, "Calibration error %s before and %s after a temperature of %.2f.\n",
            cli_percent(r->calibration.ece_before), cli_percent(r->calibration.ece_after), r->calibration.temperature);
  if (j->light && r->tuned)
    cli_say(c, "  ! --light is left out: tuned weights exist in this file only\n");
}

/* null: the run was not adversarial. */
static json_t *withstood_json(const cli_tune_job *j, const wk_finetune_result *r) {
  if (!(j->flags->adversarial > 0))
    return json_null();
  return json_pack("{s:f,s:I,s:o,s:o}", "eps_255", j->flags->adversarial, "photos", (json_int_t)r->attacked, "before",
                   cli_json_number(r->attacked_before), "after", cli_json_number(r->attacked_after));
}

static json_t *result_json(const cli_tune_job *j, const wk_finetune_result *r, size_t learn, size_t check,
                           double features, double fit, const char *history, const char *curve) {
  const wk_metrics *m = kept(r);
  char *text = wk_finetune_history(r);
  json_t *epochs = text ? json_loads(text, 0, NULL) : NULL;
  wk_free(text);
  struct stat st;
  return json_pack(
      "{s:i,s:o,s:I,s:I,s:o,s:o,s:b,s:o,s:o,s:i,s:b,s:b,s:I,s:s?,s:I,s:b,s:f,s:o,s:o,s:I,s:s?,s:o,s:s,s:s,s:{s:f,s:f,s:"
      "f},s:o,s:I,s:o,s:O}",
      "classes", j->split->data->class_count, "labels",
      cli_json_labels(j->split->data->classes, j->split->data->class_count), "train_images", (json_int_t)learn,
      "val_images", (json_int_t)check, "val_top1", m ? cli_json_number(m->top1.value) : json_null(), "val_interval",
      m ? cli_json_interval(m->top1) : json_null(), "tuned", r->tuned, "probe_top1",
      r->probe_val ? cli_json_number(r->probe_val->top1.value) : json_null(), "tuned_top1",
      r->tuned_val ? cli_json_number(r->tuned_val->top1.value) : json_null(), "best_epoch", r->best, "stopped_early",
      r->stopped_early, "cancelled", r->cancelled, "trained_params", (json_int_t)r->params, "frozen_up_to", r->frozen,
      "kept_bytes", (json_int_t)r->kept_bytes, "kept_on_disk", r->kept_on_disk, "temperature",
      r->calibration.temperature, "ece_before", cli_json_number(r->calibration.ece_before), "ece_after",
      cli_json_number(r->calibration.ece_after), "broken", (json_int_t)r->broken, "trouble", r->trouble, "epochs",
      epochs ? epochs : json_null(), "history", history, "curve", curve, "seconds", "features", features, "fit", fit,
      "total", cli_seconds() - j->began, "model", cli_json_text(j->out), "bytes",
      (json_int_t)(stat(j->out, &st) == 0 ? st.st_size : 0), "adversarial", withstood_json(j, r), "warnings",
      j->cli->warnings);
}

int cli_tune_run(cli_tune_job *j) {
  cli *c = j->cli;
  const cli_split *s = j->split;
  size_t learn = s->photos.n - s->held_count;
  wk_finetune_data train = {s->photos.path, s->photos.label, learn};
  wk_finetune_data val = {s->photos.path + learn, s->photos.label + learn, s->held_count};
  wk_error err = {0};
  wk_finetune_result *r = NULL;
  wk_finetune_options o;
  cli_tune_options(&o, j->flags);
  teller t = {c, o.epochs, 0};
  o.on_start = on_start;
  o.on_epoch = on_epoch;
  o.user = &t;
  o.balance = j->balance;
  o.scratch_folder = c->unpacked;
  o.features.cache_folder = c->features;
  char *checkpoint = beside(j->out, ".checkpoint"), *history = beside(j->out, ".json"), *curve = beside(j->out, ".svg");
  o.checkpoint = checkpoint;
  double start = cli_seconds();
  wk_model *teacher = NULL;
  wk_status st = checkpoint && history && curve ? WK_OK : cli_no_memory(&err);
  if (st == WK_OK && j->flags->teacher)
    st = cli_tune_teacher(&teacher, c, j->flags->teacher, s->data, &err);
  o.teacher = teacher;
  if (st == WK_OK)
    st = wk_finetune(&r, j->backbone, &train, val.photo_count ? &val : NULL, s->data->class_count, &o, &c->ctx, &err);
  double begun = t.started > 0 ? t.started : start, fit = cli_seconds() - begun;
  if (st == WK_OK)
    st = wk_finetune_history_save(history, r, &err);
  if (st == WK_OK)
    st = draw(curve, r, &err);
  if (st == WK_OK)
    st = draw_rates(c, r, j->out, &err);
  if (st == WK_OK)
    st = save(j, r, learn, s->held_count, &err);
  int rc;
  if (st == WK_OK) {
    say_result(c, r, j);
    cli_say(c, "Saved %s in %.1f s; its history is in %s, the curve in %s\n", j->out, cli_seconds() - j->began, history,
            curve);
    /* A finished run needs no checkpoint. */
    if (!r->cancelled)
      remove(checkpoint);
    rc =
        cli_print_json(c, c->json ? result_json(j, r, learn, s->held_count, begun - start, fit, history, curve) : NULL);
    if (r->cancelled && rc == CLI_DONE)
      rc = CLI_INTERRUPTED;
  } else {
    rc = cli_fail(c, &err);
  }
  wk_finetune_result_free(r);
  wk_model_free(teacher);
  free(checkpoint);
  free(history);
  free(curve);
  return rc;
}
