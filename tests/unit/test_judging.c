/* test_judging.c - what is said of photos by a classifier that has not learned from them: folds, labels that are likely
 * wrong, and how many more photos a class needs. */
#include "support.h"
#include "workflow/workflow.h"

enum { ROWS = 400, COLUMNS = 12, CLASSES = 4, FOLDS = 5 };

static float x[ROWS * COLUMNS];
static int y[ROWS], truth[ROWS], fold[ROWS];
static wk_error error;

/* Clouds of `spread` around corners; every twentieth label is changed. */
static void make(double spread, bool flip) {
  wk_rng rng;
  wk_rng_init(&rng, 3, 0);
  for (int r = 0; r < ROWS; r++) {
    truth[r] = y[r] = r % CLASSES;
    for (int j = 0; j < COLUMNS; j++)
      x[r * COLUMNS + j] = (float)((j == truth[r] ? 2 : 0) + spread * wk_rng_normal(&rng));
    if (flip && r % 20 == 7)
      y[r] = (truth[r] + 1 + r / 20 % (CLASSES - 1)) % CLASSES;
  }
}

static void folds_are_even_and_keep_groups(void **state) {
  (void)state;
  uint32_t group[ROWS];
  int have[FOLDS][CLASSES] = {{0}}, again[ROWS];
  make(1, false);
  for (uint32_t r = 0; r < ROWS; r++)
    group[r] = r >= 4 && r < 8 ? 0 : r; /* row 0 and four of all classes belong together */
  y[399] = -1;
  assert_ok(wk_split_folds(fold, y, group, ROWS, CLASSES, FOLDS, 42, &error), &error);
  assert_ok(wk_split_folds(again, y, group, ROWS, CLASSES, FOLDS, 42, &error), &error);
  assert_memory_equal(fold, again, sizeof fold);
  assert_int_equal(fold[399], -1);
  for (int r = 4; r < 8; r++)
    assert_int_equal(fold[r], fold[0]);
  for (int r = 0; r < ROWS - 1; r++)
    have[fold[r]][y[r]]++;
  for (int f = 0; f < FOLDS; f++)
    for (int c = 0; c < CLASSES; c++)
      assert_in_range(have[f][c], 17, 23);
  assert_ok(wk_split_folds(again, y, group, ROWS, CLASSES, FOLDS, 43, &error), &error);
  assert_memory_not_equal(fold, again, sizeof fold);

  /* A class whose photos are copies of each other cannot be judged. */
  int few[] = {0, 0, 0, 1, 1, 1}, of[6];
  const uint32_t copies[] = {0, 0, 0, 3, 4, 5};
  assert_ok(wk_split_folds(of, few, copies, 6, 2, 3, 1, &error), &error);
  assert_int_equal(of[0], -1);
  assert_true(of[3] >= 0 && of[3] != of[4]);
}

static void photos_are_grouped_by_their_names(void **state) {
  (void)state;
  static const char *const name[] = {"cat/anna-1.jpg", "cat/bob-1.jpg", "dog/anna-2.jpg", "dog/x.jpg", "dog/bob-7.jpg"};
  uint32_t group[] = {0, 1, 2, 3, 4};
  assert_ok(wk_group_photos(group, name, 5, "/([a-z]+)-", &error), &error);
  assert_memory_equal(group, ((uint32_t[]){0, 1, 0, 3, 1}), sizeof group);
  /* What belongs together already stays so: x is a copy of bob's first. */
  uint32_t with_copy[] = {0, 1, 2, 1, 4};
  assert_ok(wk_group_photos(with_copy, name, 5, "folder", &error), &error);
  assert_memory_equal(with_copy, ((uint32_t[]){0, 0, 0, 0, 0}), sizeof with_copy);
  assert_int_equal(wk_group_photos(group, name, 5, "person[", &error), WK_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "is no regular expression"));
  assert_int_equal(wk_group_photos(group, name, 5, "person", &error), WK_ERR_ARGUMENT);
  assert_non_null(strstr(error.message, "no photo has that in its name"));
}

static void out_of_sample_is_the_same_for_any_threads(void **state) {
  (void)state;
  static float p[2][ROWS * CLASSES];
  wk_out_of_sample used;
  wk_context ctx;
  wk_context_init(&ctx);
  make(0.7, false);
  y[0] = -1;
  assert_ok(wk_split_folds(fold, y, NULL, ROWS, CLASSES, FOLDS, 42, &error), &error);
  for (int i = 0; i < 2; i++) {
    ctx.threads = 1 + 2 * i;
    assert_ok(wk_probe_out_of_sample(p[i], &used, x, y, fold, ROWS, COLUMNS, CLASSES, NULL, &ctx, &error), &error);
  }
  assert_memory_equal(p[0] + CLASSES, p[1] + CLASSES, sizeof p[0] - CLASSES * sizeof(float));
  assert_true(isnan(p[0][0]));
  int right = 0;
  for (int r = 1; r < ROWS; r++) {
    int best = 0;
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) {
      sum += (double)p[0][r * CLASSES + c];
      best = p[0][r * CLASSES + c] > p[0][r * CLASSES + best] ? c : best;
    }
    assert_near(sum, 1, 1e-5);
    right += best == truth[r];
  }
  assert_in_range(right, 340, 399);

  /* Judged by a head that learned from the other folds: as fitted by itself. */
  static float learn[ROWS * COLUMNS], own[CLASSES];
  static int label[ROWS];
  size_t n = 0;
  wk_head *head = NULL;
  wk_probe_options o;
  for (int r = 1; r < ROWS; r++)
    if (fold[r] != fold[1]) {
      memcpy(learn + n * COLUMNS, x + r * COLUMNS, COLUMNS * sizeof *x);
      label[n++] = y[r];
    }
  wk_probe_options_init(&o);
  o.l2 = used.l2;
  o.temperature = used.temperature;
  assert_ok(wk_probe_fit(&head, NULL, learn, label, n, COLUMNS, CLASSES, &o, NULL, &error), &error);
  wk_head_predict(own, head, x + COLUMNS, 1);
  for (int c = 0; c < CLASSES; c++)
    assert_near(p[0][CLASSES + c], own[c], 0.02); /* columns are scaled by all photos here, by four fifths there */
  wk_head_free(head);
}

static void a_smaller_share_learns_less(void **state) {
  (void)state;
  static float p[ROWS * CLASSES];
  int right[2] = {0};
  wk_out_of_sample_options o;
  wk_out_of_sample_options_init(&o);
  make(1.3, false);
  assert_ok(wk_split_folds(fold, y, NULL, ROWS, CLASSES, FOLDS, 42, &error), &error);
  for (int i = 0; i < 2; i++) {
    o.share = i ? 0.03 : 1;
    assert_ok(wk_probe_out_of_sample(p, NULL, x, y, fold, ROWS, COLUMNS, CLASSES, &o, NULL, &error), &error);
    for (int r = 0; r < ROWS; r++) {
      int best = 0;
      for (int c = 1; c < CLASSES; c++)
        best = p[r * CLASSES + c] > p[r * CLASSES + best] ? c : best;
      right[i] += best == y[r];
    }
  }
  assert_true(right[1] + 40 < right[0] && right[1] > ROWS / CLASSES);
  o.share = 0;
  assert_int_equal(wk_probe_out_of_sample(p, NULL, x, y, fold, ROWS, COLUMNS, CLASSES, &o, NULL, &error),
                   WK_ERR_ARGUMENT);
}

static void changed_labels_are_found(void **state) {
  (void)state;
  static float p[ROWS * CLASSES];
  wk_label_issue *issue = NULL;
  size_t count;
  make(0.4, true);
  assert_ok(wk_split_folds(fold, y, NULL, ROWS, CLASSES, FOLDS, 42, &error), &error);
  assert_ok(wk_probe_out_of_sample(p, NULL, x, y, fold, ROWS, COLUMNS, CLASSES, NULL, NULL, &error), &error);
  assert_ok(wk_label_issues_find(&issue, &count, p, y, ROWS, CLASSES, &error), &error);
  size_t found = 0;
  for (size_t i = 0; i < count && i < 20; i++) {
    found += y[issue[i].row] != truth[issue[i].row] && issue[i].suggested == truth[issue[i].row];
    assert_true(i == 0 || issue[i - 1].margin <= issue[i].margin);
  }
  print_message("%zu listed, %zu found\n", count, found);
  assert_in_range(found, 18, 20); /* of 20 */
  assert_true(issue[0].confident && issue[0].margin < -0.5);
  wk_free(issue);

  /* By hand: thresholds are 0.8 and 0.75; row 2 is as sure of 1 as they are, row 3 only leans to it. */
  static const float few[] = {0.9F, 0.1F, 0.95F, 0.05F, 0.2F, 0.8F, 0.45F, 0.55F, 0.3F, 0.7F, NAN, NAN};
  static const int says[] = {0, 0, 0, 0, 1, 1};
  assert_ok(wk_label_issues_find(&issue, &count, few, says, 6, 2, &error), &error);
  assert_int_equal(count, 1);
  assert_int_equal(issue[0].row, 2);
  assert_int_equal(issue[0].suggested, 1);
  assert_near(issue[0].margin, -0.6, 1e-6);
  assert_true(issue[0].confident);
  wk_free(issue);
}

static void learning_curve_of_a_power_law(void **state) {
  (void)state;
  wk_curve_point point[4];
  wk_learning_curve c;
  for (int i = 0; i < 4; i++) {
    const double n = 20 << i;
    point[i] = (wk_curve_point){n, 20000 * 0.9 * pow(n, -0.5), 20000};
  }
  assert_ok(wk_learning_curve_fit(&c, point, 4, 42, &error), &error);
  assert_near(c.exponent, 0.5, 0.03);
  assert_near(exp(c.log_a), 0.9, 0.1);
  /* From 0.1 to 0.05 takes four times the photos. */
  wk_interval more = wk_learning_curve_needs(&c, 81, 1000, 10000, 0.05, 1);
  assert_near(more.value, 3 * 81, 25);
  assert_true(more.low < 3 * 81 && 3 * 81 < more.high && more.high < 6 * 81);
  assert_near(wk_learning_curve_needs(&c, 81, 100, 10000, 0.05, 1).value, 0, 0);

  for (int i = 0; i < 4; i++)
    point[i].errors = 2000; /* more photos do not help */
  assert_ok(wk_learning_curve_fit(&c, point, 4, 42, &error), &error);
  assert_true(c.exponent < 0.05);
  assert_true(isinf(wk_learning_curve_needs(&c, 81, 1000, 10000, 0.05, 1).high));
  assert_int_equal(wk_learning_curve_fit(&c, point, 1, 42, &error), WK_ERR_ARGUMENT);
  point[0].errors = 30000;
  assert_int_equal(wk_learning_curve_fit(&c, point, 4, 42, &error), WK_ERR_ARGUMENT);
}

static void survives_every_failing_allocation(void **state) {
  (void)state;
  static float p[40 * CLASSES];
  wk_context ctx;
  wk_context_init(&ctx);
  ctx.threads = 1;
  make(0.7, false);
  for (long n = 0;; n++) {
    test_fail_allocation(n);
    wk_status st = wk_split_folds(fold, y, NULL, 40, CLASSES, FOLDS, 42, &error);
    if (st == WK_OK)
      st = wk_probe_out_of_sample(p, NULL, x, y, fold, 40, COLUMNS, CLASSES, NULL, &ctx, &error);
    const bool all = test_allocations() <= n;
    test_fail_allocation(-1);
    assert_true(st == WK_OK || st == WK_ERR_MEMORY);
    if (all)
      break;
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(folds_are_even_and_keep_groups),
      cmocka_unit_test(photos_are_grouped_by_their_names),
      cmocka_unit_test(out_of_sample_is_the_same_for_any_threads),
      cmocka_unit_test(a_smaller_share_learns_less),
      cmocka_unit_test(changed_labels_are_found),
      cmocka_unit_test(learning_curve_of_a_power_law),
      cmocka_unit_test(survives_every_failing_allocation),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
