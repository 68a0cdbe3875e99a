/* test_probe_golden.c - the probe and the metrics against scikit-learn and SciPy (tools/make_probe_goldens.py). */
#include "probe_golden.h"
#include "support.h"
#include "train/metrics/temperature_scaling.h"
#include "whisker/metrics.h"
#include "whisker/probe.h"

static void check_probe(double l2, bool balance, const double *weight, const double *bias, double loss) {
  wk_probe_options o;
  wk_probe_options_init(&o);
  o.l2 = l2;
  o.balance = balance;
  wk_head *h = NULL;
  wk_probe_report report;
  wk_error err;
  assert_ok(wk_probe_fit(&h, &report, probe_x, probe_y, PROBE_ROWS, PROBE_COLUMNS, PROBE_CLASSES, &o, NULL, &err),
            &err);
  /* The fit stops when the gradient is below 1e-5 of the parameters' length: weights are then good to about 1e-4. */
  double mean = 0;
  for (int c = 0; c < PROBE_CLASSES; c++)
    mean += (double)h->bias[c] / PROBE_CLASSES;
  for (int c = 0; c < PROBE_CLASSES; c++) {
    assert_near((double)h->bias[c] - mean, bias[c], 3e-4);
    for (int j = 0; j < PROBE_COLUMNS; j++)
      assert_near((double)h->weight[c * PROBE_COLUMNS + j], weight[c * PROBE_COLUMNS + j], 2e-4);
  }
  assert_near(report.train_loss, loss, 1e-4);
  assert_near((double)h->temperature, 1, 0);
  wk_head_free(h);
}

static void probe_equals_scikit_learn(void **state) {
  (void)state;
  check_probe(1, false, probe_strong_weight, probe_strong_bias, probe_strong_loss[0]);
  check_probe(0.01, false, probe_weak_weight, probe_weak_bias, probe_weak_loss[0]);
  check_probe(0.1, true, probe_balanced_weight, probe_balanced_bias, probe_balanced_loss[0]);
}

static void metrics_equal_scikit_learn(void **state) {
  (void)state;
  wk_metrics *m = NULL;
  wk_error err;
  assert_ok(wk_metrics_compute(&m, metric_p, metric_y, METRIC_ROWS, METRIC_CLASSES, 3, &err), &err);
  assert_near(m->top1.value, metric_top1[0], 1e-12);
  assert_near(m->topk.value, metric_top3[0], 1e-12);
  assert_near(m->loss.value, metric_loss[0], 1e-7); /* scikit-learn scales single-precision rows to sum to 1 */
  assert_near(m->ece.value, metric_ece[0], 1e-12);
  for (int i = 0; i < METRIC_CLASSES * METRIC_CLASSES; i++)
    assert_int_equal(m->confusion[i], metric_confusion[i]);
  wk_metrics_free(m);
}

static void temperature_equals_scipy(void **state) {
  (void)state;
  double t = 1, loss;
  wk_temperature_fit(&t, &loss, temperature_score, metric_y, NULL, METRIC_ROWS, METRIC_CLASSES);
  assert_near(t, temperature_best[0], 1e-5);
  assert_near(loss, temperature_loss[0], 1e-10);
}

static void wilson_equals_scipy(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof wilson_k / sizeof *wilson_k; i++) {
    wk_interval w = wk_wilson((size_t)wilson_k[i], (size_t)wilson_n[i]);
    assert_near(w.value, (double)wilson_k[i] / wilson_n[i], 1e-15);
    assert_near(w.low, wilson_low[i], 1e-12);
    assert_near(w.high, wilson_high[i], 1e-12);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(probe_equals_scikit_learn),
      cmocka_unit_test(metrics_equal_scikit_learn),
      cmocka_unit_test(temperature_equals_scipy),
      cmocka_unit_test(wilson_equals_scipy),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
