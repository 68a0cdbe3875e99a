/* test_gradients.c - every gradient against central differences of the naive reference in double precision, on random
 * networks; and that shards, threads and boundaries change nothing.
 *
 * The loss is a fixed random weighting of the scores, so its gradient is known exactly. A derivative along a random
 * direction sees an error in any element. Tolerance: gradients are sums of float32 products; an error of 1e-3 of
 * their length is far above rounding and far below any mistake. */
#include "nn_reference.h"
#include "whisker/train_nn.h"

enum { PHOTOS = 7, SHARD = 2 };

typedef struct task {
  wk_graph *g;
  wk_tensors *weights;
  double **param, *input, *loss; /* loss: weight of every score of every photo */
  float *input_f, *loss_f;
  size_t in, out; /* values a photo */
  bool norm_batch;
} task;

static size_t values(const wk_graph *g, wk_node node) {
  wk_node_info n;
  wk_error err;
  assert_ok(wk_graph_node(&n, g, node, 0, 0, &err), &err);
  return (size_t)n.shape.height * (size_t)n.shape.width * (size_t)n.shape.channels;
}

static double *normals(wk_rng *rng, float **as_float, size_t n) {
  double *d = malloc(n * sizeof *d);
  *as_float = malloc(n * sizeof **as_float);
  for (size_t i = 0; i < n; i++)
    d[i] = (double)((*as_float)[i] = (float)wk_rng_normal(rng));
  return d;
}

static task task_of(wk_graph *g, wk_rng *rng, bool norm_batch) {
  task t = {.g = g, .norm_batch = norm_batch};
  t.weights = ref_weights(g, rng, true);
  t.param = ref_params(g, t.weights);
  t.in = values(g, 0);
  t.out = values(g, wk_graph_logits(g));
  t.input = normals(rng, &t.input_f, t.in * PHOTOS);
  t.loss = normals(rng, &t.loss_f, t.out * PHOTOS);
  return t;
}

static void task_end(task *t) {
  ref_params_free(t->param, t->g);
  wk_tensors_free(t->weights);
  wk_graph_free(t->g);
  free(t->input);
  free(t->input_f);
  free(t->loss);
  free(t->loss_f);
}

static double loss_at(const task *t) {
  double **act = ref_forward(t->g, t->param, t->norm_batch, t->input, PHOTOS, 0, 0), sum = 0;
  const double *y = act[wk_graph_logits(t->g)];
  for (size_t i = 0; i < t->out * PHOTOS; i++)
    sum += t->loss[i] * y[i];
  ref_free(act, t->g);
  return sum;
}

/* Is <gradient, d> the slope of the loss along a random d, where `where` (the input or a parameter) is moved? */
static bool slope_fits(const task *t, wk_rng *rng, double *where, const float *gradient, size_t n, const char *what) {
  double *d = malloc(n * sizeof *d), *kept = malloc(n * sizeof *d), dot = 0, length = 0;
  bool fits = false;
  memcpy(kept, where, n * sizeof *d);
  for (size_t i = 0; i < n; i++) {
    d[i] = wk_rng_normal(rng);
    dot += d[i] * (double)gradient[i];
    length += (double)gradient[i] * (double)gradient[i];
  }
  length = sqrt(length);
  for (double h = 1e-6; !fits && h > 1e-9; h /= 30) { /* a longer step may cross the edge of an activation */
    for (size_t i = 0; i < n; i++)
      where[i] = kept[i] + h * d[i];
    double up = loss_at(t);
    for (size_t i = 0; i < n; i++)
      where[i] = kept[i] - h * d[i];
    double slope = (up - loss_at(t)) / (2 * h);
    fits = fabs(slope - dot) <= 1e-3 * (length + fabs(slope)) + 1e-4;
    if (!fits)
      printf("%s: slope %.8g, gradient says %.8g (its length is %.3g)\n", what, slope, dot, length);
  }
  memcpy(where, kept, n * sizeof *d);
  free(d);
  free(kept);
  return fits;
}

/* Where a value lies within float32's rounding of an edge (of ReLU, of a maximum), both sides may be right: one network
 * in a thousand. So one of a group may differ; a mistake shows in many. */
static void at_most_one(int wrong) {
  if (wrong > 1)
    fail_msg("gradients of %d networks are wrong", wrong);
}

static wk_status given_loss(void *user, float *gradient, double *loss, const float *output, int first, int count,
                            wk_error *err) {
  const task *t = user;
  (void)err;
  for (size_t i = 0; i < t->out * (size_t)count; i++) {
    gradient[i] = t->loss_f[t->out * (size_t)first + i];
    *loss += (double)gradient[i] * (double)output[i];
  }
  return WK_OK;
}

static wk_trainer *trainer_of(const task *t, int shard, int batch) {
  wk_trainer *trainer;
  wk_trainer_options o;
  wk_error err;
  wk_trainer_options_init(&o);
  o.batch = batch, o.micro_batch = shard, o.dropout = 0;
  o.norm = t->norm_batch ? WK_NORM_BATCH : WK_NORM_FROZEN;
  assert_ok(wk_trainer_create(&trainer, t->g, t->weights, &o, &err), &err);
  return trainer;
}

/* ---- parameters and input of random networks ----------------------------------------------------------- */

static void parameters(bool norm_batch, uint64_t seeds) {
  wk_error err;
  int wrong = 0;
  for (uint64_t seed = 0; seed < seeds; seed++) {
    wk_rng rng;
    wk_rng_init(&rng, 10 + norm_batch, seed);
    task t = task_of(ref_random_graph(&rng, 3 + (int)wk_rng_below(&rng, 18)), &rng, norm_batch);
    wk_trainer *trainer = trainer_of(&t, SHARD, PHOTOS + 2);
    double loss;
    assert_ok(wk_trainer_step(trainer, &loss, t.input_f, PHOTOS, 0, given_loss, &t, NULL, &err), &err);
    double want = loss_at(&t);
    assert_near(loss, want, 1e-3 * (1 + fabs(want)));
    bool fits = true;
    for (int i = 0; i < wk_trainer_slots(trainer); i++) {
      const wk_slot *slot = wk_trainer_slot(trainer, i);
      int number = 0;
      while (wk_graph_param(t.g, number) != slot->param)
        number++;
      char what[96];
      snprintf(what, sizeof what, "network %d, %s", (int)seed, slot->param->name);
      fits &= slope_fits(&t, &rng, t.param[number], wk_trainer_gradient(trainer) + slot->offset, slot->count, what);
    }
    wrong += !fits;
    wk_trainer_free(trainer);
    task_end(&t);
  }
  at_most_one(wrong);
}

static void parameters_frozen_norm(void **state) {
  (void)state;
  parameters(false, 60);
}

static void parameters_batch_norm(void **state) {
  (void)state;
  parameters(true, 60);
}

static void inputs(void **state) {
  (void)state;
  wk_error err;
  int wrong = 0;
  for (uint64_t seed = 0; seed < 80; seed++) {
    wk_rng rng;
    wk_rng_init(&rng, 12, seed);
    task t = task_of(ref_random_graph(&rng, 3 + (int)wk_rng_below(&rng, 18)), &rng, false);
    wk_grad_options o;
    wk_grad_plan *plan;
    wk_grad_exec *exec;
    wk_grad_options_init(&o);
    o.batch = PHOTOS + 1, o.threads = 1 + (int)(seed % 3);
    assert_ok(wk_grad_plan_create(&plan, t.g, t.weights, &o, &err), &err);
    assert_ok(wk_grad_exec_create(&exec, plan, &err), &err);
    assert_ok(wk_grad_forward(exec, t.input_f, PHOTOS, &err), &err);
    const float *gradient = t.loss_f;
    assert_ok(wk_grad_backward(exec, &gradient, &err), &err);
    wrong += !slope_fits(&t, &rng, t.input, wk_grad_result(exec, 0), t.in * PHOTOS, "input");
    /* a second time for the same forward pass */
    float *once = malloc(t.in * PHOTOS * sizeof *once);
    memcpy(once, wk_grad_result(exec, 0), t.in * PHOTOS * sizeof *once);
    assert_ok(wk_grad_backward(exec, &gradient, &err), &err);
    assert_memory_equal(once, wk_grad_result(exec, 0), t.in * PHOTOS * sizeof *once);
    free(once);
    wk_grad_exec_free(exec);
    wk_grad_plan_free(plan);
    task_end(&t);
  }
  at_most_one(wrong);
}

/* ---- blocks whose insides are computed again on the way back ------------------------------------------------ */

/* Large enough for that: with and without an expansion, with and without an addition, one of whose sides is also read
 * elsewhere. */
static wk_graph *block_graph(void) {
  wk_error err;
  wk_graph *g;
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node x = wk_graph_input(g, "input", 41, 42, 3);
  x = wk_graph_unary(g, "stem.act", WK_OP_RELU6, wk_graph_conv(g, "stem", x, 91, wk_window_square(3, 1, 1), 1, true));
  x = wk_graph_unary(g, "a.act", WK_OP_RELU,
                     wk_graph_conv(g, "a.depthwise", x, 91, wk_window_square(3, 1, 1), 91, true));
  wk_node narrow = wk_graph_conv(g, "a.project", x, 5, wk_window_square(1, 1, 0), 1, false);
  x = narrow = wk_graph_batch_norm(g, "a.norm", narrow, 1e-5f);
  const int kernel[2] = {3, 5}, stride[2] = {1, 2};
  for (int i = 0; i < 2; i++) {
    char name[6][16];
    static const char *const part[] = {"expand", "norm1", "act1", "depthwise", "act2", "project"};
    for (int k = 0; k < 6; k++)
      snprintf(name[k], sizeof name[k], "b%d.%s", i, part[k]);
    wk_node y = wk_graph_conv(g, name[0], x, 93, wk_window_square(1, 1, 0), 1, false);
    y = wk_graph_unary(g, name[2], WK_OP_RELU6, wk_graph_batch_norm(g, name[1], y, 1e-3f));
    y = wk_graph_conv(g, name[3], y, 93, wk_window_square(kernel[i], stride[i], kernel[i] / 2), 93, false);
    y = wk_graph_conv(g, name[5], wk_graph_unary(g, name[4], WK_OP_RELU6, y), 5, wk_window_square(1, 1, 0), 1, true);
    x = i == 0 ? wk_graph_unary(g, "sum.act", WK_OP_RELU, wk_graph_add(g, "sum", y, x)) : y;
  }
  wk_node side = wk_graph_adaptive_avg_pool(g, "side", narrow, 21, 21);
  x = wk_graph_adaptive_avg_pool(g, "pool", wk_graph_add(g, "last", x, side), 1, 1);
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  wk_graph_outputs(g, x, wk_graph_linear(g, "fc", x, 3));
  assert_ok(wk_graph_finish(g, &err), &err);
  return g;
}

static void blocks(void **state) {
  (void)state;
  wk_error err;
  wk_rng rng;
  wk_rng_init(&rng, 17, 0);
  task t = task_of(block_graph(), &rng, false);
  float *want = NULL;
  for (int threads = 1; threads <= 3; threads++) {
    wk_context ctx;
    wk_context_init(&ctx);
    ctx.threads = threads;
    wk_trainer *trainer = trainer_of(&t, SHARD, PHOTOS);
    for (int again = 0; again < 2; again++)
      assert_ok(wk_trainer_step(trainer, NULL, t.input_f, PHOTOS, 0, given_loss, &t, &ctx, &err), &err);
    size_t bytes = wk_trainer_size(trainer) * sizeof(float);
    if (!want) {
      want = malloc(bytes);
      memcpy(want, wk_trainer_gradient(trainer), bytes);
    }
    if (memcmp(want, wk_trainer_gradient(trainer), bytes))
      fail_msg("%d threads give other bits than one", threads);
    int wrong = 0;
    for (int i = 0; threads == 1 && i < wk_trainer_slots(trainer); i++) {
      const wk_slot *slot = wk_trainer_slot(trainer, i);
      int number = 0;
      while (wk_graph_param(t.g, number) != slot->param)
        number++;
      wrong += !slope_fits(&t, &rng, t.param[number], want + slot->offset, slot->count, slot->param->name);
    }
    at_most_one(wrong);
    wk_trainer_free(trainer);
  }
  free(want);
  float *one = NULL;
  for (int threads = 1; threads <= 3; threads++) {
    wk_grad_options o;
    wk_grad_plan *plan;
    wk_grad_exec *exec;
    wk_grad_options_init(&o);
    o.batch = PHOTOS, o.threads = threads;
    assert_ok(wk_grad_plan_create(&plan, t.g, t.weights, &o, &err), &err);
    assert_ok(wk_grad_exec_create(&exec, plan, &err), &err);
    assert_ok(wk_grad_forward(exec, t.input_f, PHOTOS, &err), &err);
    const float *gradient = t.loss_f;
    for (int again = 0; again < 2; again++)
      assert_ok(wk_grad_backward(exec, &gradient, &err), &err);
    if (!one) {
      one = malloc(t.in * PHOTOS * sizeof *one);
      memcpy(one, wk_grad_result(exec, 0), t.in * PHOTOS * sizeof *one);
      assert_true(slope_fits(&t, &rng, t.input, one, t.in * PHOTOS, "input"));
    }
    assert_memory_equal(one, wk_grad_result(exec, 0), t.in * PHOTOS * sizeof *one);
    wk_grad_exec_free(exec);
    wk_grad_plan_free(plan);
  }
  free(one);
  task_end(&t);
}

/* ---- inner layers: several seeds, several targets --------------------------------------------------------- */

/* Where every path passes a layer, that layer's gradient, fed in there, gives the input's. */
static void inner_layers(void **state) {
  (void)state;
  wk_error err;
  wk_rng rng;
  wk_rng_init(&rng, 13, 0);
  wk_graph *g;
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node x = wk_graph_input(g, "input", 9, 11, 3);
  x = wk_graph_conv(g, "c1", x, 20, wk_window_square(3, 1, 1), 1, false);
  x = wk_graph_unary(g, "r1", WK_OP_RELU, wk_graph_batch_norm(g, "b1", x, 1e-5f));
  wk_node y = wk_graph_conv(g, "c2", x, 20, wk_window_square(3, 1, 1), 1, true);
  wk_node layer = wk_graph_unary(g, "r2", WK_OP_RELU, wk_graph_add(g, "sum", y, x));
  wk_node side = wk_graph_unary(g, "silu", WK_OP_SILU, layer);
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, wk_graph_adaptive_avg_pool(g, "pool", side, 1, 1));
  wk_graph_outputs(g, x, wk_graph_linear(g, "fc", x, 5));
  assert_ok(wk_graph_finish(g, &err), &err);
  task t = task_of(g, &rng, false);
  wk_grad_options o;
  wk_grad_plan *whole, *part;
  wk_grad_exec *a, *b;
  wk_grad_options_init(&o);
  wk_node targets[2] = {layer, 0}, logits = wk_graph_logits(g), both[2] = {layer, logits};
  o.batch = PHOTOS, o.target = targets, o.targets = 2, o.output = &side, o.outputs = 1;
  assert_ok(wk_grad_plan_create(&whole, g, t.weights, &o, &err), &err);
  assert_ok(wk_grad_exec_create(&a, whole, &err), &err);
  assert_ok(wk_grad_forward(a, t.input_f, PHOTOS, &err), &err);
  const float *gradient[2] = {t.loss_f, NULL};
  assert_ok(wk_grad_backward(a, gradient, &err), &err);
  double **act = ref_forward(g, t.param, false, t.input, PHOTOS, 0, 0);
  for (size_t i = 0; i < values(g, side) * PHOTOS; i++)
    assert_near((double)wk_grad_activation(a, 0)[i], act[side][i], 1e-4);
  for (size_t i = 0; i < t.out * PHOTOS; i++)
    assert_near((double)wk_grad_output(a, 0)[i], act[logits][i], 1e-4);
  ref_free(act, g);
  assert_true(slope_fits(&t, &rng, t.input, wk_grad_result(a, 1), t.in * PHOTOS, "input"));
  /* the layer's gradient, fed in at the layer, with nothing at the scores */
  o.seed = both, o.seeds = 2, o.target = NULL, o.output = NULL;
  assert_ok(wk_grad_plan_create(&part, g, t.weights, &o, &err), &err);
  assert_ok(wk_grad_exec_create(&b, part, &err), &err);
  assert_ok(wk_grad_forward(b, t.input_f, PHOTOS, &err), &err);
  float *zero = calloc(t.out * PHOTOS, sizeof *zero);
  gradient[0] = wk_grad_result(a, 0), gradient[1] = zero;
  assert_ok(wk_grad_backward(b, gradient, &err), &err);
  for (size_t i = 0; i < t.in * PHOTOS; i++)
    assert_near((double)wk_grad_result(b, 0)[i], (double)wk_grad_result(a, 1)[i], 1e-5);
  free(zero);
  wk_grad_exec_free(a);
  wk_grad_exec_free(b);
  wk_grad_plan_free(whole);
  wk_grad_plan_free(part);
  /* a target behind every seed */
  o.seed = &layer, o.seeds = 1, o.target = &logits, o.targets = 1;
  assert_int_equal(wk_grad_plan_create(&part, g, t.weights, &o, &err), WK_ERR_ARGUMENT);
  task_end(&t);
}

/* A photo alone, whose weights the last layer reads as they are, and one of two, whose are transformed beforehand. */
static void alone_or_together(void **state) {
  (void)state;
  enum { SIDE = 8, IN = 64, TOGETHER = 2 };
  wk_error err;
  wk_rng rng;
  wk_rng_init(&rng, 14, 99);
  wk_graph *g;
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node x = wk_graph_input(g, "input", SIDE, SIDE, IN);
  wk_node y = wk_graph_conv(g, "c", x, 512, wk_window_square(3, 1, 1), 1, true);
  y = wk_graph_unary(g, "flat", WK_OP_FLATTEN, wk_graph_adaptive_avg_pool(g, "pool", y, 1, 1));
  wk_graph_outputs(g, y, wk_graph_linear(g, "fc", y, 5));
  assert_ok(wk_graph_finish(g, &err), &err);
  wk_tensors *weights = ref_weights(g, &rng, true);
  float input[TOGETHER * SIDE * SIDE * IN], seed[TOGETHER * 5], *want = NULL;
  for (size_t i = 0; i < sizeof input / sizeof *input; i++)
    input[i] = (float)wk_rng_normal(&rng);
  for (size_t i = 0; i < sizeof seed / sizeof *seed; i++)
    seed[i] = (float)wk_rng_normal(&rng);
  for (int batch = TOGETHER; batch > 0; batch--) {
    wk_grad_options o;
    wk_grad_plan *plan;
    wk_grad_exec *exec;
    wk_grad_options_init(&o);
    o.batch = batch, o.threads = 3 - batch;
    assert_ok(wk_grad_plan_create(&plan, g, weights, &o, &err), &err);
    assert_ok(wk_grad_exec_create(&exec, plan, &err), &err);
    assert_ok(wk_grad_forward(exec, input, batch, &err), &err);
    const float *gradient = seed;
    assert_ok(wk_grad_backward(exec, &gradient, &err), &err);
    const size_t bytes = (size_t)batch * SIDE * SIDE * IN * sizeof *want;
    if (!want) {
      want = malloc(bytes);
      memcpy(want, wk_grad_result(exec, 0), bytes);
    }
    assert_memory_equal(wk_grad_result(exec, 0), want, bytes);
    wk_grad_exec_free(exec);
    wk_grad_plan_free(plan);
  }
  free(want);
  wk_tensors_free(weights);
  wk_graph_free(g);
}

/* ---- the same bits ------------------------------------------------------------------------------------------ */

static void threads_change_nothing(void **state) {
  (void)state;
  wk_error err;
  for (uint64_t seed = 0; seed < 24; seed++) {
    wk_rng rng;
    wk_rng_init(&rng, 14, seed);
    task t = task_of(ref_random_graph(&rng, 15), &rng, seed % 2);
    float *want = NULL;
    double want_loss = 0;
    for (int threads = 1; threads <= 4; threads++) {
      wk_trainer *trainer = trainer_of(&t, 1 + (int)(seed % 3), PHOTOS);
      wk_context ctx;
      wk_context_init(&ctx);
      ctx.threads = threads;
      double loss;
      for (int again = 0; again < 2; again++) {
        assert_ok(wk_trainer_step(trainer, &loss, t.input_f, PHOTOS, 5, given_loss, &t, &ctx, &err), &err);
        size_t bytes = wk_trainer_size(trainer) * sizeof(float);
        if (!want) {
          want = malloc(bytes);
          memcpy(want, wk_trainer_gradient(trainer), bytes);
          want_loss = loss;
        }
        if (memcmp(want, wk_trainer_gradient(trainer), bytes) || loss != want_loss)
          fail_msg("network %d: %d threads give other bits than one", (int)seed, threads);
      }
      wk_trainer_free(trainer);
    }
    free(want);
    task_end(&t);
  }
}

/* ---- random choices: networks that are linear in what is moved, so differences are exact ---------------------- */

static double step_loss(wk_trainer *trainer, const task *t, uint64_t stream) {
  double loss;
  wk_error err;
  assert_ok(wk_trainer_step(trainer, &loss, t->input_f, PHOTOS, stream, given_loss, (void *)t, NULL, &err), &err);
  return loss;
}

static void random_choices(void **state) {
  (void)state;
  wk_error err;
  wk_rng rng;
  wk_rng_init(&rng, 15, 0);
  wk_graph *g;
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node x = wk_graph_input(g, "input", 4, 5, 6);
  for (int i = 0; i < 3; i++) {
    char name[2][8];
    snprintf(name[0], sizeof name[0], "c%d", i);
    snprintf(name[1], sizeof name[1], "a%d", i);
    x = wk_graph_add(g, name[1], wk_graph_conv(g, name[0], x, 6, wk_window_square(3, 1, 1), 1, true), x);
  }
  x = wk_graph_dropout(g, "drop1", wk_graph_unary(g, "flat", WK_OP_FLATTEN, x), 0.25f);
  wk_graph_outputs(g, x, wk_graph_dropout(g, "drop2", wk_graph_linear(g, "fc", x, 7), 0.5f));
  assert_ok(wk_graph_finish(g, &err), &err);
  task t = task_of(g, &rng, false);
  wk_trainer_options o;
  wk_trainer *trainer;
  wk_trainer_options_init(&o);
  o.batch = PHOTOS, o.micro_batch = SHARD, o.stochastic_depth = 0.5f;
  assert_ok(wk_trainer_create(&trainer, g, t.weights, &o, &err), &err);
  double loss = step_loss(trainer, &t, 1);
  if (loss == step_loss(trainer, &t, 2) || loss != step_loss(trainer, &t, 1))
    fail_msg("a step's random choices must be those of its number");
  size_t n = wk_trainer_size(trainer);
  float *gradient = malloc(n * sizeof *gradient), *params = wk_trainer_params(trainer);
  memcpy(gradient, wk_trainer_gradient(trainer), n * sizeof *gradient);
  for (int i = 0; i < wk_trainer_slots(trainer); i++) {
    const wk_slot *slot = wk_trainer_slot(trainer, i);
    for (int k = 0; k < 5; k++) {
      size_t at = slot->offset + wk_rng_below(&rng, (uint32_t)slot->count);
      float kept = params[at];
      params[at] = kept + 0.25f;
      double up = step_loss(trainer, &t, 1);
      params[at] = kept - 0.25f;
      double down = step_loss(trainer, &t, 1);
      params[at] = kept;
      assert_near((up - down) / 0.5, (double)gradient[at], 2e-3 * (1 + fabs((double)gradient[at])));
    }
  }
  free(gradient);
  wk_trainer_free(trainer);
  task_end(&t);
}

/* ---- a frozen boundary ------------------------------------------------------------------------------------------- */

static void boundaries(void **state) {
  (void)state;
  wk_error err;
  wk_rng rng;
  wk_rng_init(&rng, 16, 0);
  wk_graph *g;
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node x = wk_graph_input(g, "input", 8, 8, 3);
  wk_node stem = wk_graph_conv(g, "stem", x, 8, wk_window_square(3, 1, 1), 1, true);
  wk_node y = wk_graph_conv(g, "a", stem, 8, wk_window_square(3, 1, 1), 1, true);
  wk_node cut = wk_graph_unary(g, "cut", WK_OP_RELU, wk_graph_add(g, "sum", y, stem));
  x = wk_graph_conv(g, "b", cut, 12, wk_window_square(3, 2, 1), 1, false);
  x = wk_graph_unary(g, "br", WK_OP_RELU6, wk_graph_batch_norm(g, "bn", x, 1e-5f));
  wk_node flat = wk_graph_unary(g, "flat", WK_OP_FLATTEN, wk_graph_adaptive_avg_pool(g, "pool", x, 1, 1));
  wk_node drop = wk_graph_dropout(g, "drop", flat, 0.2f);
  wk_graph_outputs(g, drop, wk_graph_linear(g, "fc", drop, 4));
  assert_ok(wk_graph_finish(g, &err), &err);
  task t = task_of(g, &rng, false);
  bool trainable[32] = {false};
  int params = wk_graph_param_count(g);
  for (int i = 0; i < params; i++)
    trainable[i] = !strncmp(wk_graph_param(g, i)->name, "fc.", 3);
  assert_int_equal(wk_train_boundary(g, -1, trainable), flat); /* not the dropout, which must stay behind it */
  for (int i = 0; i < params; i++)
    trainable[i] |= !strncmp(wk_graph_param(g, i)->name, "b", 1);
  assert_int_equal(wk_train_boundary(g, -1, trainable), cut);
  for (int i = 0; i < params; i++)
    trainable[i] |= !strncmp(wk_graph_param(g, i)->name, "a.", 2);
  assert_int_equal(wk_train_boundary(g, -1, trainable), stem);
  assert_int_equal(wk_train_boundary(g, -1, NULL), 0);
  assert_int_equal(wk_train_boundary(g, 99, NULL), -1);

  /* from the cut, with its activations as input: the same gradients as from the pixels */
  for (int i = 0; i < params; i++)
    trainable[i] = wk_graph_param(g, i)->node > cut;
  wk_plan_options po;
  wk_plan *plan;
  wk_exec *exec;
  wk_plan_options_init(&po);
  po.batch = PHOTOS, po.output = &cut, po.outputs = 1;
  assert_ok(wk_plan_create(&plan, g, t.weights, &po, &err), &err);
  assert_ok(wk_exec_create(&exec, plan, &err), &err);
  assert_ok(wk_exec_run(exec, t.input_f, PHOTOS, &err), &err);
  wk_trainer_options o;
  wk_trainer *whole, *part;
  wk_trainer_options_init(&o);
  o.batch = PHOTOS, o.trainable = trainable, o.dropout = 0;
  assert_ok(wk_trainer_create(&whole, g, t.weights, &o, &err), &err);
  o.from = cut;
  assert_ok(wk_trainer_create(&part, g, t.weights, &o, &err), &err);
  assert_int_equal(wk_trainer_input_shape(part).channels, 8);
  assert_int_equal(wk_trainer_size(whole), wk_trainer_size(part));
  if (wk_trainer_bytes(part, 2) >= wk_trainer_bytes(whole, 2))
    fail_msg("training a part must take less than training the whole");
  assert_ok(wk_trainer_step(whole, NULL, t.input_f, PHOTOS, 0, given_loss, &t, NULL, &err), &err);
  assert_ok(wk_trainer_step(part, NULL, wk_exec_output(exec, 0), PHOTOS, 0, given_loss, &t, NULL, &err), &err);
  for (size_t i = 0; i < wk_trainer_size(part); i++)
    assert_near((double)wk_trainer_gradient(part)[i], (double)wk_trainer_gradient(whole)[i],
                1e-4 * (1 + fabs((double)wk_trainer_gradient(whole)[i])));
  /* what is exported is what is there */
  wk_trainer_params(part)[0] = 123;
  wk_tensors *exported;
  assert_ok(wk_tensors_create(&exported, &err), &err);
  assert_ok(wk_trainer_export(part, exported, t.weights, &err), &err);
  assert_int_equal(wk_tensors_size(exported), params);
  assert_ok(wk_graph_check_weights(g, exported, -1, &err), &err);
  float first;
  memcpy(&first, wk_tensors_find(exported, wk_trainer_slot(part, 0)->param->name)->data, sizeof first);
  assert_true(first == 123);
  wk_tensors_free(exported);
  wk_trainer_free(whole);
  wk_trainer_free(part);
  wk_exec_free(exec);
  wk_plan_free(plan);

  /* impossible wishes */
  o.from = y; /* the shortcut passes it by */
  assert_int_equal(wk_trainer_create(&part, g, t.weights, &o, &err), WK_ERR_ARGUMENT);
  trainable[0] = true; /* lies before the cut */
  o.from = cut;
  assert_int_equal(wk_trainer_create(&part, g, t.weights, &o, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "'stem.weight' cannot train"));
  memset(trainable, 0, sizeof trainable);
  assert_int_equal(wk_trainer_create(&part, g, t.weights, &o, &err), WK_ERR_ARGUMENT);
  assert_non_null(strstr(err.message, "nothing trains"));
  task_end(&t);
}

/* ---- running statistics --------------------------------------------------------------------------------------------
 */

static void running_statistics(void **state) {
  (void)state;
  wk_error err;
  wk_rng rng;
  wk_rng_init(&rng, 17, 0);
  wk_graph *g;
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node x = wk_graph_batch_norm(g, "bn", wk_graph_input(g, "input", 5, 6, 3), 1e-5f);
  x = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  wk_graph_outputs(g, x, wk_graph_linear(g, "fc", x, 2));
  assert_ok(wk_graph_finish(g, &err), &err);
  task t = task_of(g, &rng, true);
  wk_trainer *trainer = trainer_of(&t, SHARD, PHOTOS);
  assert_int_equal(wk_trainer_stats_size(trainer), 6);
  assert_ok(wk_trainer_step(trainer, NULL, t.input_f, PHOTOS, 0, NULL, NULL, NULL, &err), &err);
  size_t pixels = 30 * PHOTOS;
  for (size_t c = 0; c < 3; c++) {
    double mean = 0, variance = 0;
    for (size_t p = 0; p < pixels; p++)
      mean += t.input[p * 3 + c] / (double)pixels;
    for (size_t p = 0; p < pixels; p++)
      variance += pow(t.input[p * 3 + c] - mean, 2) / (double)(pixels - 1);
    assert_near((double)wk_trainer_stats(trainer)[c], 0.9 * t.param[2][c] + 0.1 * mean, 1e-6);
    assert_near((double)wk_trainer_stats(trainer)[3 + c], 0.9 * t.param[3][c] + 0.1 * variance, 1e-6);
  }
  wk_trainer_free(trainer);
  task_end(&t);
}

static wk_status train_once(const task *t, wk_norm_mode norm, wk_error *err) {
  wk_trainer *trainer = NULL;
  wk_trainer_options o;
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = 2;
  wk_trainer_options_init(&o);
  o.batch = PHOTOS, o.micro_batch = SHARD, o.norm = norm;
  wk_status st = wk_trainer_create(&trainer, t->g, t->weights, &o, err);
  if (st == WK_OK)
    st = wk_trainer_step(trainer, NULL, t->input_f, PHOTOS, 0, given_loss, (void *)t, &ctx, err);
  wk_trainer_free(trainer);
  return st;
}

static wk_status look_once(const task *t, wk_error *err) {
  wk_grad_options o;
  wk_grad_plan *plan = NULL;
  wk_grad_exec *exec = NULL;
  const float *gradient = t->loss_f;
  wk_grad_options_init(&o);
  wk_status st = wk_grad_plan_create(&plan, t->g, t->weights, &o, err);
  if (st == WK_OK)
    st = wk_grad_exec_create(&exec, plan, err);
  if (st == WK_OK)
    st = wk_grad_forward(exec, t->input_f, 1, err);
  if (st == WK_OK)
    st = wk_grad_backward(exec, &gradient, err);
  wk_grad_exec_free(exec);
  wk_grad_plan_free(plan);
  return st;
}

static void failing_allocations(void **state) {
  (void)state;
  wk_error err;
  wk_rng rng;
  wk_rng_init(&rng, 18, 2);
  task t = task_of(ref_random_graph(&rng, 12), &rng, false);
  for (int kind = 0; kind < 3; kind++) {
    wk_status st = WK_ERR_MEMORY;
    for (long n = 0; st != WK_OK; n = TEST_NEXT_ALLOCATION(n)) {
      test_fail_allocation(n);
      st = kind == 2 ? look_once(&t, &err) : train_once(&t, kind ? WK_NORM_BATCH : WK_NORM_FROZEN, &err);
      test_fail_allocation(-1);
      if (st != WK_OK)
        assert_int_equal(st, WK_ERR_MEMORY);
    }
  }
  task_end(&t);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(parameters_frozen_norm),
                                     cmocka_unit_test(parameters_batch_norm),
                                     cmocka_unit_test(inputs),
                                     cmocka_unit_test(blocks),
                                     cmocka_unit_test(inner_layers),
                                     cmocka_unit_test(alone_or_together),
                                     cmocka_unit_test(threads_change_nothing),
                                     cmocka_unit_test(random_choices),
                                     cmocka_unit_test(boundaries),
                                     cmocka_unit_test(running_statistics),
                                     cmocka_unit_test(failing_allocations)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
