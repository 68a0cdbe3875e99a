/* filters.c - the first layer's filters in colour: weights of a picture's three channels are a picture themselves.
 */
#include <math.h>
#include <stdio.h>

#include "nn/graph/graph.h"
#include "whisker/filters.h"

static wk_node first_conv(const wk_graph *g) {
  for (wk_node n = 0; n < g->size; n++)
    if (g->node[n].op == WK_OP_CONV && g->node[g->node[n].input[0]].op == WK_OP_INPUT)
      return n;
  return -1;
}

/* Filter `index` of w [filters, 3, height, width], grey where a weight is 0. */
static wk_status draw_filter(wk_image *out, const float *w, int index, int height, int width, bool bgr, wk_error *err) {
  WK_RETURN_IF_ERROR(wk_image_alloc(out, width, height, err));
  const size_t area = (size_t)height * (size_t)width;
  const float *f = w + (size_t)index * 3 * area;
  float most = 0;
  for (size_t i = 0; i < 3 * area; i++)
    most = fmaxf(most, fabsf(f[i]));
  for (size_t i = 0; i < area; i++)
    for (size_t c = 0; c < 3; c++) {
      const float v = f[(bgr ? 2 - c : c) * area + i];
      out->pixels[3 * i + c] = (uint8_t)lroundf(127.5f + (most > 0 ? 127.5f * v / most : 0));
    }
  return WK_OK;
}

wk_status wk_filters_draw(wk_image *out, wk_filters *what, const wk_backbone *b, wk_error *err) {
  enum { CELL = 40, MANY = 64 };
  const wk_graph *g = b->graph;
  const wk_node n = first_conv(g);
  wk_status st = WK_OK;
  float *w = NULL;
  wk_image *picture = NULL;
  char(*text)[16] = NULL;
  const char **label = NULL;
  WK_FAIL_IF(n < 0, err, WK_ERR_UNSUPPORTED,
             "this network does not begin with a convolution, so it has no filters to show");
  const wk_node_def *d = &g->node[n];
  const wk_param_info *p = &g->param[d->first_param];
  const wk_tensor *t = wk_tensors_find(b->weights, p->name);
  const int count = d->out_channels, height = d->window.kernel_h, width = d->window.kernel_w;
  WK_FAIL_IF(!t || p->ndim != 4 || p->shape[1] != 3, err, WK_ERR_UNSUPPORTED,
             "%s: the first layer's filters are not of three colours", d->name);
  w = wk_alloc_array((size_t)wk_tensor_count(t->ndim, t->shape), sizeof *w);
  picture = wk_calloc((size_t)count, sizeof *picture);
  text = wk_calloc((size_t)count, sizeof *text);
  label = wk_calloc((size_t)count, sizeof *label);
  WK_FAIL_IF(!w || !picture || !text || !label, err, WK_ERR_MEMORY, "out of memory for %d filters", count);
  WK_TRY(wk_tensor_to_f32(w, t, err));
  for (int i = 0; i < count; i++) {
    WK_TRY(draw_filter(&picture[i], w, i, height, width, b->preprocess.bgr, err));
    snprintf(text[i], sizeof text[i], "#%d", i);
    label[i] = text[i];
  }
  char title[200];
  snprintf(title, sizeof title, "The %d filters of the first layer, %s", count, d->name);
  wk_sheet s;
  wk_sheet_init(&s);
  s.frame.title = title;
  s.frame.subtitle =
      "Each is a picture of its weights for red, green and blue, on a scale of its own: grey is no weight.";
  s.frame.note = height >= 5 ? "A striped filter answers to edges that run its way, a filter in two colours to a "
                               "change from one to the other."
                             : "Filters as small as these show few shapes: one side bright and one dark answers to "
                               "edges, one colour to places of "
                               "that colour.";
  s.columns = count > MANY ? 16 : 8;
  s.gap = 12;
  /* A whole number of times each pixel. */
  s.cell_width = (CELL + width - 1) / width * width;
  s.cell_height = (CELL + height - 1) / height * height;
  WK_TRY(wk_sheet_draw(out, picture, label, count, &s, err));
  *what = (wk_filters){d->name, count, height, width};
done:
  for (int i = 0; picture && i < count; i++)
    wk_image_free(&picture[i]);
  wk_free(picture);
  wk_free(text);
  wk_free(label);
  wk_free(w);
  return st;
}
