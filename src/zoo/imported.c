/* imported.c - backbones of networks that their files describe: they bring a graph, labels and an architecture of their
 * own, which no registry knows, and otherwise are like all others. */
#include <ctype.h>
#include <string.h>

#include "import/pixels.h"
#include "zoo/zoo.h"

void wk_imported_free(wk_backbone *b) {
  for (int i = 0; b->labels && i < b->class_count; i++)
    wk_free(b->labels[i]);
  wk_free(b->labels);
  wk_free(b->format);
  wk_free(b->prepared);
  if (b->own_arch)
    wk_free((char *)(uintptr_t)b->own_arch->name);
  wk_free(b->own_arch);
}

static wk_status count(wk_arch *a, const wk_graph *g, wk_error *err) {
  wk_node_info node;
  for (int i = 0; i < wk_graph_size(g); i++) {
    WK_RETURN_IF_ERROR(wk_graph_node(&node, g, i, 0, 0, err));
    a->params += node.params;
    a->macs += node.macs;
  }
  return WK_OK;
}

/* "onnx-1f2e3d4c": the digits are of the graph up to its features, which any classifier leaves as they are. */
static wk_status name_of(char **out, const wk_graph *g, const char *kind, wk_error *err) {
  uint8_t hash[WK_SHA256_BYTES];
  char hex[2 * WK_SHA256_BYTES + 1], *text = NULL;
  WK_RETURN_IF_ERROR(wk_graph_to_json(&text, g, false, err));
  wk_sha256(hash, text, strlen(text));
  wk_hex(hex, hash, sizeof hash);
  wk_free(text);
  *out = wk_asprintf("%.40s-%.8s", kind, hex);
  return *out ? WK_OK : WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
}

static const char *const *no_aliases(void) {
  static const char *const none[] = {NULL};
  return none;
}

wk_status wk_backbone_from_graph(wk_backbone **out, wk_graph *graph, wk_tensors *weights, const char *kind,
                                 const wk_preprocess *preprocess, wk_error *err) {
  wk_status st = WK_OK;
  wk_node_info node;
  char *name = NULL;
  wk_backbone *b = wk_calloc(1, sizeof *b);
  WK_FAIL_IF(!b, err, WK_ERR_MEMORY, "out of memory");
  b->own_arch = wk_calloc(1, sizeof *b->own_arch);
  WK_FAIL_IF(!b->own_arch, err, WK_ERR_MEMORY, "out of memory");
  WK_TRY(wk_graph_check_weights(graph, weights, -1, err));
  WK_TRY(name_of(&name, graph, kind, err));
  b->arch = b->own_arch;
  *b->own_arch = (wk_arch){.name = name, .aliases = no_aliases(), .title = name, .preprocess = *preprocess};
  WK_TRY(count(b->own_arch, graph, err));
  WK_TRY(wk_graph_node(&node, graph, wk_graph_features(graph), 0, 0, err));
  b->own_arch->feature_count = node.shape.channels;
  if (wk_graph_logits(graph) >= 0) {
    WK_TRY(wk_graph_node(&node, graph, wk_graph_logits(graph), 0, 0, err));
    b->class_count = b->own_arch->class_count = node.shape.channels;
  }
  b->preprocess = *preprocess;
  WK_TRY(wk_backbone_keep_hash(b, err));
  b->graph = graph;
  b->weights = weights;
  *out = b;
  b = NULL;
done:
  wk_backbone_free(b);
  return st;
}

/* The first word of a format, small: "TensorFlow Lite" is "tensorflow". */
static void kind_of(char kind[24], const char *format) {
  size_t n = 0;
  for (; n < 23 && (isalnum((unsigned char)format[n]) || format[n] == '.'); n++)
    kind[n] = (char)tolower((unsigned char)format[n]);
  kind[n] = 0;
}

wk_status wk_imported_open(wk_backbone **out, const char *path, const wk_pull_options *o, wk_error *err) {
  wk_import made = {0};
  char kind[24];
  const wk_import_options io = {.pixels = o->pixels, .labels = o->labels};
  WK_RETURN_IF_ERROR(wk_import_open(&made, path, &io, err));
  kind_of(kind, made.format);
  wk_backbone *b = NULL;
  wk_status st = wk_backbone_from_graph(&b, made.graph, made.weights, kind, &made.preprocess, err);
  if (st == WK_OK) { /* it has them now */
    made.graph = NULL;
    made.weights = NULL;
    b->labels = made.label;
    b->format = made.format;
    b->prepared = made.prepared;
    b->assumed = made.assumed;
    made.label = NULL;
    made.format = made.prepared = NULL;
    *out = b;
  }
  wk_import_free(&made);
  return st;
}

wk_status wk_backbone_build(wk_graph **out, const wk_backbone *b, int classes, wk_error *err) {
  wk_graph *g = NULL;
  wk_node_info logits = {.op = WK_OP_LINEAR};
  if (b->own_arch)
    return wk_graph_with_classes(out, b->graph, classes, err);
  WK_RETURN_IF_ERROR(b->arch->build(&g, classes, err));
  wk_status st = wk_graph_logits(g) < 0 ? WK_OK : wk_graph_node(&logits, g, wk_graph_logits(g), 0, 0, err);
  if (st == WK_OK && logits.op == WK_OP_LINEAR) {
    *out = g;
    return WK_OK;
  }
  if (st == WK_OK) /* what trains is a linear layer on the features */
    st = wk_graph_with_classes(out, g, classes, err);
  wk_graph_free(g);
  return st;
}

wk_status wk_backbone_like(wk_backbone **out, const wk_backbone *like, wk_tensors *weights, wk_error *err) {
  if (!like->own_arch)
    return wk_backbone_from(out, like->arch, weights, err);
  wk_graph *g = NULL;
  char kind[24];
  kind_of(kind, like->arch->name);
  WK_RETURN_IF_ERROR(wk_graph_with_classes(&g, like->graph, 0, err));
  wk_status st = wk_backbone_from_graph(out, g, weights, kind, &like->preprocess, err);
  if (st != WK_OK)
    wk_graph_free(g);
  return st;
}

wk_status wk_backbone_apply(wk_backbone *b, const wk_pull_options *o, wk_error *err) {
  if (b->own_arch) /* opened with them */
    return WK_OK;
  if (o->pixels) {
    char what[120];
    WK_RETURN_IF_ERROR(wk_pixels_parse(&b->preprocess, o->pixels, err));
    wk_pixels_describe(what, &b->preprocess);
    wk_free(b->prepared);
    b->prepared = wk_asprintf("%s, as asked for", what);
    if (!b->prepared)
      return WK_FAIL(err, WK_ERR_MEMORY, "out of memory");
  }
  if (!o->labels)
    return WK_OK;
  int n;
  char **labels;
  WK_RETURN_IF_ERROR(wk_labels_read(&labels, &n, o->labels, err));
  if (n == b->class_count) {
    b->labels = labels;
    return WK_OK;
  }
  for (int i = 0; i < n; i++)
    wk_free(labels[i]);
  wk_free(labels);
  return WK_FAIL(err, WK_ERR_ARGUMENT, "%s names %d classes; the network has %d", o->labels, n, b->class_count);
}
