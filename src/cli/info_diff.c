/* info_diff.c - `whisker info --diff A B`: where two networks differ, in layers, weights, preparation and classes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { SHOWN = 20 };

/* One weight that is not the same in both. */
typedef struct changed {
  const char *name;
  double largest, relative; /* difference; and in parts of the largest number there */
} changed;

typedef struct diff {
  cli *c;
  const wk_model *m[2];
  json_t *layers, *weights, *other;
  changed *weight;
  size_t changed, compared, layer_count;
} diff;

static bool same_layer(const wk_node_info *a, const wk_node_info *b) {
  return a->op == b->op && !memcmp(&a->shape, &b->shape, sizeof a->shape) && a->groups == b->groups &&
         a->window.kernel_h == b->window.kernel_h && a->window.kernel_w == b->window.kernel_w &&
         a->window.stride_h == b->window.stride_h && a->window.stride_w == b->window.stride_w;
}

static void describe(char out[100], const wk_node_info *n) {
  snprintf(out, 100, "%s to %d x %d x %d", wk_op_name(n->op), n->shape.height, n->shape.width, n->shape.channels);
}

static wk_status node_of(wk_node_info *out, const wk_model *m, wk_node i, wk_error *err) {
  const wk_preprocess *p = &m->backbone->preprocess;
  return wk_graph_node(out, m->backbone->graph, i, p->height, p->width, err);
}

/* Layers of m[side] that the other has not, or, for the first side, has otherwise. */
static wk_status layers_of(diff *d, int side, wk_error *err) {
  const wk_graph *g = d->m[side]->backbone->graph, *other = d->m[1 - side]->backbone->graph;
  for (int i = 0; i < wk_graph_size(g); i++) {
    wk_node_info a, b;
    char here[100], there[100] = "-";
    wk_status st = node_of(&a, d->m[side], i, err);
    if (st != WK_OK)
      return st;
    const wk_node twin = wk_graph_find(other, a.name);
    if (twin >= 0 && (st = node_of(&b, d->m[1 - side], twin, err)) != WK_OK)
      return st;
    if (twin >= 0 && (side == 1 || same_layer(&a, &b)))
      continue;
    describe(here, &a);
    if (twin >= 0)
      describe(there, &b);
    if (d->layer_count++ < SHOWN)
      cli_say(d->c, "  %-36s %-34s %s\n", a.name, side ? there : here, side ? here : there);
    json_array_append_new(d->layers,
                          json_pack("{s:s,s:s?,s:s?}", "name", a.name, "a", side && twin < 0 ? NULL : here, "b",
                                    side       ? here
                                    : twin < 0 ? NULL
                                               : there));
  }
  return WK_OK;
}

static wk_status compare_tensor(diff *d, const wk_tensor *a, const wk_tensor *b, wk_error *err) {
  const size_t n = (size_t)wk_tensor_count(a->ndim, a->shape);
  float *x = malloc((2 * n + 1) * sizeof *x);
  double largest = 0, top = 0;
  if (!x)
    return cli_no_memory(err);
  wk_status st = wk_tensor_to_f32(x, a, err);
  if (st == WK_OK)
    st = wk_tensor_to_f32(x + n, b, err);
  for (size_t i = 0; st == WK_OK && i < n; i++) {
    const double by = fabs((double)x[i] - (double)x[n + i]);
    largest = by > largest || isnan(by) ? by : largest;
    top = fmax(top, fmax(fabs((double)x[i]), fabs((double)x[n + i])));
  }
  free(x);
  d->compared++;
  if (st == WK_OK && largest != 0)
    d->weight[d->changed++] = (changed){a->name, largest, top > 0 ? largest / top : 0};
  return st;
}

static int most_first(const void *a, const void *b) {
  const changed *x = a, *y = b;
  return x->relative != y->relative ? (x->relative < y->relative) - (x->relative > y->relative)
                                    : strcmp(x->name, y->name);
}

static wk_status weights(diff *d, wk_error *err) {
  const wk_backbone *a = d->m[0]->backbone, *b = d->m[1]->backbone;
  const int n = wk_graph_param_count(a->graph);
  d->weight = calloc((size_t)n + 1, sizeof *d->weight);
  if (!d->weight)
    return cli_no_memory(err);
  for (int i = 0; i < n; i++) {
    const char *name = wk_graph_param(a->graph, i)->name;
    const wk_tensor *x = wk_tensors_find(a->weights, name), *y = wk_tensors_find(b->weights, name);
    if (!x || !y || x->ndim != y->ndim || memcmp(x->shape, y->shape, (size_t)x->ndim * sizeof *x->shape) != 0)
      continue;
    wk_status st = compare_tensor(d, x, y, err);
    if (st != WK_OK)
      return st;
  }
  qsort(d->weight, d->changed, sizeof *d->weight, most_first);
  cli_say(d->c, "weights: %zu of %zu that both have are not the same\n", d->changed, d->compared);
  for (size_t i = 0; i < d->changed; i++) {
    const changed *w = &d->weight[i];
    if (i < SHOWN)
      cli_say(d->c, "  %-48s by %.3g at most (%.2g of the largest)\n", w->name, w->largest, w->relative);
    json_array_append_new(d->weights,
                          json_pack("{s:s,s:o,s:o}", "name", w->name, "max_abs_diff", cli_json_number(w->largest),
                                    "max_rel_diff", cli_json_number(w->relative)));
  }
  if (d->changed > SHOWN)
    cli_say(d->c, "  and %zu more\n", d->changed - SHOWN);
  return WK_OK;
}

static void tell(diff *d, const char *what, const char *a, const char *b) {
  if (!strcmp(a, b))
    return;
  cli_say(d->c, "%s: %s, %s\n", what, a, b);
  json_object_set_new(d->other, what, json_pack("[o,o]", cli_json_text(a), cli_json_text(b)));
}

static void preparation(diff *d) {
  char size[2][40], pixels[2][160];
  for (int i = 0; i < 2; i++) {
    const wk_preprocess *p = &d->m[i]->backbone->preprocess;
    snprintf(size[i], sizeof size[i], "%d x %d", p->width, p->height);
    snprintf(pixels[i], sizeof pixels[i], "%s (x - %.5g %.5g %.5g) / %.5g %.5g %.5g, %s, resized to %d",
             p->grey  ? "grey"
             : p->bgr ? "BGR"
                      : "RGB",
             (double)p->mean[0], (double)p->mean[1], (double)p->mean[2], (double)p->std[0], (double)p->std[1],
             (double)p->std[2], p->rule == WK_CROP_SQUASH ? "squashed" : "cropped", p->resize);
  }
  tell(d, "input", size[0], size[1]);
  tell(d, "pixels", pixels[0], pixels[1]);
}

static void classes(diff *d) {
  char count[2][24];
  int other = 0;
  for (int i = 0; i < 2; i++)
    snprintf(count[i], sizeof count[i], "%d", d->m[i]->label_count);
  tell(d, "classes", count[0], count[1]);
  for (int i = 0; i < d->m[0]->label_count && i < d->m[1]->label_count; i++)
    other += strcmp(d->m[0]->labels[i], d->m[1]->labels[i]) != 0;
  if (other)
    cli_say(d->c, "names of classes: %d are not the same\n", other);
  json_object_set_new(d->other, "labels_changed", json_integer(other));
}

int cli_info_diff(cli *c, char **names, const char *arch) {
  wk_error err = {0};
  wk_model *m[2] = {NULL, NULL};
  diff d = {.c = c, .layers = json_array(), .weights = json_array(), .other = json_object()};
  wk_status st = WK_OK;
  for (int i = 0; i < 2 && st == WK_OK; i++) {
    st = wk_model_open(&m[i], names[i], arch, &c->pull, &c->ctx, &err);
    d.m[i] = m[i];
  }
  if (st == WK_OK) {
    cli_say(c, "%s: %s\n%s: %s\n", names[0], m[0]->backbone->arch->name, names[1], m[1]->backbone->arch->name);
    cli_say(c, "layers that are not the same:\n");
    st = layers_of(&d, 0, &err);
  }
  if (st == WK_OK)
    st = layers_of(&d, 1, &err);
  if (st == WK_OK) {
    if (!d.layer_count)
      cli_say(c, "  none\n");
    else if (d.layer_count > SHOWN)
      cli_say(c, "  and %zu more\n", d.layer_count - SHOWN);
    st = weights(&d, &err);
  }
  if (st == WK_OK) {
    preparation(&d);
    classes(&d);
  }
  free(d.weight);
  for (int i = 0; i < 2; i++)
    wk_model_free(m[i]);
  json_t *all = json_pack("{s:o,s:o,s:I,s:o}", "layers", d.layers, "weights", d.weights, "weights_compared",
                          (json_int_t)d.compared, "other", d.other);
  if (st == WK_OK)
    return cli_print_json(c, all);
  json_decref(all);
  return cli_fail(c, &err);
}
