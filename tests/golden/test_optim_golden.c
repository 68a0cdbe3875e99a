/* test_optim_golden.c - optimisers, schedules, losses and clipping against PyTorch (tools/make_optim_goldens.py). */
#include "optim_golden.h"
#include "support.h"
#include "train/finetune/finetune_parts.h"
#include "whisker/optim.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* 20 steps in single precision; the moves themselves are of size 0.01 to 1. */
static void optimisers_equal_pytorch(void **state) {
  (void)state;
  static const wk_optim_slot slots[] = {{0, OPTIM_WEIGHT, 1, 1}, {OPTIM_WEIGHT, OPTIM_BIAS, 1, 0}};
  for (size_t i = 0; i < COUNT(optim_cases); i++) {
    bool momentum = strcmp(optim_cases[i].name, "rmsprop_momentum") == 0;
    wk_optim_kind kind;
    wk_optim_options o;
    wk_error err;
    assert_ok(wk_optim_parse(&kind, momentum ? "rmsprop" : optim_cases[i].name, &err), &err);
    wk_optim_options_init(&o, kind);
    o.weight_decay = optim_cases[i].decay;
    if (momentum)
      o.momentum = 0.9;
    wk_optim *optim = NULL;
    assert_ok(wk_optim_create(&optim, &o, slots, 2, OPTIM_WEIGHT + OPTIM_BIAS, &err), &err);
    float p[OPTIM_WEIGHT + OPTIM_BIAS];
    memcpy(p, optim_start, sizeof p);
    for (int s = 0; s < OPTIM_STEPS; s++)
      assert_ok(wk_optim_step(optim, p, optim_gradients + s * (OPTIM_WEIGHT + OPTIM_BIAS), optim_cases[i].lr, NULL,
                              NULL, &err),
                &err);
    for (int j = 0; j < OPTIM_WEIGHT + OPTIM_BIAS; j++)
      if (!(fabs((double)p[j] - (double)optim_cases[i].end[j]) <= 1e-5))
        fail_msg("%s, decay %g, parameter %d: %.8g instead of %.8g", optim_cases[i].name, optim_cases[i].decay, j,
                 (double)p[j], (double)optim_cases[i].end[j]);
    wk_optim_free(optim);
  }
}

static void check_schedule(const wk_schedule_options *o, const double *want) {
  for (uint64_t s = 0; s < SCHEDULE_EPOCHS * SCHEDULE_PER_EPOCH; s++) {
    double rate = wk_schedule_lr(o, s, SCHEDULE_PER_EPOCH, SCHEDULE_EPOCHS * SCHEDULE_PER_EPOCH);
    if (!(fabs(rate - want[s]) <= 1e-6 * want[s] + 1e-12)) /* PyTorch's recursive forms drift; goldens are its own */
      fail_msg("%s, step %d: %.9g instead of %.9g", wk_schedule_name(o->kind), (int)s, rate, want[s]);
  }
}

static void schedules_equal_pytorch(void **state) {
  (void)state;
  wk_schedule_options o;
  wk_schedule_options_init(&o, WK_SCHEDULE_STEP);
  o.lr = 0.4;
  o.step_epochs = 4;
  check_schedule(&o, schedule_step);
  wk_schedule_options_init(&o, WK_SCHEDULE_EXPONENTIAL);
  o.lr = 0.4;
  check_schedule(&o, schedule_exponential);
  wk_schedule_options_init(&o, WK_SCHEDULE_COSINE);
  o.lr = 0.4;
  o.min_lr = 0.01;
  check_schedule(&o, schedule_cosine);
  o.min_lr = 0;
  o.warmup_epochs = 2;
  check_schedule(&o, schedule_warm_cosine);
  wk_schedule_options_init(&o, WK_SCHEDULE_ONE_CYCLE);
  o.lr = 0.4;
  check_schedule(&o, schedule_onecycle);
  wk_schedule_options_init(&o, WK_SCHEDULE_PLATEAU);
  o.lr = 0.4;
  o.min_lr = 0.003;
  o.patience = 2;
  wk_plateau p;
  wk_plateau_init(&p);
  for (size_t i = 0; i < COUNT(plateau_losses); i++)
    assert_near(wk_plateau_update(&p, &o, plateau_losses[i]), plateau_scales[i], 1e-9);
}

/* In shards of different sizes, as training does it. */
static void check_loss(const wk_loss_options *o, const wk_loss_target *t, double value, const float *gradient) {
  static const size_t cuts[] = {0, 1, 4, 6};
  double loss = 0, divisor = wk_loss_divisor(o, t->label, LOSS_ROWS);
  float g[LOSS_ROWS * LOSS_CLASSES];
  for (size_t i = 0; i + 1 < COUNT(cuts); i++)
    wk_loss_rows(&loss, g + cuts[i] * LOSS_CLASSES, loss_logits + cuts[i] * LOSS_CLASSES, t, cuts[i],
                 cuts[i + 1] - cuts[i], LOSS_CLASSES, divisor, LOSS_ROWS, o);
  assert_near(loss, value, 1e-7 * (1 + value)); /* targets come as floats */
  for (int i = 0; i < LOSS_ROWS * LOSS_CLASSES; i++)
    assert_near((double)g[i], (double)gradient[i], 1e-7);
}

static void losses_equal_pytorch(void **state) {
  (void)state;
  wk_loss_options o;
  wk_loss_options_init(&o);
  wk_loss_target hard = {.label = loss_label}, soft = {.soft = loss_soft};
  check_loss(&o, &hard, loss_plain_value[0], loss_plain_gradient);
  check_loss(&o, &soft, loss_soft_value[0], loss_soft_gradient);
  o.smoothing = 0.1;
  check_loss(&o, &hard, loss_smooth_value[0], loss_smooth_gradient);
  o.distill = 0.3;
  o.distill_temperature = 3;
  hard.teacher = loss_teacher;
  check_loss(&o, &hard, loss_distilled_value[0], loss_distilled_gradient);
  hard.teacher = NULL;
  o.class_weight = loss_weight;
  o.smoothing = 0;
  check_loss(&o, &hard, loss_weighted_value[0], loss_weighted_gradient);
  o.smoothing = 0.2;
  check_loss(&o, &hard, loss_weighted_smooth_value[0], loss_weighted_smooth_gradient);
  check_loss(&o, &soft, loss_soft_all_value[0], loss_soft_all_gradient);
  o.distill = 0.3;
  hard.teacher = loss_teacher;
  check_loss(&o, &hard, loss_weighted_distilled_value[0], loss_weighted_distilled_gradient);
}

static void clipping_equals_pytorch(void **state) {
  (void)state;
  float g[OPTIM_WEIGHT + OPTIM_BIAS];
  memcpy(g, optim_gradients, sizeof g);
  assert_near(wk_clip_norm(g, COUNT(g), 1.5), clip_length[0], 1e-5);
  for (size_t i = 0; i < COUNT(g); i++)
    assert_near((double)g[i], (double)clip_norm[i], 1e-6);
}

/* Training with weighted classes divides by the weights of the photos of each step, however many batches share it. */
static void check_steps(int accumulate, const double *losses, const float *weight, const float *bias) {
  wk_error err;
  wk_graph *g = NULL;
  wk_tensors *start = NULL;
  float *w, *b, rows[STEP_ROWS * STEP_COLUMNS];
  int labels[STEP_ROWS];
  bool trainable[2] = {true, true};
  const int stage_depth[2] = {0, 0};
  const int64_t shape[2] = {STEP_CLASSES, STEP_COLUMNS};
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = 2;
  assert_ok(wk_graph_create(&g, &err), &err);
  wk_node in = wk_graph_input(g, "input", 1, 1, STEP_COLUMNS), out = wk_graph_linear(g, "fc", in, STEP_CLASSES);
  wk_graph_outputs(g, in, out);
  assert_ok(wk_graph_finish(g, &err), &err);
  assert_ok(wk_tensors_create(&start, &err), &err);
  assert_ok(wk_tensors_add_zeros(start, &w, "fc.weight", 2, shape, &err), &err);
  assert_ok(wk_tensors_add_zeros(start, &b, "fc.bias", 1, shape, &err), &err);
  wk_finetune_options o;
  wk_finetune_options_init(&o);
  o.batch = STEP_BATCH;
  o.accumulate = accumulate;
  o.balance = true;
  o.loss.smoothing = step_smoothing;
  o.clip_norm = 0;
  o.l2_sp = false;
  wk_optim_options_init(&o.optim, WK_OPTIM_SGD);
  wk_finetune_input input = {.rows = STEP_ROWS, .columns = STEP_COLUMNS, .label = labels, .views = 1, .row = rows};
  memcpy(labels, step_labels, sizeof labels);
  wk_finetune_setup setup = {.o = &o,
                             .ctx = &ctx,
                             .classes = STEP_CLASSES,
                             .tail = g,
                             .start = start,
                             .trainable = trainable,
                             .stage_depth = stage_depth,
                             .train = &input};
  wk_finetuner l = {0};
  assert_ok(wk_finetuner_open(&l, &setup, &err), &err);
  wk_finetuner_shuffle(&l, 1);
  for (size_t i = 0; i < STEP_ROWS; i++) { /* so that they come in the golden's order */
    labels[l.order[i]] = step_labels[i];
    memcpy(rows + l.order[i] * STEP_COLUMNS, step_rows + i * STEP_COLUMNS, STEP_COLUMNS * sizeof *rows);
  }
  for (size_t i = 0; i < l.steps; i++) {
    double loss, norm;
    assert_ok(wk_finetuner_step(&l, &loss, &norm, 1, i, step_lr, NULL, &err), &err);
    assert_near(loss, losses[i], 1e-6);
  }
  const float *p = wk_trainer_params(l.t);
  for (int i = 0; i < wk_trainer_slots(l.t); i++) {
    const wk_slot *slot = wk_trainer_slot(l.t, i);
    const float *want = slot->param->ndim == 2 ? weight : bias;
    for (size_t k = 0; k < slot->count; k++)
      assert_near((double)p[slot->offset + k], (double)want[k], 1e-6);
  }
  wk_finetuner_close(&l);
  wk_tensors_free(start);
  wk_graph_free(g);
}

static void weighted_steps_equal_pytorch(void **state) {
  (void)state;
  check_steps(1, step_each_losses, step_each_weight, step_each_bias);
  check_steps(3, step_accumulated_losses, step_accumulated_weight, step_accumulated_bias);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(optimisers_equal_pytorch), cmocka_unit_test(schedules_equal_pytorch),
      cmocka_unit_test(losses_equal_pytorch),     cmocka_unit_test(weighted_steps_equal_pytorch),
      cmocka_unit_test(clipping_equals_pytorch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
