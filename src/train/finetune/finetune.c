/* finetune.c - fine-tuning from end to end: the probe, the frozen part computed once, the epochs, and which of probe
 * and tuned network comes out. */
#include <math.h>

#include "train/finetune/finetune_job.h"

static void say_start(const wk_finetune_job *j) {
  const wk_finetune_result *r = j->r;
  wk_text t = {0};
  if (!j->o->on_start)
    return;
  if (r->frozen)
    wk_text_add(&t, "frozen up to %s", r->frozen);
  else if (j->o->adversary.eps_255 > 0)
    wk_text_add(&t,
                "photos are moved by up to %g/255 against the network before it learns from them, so nothing of them "
                "is computed once",
                j->o->adversary.eps_255);
  else
    wk_text_add(&t, "all layers train");
  if (!r->views)
    wk_text_add(&t, ": every epoch reads the photos again and changes them anew");
  else {
    wk_text_add(&t,
                r->frozen ? ": its outputs are computed once (%.0f MB%s)" : ": the photos' pixels are kept (%.0f MB%s)",
                (double)r->kept_bytes / 1e6, r->kept_on_disk ? ", in a file" : "");
    if (r->views > 1)
      wk_text_add(&t, " for %d views of each photo", r->views);
  }
  wk_text_add(&t, "; %d epochs, %.2f million parameters train", j->o->epochs, (double)r->params / 1e6);
  if (!t.failed)
    j->o->on_start(j->o->user, t.data);
  wk_text_free(&t);
}

static wk_status train_tail(wk_finetune_job *j, wk_error *err) {
  wk_finetune_setup s = {.o = j->o,
                         .ctx = j->ctx,
                         .classes = j->classes,
                         .tail = j->tail,
                         .start = j->start,
                         .trainable = j->tail_trainable,
                         .stage_depth = j->stage_depth,
                         .train = &j->in,
                         .val = j->val_in.rows ? &j->val_in : NULL,
                         .teacher = j->teacher,
                         .lr = wk_finetune_learning_rate(j->o, j->in.rows),
                         .network = j->b->arch->name,
                         .fingerprint = j->fingerprint};
  wk_finetune_result *r = j->r;
  if (j->o->find_lr) {
    WK_RETURN_IF_ERROR(wk_lr_find(&r->rates, &s, err));
    s.lr = r->rates.suggested;
  }
  r->lr = s.lr;
  WK_RETURN_IF_ERROR(wk_finetune_loop(&j->run, &s, err));
  r->history = j->run.epoch;
  r->epochs = j->run.epochs;
  r->best = j->run.best;
  r->stopped_early = j->run.stopped_early;
  r->cancelled = j->run.cancelled;
  r->trouble = j->run.trouble;
  if (s.val && j->o->adversary.eps_255 > 0) {
    r->attacked = wk_robust_eval_size(s.val->rows);
    r->attacked_before = r->history[0].attacked_top1;
    r->attacked_after = r->history[r->best].attacked_top1;
  }
  j->run.epoch = NULL;
  j->run.trouble = NULL;
  WK_RETURN_IF_ERROR(wk_tensors_create(&j->tuned, err));
  return wk_trainer_export(j->run.trainer, j->tuned, j->start, err);
}

static wk_status check_data(const wk_finetune_data *data, int classes, wk_error *err) {
  for (size_t i = 0; i < data->photo_count; i++)
    if (data->labels[i] < 0 || data->labels[i] >= classes)
      return WK_FAIL(err, WK_ERR_ARGUMENT, "%s has label %d, but the %d classes are numbered 0 to %d", data->paths[i],
                     data->labels[i], classes, classes - 1);
  return WK_OK;
}

static void job_free(wk_finetune_job *j) {
  wk_finetune_run_free(&j->run);
  wk_tensors_free(j->tuned);
  wk_free(j->teacher);
  wk_finetune_input_free(&j->in);
  wk_finetune_input_free(&j->val_in);
  wk_free(j->train_ok.path);
  wk_free(j->train_ok.label);
  wk_free(j->val_ok.path);
  wk_free(j->val_ok.label);
  wk_free(j->stage_depth);
  wk_free(j->tail_trainable);
  wk_graph_free(j->tail);
  wk_free(j->trainable);
  wk_tensors_free(j->start);
  wk_graph_free(j->graph);
  wk_head_free(j->probe);
  wk_finetune_result_free(j->r);
}

wk_status wk_finetune(wk_finetune_result **out, const wk_backbone *b, const wk_finetune_data *train,
                      const wk_finetune_data *val, int classes, const wk_finetune_options *options,
                      const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  wk_finetune_options o;
  wk_finetune_options_init(&o);
  if (options)
    o = *options;
  wk_finetune_job j = {
      .b = b, .train = train, .val = val && val->photo_count ? val : NULL, .classes = classes, .o = &o, .ctx = ctx};
  wk_context_init(&j.uncancellable);
  if (ctx)
    j.uncancellable = *ctx;
  j.uncancellable.cancelled = NULL;
  WK_TRY(wk_finetune_options_validate(&o, err));
  WK_FAIL_IF(classes < 2, err, WK_ERR_ARGUMENT, "telling things apart takes at least two classes, not %d", classes);
  WK_FAIL_IF(!train->photo_count || train->photo_count > UINT32_MAX, err, WK_ERR_ARGUMENT,
             "cannot learn from %zu photos", train->photo_count);
  WK_TRY(check_data(train, classes, err));
  if (j.val)
    WK_TRY(check_data(j.val, classes, err));
  if (o.resume && wk_path_exists(o.checkpoint))
    WK_TRY(wk_checkpoint_check(o.checkpoint, b->arch->name, err));
  j.r = wk_calloc(1, sizeof *j.r);
  WK_FAIL_IF(!j.r, err, WK_ERR_MEMORY, "out of memory");
  j.r->attacked_before = j.r->attacked_after = NAN;
  WK_TRY(wk_finetune_begin(&j, err));
  wk_finetune_options_help_few(&o, j.train_ok.data.photo_count);
  WK_TRY(wk_finetune_make_network(&j, err));
  WK_TRY(wk_finetune_load_inputs(&j, err));
  WK_TRY(wk_finetune_start_classifier(&j, err));
  if ((size_t)o.batch > j.in.rows) {
    wk_warn(ctx, "a batch of %d is more than the %zu photos to learn from: each epoch is one step of them all", o.batch,
            j.in.rows);
    o.batch = (int)j.in.rows;
  }
  WK_TRY(wk_finetune_ask_teacher(&j, err));
  if (j.teacher && o.loss.distill == 0)
    o.loss.distill = 0.5;
  WK_TRY(wk_finetune_make_fingerprint(&j, err));
  say_start(&j);
  WK_TRY(train_tail(&j, err));
  WK_TRY(wk_finetune_choose(&j, err));
  *out = j.r;
  j.r = NULL;
done:
  job_free(&j);
  return st;
}
