/* epochs.c - the epochs of a run. All randomness is a function of seed, epoch and place, and all that lasts from one
 * epoch to the next is in wk_checkpoint: so a run that was stopped goes on as if nothing had happened. */
#include <math.h>
#include <string.h>

#include "base/chunk.h"
#include "train/finetune/finetune_parts.h"
#include "whisker/clock.h"

/* ---- one epoch --------------------------------------------------------------------------------- */

static void keep_average(wk_finetuner *l) {
  wk_checkpoint *st = &l->st;
  if (l->o->average == WK_AVERAGE_EMA) {
    double decay = wk_average_ema_decay(l->o->ema_decay, st->averaged++);
    wk_average_ema(st->average, st->param, st->params, decay);
    if (st->stats)
      wk_average_ema(st->average_stat, st->stat, st->stats, decay);
  }
}

/* Makes the average that this epoch is judged by; false: its weights as they are. */
static bool average_epochs(wk_finetuner *l, int epoch) {
  wk_checkpoint *st = &l->st;
  bool late = epoch > l->o->swa_start * l->o->epochs, picks = l->o->average == WK_AVERAGE_CHECKPOINTS && l->s->val;
  if (l->o->average == WK_AVERAGE_EMA)
    return epoch > 0;
  if (l->o->average == WK_AVERAGE_NONE || epoch == 0 || (!late && !picks))
    return false;
  if (picks) { /* an epoch that did not help last time is left out again */
    memcpy(st->average, st->best, st->params * sizeof *st->average);
    if (st->stats)
      memcpy(st->average_stat, st->best_stat, st->stats * sizeof *st->average_stat);
  }
  wk_average_add(st->average, st->param, st->params, st->averaged);
  if (st->stats)
    wk_average_add(st->average_stat, st->stat, st->stats, st->averaged);
  st->averaged += !picks;
  return true;
}

static double rate_now(const wk_finetuner *l) {
  wk_schedule_options schedule = l->o->schedule;
  schedule.lr = l->s->lr;
  /* A run as short as its warm-up would learn nothing. */
  schedule.warmup_epochs = fmin(schedule.warmup_epochs, l->o->epochs / 2.0);
  double rate = wk_schedule_lr(&schedule, l->st.step, l->steps, l->steps * (uint64_t)l->o->epochs);
  return schedule.kind == WK_SCHEDULE_PLATEAU ? rate * l->st.plateau.scale : rate;
}

static wk_status run_steps(wk_finetuner *l, wk_finetune_epoch *e, wk_error *err) {
  wk_status st = WK_OK;
  size_t rows = l->s->train->rows;
  char stage[32];
  wk_progress progress = {0};
  double sum = 0;
  snprintf(stage, sizeof stage, "epoch %d", e->epoch);
  wk_finetuner_shuffle(l, e->epoch);
  WK_TRY(wk_progress_begin(&progress, l->s->ctx, stage, rows, err));
  for (size_t i = 0; i < l->steps; i++) {
    double loss;
    e->lr = rate_now(l);
    WK_TRY(wk_finetuner_step(l, &loss, &e->gradient_norm, e->epoch, i, e->lr, &progress, err));
    keep_average(l);
    sum += loss;
  }
  e->train_loss = sum / (double)l->steps;
done:
  wk_progress_end(&progress);
  return st;
}

/* ---- how good it is ---------------------------------------------------------------------------- */

static void swap_floats(float *a, float *b, size_t n) {
  for (size_t i = 0; i < n; i++) {
    float x = a[i];
    a[i] = b[i];
    b[i] = x;
  }
}

/* Averaged weights take the place of the trained ones, and back. */
static void swap_average(wk_finetuner *l) {
  swap_floats(l->st.param, l->st.average, l->st.params);
  if (l->st.stats)
    swap_floats(l->st.stat, l->st.average_stat, l->st.stats);
}

/* Running statistics of weights that were never trained with, as the plain mean over the batches. */
static wk_status reestimate_norms(wk_finetuner *l, int epoch, wk_error *err) {
  wk_status st = WK_OK;
  for (size_t b = 0; b < l->batches; b++) {
    size_t first = wk_even_cut(l->s->train->rows, l->batches, b);
    size_t count = wk_even_cut(l->s->train->rows, l->batches, b + 1) - first;
    wk_trainer_set_norm_momentum(l->t, (float)(1 / ((double)b + 1)));
    WK_TRY(wk_finetuner_fill(l, first, count, epoch, err));
    WK_TRY(wk_trainer_step(l->t, NULL, l->input, (int)count, b, NULL, NULL, l->s->ctx, err));
  }
done:
  wk_trainer_set_norm_momentum(l->t, 0.1f);
  return st;
}

static wk_status judge_now(wk_finetuner *l, wk_finetune_epoch *e, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *weights = NULL;
  const wk_finetune_input *val = l->s->val;
  double temperature, eps_255 = l->o->adversary.eps_255;
  e->val_loss = e->val_top1 = e->attacked_loss = e->attacked_top1 = NAN;
  if (!val)
    return WK_OK;
  WK_TRY(wk_tensors_create(&weights, err));
  WK_TRY(wk_trainer_export(l->t, weights, l->s->start, err));
  WK_TRY(wk_finetune_scores(l->score, l->s->tail, weights, val, l->s->classes, l->s->ctx, err));
  WK_TRY(
      wk_finetune_judge(&e->val_loss, &e->val_top1, &temperature, l->score, val->label, val->rows, l->s->classes, err));
  if (eps_255 > 0)
    WK_TRY(wk_robust_eval(&e->attacked_loss, &e->attacked_top1, temperature, l->s->tail, weights, val, l->s->classes,
                          eps_255, l->s->ctx, err));
done:
  wk_tensors_free(weights);
  return st;
}

/* The loss that an epoch is judged by. */
static double judged(const wk_finetuner *l, const wk_finetune_epoch *e) {
  return l->o->adversary.eps_255 > 0 ? e->attacked_loss : e->val_loss;
}

/* Judges what would be kept, and keeps it if it is the best so far. Without photos to judge by, the last is the best.
 */
static wk_status finish_epoch(wk_finetuner *l, wk_finetune_epoch *e, bool averaged, wk_error *err) {
  wk_checkpoint *st = &l->st;
  wk_status status = WK_OK;
  if (averaged)
    swap_average(l);
  if (averaged && l->o->average != WK_AVERAGE_EMA && st->stats)
    status = reestimate_norms(l, e->epoch, err);
  if (status == WK_OK)
    status = judge_now(l, e, err);
  if (status == WK_OK) {
    e->best = !l->s->val || e->epoch == 0 || judged(l, e) < st->best_loss;
    if (e->best) {
      memcpy(st->best, st->param, st->params * sizeof *st->best);
      if (st->stats)
        memcpy(st->best_stat, st->stat, st->stats * sizeof *st->best_stat);
      st->best_loss = judged(l, e);
      st->best_top1 = e->val_top1;
      st->best_epoch = e->epoch;
    }
    st->since_best = e->best ? 0 : st->since_best + 1;
    bool ingredient = averaged || (e->epoch == 0 && !l->o->from_scratch);
    if (l->o->average == WK_AVERAGE_CHECKPOINTS && l->s->val && e->best && ingredient)
      st->averaged++;
  }
  if (averaged)
    swap_average(l);
  return status;
}

static wk_status run_epoch(wk_finetuner *l, wk_error *err) {
  wk_checkpoint *st = &l->st;
  double start = wk_clock_seconds();
  wk_finetune_epoch e = {.epoch = st->next_epoch, .train_loss = NAN, .lr = 0};
  if (e.epoch > 0)
    WK_RETURN_IF_ERROR(run_steps(l, &e, err));
  WK_RETURN_IF_ERROR(finish_epoch(l, &e, average_epochs(l, e.epoch), err));
  if (e.epoch > 0 && l->o->schedule.kind == WK_SCHEDULE_PLATEAU) {
    wk_schedule_options schedule = l->o->schedule;
    schedule.lr = l->s->lr;
    wk_plateau_update(&st->plateau, &schedule, l->s->val ? judged(l, &e) : e.train_loss);
  }
  e.seconds = wk_clock_seconds() - start;
  st->epoch[st->epochs++] = e;
  st->next_epoch++;
  if (l->o->checkpoint)
    WK_RETURN_IF_ERROR(wk_checkpoint_save(st, l->o->checkpoint, l->s->network, l->s->fingerprint, err));
  if (l->o->on_epoch)
    l->o->on_epoch(l->o->user, &e);
  return WK_OK;
}

/* ---- the run ----------------------------------------------------------------------------------- */

void wk_finetune_run_free(wk_finetune_run *run) {
  wk_trainer_free(run->trainer);
  wk_free(run->epoch);
  wk_free(run->trouble);
  *run = (wk_finetune_run){0};
}

wk_status wk_finetune_loop(wk_finetune_run *out, const wk_finetune_setup *s, wk_error *err) {
  wk_status st = WK_OK;
  wk_finetune_run run = {0};
  wk_finetuner l = {0};
  wk_error own;
  err = err ? err : &own;
  WK_TRY(wk_finetuner_open(&l, s, err));
  if (s->o->resume && !wk_path_exists(s->o->checkpoint))
    wk_warn(s->ctx, "%s: there is no checkpoint to resume from; starting from the beginning", s->o->checkpoint);
  else if (s->o->resume)
    WK_TRY(wk_checkpoint_load(&l.st, s->o->epochs + 1, s->o->checkpoint, s->fingerprint, err));
  while (l.st.next_epoch <= s->o->epochs && st == WK_OK && !run.stopped_early) {
    run.stopped_early = s->o->patience > 0 && l.st.since_best >= s->o->patience;
    if (!run.stopped_early)
      st = run_epoch(&l, err);
  }
  /* What was learned before a stop is worth keeping. */
  bool learned = l.st.epochs > 1;
  run.cancelled = st == WK_ERR_CANCELLED && learned;
  if (st == WK_ERR_NUMERIC && learned) {
    run.trouble = wk_strdup(err->message);
    st = run.trouble ? WK_OK : st;
  }
  if (run.cancelled)
    st = WK_OK;
  if (st != WK_OK)
    goto done;
  memcpy(l.st.param, l.st.best, l.st.params * sizeof(float));
  if (l.st.stats)
    memcpy(l.st.stat, l.st.best_stat, l.st.stats * sizeof(float));
  run.trainer = l.t;
  run.epoch = l.st.epoch;
  run.epochs = l.st.epochs;
  run.best = l.st.best_epoch;
  l.t = NULL;
  l.st.epoch = NULL;
  *out = run;
  run = (wk_finetune_run){0};
done:
  wk_finetune_run_free(&run);
  wk_finetuner_close(&l);
  return st;
}
