/* train_step.c - one step of training: its batches, their loss, and the update. What a run (epochs.c) and the search
 * for a learning rate (lr_finder.c) are made of. */
#include <math.h>
#include <string.h>

#include "base/chunk.h"
#include "train/finetune/finetune_parts.h"

#define ORDER_STREAM 0x74756e6500000000u /* "tune" */

/* ---- one batch --------------------------------------------------------------------------------- */

typedef struct batch_loss {
  wk_loss_target target;
  const wk_loss_options *o;
  int classes;
  double divisor; /* of all photos of the step */
  size_t photos;
} batch_loss;

static wk_status micro_batch_loss(void *user, float *gradient, double *loss, const float *output, int first, int count,
                                  wk_error *err) {
  (void)err;
  const batch_loss *b = user;
  wk_loss_rows(loss, gradient, output, &b->target, (size_t)first, (size_t)count, b->classes, b->divisor, b->photos,
               b->o);
  return WK_OK;
}

wk_status wk_finetuner_fill(wk_finetuner *l, size_t first, size_t count, int epoch, wk_error *err) {
  WK_RETURN_IF_ERROR(
      wk_finetune_input_gather(l->input, l->s->train, l->order + first, (int)count, (uint64_t)epoch, l->s->ctx, err));
  for (size_t i = 0; i < count; i++)
    l->label[i] = l->s->train->label[l->order[first + i]];
  return WK_OK;
}

/* The teacher's scores: logarithms of its probabilities, mixed as the photos are. */
static void fill_teacher(wk_finetuner *l, size_t first, size_t count, double share) {
  size_t k = (size_t)l->s->classes;
  for (size_t i = 0; i < count; i++) {
    const float *own = l->s->teacher + l->order[first + i] * k;
    const float *other = l->s->teacher + l->order[first + count - 1 - i] * k;
    for (size_t c = 0; c < k; c++)
      l->teacher[i * k + c] = (float)log(fmax(1e-12, share * (double)own[c] + (1 - share) * (double)other[c]));
  }
}

/* What went wrong, as far as the numbers tell. */
static wk_status not_finite(const wk_finetuner *l, size_t count, double loss, double rate, int epoch, wk_error *err) {
  const float *p = wk_trainer_params(l->t);
  size_t n = count * l->s->train->columns;
  const char *cause = "the learning rate is probably too large";
  for (size_t i = 0; i < n; i++)
    if (!isfinite(l->input[i]))
      cause = "what the frozen layers give is not finite, so their weights are damaged";
  if (l->st.step == 0)
    for (size_t i = 0; i < l->st.params; i++)
      if (!isfinite(p[i]))
        cause = "the weights it began with are not finite";
  return WK_FAIL(err, WK_ERR_NUMERIC,
                 "the loss is %g at step %llu (epoch %d, learning rate %.3g): %s. Try a tenth of it, or a warm-up",
                 fabs(loss), (unsigned long long)l->st.step + 1, epoch, rate, cause);
}

/* What the losses of photos order[first..last-1], which share a step, are divided by. */
static double step_divisor(const wk_finetuner *l, const wk_loss_options *o, size_t first, size_t last) {
  double sum = 0;
  for (size_t i = first; i < last; i++) {
    int label = l->s->train->label[l->order[i]];
    sum += wk_loss_divisor(o, l->soft ? NULL : &label, 1);
  }
  return sum;
}

/* Batch number `batch` of an epoch: adds its gradient to l->sum. `b` has all but the target. */
static wk_status run_batch(wk_finetuner *l, double *loss, batch_loss b, int epoch, size_t batch, double rate,
                           wk_error *err) {
  const wk_finetune_setup *s = l->s;
  size_t first = wk_even_cut(s->train->rows, l->batches, batch);
  size_t count = wk_even_cut(s->train->rows, l->batches, batch + 1) - first;
  WK_RETURN_IF_ERROR(wk_finetuner_fill(l, first, count, epoch, err));
  b.target = (wk_loss_target){.label = l->label};
  double share = 1;
  if (l->soft) {
    wk_mix m = wk_mix_draw(&l->o->mix, l->shape.height, l->shape.width, l->seed, (uint64_t)epoch, (uint64_t)batch);
    wk_mix_pictures(l->input, (int)count, l->shape.height, l->shape.width, l->shape.channels, &m);
    wk_mix_targets(l->soft, l->label, (int)count, s->classes, &m);
    b.target = (wk_loss_target){.soft = l->soft};
    share = m.share;
  }
  if (l->teacher) {
    fill_teacher(l, first, count, share);
    b.target.teacher = l->teacher;
  }
  double part = 0;
  uint64_t stream = (uint64_t)epoch * l->batches + batch;
  if (l->clean)
    WK_RETURN_IF_ERROR(wk_finetuner_perturb(l, first, count, epoch, stream, micro_batch_loss, &b, err));
  WK_RETURN_IF_ERROR(wk_trainer_step(l->t, &part, l->input, (int)count, stream, micro_batch_loss, &b, s->ctx, err));
  if (!isfinite(part))
    return not_finite(l, count, part, rate, epoch, err);
  *loss += part;
  const float *g = wk_trainer_gradient(l->t);
  for (size_t i = 0; i < l->st.params; i++)
    l->sum[i] += g[i];
  return WK_OK;
}

/* ---- one update -------------------------------------------------------------------------------- */

wk_status wk_finetuner_step(wk_finetuner *l, double *loss, double *gradient, int epoch, size_t index, double rate,
                            wk_progress *progress, wk_error *err) {
  size_t rows = l->s->train->rows;
  size_t first = wk_even_cut(l->batches, l->steps, index), last = wk_even_cut(l->batches, l->steps, index + 1);
  size_t first_photo = wk_even_cut(rows, l->batches, first), last_photo = wk_even_cut(rows, l->batches, last);
  wk_loss_options lo = l->o->loss;
  lo.class_weight = l->class_weight;
  const batch_loss share = {.o = &lo,
                            .classes = l->s->classes,
                            .divisor = step_divisor(l, &lo, first_photo, last_photo),
                            .photos = last_photo - first_photo};
  *loss = 0;
  memset(l->sum, 0, l->st.params * sizeof *l->sum);
  for (size_t b = first; b < last; b++) {
    WK_RETURN_IF_ERROR(run_batch(l, loss, share, epoch, b, rate, err));
    if (progress)
      wk_progress_add(progress, wk_even_cut(rows, l->batches, b + 1) - wk_even_cut(rows, l->batches, b));
  }
  *gradient = l->o->clip_norm > 0 ? wk_clip_norm(l->sum, l->st.params, l->o->clip_norm) : wk_norm(l->sum, l->st.params);
  if (!isfinite(*gradient))
    return not_finite(l, 0, *gradient, rate, epoch, err);
  if (l->o->clip_value > 0)
    wk_clip_value(l->sum, l->st.params, l->o->clip_value);
  WK_RETURN_IF_ERROR(wk_optim_step(l->st.optim, l->st.param, l->sum, rate, l->towards, l->s->ctx, err));
  l->st.step++;
  return WK_OK;
}

void wk_finetuner_shuffle(wk_finetuner *l, int epoch) {
  size_t rows = l->s->train->rows;
  wk_rng rng;
  for (size_t i = 0; i < rows; i++)
    l->order[i] = (uint32_t)i;
  wk_rng_init(&rng, l->seed, ORDER_STREAM + (uint64_t)epoch);
  wk_rng_shuffle(&rng, l->order, rows);
}

/* ---- opening and closing ----------------------------------------------------------------------- */

static wk_status make_trainer(wk_finetuner *l, wk_error *err) {
  wk_trainer_options o;
  wk_trainer_options_init(&o);
  o.batch = l->o->batch;
  o.trainable = l->s->trainable;
  o.norm = l->o->norm;
  o.dropout = l->o->dropout;
  o.stochastic_depth = l->o->stochastic_depth;
  o.input_gradient = l->o->adversary.eps_255 > 0;
  WK_RETURN_IF_ERROR(wk_trainer_create(&l->t, l->s->tail, l->s->start, &o, err));
  l->shape = wk_trainer_input_shape(l->t);
  l->st.params = wk_trainer_size(l->t);
  l->st.param = wk_trainer_params(l->t);
  l->st.stats = wk_trainer_stats_size(l->t);
  l->st.stat = wk_trainer_stats(l->t);
  return WK_OK;
}

static wk_status make_optim(wk_finetuner *l, wk_error *err) {
  int n = wk_trainer_slots(l->t);
  wk_optim_slot *slot = wk_alloc_array((size_t)n, sizeof *slot);
  if (!slot)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %d parameters", n);
  for (int i = 0; i < n; i++) {
    const wk_slot *from = wk_trainer_slot(l->t, i);
    wk_node node = from->param->node;
    bool head = node == wk_graph_logits(l->s->tail);
    double scale = head ? l->o->head_lr : pow(l->o->layer_decay, l->s->stage_depth[node]);
    slot[i] = (wk_optim_slot){from->offset, from->count, scale, from->param->ndim > 1 ? 1 : 0};
  }
  wk_status st = wk_optim_create(&l->st.optim, &l->o->optim, slot, n, l->st.params, err);
  wk_free(slot);
  return st;
}

static wk_status balance_classes(wk_finetuner *l, wk_error *err) {
  size_t k = (size_t)l->s->classes;
  const wk_finetune_input *in = l->s->train;
  l->class_weight = wk_calloc(k, sizeof *l->class_weight);
  if (!l->class_weight)
    return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for %zu classes", k);
  for (size_t r = 0; r < in->rows; r++)
    l->class_weight[in->label[r]] += 1;
  for (size_t c = 0; c < k; c++)
    l->class_weight[c] =
        l->class_weight[c] > 0 ? (float)((double)in->rows / ((double)k * (double)l->class_weight[c])) : 0;
  return WK_OK;
}

static float *copy_floats(const float *from, size_t n) {
  float *to = wk_alloc_array(n, sizeof *to);
  return to ? memcpy(to, from, n * sizeof *to) : NULL;
}

static wk_status make_arrays(wk_finetuner *l, wk_error *err) {
  const wk_finetune_setup *s = l->s;
  wk_checkpoint *st = &l->st;
  size_t batch = (size_t)l->o->batch, k = (size_t)s->classes;
  bool mixes = l->o->mix.mixup > 0 || l->o->mix.cutmix > 0;
  bool averages = l->o->average != WK_AVERAGE_NONE;
  bool ok = true;
  ok &= (l->sum = wk_alloc_array(st->params, sizeof *l->sum)) != NULL;
  ok &= (st->best = copy_floats(st->param, st->params)) != NULL;
  ok &= !st->stats || (st->best_stat = copy_floats(st->stat, st->stats)) != NULL;
  ok &= !averages || (st->average = copy_floats(st->param, st->params)) != NULL;
  ok &= !averages || !st->stats || (st->average_stat = copy_floats(st->stat, st->stats)) != NULL;
  ok &= !l->o->l2_sp || l->o->from_scratch || (l->towards = copy_floats(st->param, st->params)) != NULL;
  ok &= (l->input = wk_alloc_array(batch, s->train->columns * sizeof *l->input)) != NULL;
  ok &=
      l->o->adversary.eps_255 == 0 || (l->clean = wk_alloc_array(batch, s->train->columns * sizeof *l->clean)) != NULL;
  ok &=
      l->o->adversary.eps_255 == 0 || (l->slope = wk_alloc_array(batch, s->train->columns * sizeof *l->slope)) != NULL;
  ok &= (l->label = wk_alloc_array(batch, sizeof *l->label)) != NULL;
  ok &= !mixes || (l->soft = wk_alloc_array(batch, k * sizeof *l->soft)) != NULL;
  ok &= !s->teacher || (l->teacher = wk_alloc_array(batch, k * sizeof *l->teacher)) != NULL;
  ok &= (l->order = wk_alloc_array(s->train->rows, sizeof *l->order)) != NULL;
  ok &= !s->val || (l->score = wk_alloc_array(s->val->rows, k * sizeof *l->score)) != NULL;
  ok &= (st->epoch = wk_calloc((size_t)l->o->epochs + 1, sizeof *st->epoch)) != NULL;
  return ok ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory for training %zu parameters", st->params);
}

void wk_finetuner_close(wk_finetuner *l) {
  wk_trainer_free(l->t);
  wk_optim_free(l->st.optim);
  wk_free(l->st.average);
  wk_free(l->st.average_stat);
  wk_free(l->st.best);
  wk_free(l->st.best_stat);
  wk_free(l->st.epoch);
  wk_free(l->towards);
  wk_free(l->sum);
  wk_free(l->input);
  wk_free(l->clean);
  wk_free(l->slope);
  wk_free(l->label);
  wk_free(l->soft);
  wk_free(l->teacher);
  wk_free(l->class_weight);
  wk_free(l->order);
  wk_free(l->score);
}

wk_status wk_finetuner_open(wk_finetuner *l, const wk_finetune_setup *s, wk_error *err) {
  size_t rows = s->train->rows, batch = (size_t)s->o->batch;
  *l = (wk_finetuner){.s = s, .o = s->o, .seed = s->ctx ? s->ctx->seed : 42};
  l->batches = (rows + batch - 1) / batch;
  l->steps = (l->batches + (size_t)s->o->accumulate - 1) / (size_t)s->o->accumulate;
  l->st.best_loss = INFINITY;
  wk_plateau_init(&l->st.plateau);
  WK_RETURN_IF_ERROR(make_trainer(l, err));
  WK_RETURN_IF_ERROR(make_optim(l, err));
  WK_RETURN_IF_ERROR(make_arrays(l, err));
  return s->o->balance ? balance_classes(l, err) : WK_OK;
}
