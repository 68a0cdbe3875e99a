/* initial_head.c - the classifier that fine-tuning begins with where several views of each photo are kept: the linear
 * probe, fitted on all of them. */
#include "train/finetune/finetune_parts.h"

wk_status wk_finetune_view_probe(wk_head **out, const wk_finetune_input *in, const wk_graph *tail,
                                 const wk_tensors *weights, int features, int classes, const wk_probe_options *o,
                                 const wk_probe_report *probe, const wk_context *ctx, wk_error *err) {
  wk_status st = WK_OK;
  size_t columns = (size_t)features, views = (size_t)in->views, rows = in->rows * views;
  float *x = wk_alloc_array(rows, columns * sizeof *x);
  int *y = wk_alloc_array(rows, sizeof *y);
  wk_probe_options fixed = *o;
  fixed.l2 = probe->l2;
  fixed.temperature = probe->temperature;
  WK_FAIL_IF(!x || !y, err, WK_ERR_MEMORY, "out of memory for the features of %zu views", rows);
  /* From one epoch to the next every photo goes on to its next view. */
  for (size_t v = 0; v < views; v++) {
    WK_TRY(wk_finetune_outputs(x + v * in->rows * columns, tail, wk_graph_features(tail), columns, weights, in, v, ctx,
                               err));
    for (size_t i = 0; i < in->rows; i++)
      y[v * in->rows + i] = in->label[i];
  }
  WK_TRY(wk_probe_fit(out, NULL, x, y, rows, features, classes, &fixed, ctx, err));
done:
  wk_free(x);
  wk_free(y);
  return st;
}
