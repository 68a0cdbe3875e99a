/* network_svg.c - see whisker/network.h. A layer's output keeps a lane to itself until its last reader has had it, so
 * lines never run over each other: the way histories of branches are drawn. */
#include <string.h>

#include "base/base.h"
#include "whisker/network.h"
#include "whisker/output.h"

#define MARK "<!-- whisker: a network -->"

enum { ROW = 18, LANE = 12, LEFT = 24, TOP = 56, TEXT = 860 };

typedef struct drawing {
  const wk_graph *g;
  int size, height, width;
  int *lane, *uses; /* [size] */
  int *holder;      /* [lanes] the layer whose output lies there; -1: free */
  int lanes;
  wk_text out;
} drawing;

/* Lanes of all layers, in their order. */
static wk_status place(drawing *d, wk_error *err) {
  wk_node_info n;
  for (int i = 0; i < d->size; i++) {
    WK_RETURN_IF_ERROR(wk_graph_node(&n, d->g, i, d->height, d->width, err));
    for (int k = 0; k < n.inputs; k++)
      d->uses[n.input[k]]++;
  }
  for (int i = 0; i < d->size; i++) {
    WK_RETURN_IF_ERROR(wk_graph_node(&n, d->g, i, d->height, d->width, err));
    for (int k = 0; k < n.inputs; k++)
      if (--d->uses[n.input[k]] == 0)
        d->holder[d->lane[n.input[k]]] = -1;
    int at = 0;
    while (d->holder[at] >= 0)
      at++;
    d->lane[i] = at;
    d->lanes = at + 1 > d->lanes ? at + 1 : d->lanes;
    if (d->uses[i])
      d->holder[at] = i;
  }
  return WK_OK;
}

static void add_text(wk_text *t, const char *s) {
  for (; *s; s++)
    if (*s == '<' || *s == '>' || *s == '&' || *s == '"')
      wk_text_add(t, "&#%d;", *s);
    else if ((unsigned char)*s >= 0x20 && *s != 0x7f)
      wk_text_append(t, s, 1);
}

static int x_of(const drawing *d, int i) { return LEFT + d->lane[i] * LANE; }
static int y_of(int i) { return TOP + i * ROW; }

/* Down the input's own lane, and over to the layer's in the last row. */
static void draw_line(drawing *d, int from, int to) {
  const int x0 = x_of(d, from), x1 = x_of(d, to), y0 = y_of(from), y1 = y_of(to);
  wk_text_add(&d->out, "<path d=\"M%d %dV%d", x0, y0, y1 - ROW);
  if (x0 != x1)
    wk_text_add(&d->out, "C%d %d %d %d %d %d", x0, y1 - ROW / 3, x1, y1 - 2 * ROW / 3, x1, y1);
  else
    wk_text_add(&d->out, "V%d", y1);
  wk_text_add(&d->out, "\"/>\n");
}

static const char *colour_of(wk_op op) {
  switch (op) {
  case WK_OP_INPUT:
    return "#333";
  case WK_OP_CONV:
    return "#1f6fb4";
  case WK_OP_LINEAR:
    return "#7b3fa0";
  case WK_OP_BATCH_NORM:
    return "#6b9f3b";
  case WK_OP_MAX_POOL:
  case WK_OP_AVG_POOL:
  case WK_OP_ADAPTIVE_AVG_POOL:
    return "#c0392b";
  case WK_OP_ADD:
  case WK_OP_CONCAT:
  case WK_OP_SCALE:
  case WK_OP_MULTIPLY:
    return "#d68910";
  default:
    return "#888";
  }
}

/* Bands behind the rows of a stage, with its name at the right. */
static wk_status draw_stages(drawing *d, int right, wk_error *err) {
  wk_node_info n, next;
  int first = 0, bands = 0;
  for (int i = 0; i < d->size; i++) {
    WK_RETURN_IF_ERROR(wk_graph_node(&n, d->g, i, d->height, d->width, err));
    if (i + 1 < d->size)
      WK_RETURN_IF_ERROR(wk_graph_node(&next, d->g, i + 1, d->height, d->width, err));
    if (i + 1 < d->size && strcmp(n.stage, next.stage) == 0)
      continue;
    wk_text_add(&d->out, "<rect x=\"4\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"%s\"/>\n", y_of(first) - ROW / 2,
                right - 8, (i + 1 - first) * ROW, bands++ % 2 ? "#f7f7f7" : "#eef3f8");
    wk_text_add(&d->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"#567\">", right - 10, y_of(first) + 4);
    add_text(&d->out, n.stage);
    wk_text_add(&d->out, "</text>\n");
    first = i + 1;
  }
  return WK_OK;
}

static void add_count(wk_text *t, int64_t n) {
  if (n >= 1000000)
    wk_text_add(t, "%.2f M", (double)n / 1e6);
  else if (n >= 1000)
    wk_text_add(t, "%.1f k", (double)n / 1e3);
  else if (n)
    wk_text_add(t, "%lld", (long long)n);
}

static wk_status draw_rows(drawing *d, int text, wk_error *err) {
  wk_node_info n;
  for (int i = 0; i < d->size; i++) {
    const int y = y_of(i) + 4;
    WK_RETURN_IF_ERROR(wk_graph_node(&n, d->g, i, d->height, d->width, err));
    wk_text_add(&d->out, "<circle cx=\"%d\" cy=\"%d\" r=\"4\" fill=\"%s\"/>\n<text x=\"%d\" y=\"%d\">", x_of(d, i),
                y_of(i), colour_of(n.op), text, y);
    add_text(&d->out, n.name);
    wk_text_add(&d->out, "</text><text x=\"%d\" y=\"%d\" fill=\"%s\">%s", text + 330, y, colour_of(n.op),
                wk_op_name(n.op));
    if (n.op == WK_OP_CONV || n.op == WK_OP_MAX_POOL || n.op == WK_OP_AVG_POOL)
      wk_text_add(&d->out, " %dx%d%s", n.window.kernel_h, n.window.kernel_w,
                  n.window.stride_h > 1 || n.window.stride_w > 1 ? " /" : "");
    if ((n.op == WK_OP_CONV || n.op == WK_OP_MAX_POOL || n.op == WK_OP_AVG_POOL) &&
        (n.window.stride_h > 1 || n.window.stride_w > 1))
      wk_text_add(&d->out, "%d", n.window.stride_h);
    wk_text_add(&d->out, "</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%d x %d x %d</text>", text + 580, y,
                n.shape.height, n.shape.width, n.shape.channels);
    wk_text_add(&d->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", text + 670, y);
    add_count(&d->out, n.params);
    wk_text_add(&d->out, "</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">", text + 750, y);
    add_count(&d->out, n.macs);
    wk_text_add(&d->out, "</text>\n");
  }
  return WK_OK;
}

static wk_status draw(drawing *d, const char *title, wk_error *err) {
  wk_node_info n;
  const int text = LEFT + d->lanes * LANE + 8, right = text + TEXT, bottom = y_of(d->size) + 4;
  wk_text_add(&d->out,
              "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
              "font-family=\"sans-serif\" font-size=\"12\">\n" MARK "\n<rect width=\"100%%\" height=\"100%%\" "
              "fill=\"#fff\"/>\n<text x=\"8\" y=\"20\" font-size=\"15\">",
              right, bottom, right, bottom);
  add_text(&d->out, title);
  wk_text_add(&d->out, "</text>\n<g fill=\"#567\"><text x=\"%d\" y=\"40\">layer</text>", text);
  wk_text_add(&d->out,
              "<text x=\"%d\" y=\"40\">kind</text><text x=\"%d\" y=\"40\" text-anchor=\"end\">output h x w x c"
              "</text><text x=\"%d\" y=\"40\" text-anchor=\"end\">parameters</text><text x=\"%d\" y=\"40\" "
              "text-anchor=\"end\">mult-adds</text></g>\n",
              text + 330, text + 580, text + 670, text + 750);
  WK_RETURN_IF_ERROR(draw_stages(d, right, err));
  wk_text_add(&d->out, "<g fill=\"none\" stroke=\"#99a\" stroke-width=\"1.5\">\n");
  for (int i = 0; i < d->size; i++) {
    WK_RETURN_IF_ERROR(wk_graph_node(&n, d->g, i, d->height, d->width, err));
    for (int k = 0; k < n.inputs; k++)
      draw_line(d, n.input[k], i);
  }
  wk_text_add(&d->out, "</g>\n");
  WK_RETURN_IF_ERROR(draw_rows(d, text, err));
  wk_text_add(&d->out, "</svg>\n");
  return d->out.failed ? WK_FAIL(err, WK_ERR_MEMORY, "out of memory for a drawing") : WK_OK;
}

wk_status wk_network_draw(const char *path, const wk_graph *g, int height, int width, const char *title,
                          wk_error *err) {
  wk_status st = WK_OK;
  drawing d = {.g = g, .size = wk_graph_size(g), .height = height, .width = width};
  const size_t n = (size_t)d.size + 1;
  WK_RETURN_IF_ERROR(wk_output_check_own(path, MARK, err));
  d.lane = wk_calloc(n, sizeof *d.lane);
  d.uses = wk_calloc(n, sizeof *d.uses);
  d.holder = wk_alloc_array(n, sizeof *d.holder);
  WK_FAIL_IF(!d.lane || !d.uses || !d.holder, err, WK_ERR_MEMORY, "out of memory for a drawing");
  for (size_t i = 0; i < n; i++)
    d.holder[i] = -1;
  WK_TRY(place(&d, err));
  WK_TRY(draw(&d, title, err));
  WK_TRY(wk_file_write(path, d.out.data, d.out.len, err));
done:
  wk_text_free(&d.out);
  wk_free(d.lane);
  wk_free(d.uses);
  wk_free(d.holder);
  return st;
}
