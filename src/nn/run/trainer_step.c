/* trainer_step.c - one training step: pack, run every micro-batch forward and back, put the gradients together.
 *
 * With frozen batch norms a micro-batch runs through on its own, and a worker's memory serves one micro-batch after the
 * other. Where batch norms need the whole batch, micro-batches stop at each of them and meet, and every micro-batch
 * keeps its own memory.
 */
#include <string.h>

#include "nn/run/backward.h"
#include "nn/run/batchnorm.h"
#include "nn/run/fold_gradient.h"
#include "nn/run/trainer_ops.h"

static const wk_instr_fn functions[WK_INSTR_COUNT] = {
    WK_BACKWARD_FUNCTIONS,
    [WK_INSTR_LOSS] = wk_run_loss,
    [WK_INSTR_MBCONV_BACK] = wk_run_mbconv_back,
    [WK_INSTR_WEIGHTS_BACK] = wk_run_weights_back,
    [WK_INSTR_LINEAR_SAVE] = wk_run_linear_save,
    [WK_INSTR_NORM_WEIGHTS] = wk_run_norm_weights,
    [WK_INSTR_NORM_STATS] = wk_run_norm_stats,
    [WK_INSTR_NORM_APPLY] = wk_run_norm_apply,
    [WK_INSTR_NORM_SUMS] = wk_run_norm_sums,
    [WK_INSTR_NORM_BACK] = wk_run_norm_back,
    [WK_INSTR_NOTHING] = wk_run_nothing,
    [WK_INSTR_DROPOUT] = wk_run_dropout,
    [WK_INSTR_DROPOUT_BACK] = wk_run_dropout_back,
    [WK_INSTR_DEPTH_ADD] = wk_run_depth_add,
    [WK_INSTR_DEPTH_BACK] = wk_run_depth_back,
};

/* Makes what `threads` workers need and has not been made yet. */
static wk_status make_workers(wk_trainer *t, int threads, wk_error *err) {
  const wk_tape *p = t->tape;
  int workers = threads < t->micro_batches ? threads : t->micro_batches, arenas = p->norms ? t->micro_batches : workers;
  if (workers > t->workers) {
    const float ***grown = wk_grow(t->in, sizeof *t->in * (size_t)t->workers, sizeof *t->in * (size_t)workers);
    if (!grown)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for training");
    for (t->in = grown; t->workers < workers; t->workers++) {
      t->in[t->workers] = wk_alloc_array((size_t)wk_plan_exec_inputs(p->plan), sizeof(float *));
      if (!t->in[t->workers])
        return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for training");
    }
  }
  if (arenas > t->arenas) {
    char **grown = wk_grow(t->arena, sizeof *t->arena * (size_t)t->arenas, sizeof *t->arena * (size_t)arenas);
    if (!grown)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory for training");
    t->arena = grown;
    while (t->arenas < arenas) {
      t->arena[t->arenas] = wk_alloc(p->plan->arena_bytes);
      if (!t->arena[t->arenas])
        return WK_FAIL(
            err, WK_ERR_MEMORY,
            "out of memory for training: %zu MB are needed for activations and gradients; use a smaller batch",
            (size_t)arenas * p->plan->arena_bytes >> 20);
      t->arenas++;
    }
  }
  return WK_OK;
}

/* What micro-batches do between two meetings. */
typedef struct phase {
  wk_trainer *t;
  int at, end;
  bool met;
} phase;

static wk_status run_micro_batch(void *user, size_t index, int worker, wk_error *err) {
  const phase *f = user;
  wk_trainer *t = f->t;
  int first = (int)index * t->o.micro_batch, left = t->count - first;
  wk_tape_exec s = {
      .tape = t->tape,
      .run = {.plan = t->tape->plan, .arena = t->arena[t->tape->norms ? (int)index : worker], .in = t->in[worker]},
      .fn = functions,
      .count = left < t->o.micro_batch ? left : t->o.micro_batch,
      .first = first,
      .index = (int)index,
      .user = t};
  int at = f->at;
  if (at == 0 && !f->met) {
    size_t each = (size_t)wk_shape_count(t->tape->plan->value[0].shape);
    memcpy(wk_tape_exec_value(&s, 0), t->input + each * (size_t)first, each * (size_t)s.count * sizeof(float));
  }
  WK_RETURN_IF_ERROR(wk_tape_exec_run(&s, &at, f->met, f->end, err));
  if (t->input_gradient && at == f->end) {
    int value = t->tape->grad_of[t->tape->value_of[t->o.from]];
    memcpy(t->input_gradient + (size_t)wk_shape_count(t->tape->plan->value[0].shape) * (size_t)first,
           wk_tape_exec_value(&s, value), wk_tape_exec_count(&s, value) * sizeof(float));
  }
  return WK_OK;
}

/* The next instruction at which micro-batches meet. */
static int next_meeting(const wk_tape *p, const phase *f) {
  int i = f->met ? f->at + 1 : f->at;
  while (i < f->end && !p->instr[i].after)
    i++;
  return i;
}

/* A forward and a backward pass: to the parameters, or where t->input_gradient is set, to the input. */
static wk_status run(wk_trainer *t, double *loss, const float *input, int count, uint64_t stream, wk_loss_fn loss_fn,
                     void *user, const wk_context *ctx, wk_error *err) {
  const wk_tape *p = t->tape;
  if (count < 1 || count > t->o.batch)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "%d photos cannot be trained on: a batch has 1 to %d", count, t->o.batch);
  uint64_t seed = ctx ? ctx->seed : 42;
  uint32_t counter[4] = {(uint32_t)seed, (uint32_t)(seed >> 32), (uint32_t)stream, (uint32_t)(stream >> 32)}, draw[4];
  wk_philox(draw, counter, (const uint32_t[2]){0x77686973, 0x6b657273});
  t->key[0] = draw[0];
  t->key[1] = draw[1];
  t->input = input;
  t->count = count;
  const int micro_batches = wk_trainer_micro_batches(t);
  t->loss_fn = loss_fn;
  t->user = user;
  memset(t->loss, 0, sizeof *t->loss * (size_t)t->micro_batches);
  for (int i = 0; i < p->groups; i++)
    wk_tree_sum_reset(&t->group[i].sum);
  WK_RETURN_IF_ERROR(make_workers(t, wk_context_threads(ctx), err));
  WK_RETURN_IF_ERROR(wk_trainer_repack(t, ctx, err));
  phase f = {.t = t, .end = !loss_fn ? p->loss : t->input_gradient ? p->instrs : t->learned};
  for (bool more = true; more;) {
    int next = next_meeting(p, &f);
    WK_RETURN_IF_ERROR(wk_parallel(ctx, 0, (size_t)micro_batches, run_micro_batch, &f, err));
    more = next < f.end;
    if (more)
      wk_trainer_meet(t, next, micro_batches);
    f.at = next;
    f.met = true;
  }
  if (loss)
    *loss = wk_tree_sum_doubles(t->loss, micro_batches);
  return WK_OK;
}

wk_status wk_trainer_step(wk_trainer *t, double *loss, const float *input, int count, uint64_t stream,
                          wk_loss_fn loss_fn, void *user, const wk_context *ctx, wk_error *err) {
  WK_RETURN_IF_ERROR(run(t, loss, input, count, stream, loss_fn, user, ctx, err));
  if (loss_fn)
    WK_RETURN_IF_ERROR(wk_trainer_collect(t, ctx, err));
  wk_trainer_move_stats(t);
  return WK_OK;
}

wk_status wk_trainer_input_gradient(wk_trainer *t, float *gradient, double *loss, const float *input, int count,
                                    uint64_t stream, wk_loss_fn loss_fn, void *user, const wk_context *ctx,
                                    wk_error *err) {
  if (!t->o.input_gradient || !loss_fn)
    return WK_FAIL(err, WK_ERR_ARGUMENT, "gradients of the input take a loss, and a trainer that was made for them");
  t->input_gradient = gradient;
  wk_status st = run(t, loss, input, count, stream, loss_fn, user, ctx, err);
  t->input_gradient = NULL;
  return st;
}
