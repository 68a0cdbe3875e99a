/* own_graph.c - a network of one's own, built layer by layer, with weights written by hand: it finds edges (Sobel), and
 * tells how strong those of each direction are in a photo.
 *
 *   own_graph PHOTO */
#include <stdio.h>

#include "whisker/whisker.h"

/* [out, in, height, width], as PyTorch has them: one filter for upright edges and one for lying ones, the same in each
 * colour. */
static const float sobel[2][3][3] = {{{-1, 0, 1}, {-2, 0, 2}, {-1, 0, 1}}, {{-1, -2, -1}, {0, 0, 0}, {1, 2, 1}}};

static wk_status build(wk_graph **out, wk_error *err) {
  wk_graph *g = NULL;
  wk_status st = wk_graph_create(&g, err);
  if (st != WK_OK)
    return st;
  wk_node x = wk_graph_input(g, "photo", 96, 96, 3);
  x = wk_graph_conv(g, "edges", x, 2, wk_window_square(3, 1, 1), 1, false);
  x = wk_graph_unary(g, "positive", WK_OP_RELU, x);
  wk_node mean = wk_graph_adaptive_avg_pool(g, "mean", x, 1, 1);
  wk_node flat = wk_graph_unary(g, "flat", WK_OP_FLATTEN, mean);
  wk_graph_outputs(g, flat, -1);
  st = wk_graph_finish(g, err); /* the first mistake of those above is told here */
  if (st == WK_OK)
    *out = g;
  else
    wk_graph_free(g);
  return st;
}

static wk_status write_weights(wk_tensors **out, wk_error *err) {
  float *w = NULL;
  wk_status st = wk_tensors_create(out, err);
  if (st == WK_OK)
    st = wk_tensors_add_zeros(*out, &w, "edges.weight", 4, (const int64_t[]){2, 3, 3, 3}, err);
  for (int i = 0; st == WK_OK && i < 2 * 3 * 9; i++)
    w[i] = sobel[i / 27][i % 9 / 3][i % 3] / 3;
  return st;
}

/* The photo at the network's size, in 0..1. */
static wk_status load(float *input, const char *path, wk_error *err) {
  wk_image photo = {0}, small = {0};
  wk_status st = wk_image_load(&photo, path, NULL, err);
  if (st == WK_OK)
    st = wk_image_resize(&small, &photo, 96, 96, WK_FILTER_BILINEAR, NULL, err);
  for (int i = 0; st == WK_OK && i < 96 * 96 * 3; i++)
    input[i] = (float)small.pixels[i] / 255;
  wk_image_free(&small);
  wk_image_free(&photo);
  return st;
}

int main(int argc, char **argv) {
  static float input[96 * 96 * 3];
  wk_graph *g = NULL;
  wk_tensors *weights = NULL;
  wk_plan *plan = NULL;
  wk_exec *exec = NULL;
  wk_error err = {0};
  wk_plan_options o;
  wk_plan_options_init(&o);
  if (argc != 2) {
    fprintf(stderr, "usage: own_graph PHOTO\n");
    return 2;
  }
  int failed = build(&g, &err) || write_weights(&weights, &err) || load(input, argv[1], &err) ||
               wk_plan_create(&plan, g, weights, &o, &err) || wk_exec_create(&exec, plan, &err) ||
               wk_exec_run(exec, input, 1, &err);
  if (failed)
    fprintf(stderr, "%s\n", err.message);
  else
    printf("upright edges %.3f, lying edges %.3f (%d nodes in %d operations)\n", (double)wk_exec_output(exec, 0)[0],
           (double)wk_exec_output(exec, 0)[1], wk_graph_size(g), wk_plan_ops(plan));
  wk_exec_free(exec);
  wk_plan_free(plan);
  wk_tensors_free(weights);
  wk_graph_free(g);
  return failed;
}
