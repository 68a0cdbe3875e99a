/* test_train_golden.c - ten steps of training of whole networks, with both kinds of norms and several optimisers, are
 * PyTorch's: train.txt, made by tools/make_train_goldens.py in double precision. Losses to 1e-4 of their size. Of every
 * weight and running statistic the change is compared, through its length and two products that any wrong value alters,
 * to 2% of its length plus what float32 rounds away when a small step is added to a weight. (PyTorch's own single
 * precision differs from its double precision by up to 7% of a change after one step, in the norms of MobileNetV2 that
 * hardly move.) */
#include "golden/zoo_weights.h"
#include "whisker/optim.h"
#include "whisker/train_nn.h"

enum { STEPS = 10, MAX_BATCH = 16 };

typedef struct golden_case {
  char arch[64], norm[16], optim[32];
  int side, batch, classes;
  double lr, decay, loss[STEPS];
} golden_case;

typedef struct run {
  golden_case c;
  wk_graph *graph;
  wk_tensors *start;
  wk_trainer *trainer;
  wk_optim *optim;
  int label[MAX_BATCH];
} run;

static wk_status step_loss(void *user, float *gradient, double *loss, const float *output, int first, int count,
                           wk_error *err) {
  const run *r = user;
  wk_loss_options o;
  wk_loss_options_init(&o);
  o.smoothing = 0.1;
  wk_loss_target target = {.label = r->label};
  wk_loss_rows(loss, gradient, output, &target, (size_t)first, (size_t)count, r->c.classes, r->c.batch, (size_t)r->c.batch, &o);
  (void)err;
  return WK_OK;
}

static void begin(run *r, const rule *rules, bool plain) {
  wk_error err = {0};
  const wk_arch *arch = wk_arch_find(r->c.arch);
  assert_non_null(arch);
  bool features = strncmp(r->c.arch, "vgg", 3) == 0; /* the convolutions are the network: see the script */
  assert_ok(arch->build(&r->graph, features ? 10 : r->c.classes, &err), &err);
  wk_trainer_options o;
  wk_trainer_options_init(&o);
  o.height = o.width = r->c.side;
  o.batch = r->c.batch;
  o.to = features ? wk_graph_find(r->graph, "features.28") : wk_graph_logits(r->graph);
  o.norm = strcmp(r->c.norm, "batch") == 0 ? WK_NORM_BATCH : WK_NORM_FROZEN;
  o.dropout = 0;
  o.no_winograd = plain;
  r->start = rule_weights_to(rules, r->graph, o.to);
  assert_ok(wk_trainer_create(&r->trainer, r->graph, r->start, &o, &err), &err);
  int slots = wk_trainer_slots(r->trainer);
  wk_optim_slot slot[256];
  assert_true(slots <= 256);
  for (int i = 0; i < slots; i++) {
    const wk_slot *s = wk_trainer_slot(r->trainer, i);
    slot[i] = (wk_optim_slot){s->offset, s->count, 1, s->param->ndim > 1 ? 1 : 0};
  }
  wk_optim_options oo;
  wk_optim_kind kind;
  assert_ok(wk_optim_parse(&kind, r->c.optim, &err), &err);
  wk_optim_options_init(&oo, kind);
  oo.weight_decay = r->c.decay;
  assert_ok(wk_optim_create(&r->optim, &oo, slot, slots, wk_trainer_size(r->trainer), &err), &err);
}

static void train(run *r, const rule *rules) {
  wk_error err = {0};
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = 2;
  size_t values = (size_t)r->c.batch * (size_t)r->c.side * (size_t)r->c.side * 3;
  float *x = malloc(values * sizeof *x);
  for (int step = 0; step < STEPS; step++) {
    char name[32];
    double loss = 0;
    snprintf(name, sizeof name, "input %d", step);
    rule_fill(x, values, rules, name, 0, 2);
    for (int i = 0; i < r->c.batch; i++)
      r->label[i] = (3 * i + 7 * step) % r->c.classes;
    assert_ok(wk_trainer_step(r->trainer, &loss, x, r->c.batch, (uint64_t)step, step_loss, r, &ctx, &err), &err);
    if (!(fabs(loss - r->c.loss[step]) <= 1e-4 * r->c.loss[step]))
      fail_msg("%s: the loss of step %d is %.7g, PyTorch's %.7g", r->c.arch, step + 1, loss, r->c.loss[step]);
    assert_ok(wk_optim_step(r->optim, wk_trainer_params(r->trainer), wk_trainer_gradient(r->trainer), r->c.lr, NULL,
                            &ctx, &err),
              &err);
  }
  free(x);
}

/* Where the trainer keeps a parameter or a running statistic. */
static const float *current(const run *r, const char *name, size_t count) {
  for (int i = 0; i < wk_trainer_slots(r->trainer); i++) {
    const wk_slot *s = wk_trainer_slot(r->trainer, i);
    if (!strcmp(s->param->name, name) && s->count == count)
      return wk_trainer_params(r->trainer) + s->offset;
  }
  for (int i = 0; i < wk_trainer_stat_slots(r->trainer); i++) {
    const wk_slot *s = wk_trainer_stat_slot(r->trainer, i);
    if (!strcmp(s->param->name, name) && s->count == count)
      return wk_trainer_stats(r->trainer) + s->offset;
  }
  return NULL; /* it stays as it is */
}

static double product(const float *now, const float *before, const rule *rules, const char *name, const char *tag,
                      size_t count) {
  char both[160];
  double sum = 0;
  snprintf(both, sizeof both, "%s%s", name, tag);
  size_t at = rule_start(both);
  for (size_t i = 0; i < count; i++) {
    sum += ((double)now[i] - (double)before[i]) * (double)rules->table[at];
    at = at + 1 == RULE_PERIOD ? 0 : at + 1;
  }
  return sum;
}

static double compare(const run *r, const rule *rules, const char *name, const double want[3]) {
  const wk_tensor *start = wk_tensors_find(r->start, name);
  assert_non_null(start);
  size_t count = (size_t)wk_tensor_count(start->ndim, start->shape);
  const float *before = start->data, *now = current(r, name, count);
  now = now ? now : before;
  double square = 0, size = 0;
  for (size_t i = 0; i < count; i++) {
    square += ((double)now[i] - (double)before[i]) * ((double)now[i] - (double)before[i]);
    size += (double)before[i] * (double)before[i];
  }
  double got[3] = {sqrt(square), product(now, before, rules, name, "/a", count),
                   product(now, before, rules, name, "/b", count)};
  double worst = 0, rounding = 1.5e-7 * sqrt(size);
  for (int k = 0; k < 3; k++)
    worst = fmax(worst, (fabs(got[k] - want[k]) - rounding) / (want[0] + 1e-9));
  if (!(worst <= 0.05))
    fail_msg("%s: %s changed by %.7g (%.7g, %.7g), in PyTorch by %.7g (%.7g, %.7g)", r->c.arch, name, got[0], got[1],
             got[2], want[0], want[1], want[2]);
  return worst;
}

static void end(run *r) {
  wk_optim_free(r->optim);
  wk_trainer_free(r->trainer);
  wk_tensors_free(r->start);
  wk_graph_free(r->graph);
  *r = (run){0};
}

/* Trains the networks of the file one after the other, and looks at each of their parameters. */
static void ten_steps(bool plain) {
  FILE *f = fopen(test_source("tests/golden/train.txt"), "r");
  assert_non_null(f);
  rule *rules = malloc(sizeof *rules);
  rule_init(rules);
  run r = {0};
  int cases = 0, params = 0;
  double worst = 0;
  char line[512];
  while (fgets(line, sizeof line, f)) {
    char name[128];
    double want[3];
    if (!strncmp(line, "case ", 5)) {
      end(&r);
      assert_int_equal(sscanf(line, "case %63s %d %d %d %15s %31s %lf %lf", r.c.arch, &r.c.side, &r.c.batch,
                              &r.c.classes, r.c.norm, r.c.optim, &r.c.lr, &r.c.decay),
                       8);
      cases++;
    } else if (!strncmp(line, "losses ", 7)) {
      char *at = line + 7;
      for (int i = 0; i < STEPS; i++)
        r.c.loss[i] = strtod(at, &at);
      begin(&r, rules, plain);
      train(&r, rules);
    } else if (sscanf(line, "param %127s %lf %lf %lf", name, want, want + 1, want + 2) == 4) {
      worst = fmax(worst, compare(&r, rules, name, want));
      params++;
    }
  }
  printf("%d networks, %d parameters and statistics; the largest difference is %.2g of a change\n", cases, params,
         worst);
  assert_int_equal(cases, 4);
  assert_true(params > 300);
  end(&r);
  free(rules);
  fclose(f);
}

static void fast(void **state) {
  (void)state;
  ten_steps(false);
}

/* Without Winograd's transforms. Sanitizers have seen all other kernels above, and these in test_kernels_grad. */
static void exact(void **state) {
  (void)state;
  if (TEST_SANITIZED)
    skip();
  ten_steps(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(fast), cmocka_unit_test(exact)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
