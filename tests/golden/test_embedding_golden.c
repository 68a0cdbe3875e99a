/* test_embedding_golden.c - principal components and t-SNE against numpy and scikit-learn
 * (tools/make_embedding_goldens.py). */
#include "embedding_golden.h"
#include "explain/embedding/tsne.h"
#include "support.h"

static void components_equal_numpy(void **state) {
  (void)state;
  float out[ROWS * KEEP];
  double share[KEEP];
  wk_error err;
  assert_ok(wk_pca(out, share, cloud, ROWS, COLUMNS, KEEP, NULL, &err), &err);
  for (int k = 0; k < KEEP; k++)
    assert_near(share[k], pca_share[k], 1e-5);
  /* The search ends when a round adds less than 1e-5 of the variance, which leaves an angle of some 1e-3 at most. */
  for (int i = 0; i < ROWS * KEEP; i++)
    assert_near((double)out[i], pca[i], 3e-3);
}

static void affinities_and_gradient_equal_scikit_learn(void **state) {
  (void)state;
  uint32_t index[ROWS * NEAR];
  float square[ROWS * NEAR];
  double push[2 * ROWS], g[2 * ROWS], kl;
  wk_affinity a;
  wk_quadtree *tree;
  wk_error err;
  assert_ok(wk_neighbours(index, square, cloud, ROWS, COLUMNS, NEAR, NULL, NULL, &err), &err);
  assert_ok(wk_affinity_create(&a, index, square, ROWS, NEAR, 5, NULL, &err), &err);
  double dense[ROWS * ROWS] = {0};
  for (size_t i = 0; i < ROWS; i++)
    for (size_t e = a.begin[i]; e < a.begin[i + 1]; e++)
      dense[i * ROWS + a.to[e]] = (double)a.p[e];
  /* Both stop the search for a width when the entropy is 1e-5 off. */
  for (int i = 0; i < ROWS * ROWS; i++)
    assert_near(dense[i], affinity[i], 1e-6);
  assert_ok(wk_quadtree_create(&tree, ROWS, &err), &err);
  assert_ok(wk_tsne_gradient(g, &kl, push, &a, tree, layout, 1, 0, NULL, &err), &err);
  assert_near(kl, divergence[0], 1e-4);
  for (int i = 0; i < 2 * ROWS; i++)
    assert_near(g[i], gradient[i], 1e-5);
  wk_quadtree_free(tree);
  wk_affinity_free(&a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(components_equal_numpy),
      cmocka_unit_test(affinities_and_gradient_equal_scikit_learn),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
