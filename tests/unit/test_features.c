/* test_features.c - photos to rows through a small network of the test's own: the same rows for any threads, batches
 * and order, nothing computed twice, and photos that cannot be read. */
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/data.h"
#include "support.h"

enum { PHOTOS = 30, COLUMNS = 6, CLASSES = 3, SIDE = 16 };

static char *dir, *cache;
static char *path[PHOTOS];
static wk_backbone backbone;
static wk_error error;

/* ---- a backbone of our own -------------------------------------------------------------------- */

static void build_backbone(void) {
  wk_graph *g = NULL;
  assert_ok(wk_graph_create(&g, &error), &error);
  wk_node x = wk_graph_input(g, "input", SIDE, SIDE, 3);
  wk_graph_stage(g, "stem");
  x = wk_graph_conv(g, "conv1", x, 8, wk_window_square(3, 2, 1), 1, true);
  x = wk_graph_unary(g, "relu1", WK_OP_RELU6, x);
  x = wk_graph_conv(g, "conv2", x, COLUMNS, wk_window_square(3, 1, 1), 1, true);
  x = wk_graph_unary(g, "relu2", WK_OP_RELU, x);
  wk_graph_stage(g, "head");
  x = wk_graph_adaptive_avg_pool(g, "pool", x, 1, 1);
  wk_node features = wk_graph_unary(g, "flat", WK_OP_FLATTEN, x);
  wk_node logits = wk_graph_linear(g, "fc", features, CLASSES);
  wk_graph_outputs(g, features, logits);
  assert_ok(wk_graph_finish(g, &error), &error);

  wk_tensors *weights = NULL;
  assert_ok(wk_tensors_create(&weights, &error), &error);
  wk_rng rng;
  wk_rng_init(&rng, 7, 0);
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *p = wk_graph_param(g, i);
    float *w;
    assert_ok(wk_tensors_add_zeros(weights, &w, p->name, p->ndim, p->shape, &error), &error);
    for (int64_t k = 0; k < wk_tensor_count(p->ndim, p->shape); k++)
      w[k] = 0.3f * (float)wk_rng_normal(&rng);
  }
  backbone = (wk_backbone){.graph = g, .weights = weights, .class_count = CLASSES};
  wk_preprocess_init(&backbone.preprocess);
  wk_preprocess_set_size(&backbone.preprocess, SIDE, SIDE + 2);
}

static char *in_dir(const char *name) {
  char *p = wk_path_join(dir, name);
  assert_non_null(p);
  return p;
}

static void write_text(const char *where, const char *text, size_t n) {
  FILE *f = fopen(where, "wb");
  assert_non_null(f);
  fwrite(text, 1, n, f);
  fclose(f);
}

static int setup(void **state) {
  (void)state;
  dir = test_tmp_dir();
  cache = in_dir("cache");
  build_backbone();
  wk_rng rng;
  wk_rng_init(&rng, 1, 1);
  for (int i = 0; i < PHOTOS; i++) {
    wk_image image;
    char name[32];
    snprintf(name, sizeof name, "%02d.png", i);
    path[i] = in_dir(name);
    assert_ok(wk_image_alloc(&image, 20 + i % 7, 18 + i % 5, &error), &error);
    for (int k = 0; k < image.width * image.height * 3; k++)
      image.pixels[k] = (uint8_t)(wk_rng_u32(&rng) >> 24);
    assert_ok(wk_image_save_png(&image, path[i], &error), &error);
    wk_image_free(&image);
  }
  return 0;
}

static int teardown(void **state) {
  (void)state;
  for (int i = 0; i < PHOTOS; i++)
    wk_free(path[i]);
  wk_free(cache);
  wk_graph_free(backbone.graph);
  wk_tensors_free(backbone.weights);
  test_tmp_remove(dir);
  return 0;
}

/* ---- running it ------------------------------------------------------------------------------- */

static int warnings;
static char warned[8][1024];
static atomic_int polls, stop_after;
static uint64_t last_done, last_total;

static void on_warn(void *user, const char *message) {
  (void)user;
  if (warnings < 8)
    snprintf(warned[warnings], sizeof warned[0], "%s", message);
  warnings++;
}

static bool on_cancel(void *user) {
  (void)user;
  return atomic_fetch_add(&polls, 1) >= atomic_load(&stop_after);
}

static void on_progress(void *user, const char *stage, uint64_t done, uint64_t total) {
  (void)user;
  assert_string_equal(stage, "features");
  assert_true(done >= last_done);
  last_done = done;
  last_total = total;
}

static wk_context context(int threads) {
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = threads;
  ctx.warn = on_warn;
  ctx.progress = on_progress;
  warnings = 0;
  last_done = 0;
  return ctx;
}

static wk_features *run(const char *const *photo, size_t n, int threads, int batch, const char *layer, bool keep) {
  wk_context ctx = context(threads);
  wk_features_options o;
  wk_features_options_init(&o);
  o.batch = batch;
  o.layer = layer;
  o.cache_folder = keep ? cache : NULL;
  wk_features *f = NULL;
  assert_ok(wk_features_compute(&f, &backbone, photo, n, &o, &ctx, &error), &error);
  assert_int_equal(last_done, n);
  assert_int_equal(last_total, n);
  return f;
}

#define PATHS ((const char *const *)path)

static void same_rows(const wk_features *a, const wk_features *b) {
  assert_int_equal(a->rows, b->rows);
  assert_int_equal(a->columns, b->columns);
  assert_memory_equal(a->row, b->row, a->rows * (size_t)a->columns * sizeof *a->row);
}

static void rows_are_the_networks(void **state) {
  (void)state;
  wk_features *f = run(PATHS, PHOTOS, 1, 8, NULL, false);
  assert_int_equal(f->rows, PHOTOS);
  assert_int_equal(f->columns, COLUMNS);
  assert_int_equal(f->computed, PHOTOS);
  assert_int_equal(f->broken, 0);
  assert_true(f->seconds > 0);

  wk_plan *plan;
  wk_exec *exec;
  wk_plan_options o;
  wk_plan_options_init(&o);
  assert_ok(wk_plan_create(&plan, backbone.graph, backbone.weights, &o, &error), &error);
  assert_ok(wk_exec_create(&exec, plan, &error), &error);
  for (int i = 0; i < PHOTOS; i += 11) {
    uint8_t rgb[SIDE * SIDE * 3];
    float input[SIDE * SIDE * 3];
    wk_file_view v;
    assert_ok(wk_file_map(&v, path[i], &error), &error);
    assert_ok(wk_preprocess_bytes(rgb, v.data, v.size, &backbone.preprocess, &error), &error);
    wk_file_unmap(&v);
    wk_preprocess_normalise(input, rgb, &backbone.preprocess);
    assert_ok(wk_exec_run(exec, input, 1, &error), &error);
    assert_memory_equal(f->row + i * COLUMNS, wk_exec_output(exec, 0), COLUMNS * sizeof(float));
    assert_int_equal(f->index[i], i);
    assert_true(f->usable[i]);
  }
  wk_exec_free(exec);
  wk_plan_free(plan);
  wk_features_free(f);
  wk_features_free(NULL);
}

static void same_for_any_threads(void **state) {
  (void)state;
  wk_features *want = run(PATHS, PHOTOS, 1, 8, NULL, false);
  for (int threads = 1; threads <= 5; threads++)
    for (int batch = 1; batch <= 9; batch += 4) {
      wk_features *f = run(PATHS, PHOTOS, threads, batch, NULL, false);
      same_rows(f, want);
      wk_features_free(f);
    }
  for (size_t n = 0; n <= 3; n++) { /* fewer photos than threads: they share the layers */
    wk_features *f = run(PATHS, n, 4, 8, NULL, false);
    assert_int_equal(f->rows, n);
    assert_memory_equal(f->row, want->row, n * COLUMNS * sizeof(float));
    wk_features_free(f);
  }
  wk_features_free(want);
}

static void same_in_any_order(void **state) {
  (void)state;
  enum { MANY = 2500 }; /* several windows */
  const char *photo[MANY];
  wk_rng rng;
  wk_rng_init(&rng, 3, 3);
  uint32_t which[MANY];
  for (int i = 0; i < MANY; i++)
    photo[i] = path[which[i] = wk_rng_below(&rng, PHOTOS)];
  wk_features *want = run(PATHS, PHOTOS, 1, 1, NULL, false);
  for (int keep = 0; keep < 2; keep++) {
    wk_features *f = run(photo, MANY, 2, 8, NULL, keep);
    assert_int_equal(f->rows, MANY);
    for (int i = 0; i < MANY; i++)
      assert_memory_equal(f->row + i * COLUMNS, want->row + which[i] * COLUMNS, COLUMNS * sizeof(float));
    /* Copies within the first window are computed as often as they are there, later ones come from the cache. */
    assert_int_equal(f->computed, keep ? 1024 : MANY);
    wk_features_free(f);
  }
  wk_features_free(want);
}

static void second_run_computes_nothing(void **state) {
  (void)state;
  wk_features *first = run(PATHS, PHOTOS, 2, 8, NULL, true);
  assert_int_equal(first->computed, PHOTOS);
  wk_tensors *weights = backbone.weights;
  wk_features *second = run(PATHS, PHOTOS, 2, 8, NULL, true);
  assert_int_equal(second->computed, 0);
  same_rows(first, second);
  wk_features_free(second);

  /* What a row depends on is in the key. */
  second = run(PATHS, PHOTOS, 2, 8, "fc", true);
  assert_int_equal(second->computed, PHOTOS);
  wk_features_free(second);
  wk_preprocess p = backbone.preprocess;
  backbone.preprocess.mean[1] += 1;
  second = run(PATHS, PHOTOS, 2, 8, NULL, true);
  assert_int_equal(second->computed, PHOTOS);
  wk_features_free(second);
  backbone.preprocess = p;
  wk_tensor changed = *wk_tensors_at(weights, 0);
  float *first_weight = (float *)(uintptr_t)changed.data;
  first_weight[0] += 1;
  second = run(PATHS, PHOTOS, 2, 8, NULL, true);
  assert_int_equal(second->computed, PHOTOS);
  first_weight[0] -= 1;
  wk_features_free(second);
  wk_features_free(first);
}

/* Machines with other instructions do not share rows, whose last digits differ. */
static void instruction_sets_have_their_own_keys(void **state) {
  (void)state;
  uint8_t key[3][WK_SHA256_BYTES], again[WK_SHA256_BYTES];
  for (int isa = 0; isa < 3; isa++)
    assert_ok(wk_features_key(key[isa], &backbone, wk_graph_features(backbone.graph), "features", (wk_isa)isa, &error),
              &error);
  assert_ok(wk_features_key(again, &backbone, wk_graph_features(backbone.graph), "features", WK_ISA_AVX2, &error),
            &error);
  assert_memory_equal(again, key[WK_ISA_AVX2], sizeof again);
  assert_memory_not_equal(key[WK_ISA_C], key[WK_ISA_AVX2], sizeof again);
  assert_memory_not_equal(key[WK_ISA_AVX2], key[WK_ISA_AVX512], sizeof again);
  /* And the file that a run leaves is that of this machine's set. */
  wk_features_free(run(PATHS, 2, 1, 8, NULL, true));
  wk_node_info info;
  wk_node node = wk_graph_features(backbone.graph);
  assert_ok(wk_graph_node(&info, backbone.graph, node, 0, 0, &error), &error);
  assert_ok(wk_features_key(again, &backbone, node, info.name, wk_cpu_isa(), &error), &error);
  char name[17], *file;
  wk_hex(name, again, 8);
  file = wk_asprintf("%s/%s.wkf", cache, name);
  assert_true(wk_path_exists(file));
  wk_free(file);
}

static void half_in_the_cache(void **state) {
  (void)state;
  wk_features *want = run(PATHS, PHOTOS, 1, 8, NULL, false);
  const char *odd[PHOTOS / 2];
  for (int i = 0; i < PHOTOS / 2; i++)
    odd[i] = path[2 * i + 1];
  wk_features_free(run(odd, PHOTOS / 2, 2, 4, NULL, true));
  wk_features *f = run(PATHS, PHOTOS, 2, 4, NULL, true);
  assert_int_equal(f->computed, PHOTOS - PHOTOS / 2);
  same_rows(f, want);
  wk_features_free(f);
  wk_features_free(want);
}

/* Rows that are too many for memory lie in a file, with broken photos among them. */
static void rows_in_a_file(void **state) {
  (void)state;
  wk_features *want = run(PATHS, PHOTOS, 2, 8, NULL, false), *f = NULL;
  assert_int_equal(want->mapped, 0);
  wk_context ctx = context(2);
  wk_features_options o;
  wk_features_options_init(&o);
  o.memory = 100;
  o.scratch_folder = cache;
  assert_ok(wk_features_compute(&f, &backbone, PATHS, PHOTOS, &o, &ctx, &error), &error);
  assert_true(f->mapped >= f->rows * (size_t)f->columns * sizeof *f->row);
  same_rows(want, f);
  wk_features_rest(f, 0, f->rows);
  same_rows(want, f);
  wk_features_free(f);
  ctx = context(2);
  o.scratch_folder = "/proc/nowhere"; /* then in memory after all */
  assert_ok(wk_features_compute(&f, &backbone, PATHS, PHOTOS, &o, &ctx, &error), &error);
  assert_int_equal(f->mapped, 0);
  same_rows(want, f);
  wk_features_free(f);
  wk_features_free(want);
}

static void layers(void **state) {
  (void)state;
  wk_features *f = run(PATHS, 3, 1, 8, "logits", false), *same = run(PATHS, 3, 1, 8, "fc", false);
  assert_int_equal(f->columns, CLASSES);
  same_rows(f, same);
  wk_features_free(f);
  wk_features_free(same);
  f = run(PATHS, 3, 2, 8, "relu1", false);
  assert_int_equal(f->columns, SIDE / 2 * SIDE / 2 * 8);
  wk_features_free(f);

  wk_context ctx = context(1);
  wk_features_options o;
  wk_features_options_init(&o);
  o.layer = "rellu2";
  f = NULL;
  assert_int_equal(wk_features_compute(&f, &backbone, PATHS, 3, &o, &ctx, &error), WK_ERR_NOT_FOUND);
  assert_non_null(strstr(error.message, "\"relu2\""));
  assert_null(f);
  o.layer = NULL;
  o.batch = 0;
  assert_int_equal(wk_features_compute(&f, &backbone, PATHS, 3, &o, &ctx, &error), WK_ERR_ARGUMENT);
}

static void broken_photos(void **state) {
  (void)state;
  wk_file_view whole;
  assert_ok(wk_file_map(&whole, path[0], &error), &error);
  write_text(path[1], "this is text", 12);
  write_text(path[4], (const char *)whole.data, whole.size / 2);
  wk_file_unmap(&whole);
  write_text(path[7], "", 0);
  unlink(path[8]);
  unlink(path[9]);
  assert_int_equal(mkdir(path[9], 0777), 0);
  unlink(path[10]);
  assert_int_equal(mkfifo(path[10], 0666), 0);
  static const int bad[] = {1, 4, 7, 8, 9, 10};
  enum { BAD = sizeof bad / sizeof *bad };
  for (int pass = 0; pass < 4; pass++) {
    wk_features *f = run(PATHS, PHOTOS, 1 + pass % 2, 4, NULL, pass >= 2);
    assert_int_equal(f->broken, BAD);
    assert_int_equal(f->rows, PHOTOS - BAD);
    assert_int_equal(f->computed, pass == 3 ? 0 : PHOTOS - BAD);
    assert_int_equal(warnings, BAD);
    for (int i = 0; i < BAD; i++) { /* in the photos' order, each by its name */
      assert_false(f->usable[bad[i]]);
      assert_int_equal(strncmp(warned[i], path[bad[i]], strlen(path[bad[i]])), 0);
    }
    assert_non_null(strstr(warned[2], "empty"));
    size_t row = 0;
    for (size_t i = 0; i < PHOTOS; i++)
      if (f->usable[i])
        assert_int_equal(f->index[row++], i);
    wk_features *one = run(PATHS + 29, 1, 1, 1, NULL, false);
    assert_memory_equal(f->row + (f->rows - 1) * COLUMNS, one->row, COLUMNS * sizeof(float));
    wk_features_free(one);
    wk_features_free(f);
  }
  wk_features *none = run(PATHS + 7, 4, 2, 8, NULL, false);
  assert_int_equal(none->rows, 0);
  assert_int_equal(none->broken, 4);
  wk_features_free(none);
}

static void cancelled(void **state) {
  (void)state;
  wk_features *want = run(PATHS, PHOTOS, 1, 8, NULL, false);
  for (int after = 0; after < 60; after += 6) {
    wk_context ctx = context(2);
    ctx.cancelled = on_cancel;
    atomic_store(&polls, 0);
    atomic_store(&stop_after, after);
    wk_features_options o;
    wk_features_options_init(&o);
    o.batch = 2;
    o.cache_folder = cache;
    wk_features *f = NULL;
    wk_status st = wk_features_compute(&f, &backbone, PATHS, PHOTOS, &o, &ctx, &error);
    if (after == 0)
      assert_int_equal(st, WK_ERR_CANCELLED);
    if (st == WK_OK)
      same_rows(f, want);
    else
      assert_null(f);
    wk_features_free(f);
  }
  /* What was finished before a stop is kept, and right. */
  wk_features *f = run(PATHS, PHOTOS, 2, 8, NULL, true);
  same_rows(f, want);
  assert_true(f->computed < PHOTOS);
  wk_features_free(f);
  wk_features_free(want);
}

static void no_memory(void **state) {
  (void)state;
  wk_features_options o;
  wk_features_options_init(&o);
  o.cache_folder = cache;
  for (long n = 0;; n++) {
    wk_context ctx = context(1);
    wk_features *f = NULL;
    test_fail_allocation(n);
    wk_status st = wk_features_compute(&f, &backbone, PATHS, 2, &o, &ctx, &error);
    bool all = test_allocations() <= n;
    test_fail_allocation(-1);
    assert_true(st == WK_OK || st == WK_ERR_MEMORY);
    wk_features_free(f);
    if (all)
      break;
  }
}

/* The second run over real photos is a matter of reading and hashing them. */
static void real_photos_twice(void **state) {
  (void)state;
  TEST_NEEDS(folder, "photos/cats-dogs");
  wk_dataset *d = NULL;
  assert_ok(wk_dataset_open(&d, folder, NULL, &error), &error);
  const char **photo = malloc(d->photo_count * sizeof *photo);
  for (size_t i = 0; i < d->photo_count; i++)
    photo[i] = d->photos[i].path;
  wk_features *first = run(photo, d->photo_count, 2, 8, NULL, true),
              *second = run(photo, d->photo_count, 2, 8, NULL, true);
  assert_int_equal(first->rows, d->photo_count);
  assert_int_equal(second->computed, 0);
  same_rows(first, second);
  printf("             %zu photos: %.3f s, then %.3f s\n", first->rows, first->seconds, second->seconds);
  wk_features_free(first);
  wk_features_free(second);
  free(photo);
  wk_dataset_free(d);
}

int main(void) {
  const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
      T(rows_are_the_networks),
      T(same_for_any_threads),
      T(same_in_any_order),
      T(second_run_computes_nothing),
      T(instruction_sets_have_their_own_keys),
      T(half_in_the_cache),
      T(rows_in_a_file),
      T(layers),
      T(broken_photos),
      T(cancelled),
      T(no_memory),
      T(real_photos_twice),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
