/* test_precision.c - features in int8 and bf16: ranges, what is kept of them, the comparison with float32, and model
 * files. */
#include "data/data.h"
#include "support.h"

enum { PHOTOS = 24, SIDE = 32, BROKEN = 5 };

static char *dir, *path[PHOTOS];
static int label[PHOTOS];
static wk_backbone *backbone;
static wk_error error;

static wk_context context(int threads) {
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = threads;
  return ctx;
}

static wk_tensors *seeded_weights(const wk_arch *arch) {
  wk_graph *g = NULL;
  wk_tensors *t = NULL;
  wk_rng rng;
  wk_rng_init(&rng, 5, 0);
  assert_ok(arch->build(&g, 3, &error), &error);
  assert_ok(wk_tensors_create(&t, &error), &error);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    float *w;
    int64_t fan = 1;
    for (int k = 1; k < p->ndim; k++)
      fan *= p->shape[k];
    assert_ok(wk_tensors_add_zeros(t, &w, p->name, p->ndim, p->shape, &error), &error);
    for (int64_t k = 0; k < wk_tensor_count(p->ndim, p->shape); k++)
      w[k] = p->ndim > 1 ? (float)(wk_rng_normal(&rng) / sqrt((double)fan)) : 0.5f + (float)wk_rng_uniform(&rng);
  }
  wk_graph_free(g);
  return t;
}

/* mobilenet_v2 at 32 x 32 has every kind of step: a float first layer, blocks with and without expansion, a product. */
static int setup(void **state) {
  (void)state;
  dir = test_tmp_dir();
  const wk_arch *arch = wk_arch_find("mobilenet_v2");
  assert_ok(wk_backbone_from(&backbone, arch, seeded_weights(arch), &error), &error);
  wk_preprocess_set_size(&backbone->preprocess, SIDE, SIDE);
  wk_rng rng;
  wk_rng_init(&rng, 1, 1);
  for (int i = 0; i < PHOTOS; i++) {
    wk_image image = {0};
    char name[32];
    label[i] = i % 2;
    snprintf(name, sizeof name, "%02d.png", i);
    path[i] = wk_path_join(dir, name);
    assert_ok(wk_image_alloc(&image, SIDE, SIDE, &error), &error);
    for (int k = 0; k < SIDE * SIDE * 3; k++)
      image.pixels[k] = (uint8_t)(wk_rng_below(&rng, 120) + (label[i] && k / 3 % 8 < 4 ? 120 : 0));
    if (i == BROKEN)
      assert_ok(wk_file_write(path[i], "no photo", 8, &error), &error);
    else
      assert_ok(wk_image_save_png(&image, path[i], &error), &error);
    wk_image_free(&image);
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  wk_backbone_free(backbone);
  for (int i = 0; i < PHOTOS; i++)
    wk_free(path[i]);
  test_tmp_remove(dir);
  return 0;
}

#define PATHS ((const char *const *)path)

static wk_tensors *measured(size_t most, int threads, uint64_t seed) {
  wk_context ctx = context(threads);
  ctx.seed = seed;
  wk_tensors *t = NULL;
  assert_ok(wk_ranges_measure(&t, backbone, PATHS, PHOTOS, most, &ctx, &error), &error);
  return t;
}

static void sum_of(uint8_t hash[32], wk_tensors *t) {
  wk_tensors_sha256(hash, t);
  wk_tensors_free(t);
}

static void ranges(void **state) {
  (void)state;
  uint8_t one[32], other[32];
  sum_of(one, measured(PHOTOS, 1, 0));
  for (int threads = 2; threads <= 5; threads++) {
    sum_of(other, measured(PHOTOS, threads, 0));
    assert_memory_equal(one, other, sizeof one);
  }
  sum_of(other, measured(PHOTOS, 2, 7)); /* all of them: nothing is drawn */
  assert_memory_equal(one, other, sizeof one);
  sum_of(one, measured(4, 1, 0));
  sum_of(other, measured(4, 3, 0));
  assert_memory_equal(one, other, sizeof one);
  sum_of(other, measured(4, 1, 7));
  assert_memory_not_equal(one, other, sizeof one);

  wk_tensors *t = measured(PHOTOS, 1, 0);
  const wk_tensor *relu6 = wk_tensors_find(t, "features.2.conv.0.2"), *linear = wk_tensors_find(t, "features.2.conv.3");
  assert_non_null(relu6);
  assert_non_null(linear);
  const float *r = relu6->data;
  for (int64_t c = 0; c < relu6->shape[1]; c++)
    assert_true(r[c] >= 0 && r[relu6->shape[1] + c] <= 6 && r[c] <= r[relu6->shape[1] + c]);
  wk_tensors_free(t);

  wk_tensors *none = NULL;
  wk_context ctx = context(1);
  assert_int_equal(wk_ranges_measure(&none, backbone, PATHS + BROKEN, 1, 9, &ctx, &error), WK_ERR_FORMAT);
  assert_int_equal(wk_ranges_measure(&none, backbone, PATHS, 0, 9, &ctx, &error), WK_ERR_ARGUMENT);
  assert_null(none);
}

static wk_features *features(wk_precision p, wk_tensors *of, int threads, int batch, const char *cache) {
  wk_context ctx = context(threads);
  wk_features_options o;
  wk_features_options_init(&o);
  o.batch = batch;
  o.cache_folder = cache;
  wk_features *f = NULL;
  backbone->precision = p, backbone->ranges = of;
  assert_ok(wk_features_compute(&f, backbone, PATHS, PHOTOS, &o, &ctx, &error), &error);
  backbone->precision = WK_PRECISION_FLOAT32, backbone->ranges = NULL;
  return f;
}

/* How far rows are from others, as a share of their length. */
static double off_by(const float *row, const float *exact, size_t n) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < n; i++) {
    difference += pow((double)row[i] - (double)exact[i], 2);
    size += pow((double)exact[i], 2);
  }
  return sqrt(difference / size);
}

/* Threads and batches change nothing. */
static void same_for_any(wk_precision p, wk_tensors *of, const float *row, size_t n) {
  for (int threads = 1; threads <= 3; threads++)
    for (int batch = 1; batch <= 8; batch += 7) {
      wk_features *f = features(p, of, threads, batch, NULL);
      assert_memory_equal(f->row, row, n * sizeof *f->row);
      wk_features_free(f);
    }
}

static void features_in_int8(void **state) {
  (void)state;
  char *cache = wk_path_join(dir, "cache");
  wk_tensors *all = measured(PHOTOS, 1, 0), *few = measured(2, 1, 0);
  wk_features *exact = features(WK_PRECISION_FLOAT32, NULL, 1, 8, cache),
              *low = features(WK_PRECISION_INT8, all, 1, 8, cache);
  const size_t n = low->rows * (size_t)low->columns;
  assert_int_equal(low->rows, PHOTOS - 1);
  assert_int_equal(low->computed, PHOTOS - 1); /* not float32's rows */
  const double off = off_by(low->row, exact->row, n);
  assert_true(off > 0);
  assert_true(off < 0.2); /* 53 layers of random weights, some 1 to 2% each */
  same_for_any(WK_PRECISION_INT8, all, low->row, n);
  wk_features *again = features(WK_PRECISION_INT8, all, 2, 8, cache),
              *other = features(WK_PRECISION_INT8, few, 2, 8, cache);
  assert_int_equal(again->computed, 0);
  assert_memory_equal(again->row, low->row, n * sizeof *low->row);
  assert_int_equal(other->computed, PHOTOS - 1); /* other ranges are other features */
  wk_features_free(exact), wk_features_free(low), wk_features_free(again), wk_features_free(other);
  wk_tensors_free(all), wk_tensors_free(few);
  wk_free(cache);
}

/* Nothing is measured for it; where the processor has it not, it is refused. */
static void features_in_bf16(void **state) {
  (void)state;
  wk_context ctx = context(1);
  wk_features_options o;
  wk_features_options_init(&o);
  if (!wk_precision_gains(WK_PRECISION_BF16)) {
    wk_features *none = NULL;
    backbone->precision = WK_PRECISION_BF16;
    assert_int_equal(wk_features_compute(&none, backbone, PATHS, PHOTOS, &o, &ctx, &error), WK_ERR_UNSUPPORTED);
    backbone->precision = WK_PRECISION_FLOAT32;
    assert_non_null(strstr(error.message, "AVX512_BF16"));
    return;
  }
  char *cache = wk_path_join(dir, "cache16");
  wk_features *exact = features(WK_PRECISION_FLOAT32, NULL, 1, 8, cache),
              *low = features(WK_PRECISION_BF16, NULL, 1, 8, cache);
  const size_t n = low->rows * (size_t)low->columns;
  assert_int_equal(low->rows, PHOTOS - 1);
  assert_int_equal(low->computed, PHOTOS - 1); /* not float32's rows */
  const double off = off_by(low->row, exact->row, n);
  assert_true(off > 0);
  assert_true(off < 0.03); /* 53 layers, 2^-8 each, of either sign */
  same_for_any(WK_PRECISION_BF16, NULL, low->row, n);
  wk_features *again = features(WK_PRECISION_BF16, NULL, 2, 8, cache);
  assert_int_equal(again->computed, 0);
  assert_memory_equal(again->row, low->row, n * sizeof *low->row);
  wk_features_free(exact), wk_features_free(low), wk_features_free(again);
  wk_free(cache);
}

static void comparison(void **state) {
  (void)state;
  wk_precision_report r = {0}, other = {0};
  wk_context ctx = context(1), more = context(3);
  backbone->precision = WK_PRECISION_INT8, backbone->ranges = measured(PHOTOS, 1, 0);
  assert_ok(wk_precision_compare(&r, backbone, PATHS, label, PHOTOS, 2, 400, NULL, &ctx, &error), &error);
  assert_int_equal(r.photo_count, PHOTOS - 1);
  assert_true(r.float32_right >= PHOTOS / 2 && r.right >= PHOTOS / 2);
  assert_true(r.speed > 0 && r.float32_speed > 0);
  assert_ok(wk_precision_compare(&other, backbone, PATHS, label, PHOTOS, 2, 400, NULL, &more, &error), &error);
  assert_int_equal(r.right, other.right);
  assert_int_equal(r.float32_right, other.float32_right);
  assert_ok(wk_precision_compare(&other, backbone, PATHS, label, PHOTOS, 2, 10, NULL, &more, &error), &error);
  assert_true(other.photo_count == 10 || other.photo_count == 9); /* one may be the broken one */
  int lonely[PHOTOS] = {0};
  lonely[3] = 1; /* a class of one photo is left out, and then there is but one */
  assert_int_equal(wk_precision_compare(&other, backbone, PATHS, lonely, PHOTOS, 2, 400, NULL, &ctx, &error),
                   WK_ERR_ARGUMENT);
  wk_tensors_free(backbone->ranges);
  backbone->precision = WK_PRECISION_FLOAT32, backbone->ranges = NULL;
  assert_true(wk_precision_accurate(&(wk_precision_report){.photo_count = 1000, .float32_right = 990, .right = 987}));
  assert_false(wk_precision_accurate(&(wk_precision_report){.photo_count = 1000, .float32_right = 990, .right = 986}));
  assert_true(wk_precision_accurate(&(wk_precision_report){.photo_count = 1000, .float32_right = 990, .right = 995}));
}

/* A model of `p` for the labels, saved; *m is freed by the caller. */
static void save(const char *file, wk_precision p) {
  static const char *const names[] = {"a", "b", "c"};
  const wk_arch *arch = wk_arch_find("mobilenet_v2");
  wk_backbone *b = NULL;
  wk_model *m = NULL;
  assert_ok(wk_backbone_from(&b, arch, seeded_weights(arch), &error), &error);
  wk_preprocess_set_size(&b->preprocess, SIDE, SIDE);
  b->precision = p;
  if (p == WK_PRECISION_INT8)
    b->ranges = measured(PHOTOS, 1, 0);
  assert_ok(wk_model_create(&m, b, NULL, names, NULL, &error), &error);
  assert_ok(wk_model_save(m, file, false, &error), &error);
  wk_model_free(m);
}

static void model_file(void **state) {
  (void)state;
  char *file = wk_path_join(dir, "m.whisker"), *copy = wk_path_join(dir, "n.whisker");
  wk_context ctx = context(1);
  save(file, WK_PRECISION_INT8);
  wk_model *m = NULL;
  assert_ok(wk_model_open(&m, file, NULL, NULL, &ctx, &error), &error);
  assert_int_equal(m->backbone->precision, WK_PRECISION_INT8);
  uint8_t hash[32], want[32];
  wk_tensors_sha256(hash, m->backbone->ranges);
  assert_true(wk_tensors_size(m->backbone->ranges) > 20);
  sum_of(want, measured(PHOTOS, 1, 0));
  assert_memory_equal(hash, want, sizeof hash);
  assert_ok(wk_model_save(m, copy, false, &error), &error);
  uint8_t *a, *b;
  size_t an, bn;
  assert_ok(wk_file_read(&a, &an, file, 1 << 30, &error), &error);
  assert_ok(wk_file_read(&b, &bn, copy, 1 << 30, &error), &error);
  assert_int_equal(an, bn);
  assert_memory_equal(a, b, an);
  wk_free(a), wk_free(b);
  wk_model_free(m);

  /* bf16 has no ranges; a processor that cannot compute so can still say what the model is. */
  save(copy, WK_PRECISION_BF16);
  assert_ok(wk_model_open(&m, copy, NULL, NULL, &ctx, &error), &error);
  assert_int_equal(m->backbone->precision, WK_PRECISION_BF16);
  assert_null(m->backbone->ranges);
  wk_model_free(m);

  /* A precision that this whisker does not know. */
  wk_tensors *t = NULL;
  assert_ok(wk_weights_open(&t, file, &error), &error);
  assert_string_equal(wk_tensors_meta(t, "whisker.version"), "2");
  assert_ok(wk_tensors_set_meta(t, "whisker.precision", "int3", &error), &error);
  assert_ok(wk_safetensors_write(copy, t, &error), &error);
  wk_tensors_free(t);
  assert_int_equal(wk_model_open(&m, copy, NULL, NULL, &ctx, &error), WK_ERR_UNSUPPORTED);
  assert_non_null(strstr(error.message, "int3"));

  /* float32: as ever, and for whiskers that know nothing of precisions. */
  save(file, WK_PRECISION_FLOAT32);
  assert_ok(wk_weights_open(&t, file, &error), &error);
  assert_string_equal(wk_tensors_meta(t, "whisker.version"), "1");
  assert_null(wk_tensors_meta(t, "whisker.precision"));
  wk_tensors_free(t);
  assert_ok(wk_model_open(&m, file, NULL, NULL, &ctx, &error), &error);
  assert_int_equal(m->backbone->precision, WK_PRECISION_FLOAT32);
  assert_null(m->backbone->ranges);
  wk_model_free(m);
  wk_free(file), wk_free(copy);
}

static void no_memory(void **state) {
  (void)state;
  wk_tensors *of = measured(PHOTOS, 1, 0);
  wk_plan_options o;
  wk_plan_options_init(&o);
  o.height = o.width = SIDE;
  o.precision = WK_PRECISION_INT8, o.ranges = of;
  for (long n = 0;; n++) {
    wk_plan *plan = NULL;
    test_fail_allocation(n);
    wk_status st = wk_plan_create(&plan, backbone->graph, backbone->weights, &o, &error);
    bool all = test_allocations() <= n;
    test_fail_allocation(-1);
    assert_true(st == WK_OK || st == WK_ERR_MEMORY);
    wk_plan_free(plan);
    if (all)
      break;
    n += n > 60 ? n / 8 : 0; /* every one of the first, then some of many like them */
  }
  for (long n = 0;; n++) {
    wk_tensors *t = NULL;
    wk_context ctx = context(1);
    test_fail_allocation(n);
    wk_status st = wk_ranges_measure(&t, backbone, PATHS, 2, 2, &ctx, &error);
    bool all = test_allocations() <= n;
    test_fail_allocation(-1);
    assert_true(st == WK_OK || st == WK_ERR_MEMORY);
    wk_tensors_free(t);
    if (all)
      break;
    n += n > 60 ? n / 8 : 0;
  }
  wk_tensors_free(of);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(ranges),           cmocka_unit_test(features_in_int8),
                                     cmocka_unit_test(features_in_bf16), cmocka_unit_test(comparison),
                                     cmocka_unit_test(model_file),       cmocka_unit_test(no_memory)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
