/* test_finetune.c - fine-tuning a small network on pictures of the test's own: the same bits for any threads and after
 * any stop, and what goes wrong is said. */
#include <jansson.h>
#include <unistd.h>

#include "support.h"
#include "train/finetune/finetune_parts.h"

enum { PHOTOS = 60, VAL = 24, CLASSES = 3, SIDE = 16 };

static char *dir;
static char *path[PHOTOS + VAL];
static int label[PHOTOS + VAL];
static wk_backbone *backbone;
static wk_error error;
static wk_finetune_data train, val;

/* Stripes across, stripes down, and a chequered board, in random colours, with noise. */
static void draw(wk_image *image, int kind, wk_rng *rng) {
  int colour[3], phase = (int)wk_rng_below(rng, 4);
  for (int c = 0; c < 3; c++)
    colour[c] = 60 + (int)wk_rng_below(rng, 120);
  for (int y = 0; y < image->height; y++)
    for (int x = 0; x < image->width; x++) {
      int a = (y + phase) / 2 % 2, b = (x + phase) / 2 % 2, on = kind == 0 ? a : kind == 1 ? b : a ^ b;
      for (int c = 0; c < 3; c++)
        image->pixels[(y * image->width + x) * 3 + c] = (uint8_t)((on ? colour[c] : 20) + (int)wk_rng_below(rng, 40));
    }
}

static int setup(void **state) {
  (void)state;
  dir = test_tmp_dir();
  wk_rng rng;
  wk_rng_init(&rng, 4, 4);
  for (int i = 0; i < PHOTOS + VAL; i++) {
    char name[32];
    wk_image image;
    snprintf(name, sizeof name, "%02d.png", i);
    path[i] = wk_path_join(dir, name);
    label[i] = i % CLASSES;
    assert_ok(wk_image_alloc(&image, SIDE, SIDE, &error), &error);
    draw(&image, label[i], &rng);
    assert_ok(wk_image_save_png(&image, path[i], &error), &error);
    wk_image_free(&image);
  }
  train = (wk_finetune_data){(const char *const *)path, label, PHOTOS};
  val = (wk_finetune_data){(const char *const *)path + PHOTOS, label + PHOTOS, VAL};
  assert_ok(wk_backbone_init_random(&backbone, wk_arch_find("simple_cnn"), WK_INIT_HE, 5, &error), &error);
  wk_preprocess_set_size(&backbone->preprocess, SIDE, SIDE);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (int i = 0; i < PHOTOS + VAL; i++)
    wk_free(path[i]);
  wk_backbone_free(backbone);
  test_tmp_remove(dir);
  return 0;
}

static wk_finetune_options quick(const char *depth) {
  wk_finetune_options o;
  wk_finetune_options_init(&o);
  o.depth = depth;
  o.epochs = 4;
  o.batch = 16;
  o.keep = WK_KEEP_FINETUNED;
  o.schedule.lr = 3e-3;
  o.patience = 0;
  o.augment_few = false;
  return o;
}

static wk_finetune_result *tune(const wk_finetune_options *o, int threads) {
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = threads;
  wk_finetune_result *r = NULL;
  assert_ok(wk_finetune(&r, backbone, &train, &val, CLASSES, o, &ctx, &error), &error);
  return r;
}

static void assert_same(const wk_finetune_result *a, const wk_finetune_result *b) {
  assert_int_equal(a->epochs, b->epochs);
  for (int i = 0; i < a->epochs; i++) {
    assert_true(i == 0 || a->history[i].train_loss == b->history[i].train_loss);
    assert_true(a->history[i].val_loss == b->history[i].val_loss);
  }
  assert_int_equal(a->best, b->best);
  assert_memory_equal(a->head->weight, b->head->weight, CLASSES * (size_t)a->head->feature_count * sizeof(float));
  assert_true(a->head->temperature == b->head->temperature);
  uint8_t hash[2][32];
  assert_ok(wk_backbone_hash(hash[0], a->backbone, &error), &error);
  assert_ok(wk_backbone_hash(hash[1], b->backbone, &error), &error);
  assert_memory_equal(hash[0], hash[1], sizeof hash[0]);
}

/* ---- what trains ------------------------------------------------------------------------------- */

static void depths(void **state) {
  (void)state;
  wk_graph *g = NULL;
  assert_ok(wk_arch_find("resnet18")->build(&g, 5, &error), &error);
  static const struct {
    const char *depth, *first, *boundary;
  } want[] = {
      {"head", "fc.weight", "avgpool"},
      {"last:0", "fc.weight", "avgpool"},
      {"last:1", "layer4.0.conv1.weight", "layer3.1.relu2"},
      {"layer4", "layer4.0.conv1.weight", "layer3.1.relu2"},
      {"last:2", "layer3.0.conv1.weight", "layer2.1.relu2"},
      {"from:layer4.1.conv2", "layer4.1.conv2.weight", NULL},
      {"all", "conv1.weight", "input"},
  };
  for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
    bool *trainable = NULL;
    assert_ok(wk_finetune_trainable(&trainable, g, want[i].depth, &error), &error);
    int first = 0;
    while (!trainable[first])
      first++;
    assert_string_equal(wk_graph_param(g, first)->name, want[i].first);
    wk_node_info info;
    wk_node at = wk_finetune_boundary(g, trainable);
    assert_ok(wk_graph_node(&info, g, at, 0, 0, &error), &error);
    if (want[i].boundary && strncmp(want[i].boundary, "layer", 5) != 0)
      assert_string_equal(info.name, want[i].boundary);
    if (want[i].boundary && strncmp(want[i].boundary, "layer", 5) == 0)
      assert_memory_equal(info.name, want[i].boundary, 8);
    wk_free(trainable);
  }
  bool *none = NULL;
  assert_int_equal(wk_finetune_trainable(&none, g, "layer5", &error), WK_ERR_NOT_FOUND);
  assert_non_null(strstr(error.message, "stem, layer1, layer2, layer3, layer4, head"));
  assert_int_equal(wk_finetune_trainable(&none, g, "from:layer9", &error), WK_ERR_NOT_FOUND);
  assert_int_equal(wk_finetune_trainable(&none, g, "last:x", &error), WK_ERR_ARGUMENT);
  assert_int_equal(wk_finetune_trainable(&none, g, "last:99", &error), WK_ERR_ARGUMENT);
  assert_null(none);
  wk_graph_free(g);
}

/* The tail on the boundary's activations gives what the whole network gives, to rounding. */
static void tail_is_the_rest(void **state) {
  (void)state;
  static const char *const names[] = {"resnet18", "mobilenet_v2", "efficientnet_lite0"};
  for (size_t a = 0; a < sizeof names / sizeof *names; a++) {
    const wk_arch *arch = wk_arch_find(names[a]);
    wk_graph *g = NULL, *tail = NULL;
    wk_tensors *w = NULL;
    bool *trainable = NULL;
    assert_ok(arch->build(&g, 4, &error), &error);
    assert_ok(wk_tensors_create(&w, &error), &error);
    assert_ok(wk_init_random_weights(w, g, wk_graph_logits(g), WK_INIT_HE, 1, &error), &error);
    assert_ok(wk_finetune_trainable(&trainable, g, "last:1", &error), &error);
    wk_node at = wk_finetune_boundary(g, trainable), both[2] = {at, wk_graph_logits(g)};
    assert_ok(wk_trainable_subgraph(&tail, g, at, 64, 64, &error), &error);
    wk_plan_options o;
    wk_plan_options_init(&o);
    o.height = o.width = 64;
    o.batch = 1;
    o.output = both;
    o.outputs = 2;
    wk_plan *whole = NULL, *rest = NULL;
    wk_exec *e = NULL, *f = NULL;
    assert_ok(wk_plan_create(&whole, g, w, &o, &error), &error);
    assert_ok(wk_exec_create(&e, whole, &error), &error);
    float *x = malloc(64 * 64 * 3 * sizeof *x);
    wk_rng rng;
    wk_rng_init(&rng, 2, 2);
    for (int i = 0; i < 64 * 64 * 3; i++)
      x[i] = (float)wk_rng_normal(&rng);
    assert_ok(wk_exec_run(e, x, 1, &error), &error);
    o.height = o.width = 0;
    wk_node logits = wk_graph_logits(tail);
    o.output = &logits;
    o.outputs = 1;
    assert_ok(wk_plan_create(&rest, tail, w, &o, &error), &error);
    assert_ok(wk_exec_create(&f, rest, &error), &error);
    assert_ok(wk_exec_run(f, wk_exec_output(e, 0), 1, &error), &error);
    double size = 0;
    for (int c = 0; c < 4; c++)
      size += fabs((double)wk_exec_output(e, 1)[c]);
    for (int c = 0; c < 4; c++)
      assert_near((double)wk_exec_output(f, 0)[c], (double)wk_exec_output(e, 1)[c], 1e-4 * size);
    wk_exec_free(e), wk_exec_free(f), wk_plan_free(whole), wk_plan_free(rest);
    wk_graph_free(g), wk_graph_free(tail), wk_tensors_free(w), wk_free(trainable), free(x);
  }
}

/* ---- runs -------------------------------------------------------------------------------------- */

static void learns_from_scratch(void **state) {
  (void)state;
  wk_finetune_options o = quick("all");
  o.from_scratch = true;
  o.norm = WK_NORM_BATCH;
  o.epochs = 12;
  wk_finetune_result *r = tune(&o, 2);
  assert_true(r->tuned_val->top1.value > 0.9);
  assert_true(r->history[r->best].val_loss < r->history[0].val_loss);
  assert_null(r->frozen);
  char *text = wk_finetune_history(r);
  json_t *history = json_loads(text, 0, NULL), *first = json_array_get(json_object_get(history, "epochs"), 0);
  assert_int_equal(json_integer_value(json_object_get(first, "epoch")), 0);
  assert_true(json_is_number(json_object_get(first, "lr")) && json_number_value(json_object_get(first, "lr")) == 0);
  assert_true(json_is_null(json_object_get(first, "train_loss")));
  json_decref(history);
  wk_free(text);
  wk_finetune_result_free(r);
}

/* Whatever the epochs do, what comes out is not behind the probe. */
static void keeps_the_better(void **state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    wk_finetune_options o = quick("all");
    o.keep = WK_KEEP_BETTER;
    o.schedule.lr = i ? 1e-4 : 0.1;
    wk_finetune_result *r = tune(&o, 2);
    const wk_metrics *kept = r->tuned ? r->tuned_val : r->probe_val;
    assert_true(kept->top1.value >= r->probe_val->top1.value);
    assert_true((r->backbone != NULL) == r->tuned);
    wk_finetune_result_free(r);
  }
}

static void is_the_same_for_any_threads(void **state) {
  (void)state;
  static const char *const depth[] = {"head", "last:1", "all", "last:1", "last:1"};
  for (int i = 0; i < 5; i++) {
    wk_finetune_options o = quick(depth[i]);
    o.augment_few = i == 3; /* a few photos: several views of each, and a first classifier of them all */
    if (i == 1) {
      o.average = WK_AVERAGE_SWA;
      o.swa_start = 0.3;
      o.mix.mixup = 0.3;
      o.accumulate = 2;
    }
    if (i == 2) {
      o.norm = WK_NORM_BATCH;
      assert_ok(wk_augment_parse(&o.augment, "light", &error), &error);
    }
    if (i == 4) { /* whatever trains, the input moves */
      o.adversary.eps_255 = 8;
      o.adversary.steps = 2;
      o.mix.mixup = 0.3;
    }
    wk_finetune_result *three = tune(&o, 3), *one = TEST_SANITIZED ? NULL : tune(&o, 1);
    if (one)
      assert_same(one, three);
    assert_true((three->frozen != NULL) == (i != 2 && i != 4));
    assert_int_equal(three->views, i == 2 ? 0 : i == 3 ? 8 : 1);
    wk_finetune_result_free(one);
    wk_finetune_result_free(three);
  }
}

typedef struct stopper {
  int epochs, stop_at;
} stopper;

static void count_epoch(void *user, const wk_finetune_epoch *e) { ((stopper *)user)->epochs = e->epoch; }

static bool stop_now(void *user) {
  const stopper *s = user;
  return s->epochs >= s->stop_at;
}

/* Stopped after two epochs and resumed: the same weights as without the stop. */
static void resumes_bit_for_bit(void **state) {
  (void)state;
  for (int i = 0; i < 5; i += TEST_SANITIZED ? 2 : 1) {
    wk_finetune_options o = quick(i == 0 ? "last:1" : "all");
    char *file = wk_path_join(dir, "checkpoint");
    if (i == 0)
      o.schedule.kind = WK_SCHEDULE_PLATEAU;
    if (i == 1) {
      o.norm = WK_NORM_BATCH;
      o.average = WK_AVERAGE_SWA;
      o.swa_start = 0.2;
      wk_optim_options_init(&o.optim, WK_OPTIM_LAMB);
    }
    if (i == 2) {
      o.views = 2;
      assert_ok(wk_augment_parse(&o.augment, "light", &error), &error);
    }
    if (i == 3) {
      o.norm = WK_NORM_BATCH;
      o.average = WK_AVERAGE_CHECKPOINTS;
    }
    if (i == 4)
      o.adversary.eps_255 = 8;
    wk_finetune_result *straight = tune(&o, 2), *stopped = NULL;
    stopper s = {.stop_at = 2};
    wk_context ctx;
    wk_context_init(&ctx);
    ctx.cancelled = stop_now;
    ctx.user = &s;
    o.checkpoint = file;
    o.on_epoch = count_epoch;
    o.user = &s;
    assert_ok(wk_finetune(&stopped, backbone, &train, &val, CLASSES, &o, &ctx, &error), &error);
    assert_true(stopped->cancelled);
    assert_int_equal(stopped->epochs, 3);
    assert_non_null(stopped->head);
    wk_finetune_result_free(stopped);
    o.resume = true;
    wk_finetune_result *resumed = tune(&o, 1);
    assert_same(straight, resumed);
    assert_false(resumed->cancelled);
    wk_finetune_result_free(resumed);
    /* A checkpoint of another run, and a damaged one. */
    wk_finetune_result *none = NULL;
    if (i == 4)
      o.adversary.eps_255 = 4;
    else
      o.optim.weight_decay += 0.25;
    assert_int_equal(wk_finetune(&none, backbone, &train, &val, CLASSES, &o, NULL, &error), WK_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "of another run"));
    assert_int_equal(wk_checkpoint_check(file, backbone->arch->name, &error), WK_OK);
    assert_int_equal(wk_checkpoint_check(file, "vgg16", &error), WK_ERR_ARGUMENT);
    assert_non_null(strstr(error.message, "and this one trains vgg16"));
    assert_int_equal(truncate(file, 1000), 0);
    assert_int_not_equal(wk_finetune(&none, backbone, &train, &val, CLASSES, &o, NULL, &error), WK_OK);
    assert_null(none);
    wk_finetune_result_free(straight);
    unlink(file);
    wk_free(file);
  }
}

static void stops_early_and_keeps_the_probe(void **state) {
  (void)state;
  wk_finetune_options o = quick("last:1");
  o.keep = WK_KEEP_BETTER;
  o.schedule.lr = 1e-12; /* nothing changes, so nothing gets better */
  o.average = WK_AVERAGE_NONE;
  o.epochs = 50;
  o.patience = 3;
  wk_finetune_result *r = tune(&o, 2);
  assert_true(r->epochs < 50);
  assert_true(r->stopped_early);
  if (r->best == 0) {
    assert_false(r->tuned);
    assert_null(r->backbone);
  }
  assert_non_null(r->head);
  wk_finetune_result_free(r);
}

/* Epoch 0 of a tuned network is the probe. */
static void begins_at_the_probe(void **state) {
  (void)state;
  wk_finetune_options o = quick("last:2");
  o.epochs = 1;
  wk_finetune_result *r = tune(&o, 1);
  assert_near(r->history[0].val_top1, r->probe_val->top1.value, 1e-12);
  wk_finetune_result_free(r);
}

static void trains_from_scratch_and_without_val(void **state) {
  (void)state;
  wk_finetune_options o = quick("head");
  o.from_scratch = true;
  o.norm = WK_NORM_BATCH;
  o.epochs = 6;
  wk_finetune_result *r = NULL;
  assert_ok(wk_finetune(&r, backbone, &train, NULL, CLASSES, &o, NULL, &error), &error);
  assert_true(r->tuned && r->best == 6 && !r->frozen);
  assert_true(isnan(r->probe.l2) && !r->probe_val && !r->tuned_val);
  assert_true(r->history[6].train_loss < r->history[1].train_loss);
  assert_int_equal(r->params, wk_arch_find("simple_cnn")->params - 7 * 129); /* 3 classes instead of 10 */
  wk_finetune_result_free(r);
}

static void says_why_the_loss_is_not_finite(void **state) {
  (void)state;
  wk_finetune_options o = quick("all");
  o.schedule.lr = 1e30;
  o.clip_norm = 0;
  wk_optim_options_init(&o.optim, WK_OPTIM_SGD);
  o.average = WK_AVERAGE_NONE;
  wk_finetune_result *r = NULL;
  assert_int_equal(wk_finetune(&r, backbone, &train, &val, CLASSES, &o, NULL, &error), WK_ERR_NUMERIC);
  assert_non_null(strstr(error.message, "step"));
  assert_non_null(strstr(error.message, "learning rate"));
  assert_null(r);
}

static void finds_a_learning_rate(void **state) {
  (void)state;
  wk_finetune_options o = quick("last:1");
  o.find_lr = true;
  o.epochs = 1;
  wk_finetune_result *one = tune(&o, 1), *three = tune(&o, 3);
  assert_true(one->rates.steps > 10 && one->rates.suggested > 1e-7 && one->rates.suggested < 1);
  assert_true(one->lr == one->rates.suggested);
  assert_true(one->rates.suggested == three->rates.suggested);
  assert_same(one, three);
  wk_finetune_result_free(one);
  wk_finetune_result_free(three);
}

/* A student that hears only its teacher comes to agree with it, wrong labels or not. */
static void learns_from_a_teacher(void **state) {
  (void)state;
  static const char *const names[CLASSES] = {"across", "down", "both"};
  wk_finetune_options o = quick("last:1");
  wk_finetune_result *first = tune(&o, 2);
  wk_model *teacher = NULL;
  assert_ok(wk_model_create(&teacher, first->backbone, first->head, names, "{}", &error), &error);
  int wrong[PHOTOS];
  for (int i = 0; i < PHOTOS; i++)
    wrong[i] = (label[i] + 1) % CLASSES;
  wk_finetune_data misled = {train.paths, wrong, PHOTOS};
  o.teacher = teacher;
  o.loss.distill = 1;
  o.from_scratch = true;
  o.norm = WK_NORM_BATCH;
  o.epochs = 12;
  wk_finetune_result *r = NULL;
  assert_ok(wk_finetune(&r, backbone, &misled, &val, CLASSES, &o, NULL, &error), &error);
  assert_true(r->history[r->epochs - 1].val_top1 > 0.7);
  wk_finetune_result_free(r);
  o.loss.distill = 2;
  assert_int_equal(wk_finetune_options_validate(&o, &error), WK_ERR_ARGUMENT);
  wk_model_free(teacher);
  first->backbone = NULL;
  first->head = NULL;
  wk_finetune_result_free(first);
}

static void keeps_activations_in_a_file(void **state) {
  (void)state;
  wk_finetune_options o = quick("last:1");
  wk_finetune_result *memory = tune(&o, 2), *none = NULL;
  o.memory_bytes = 1000;
  assert_int_equal(wk_finetune(&none, backbone, &train, &val, CLASSES, &o, NULL, &error), WK_ERR_MEMORY);
  assert_non_null(strstr(error.message, "tune fewer layers"));
  o.scratch_folder = dir;
  wk_finetune_result *file = tune(&o, 2);
  assert_true(file->kept_on_disk && !memory->kept_on_disk);
  assert_same(memory, file);
  wk_finetune_result_free(memory);
  wk_finetune_result_free(file);
}

/* ---- adversarial training ------------------------------------------------------------------------ */

static void moved_photos_stay_in_the_bound(void **state) {
  (void)state;
  enum { N = 300 };
  wk_preprocess p;
  wk_preprocess_init(&p);
  const float eps = 2;
  float clean[N], x[N], again[N], other[N], slope[N], travelled = 0;
  wk_rng rng;
  wk_rng_init(&rng, 3, 3);
  for (int i = 0; i < N; i++) { /* black and white ones among them: they have nowhere to go on one side */
    float level = i < 30 ? 0 : i < 60 ? 255 : (float)wk_rng_below(&rng, 256);
    clean[i] = (level - p.mean[i % 3]) / p.std[i % 3];
    slope[i] = (float)wk_rng_normal(&rng);
  }
  wk_attack_random_start(x, clean, N, &p, (double)eps, 42, 1, 7);
  wk_attack_random_start(again, clean, N, &p, (double)eps, 42, 1, 7);
  assert_memory_equal(x, again, sizeof x);
  wk_attack_random_start(other, clean, N, &p, (double)eps, 42, 2, 7);
  assert_memory_not_equal(x, other, sizeof x);
  for (int step = 0; step < 3; step++) {
    for (int i = 0; i < N; i++) {
      float change = (x[i] - clean[i]) * p.std[i % 3], level = x[i] * p.std[i % 3] + p.mean[i % 3];
      assert_true(fabsf(change) <= eps * 1.0001f);
      assert_true(level > -1e-3f && level < 255.001f);
      travelled += step == 2 ? fabsf(change) / N : 0;
    }
    wk_attack_sign_step(x, clean, slope, N, &p, (double)eps, wk_attack_step_size((double)eps, 1));
  }
  assert_true(travelled >
              0.8f * eps); /* two steps of 1.25 of it reach the edge from anywhere, but for black and white */
}

typedef struct labelled {
  const int *label;
} labelled;

static wk_status cross_entropy(void *user, float *gradient, double *loss, const float *output, int first, int count,
                               wk_error *err) {
  (void)err;
  wk_loss_target target = {.label = ((labelled *)user)->label};
  wk_loss_options o;
  wk_loss_options_init(&o);
  wk_loss_rows(loss, gradient, output, &target, (size_t)first, (size_t)count, CLASSES, 1, 1, &o);
  return WK_OK;
}

/* The trainer's gradient of the input is that of a fixed network, for any depth that trains; asking for it changes
 * neither running statistics nor the step after it. */
static void gradients_reach_the_input(void **state) {
  (void)state;
  enum { COUNT = 6, VALUES = 32 * 32 * 3 };
  static const char *const depth[] = {"all", "head"};
  wk_graph *g = NULL;
  wk_tensors *w = NULL;
  assert_ok(wk_arch_find("resnet18")->build(&g, CLASSES, &error), &error);
  assert_ok(wk_tensors_create(&w, &error), &error);
  assert_ok(wk_init_random_weights(w, g, wk_graph_logits(g), WK_INIT_HE, 1, &error), &error);
  float *x = malloc(COUNT * VALUES * sizeof *x), *dx = malloc(COUNT * VALUES * sizeof *dx);
  wk_rng rng;
  wk_rng_init(&rng, 2, 2);
  for (int i = 0; i < COUNT * VALUES; i++)
    x[i] = (float)wk_rng_normal(&rng);
  for (int d = 0; d < 2; d++)
    for (int norm = 0; norm < 2; norm++) {
      bool *trainable = NULL;
      labelled user = {label};
      assert_ok(wk_finetune_trainable(&trainable, g, depth[d], &error), &error);
      wk_trainer_options o;
      wk_trainer_options_init(&o);
      o.height = o.width = 32;
      o.batch = COUNT;
      o.trainable = trainable;
      o.norm = norm ? WK_NORM_BATCH : WK_NORM_FROZEN;
      wk_trainer *plain = NULL, *t = NULL;
      assert_ok(wk_trainer_create(&plain, g, w, &o, &error), &error);
      double loss[2];
      assert_int_equal(wk_trainer_input_gradient(plain, dx, loss, x, COUNT, 0, cross_entropy, &user, NULL, &error),
                       WK_ERR_ARGUMENT);
      o.input_gradient = true;
      assert_ok(wk_trainer_create(&t, g, w, &o, &error), &error);
      assert_ok(wk_trainer_input_gradient(t, dx, loss, x, COUNT, 0, cross_entropy, &user, NULL, &error), &error);
      assert_ok(wk_trainer_step(t, &loss[1], x, COUNT, 0, cross_entropy, &user, NULL, &error), &error);
      assert_true(loss[0] == loss[1]);
      assert_ok(wk_trainer_step(plain, &loss[1], x, COUNT, 0, cross_entropy, &user, NULL, &error), &error);
      assert_memory_equal(wk_trainer_gradient(t), wk_trainer_gradient(plain), wk_trainer_size(t) * sizeof(float));
      assert_memory_equal(wk_trainer_stats(t), wk_trainer_stats(plain), wk_trainer_stats_size(t) * sizeof(float));
      wk_trainer_free(t);
      wk_trainer_free(plain);
      wk_free(trainable);
      if (norm) /* of a batch's own statistics there is no fixed network to compare with */
        continue;
      wk_grad_options go;
      wk_grad_options_init(&go);
      go.height = go.width = 32;
      wk_grad_plan *plan = NULL;
      wk_grad_exec *e = NULL;
      assert_ok(wk_grad_plan_create(&plan, g, w, &go, &error), &error);
      assert_ok(wk_grad_exec_create(&e, plan, &error), &error);
      for (int i = 0; i < COUNT; i++) {
        float slope[CLASSES];
        const float *seed = slope;
        double ignored = 0, difference = 0, size = 0;
        labelled own = {label + i};
        assert_ok(wk_grad_forward(e, x + i * VALUES, 1, &error), &error);
        assert_ok(cross_entropy(&own, slope, &ignored, wk_grad_output(e, 0), 0, 1, &error), &error);
        assert_ok(wk_grad_backward(e, &seed, &error), &error);
        const float *want = wk_grad_result(e, 0);
        for (int k = 0; k < VALUES; k++) {
          difference += fabs((double)want[k] - (double)dx[i * VALUES + k]);
          size += fabs((double)want[k]);
        }
        assert_true(size > 0 && difference < 1e-4 * size); /* the sums of 18 layers run in another order */
      }
      wk_grad_exec_free(e);
      wk_grad_plan_free(plan);
    }
  free(x), free(dx);
  wk_tensors_free(w);
  wk_graph_free(g);
}

static void withstands_more(void **state) {
  (void)state;
  wk_finetune_options o;
  wk_finetune_options_adversarial(&o, 24);
  o.epochs = 12;
  o.batch = 16;
  o.schedule.lr = 3e-3;
  o.augment_few = false;
  wk_finetune_result *r = tune(&o, 2);
  assert_true(r->tuned);
  assert_int_equal(r->attacked, VAL);
  assert_true(r->attacked_before == r->history[0].attacked_top1 &&
              r->attacked_after == r->history[r->best].attacked_top1);
  assert_true(r->attacked_after > r->attacked_before + 0.15);
  for (int i = 0; i < r->epochs; i++)
    assert_true(r->history[r->best].attacked_loss <= r->history[i].attacked_loss);
  char *history = wk_finetune_history(r);
  assert_non_null(strstr(history, "\"attacked_top1\":"));
  wk_free(history);
  wk_finetune_result_free(r);
  o.epochs = 1; /* without photos to judge by, nothing is attacked but the batches */
  assert_ok(wk_finetune(&r, backbone, &train, NULL, CLASSES, &o, NULL, &error), &error);
  assert_true(r->tuned && r->attacked == 0 && isnan(r->attacked_after));
  wk_finetune_result_free(r);
}

static void skips_photos_that_cannot_be_read(void **state) {
  (void)state;
  char *saved = path[7], *missing = wk_path_join(dir, "missing.png");
  path[7] = missing;
  wk_finetune_options o = quick("last:1");
  wk_finetune_result *r = tune(&o, 2);
  assert_int_equal(r->broken, 1);
  wk_finetune_result_free(r);
  path[7] = saved;
  wk_free(missing);
}

static void refuses_what_cannot_be(void **state) {
  (void)state;
  wk_finetune_options good = quick("all"), o;
  assert_ok(wk_finetune_options_validate(&good, &error), &error);
  o = good, o.epochs = 0;
  assert_int_equal(wk_finetune_options_validate(&o, &error), WK_ERR_ARGUMENT);
  o = good, o.batch = 0;
  assert_int_equal(wk_finetune_options_validate(&o, &error), WK_ERR_ARGUMENT);
  o = good, o.schedule.lr = -1;
  assert_int_equal(wk_finetune_options_validate(&o, &error), WK_ERR_ARGUMENT);
  o = good, o.layer_decay = 0;
  assert_int_equal(wk_finetune_options_validate(&o, &error), WK_ERR_ARGUMENT);
  o = good, o.resume = true;
  assert_int_equal(wk_finetune_options_validate(&o, &error), WK_ERR_ARGUMENT);
  o = good, o.adversary.eps_255 = -1;
  assert_int_equal(wk_finetune_options_validate(&o, &error), WK_ERR_ARGUMENT);
  o = good, o.adversary.share = 0;
  assert_int_equal(wk_finetune_options_validate(&o, &error), WK_ERR_ARGUMENT);
  o = good, o.depth = "";
  assert_int_equal(wk_finetune_options_validate(&o, &error), WK_ERR_ARGUMENT);
  wk_finetune_result *r = NULL;
  assert_int_equal(wk_finetune(&r, backbone, &train, &val, 2, &good, NULL, &error), WK_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "02.png has label 2"));
  assert_int_equal(wk_finetune(&r, backbone, &train, &val, 1, &good, NULL, &error), WK_ERR_ARGUMENT);
}

static void survives_failing_allocations(void **state) {
  (void)state;
  wk_finetune_data few = {(const char *const *)path, label, 9};
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = 1;
  wk_finetune_options o = quick("last:0");
  o.epochs = 1;
  o.probe.l2 = 1;
  wk_status st = WK_ERR_MEMORY;
  for (long n = 0; st != WK_OK; n += 1 + n / (TEST_SANITIZED ? 10 : 40)) {
    wk_finetune_result *r = NULL;
    test_fail_allocation(n);
    st = wk_finetune(&r, backbone, &few, NULL, CLASSES, &o, &ctx, &error);
    test_fail_allocation(-1);
    assert_true(st == WK_OK || r == NULL);
    wk_finetune_result_free(r);
  }
  wk_set_allocator(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(depths),
      cmocka_unit_test(tail_is_the_rest),
      cmocka_unit_test(learns_from_scratch),
      cmocka_unit_test(keeps_the_better),
      cmocka_unit_test(is_the_same_for_any_threads),
      cmocka_unit_test(resumes_bit_for_bit),
      cmocka_unit_test(stops_early_and_keeps_the_probe),
      cmocka_unit_test(begins_at_the_probe),
      cmocka_unit_test(trains_from_scratch_and_without_val),
      cmocka_unit_test(says_why_the_loss_is_not_finite),
      cmocka_unit_test(finds_a_learning_rate),
      cmocka_unit_test(learns_from_a_teacher),
      cmocka_unit_test(keeps_activations_in_a_file),
      cmocka_unit_test(moved_photos_stay_in_the_bound),
      cmocka_unit_test(gradients_reach_the_input),
      cmocka_unit_test(withstands_more),
      cmocka_unit_test(skips_photos_that_cannot_be_read),
      cmocka_unit_test(refuses_what_cannot_be),
      cmocka_unit_test(survives_failing_allocations),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
