/* cmd_bench_train.c - the figures of `whisker bench` that need gradients: whole training steps, and the gradient of one
 * photo's pixels. Both are timed as training, looking and attacking run them. */
#include <stdlib.h>

#include "cmd_bench.h"
#include "whisker/clock.h"

/* Steps until `seconds` are over, after one that warms up. */
typedef wk_status (*step_fn)(void *user, wk_error *err);

static wk_status repeat(double *per_second, step_fn step, void *user, double seconds, wk_error *err) {
  wk_status st = step(user, err);
  double start = wk_clock_seconds(), spent = 0;
  int steps = 0;
  while (st == WK_OK && (steps == 0 || spent < seconds)) {
    st = step(user, err);
    steps++;
    spent = wk_clock_seconds() - start;
  }
  *per_second = st == WK_OK ? steps / spent : 0;
  return st;
}

static float *noise(size_t floats, uint64_t seed) {
  float *x = malloc(floats * sizeof *x);
  wk_rng rng;
  wk_rng_init(&rng, seed, 0);
  for (size_t i = 0; x && i < floats; i++)
    x[i] = (float)(wk_rng_uniform(&rng) * 2 - 1);
  return x;
}

/* ---- training ---------------------------------------------------------------------------------- */

typedef struct training {
  wk_trainer *trainer;
  wk_optim *optim;
  const float *input;
  int *label;
  int batch, classes;
  const wk_context *ctx;
  const wk_loss_options *loss;
} training;

static wk_status micro_batch_loss(void *user, float *gradient, double *loss, const float *output, int first, int count,
                                  wk_error *err) {
  (void)err;
  const training *t = user;
  const wk_loss_target target = {.label = t->label};
  wk_loss_rows(loss, gradient, output, &target, (size_t)first, (size_t)count, t->classes, (double)t->batch,
               (size_t)t->batch, t->loss);
  return WK_OK;
}

static wk_status train_step(void *user, wk_error *err) {
  training *t = user;
  double loss = 0;
  wk_status st = wk_trainer_step(t->trainer, &loss, t->input, t->batch, 0, micro_batch_loss, t, t->ctx, err);
  if (st == WK_OK)
    st = wk_optim_step(t->optim, wk_trainer_params(t->trainer), wk_trainer_gradient(t->trainer), 1e-6, NULL, t->ctx,
                       err);
  return st;
}

static wk_status open_optim(training *t, wk_error *err) {
  int slots = wk_trainer_slots(t->trainer);
  wk_optim_slot *slot = calloc((size_t)slots, sizeof *slot);
  if (!slot)
    return cli_no_memory(err);
  for (int i = 0; i < slots; i++) {
    const wk_slot *s = wk_trainer_slot(t->trainer, i);
    slot[i] = (wk_optim_slot){.offset = s->offset, .count = s->count, .lr_scale = 1};
  }
  wk_optim_options o;
  wk_optim_options_init(&o, WK_OPTIM_SGD);
  wk_status st = wk_optim_create(&t->optim, &o, slot, slots, wk_trainer_size(t->trainer), err);
  free(slot);
  return st;
}

wk_status cli_bench_train(cli_bench_figure *out, const cli_bench_job *job, wk_error *err) {
  const wk_graph *g = job->backbone->graph;
  size_t floats = (size_t)job->batch * (size_t)job->height * (size_t)job->width * 3;
  wk_trainer_options o;
  wk_trainer_options_init(&o);
  o.height = job->height;
  o.width = job->width;
  o.batch = job->batch;
  o.dropout = 0;
  o.to = wk_graph_logits(g) >= 0 ? wk_graph_logits(g) : wk_graph_features(g);
  wk_loss_options loss;
  wk_loss_options_init(&loss);
  float *input = noise(floats, job->ctx->seed);
  training t = {.input = input, .batch = job->batch, .ctx = job->ctx, .loss = &loss};
  t.label = calloc((size_t)job->batch, sizeof *t.label);
  wk_status st =
      input && t.label ? wk_trainer_create(&t.trainer, g, job->backbone->weights, &o, err) : cli_no_memory(err);
  if (st == WK_OK) {
    t.classes = wk_trainer_output_shape(t.trainer).channels;
    for (int i = 0; i < job->batch; i++)
      t.label[i] = i % t.classes;
    st = open_optim(&t, err);
  }
  if (st == WK_OK)
    st = repeat(&out->calls_per_second, train_step, &t, job->seconds, err);
  if (st == WK_OK)
    out->bytes = wk_trainer_bytes(t.trainer, wk_context_threads(job->ctx));
  wk_optim_free(t.optim);
  wk_trainer_free(t.trainer);
  free(t.label);
  free(input);
  return st;
}

/* ---- gradient of the pixels --------------------------------------------------------------------- */

typedef struct looking {
  wk_grad_exec *exec;
  const float *input;
  const float *gradient[1];
} looking;

static wk_status look_step(void *user, wk_error *err) {
  looking *l = user;
  wk_status st = wk_grad_forward(l->exec, l->input, 1, err);
  return st == WK_OK ? wk_grad_backward(l->exec, l->gradient, err) : st;
}

wk_status cli_bench_input(cli_bench_figure *out, const cli_bench_job *job, wk_error *err) {
  const wk_graph *g = job->backbone->graph;
  wk_node seed = wk_graph_logits(g) >= 0 ? wk_graph_logits(g) : wk_graph_features(g);
  wk_node_info info;
  wk_grad_options o;
  wk_grad_options_init(&o);
  o.height = job->height;
  o.width = job->width;
  o.threads = wk_context_threads(job->ctx);
  o.seed = &seed;
  o.seeds = 1;
  wk_grad_plan *plan = NULL;
  looking l = {0};
  float *input = noise((size_t)job->height * (size_t)job->width * 3, job->ctx->seed), *gradient = NULL;
  wk_status st = wk_graph_node(&info, g, seed, job->height, job->width, err);
  if (st == WK_OK)
    gradient = calloc((size_t)info.shape.channels, sizeof *gradient);
  if (st == WK_OK && (!input || !gradient))
    st = cli_no_memory(err);
  if (st == WK_OK) {
    gradient[0] = 1;
    l.input = input;
    l.gradient[0] = gradient;
    st = wk_grad_plan_create(&plan, g, job->backbone->weights, &o, err);
  }
  if (st == WK_OK)
    st = wk_grad_exec_create(&l.exec, plan, err);
  if (st == WK_OK)
    st = repeat(&out->calls_per_second, look_step, &l, job->seconds, err);
  if (st == WK_OK)
    out->bytes = wk_grad_plan_exec_bytes(plan);
  wk_grad_exec_free(l.exec);
  wk_grad_plan_free(plan);
  free(gradient);
  free(input);
  return st;
}
