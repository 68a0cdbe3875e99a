/* test_embedding.c - main directions, t-SNE and the map: against exact computations, for any number of threads, with
 * equal and few photos, and when memory runs out. */
#include "explain/embedding/eigen.h"
#include "explain/embedding/tsne.h"
#include "support.h"

static float *cloud(size_t rows, int columns, int groups, double spread) {
  float *x = malloc(rows * (size_t)columns * sizeof *x);
  for (size_t r = 0; r < rows; r++)
    for (int c = 0; c < columns; c++) {
      wk_rng centre, noise;
      wk_rng_init(&centre, 1, r % (size_t)groups * 1000 + (size_t)c);
      wk_rng_init(&noise, 2, r * 1000 + (size_t)c);
      x[r * (size_t)columns + (size_t)c] = (float)(wk_rng_normal(&centre) + spread * wk_rng_normal(&noise));
    }
  return x;
}

static void eigenvectors_of_small_matrices(void **state) {
  (void)state;
  enum { N = 12 };
  double a[N * N], copy[N * N], value[N], v[N * N];
  wk_rng rng;
  wk_rng_init(&rng, 3, 0);
  for (int i = 0; i < N; i++)
    for (int j = 0; j <= i; j++)
      a[i * N + j] = a[j * N + i] = wk_rng_normal(&rng);
  memcpy(copy, a, sizeof a);
  wk_eigen_symmetric(value, v, a, N);
  for (int k = 0; k < N; k++) {
    assert_true(k == 0 || value[k] <= value[k - 1]);
    for (int i = 0; i < N; i++) { /* A v = value v, and v orthonormal */
      double along = 0, with = 0;
      for (int j = 0; j < N; j++) {
        along += copy[i * N + j] * v[k * N + j];
        with += v[i * N + j] * v[k * N + j];
      }
      assert_near(along, value[k] * v[k * N + i], 1e-12);
      assert_near(with, i == k, 1e-13);
    }
  }
}

static void pca_is_the_same_for_any_number_of_threads(void **state) {
  (void)state;
  enum { ROWS = 300, COLUMNS = 130, KEEP = 7 };
  wk_error err;
  float *x = cloud(ROWS, COLUMNS, 9, 0.3), *out[2];
  double share[2][KEEP];
  for (int i = 0; i < 2; i++) {
    wk_context ctx;
    wk_context_init(&ctx);
    ctx.threads = i ? 5 : 1;
    out[i] = malloc(ROWS * KEEP * sizeof(float));
    assert_ok(wk_pca(out[i], share[i], x, ROWS, COLUMNS, KEEP, &ctx, &err), &err);
  }
  assert_memory_equal(out[0], out[1], ROWS * KEEP * sizeof(float));
  assert_memory_equal(share[0], share[1], sizeof share[0]);
  /* Columns are centred, uncorrelated, and their variances are those shares. */
  double total = 0;
  for (int c = 0; c < COLUMNS; c++) {
    double mean = 0;
    for (int r = 0; r < ROWS; r++)
      mean += (double)x[r * COLUMNS + c] / ROWS;
    for (int r = 0; r < ROWS; r++)
      total += pow((double)x[r * COLUMNS + c] - mean, 2);
  }
  for (int i = 0; i < KEEP; i++)
    for (int j = 0; j <= i; j++) {
      double sum = 0, with = 0;
      for (int r = 0; r < ROWS; r++) {
        sum += (double)out[0][r * KEEP + i];
        with += (double)out[0][r * KEEP + i] * (double)out[0][r * KEEP + j];
      }
      assert_near(sum, 0, 1e-3);
      assert_near(with / total, i == j ? share[0][i] : 0, 1e-6);
    }
  x[17 * COLUMNS + 3] = NAN;
  assert_int_equal(wk_pca(out[0], NULL, x, ROWS, COLUMNS, KEEP, NULL, &err), WK_ERR_NUMERIC);
  assert_int_equal(wk_pca(out[0], NULL, x, 5, COLUMNS, KEEP, NULL, &err), WK_ERR_ARGUMENT);
  for (int i = 0; i < 2; i++)
    free(out[i]);
  free(x);
}

static void neighbours_are_the_nearest(void **state) {
  (void)state;
  enum { ROWS = 600, COLUMNS = 5, K = 11 };
  wk_error err;
  float *x = cloud(ROWS, COLUMNS, 40, 0.2), square[ROWS * K];
  memcpy(x + 30 * COLUMNS, x + 31 * COLUMNS, COLUMNS * sizeof *x); /* twins */
  uint32_t index[ROWS * K];
  assert_ok(wk_neighbours(index, square, x, ROWS, COLUMNS, K, NULL, NULL, &err), &err);
  assert_int_equal(index[30 * K], 31);
  assert_int_equal(index[31 * K], 30);
  for (int r = 0; r < ROWS; r++) {
    double last = square[r * K + K - 1];
    int nearer = 0;
    for (int j = 0; j < ROWS; j++) {
      double d = 0;
      for (int c = 0; c < COLUMNS; c++)
        d += pow((double)x[r * COLUMNS + c] - (double)x[j * COLUMNS + c], 2);
      nearer += j != r && d < last * (1 - 1e-5) - 1e-12;
    }
    assert_true(nearer < K);
    for (int j = 1; j < K; j++)
      assert_true(square[r * K + j] >= square[r * K + j - 1]);
  }
  assert_int_equal(wk_neighbours(index, square, x, 5, COLUMNS, 5, NULL, NULL, &err), WK_ERR_ARGUMENT);
  free(x);
}

/* ---- t-SNE -------------------------------------------------------------------------------------- */

enum { POINTS = 90, NEAR = 20 };

static void affinities_of(wk_affinity *a) {
  static uint32_t index[POINTS * NEAR];
  static float square[POINTS * NEAR];
  wk_error err;
  float *x = cloud(POINTS, 8, 4, 0.5);
  assert_ok(wk_neighbours(index, square, x, POINTS, 8, NEAR, NULL, NULL, &err), &err);
  assert_ok(wk_affinity_create(a, index, square, POINTS, NEAR, 6, NULL, &err), &err);
  free(x);
}

/* The Kullback-Leibler divergence by its definition, over all pairs. */
static double divergence(const wk_affinity *a, const double *y) {
  double total = 0, kl = 0;
  for (size_t i = 0; i < a->rows; i++)
    for (size_t j = 0; j < a->rows; j++)
      if (i != j)
        total += 1 / (1 + pow(y[2 * i] - y[2 * j], 2) + pow(y[2 * i + 1] - y[2 * j + 1], 2));
  for (size_t i = 0; i < a->rows; i++)
    for (size_t e = a->begin[i]; e < a->begin[i + 1]; e++) {
      size_t j = a->to[e];
      double p = (double)a->p[e];
      double q = 1 / (1 + pow(y[2 * i] - y[2 * j], 2) + pow(y[2 * i + 1] - y[2 * j + 1], 2)) / total;
      kl += p * log(p / q);
    }
  return kl;
}

static void affinities_are_symmetric_and_sum_to_one(void **state) {
  (void)state;
  wk_affinity a;
  affinities_of(&a);
  double sum = 0;
  for (size_t i = 0; i < a.rows; i++)
    for (size_t e = a.begin[i]; e < a.begin[i + 1]; e++) {
      sum += (double)a.p[e];
      size_t j = a.to[e], back = a.begin[j];
      while (back < a.begin[j + 1] && a.to[back] != i)
        back++;
      assert_true(back < a.begin[j + 1]);
      assert_near((double)a.p[e], (double)a.p[back], 1e-9);
    }
  assert_near(sum, 1, 1e-6);
  wk_affinity_free(&a);
}

static void gradient_is_that_of_the_exact_cost(void **state) {
  (void)state;
  wk_affinity a;
  wk_quadtree *tree;
  wk_error err;
  double y[2 * POINTS], push[2 * POINTS], gradient[2 * POINTS], coarse[2 * POINTS], kl;
  affinities_of(&a);
  assert_ok(wk_quadtree_create(&tree, POINTS, &err), &err);
  wk_rng rng;
  wk_rng_init(&rng, 5, 0);
  for (int i = 0; i < 2 * POINTS; i++)
    y[i] = 3 * wk_rng_normal(&rng);
  assert_ok(wk_tsne_gradient(gradient, &kl, push, &a, tree, y, 1, 0, NULL, &err), &err);
  assert_near(kl, divergence(&a, y), 1e-9);
  double largest = 0;
  for (int i = 0; i < 2 * POINTS; i++)
    largest = fmax(largest, fabs(gradient[i]));
  for (int i = 0; i < 2 * POINTS; i++) {
    const double h = 1e-5, at = y[i];
    y[i] = at + h;
    double up = divergence(&a, y);
    y[i] = at - h;
    double down = divergence(&a, y);
    y[i] = at;
    /* The affinities are kept in single precision and need not sum to exactly 1, which the formula takes for granted.
     */
    assert_near(gradient[i], (up - down) / (2 * h), 1e-6 * largest);
  }
  /* With cells: van der Maaten's own choice of the angle, and how far it leads astray. */
  assert_ok(wk_tsne_gradient(coarse, NULL, push, &a, tree, y, 1, 0.5, NULL, &err), &err);
  double off = 0, all = 0;
  for (int i = 0; i < 2 * POINTS; i++) {
    off += pow(coarse[i] - gradient[i], 2);
    all += pow(gradient[i], 2);
  }
  assert_true(off > 0 && sqrt(off / all) < 0.02);
  wk_quadtree_free(tree);
  wk_affinity_free(&a);
}

/* Share of points whose nearest other point on the map is of their group. */
static double kept_together(const float *xy, size_t rows, int groups) {
  size_t right = 0;
  for (size_t i = 0; i < rows; i++) {
    size_t best = i ? 0 : 1;
    double least = INFINITY;
    for (size_t j = 0; j < rows; j++) {
      double dx = (double)(xy[2 * i] - xy[2 * j]), dy = (double)(xy[2 * i + 1] - xy[2 * j + 1]), d = dx * dx + dy * dy;
      if (j != i && d < least)
        least = d, best = j;
    }
    right += best % (size_t)groups == i % (size_t)groups;
  }
  return (double)right / (double)rows;
}

static void map_keeps_groups_together(void **state) {
  (void)state;
  enum { ROWS = 240, COLUMNS = 64, GROUPS = 6 };
  wk_error err;
  float *x = cloud(ROWS, COLUMNS, GROUPS, 0.6);
  wk_embedding_map *a[2];
  wk_embedding_map_options o;
  wk_embedding_map_options_init(&o);
  o.tsne.steps = 300;
  for (int i = 0; i < 2; i++) {
    wk_context ctx;
    wk_context_init(&ctx);
    ctx.threads = i ? 3 : 1;
    assert_ok(wk_embedding_map_make(&a[i], x, ROWS, COLUMNS, &o, &ctx, &err), &err);
  }
  assert_memory_equal(a[0]->xy, a[1]->xy, ROWS * 2 * sizeof(float));
  assert_memory_equal(a[0]->near, a[1]->near, ROWS * 8 * sizeof(uint32_t));
  assert_memory_equal(a[0]->cosine, a[1]->cosine, ROWS * 8 * sizeof(float));
  assert_true(kept_together(a[0]->xy, ROWS, GROUPS) > 0.98);
  assert_true(a[0]->kl > 0 && a[0]->kl < 2 && a[0]->variance > 0.5 && a[0]->variance <= 1);
  float low = 1, high = 0;
  for (int i = 0; i < 2 * ROWS; i++) {
    low = fminf(low, a[0]->xy[i]);
    high = fmaxf(high, a[0]->xy[i]);
  }
  assert_near((double)low, 0, 1e-6);
  assert_near((double)high, 1, 1e-6);
  for (size_t i = 0; i < ROWS; i++) { /* the neighbours that wk_nearest finds, which is exact */
    size_t index[9];
    float cosine[9];
    assert_ok(wk_nearest(index, cosine, 9, x + i * COLUMNS, x, ROWS, COLUMNS, &err), &err);
    assert_int_equal(index[0], i);
    assert_int_equal(index[1], a[0]->near[i * 8]);
    assert_near((double)cosine[1], (double)a[0]->cosine[i * 8], 1e-6);
  }
  for (int i = 0; i < 2; i++)
    wk_embedding_map_free(a[i]);
  free(x);
}

static void few_photos_and_equal_ones(void **state) {
  (void)state;
  wk_error err;
  wk_embedding_map *a;
  wk_embedding_map_options o;
  wk_embedding_map_options_init(&o);
  o.tsne.steps = 60;
  float *x = cloud(8, 20, 8, 0);
  for (size_t rows = 1; rows <= 8; rows++)
    for (int method = 0; method < 2; method++) {
      o.method = (wk_embedding_map_method)method;
      assert_ok(wk_embedding_map_make(&a, x, rows, 20, &o, NULL, &err), &err);
      assert_int_equal(a->neighbours, rows - 1 < 8 ? rows - 1 : 8);
      for (size_t i = 0; i < 2 * rows; i++)
        assert_true(a->xy[i] >= 0 && a->xy[i] <= 1);
      wk_embedding_map_free(a);
    }
  assert_int_equal(wk_embedding_map_make(&a, x, 0, 20, &o, NULL, &err), WK_ERR_ARGUMENT);
  free(x);
  /* All alike, or black: nothing to tell them apart by, and nothing that is not a number. */
  o.method = WK_EMBEDDING_TSNE;
  for (int value = 0; value < 2; value++) {
    float *same = malloc(100 * 6 * sizeof *same);
    for (int i = 0; i < 600; i++)
      same[i] = (float)value;
    assert_ok(wk_embedding_map_make(&a, same, 100, 6, &o, NULL, &err), &err);
    for (int i = 0; i < 200; i++)
      assert_true(a->xy[i] >= 0 && a->xy[i] <= 1);
    wk_embedding_map_free(a);
    free(same);
  }
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  wk_error err;
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = 1;
  float *x = cloud(20, 30, 3, 0.5);
  wk_embedding_map_options o;
  wk_embedding_map_options_init(&o);
  o.tsne.steps = 2;
  long n = 0;
  for (bool failed = true; failed; n++) {
    wk_embedding_map *a = NULL;
    test_fail_allocation(n);
    wk_status st = wk_embedding_map_make(&a, x, 20, 30, &o, &ctx, &err);
    failed = test_allocations() > n;
    test_fail_allocation(-1);
    assert_int_equal(st, failed ? WK_ERR_MEMORY : WK_OK);
    wk_embedding_map_free(a);
  }
  assert_true(n > 20);
  wk_set_allocator(NULL);
  free(x);
}

/* ---- the picture -------------------------------------------------------------------------------- */

static void map_is_drawn(void **state) {
  (void)state;
  enum { ROWS = 60, SIDE = 8 };
  wk_error err;
  float xy[2 * ROWS];
  uint8_t *thumb = malloc(ROWS * SIDE * SIDE * 3);
  int label[ROWS];
  for (int i = 0; i < ROWS; i++) {
    double turn = 6.283185307179586 * i / ROWS;
    xy[2 * i] = (float)(0.5 + 0.5 * cos(turn));
    xy[2 * i + 1] = (float)(0.5 + 0.5 * sin(turn));
    label[i] = i * 3 / ROWS - (i == 0);
    memset(thumb + i * SIDE * SIDE * 3, 4 * i, SIDE * SIDE * 3);
  }
  static const char *const name[] = {"cats", "dogs and other animals that bark", "b\xc3\xa4ren"};
  wk_embedding_map a = {.rows = ROWS, .xy = xy};
  wk_embedding_picture p;
  wk_embedding_picture_init(&p);
  p.thumbnails = thumb;
  p.side = SIDE;
  p.labels = label;
  p.names = name;
  p.class_count = 3;
  p.title = "a ring";
  p.size = 400;
  wk_image image;
  assert_ok(wk_embedding_map_draw(&image, &a, &p, &err), &err);
  assert_picture(&image, 960, 0, "0000c0007108c9088508864882000200820086008c00c8003000aa4880080000");
  wk_image_free(&image);
  p.thumbnails = NULL;
  p.labels = NULL;
  assert_ok(wk_embedding_map_draw(&image, &a, &p, &err), &err);
  assert_picture(&image, 960, 0, "0000c0006000cc008400820002000200020082008400c8002000aa4880080000");
  wk_image_free(&image);
  p.size = 10;
  assert_int_equal(wk_embedding_map_draw(&image, &a, &p, &err), WK_ERR_ARGUMENT);
  free(thumb);
  uint8_t one[3], other[3];
  for (int i = 0; i < 37; i++)
    for (int j = 0; j < i; j++) {
      wk_class_colour(one, i, 37);
      wk_class_colour(other, j, 37);
      assert_memory_not_equal(one, other, 3);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(eigenvectors_of_small_matrices),
      cmocka_unit_test(pca_is_the_same_for_any_number_of_threads),
      cmocka_unit_test(neighbours_are_the_nearest),
      cmocka_unit_test(affinities_are_symmetric_and_sum_to_one),
      cmocka_unit_test(gradient_is_that_of_the_exact_cost),
      cmocka_unit_test(map_keeps_groups_together),
      cmocka_unit_test(few_photos_and_equal_ones),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(map_is_drawn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
