/* transplant.c - weights of a network of the registry out of a file that brings a graph of its own, such as an ONNX
 * that somebody trained a classifier onto: its layers are the architecture's, one after the other, under names of the
 * converter's. */
#include <string.h>

#include "zoo/zoo.h"

static void release(void *user) { wk_tensors_free(user); }
static void rest(void *user) { wk_tensors_release_pages(user); }

static bool same_shape(const wk_param_info *a, const wk_param_info *b) {
  return a->ndim == b->ndim && memcmp(a->shape, b->shape, (size_t)a->ndim * sizeof *a->shape) == 0;
}

/* Views of the first parameters of `from` under the names of those of `to`. */
static wk_status take(wk_tensors *out, const wk_graph *to, const wk_graph *from, const wk_tensors *weights,
                      wk_error *err) {
  for (int i = 0; i < wk_graph_param_count(to); i++) {
    const wk_param_info *want = wk_graph_param(to, i), *have = wk_graph_param(from, i);
    const wk_tensor *found = have && same_shape(want, have) ? wk_tensors_find(weights, have->name) : NULL;
    if (!found)
      return WK_FAIL(err, WK_ERR_FORMAT, "its layer %d, %s, is not what %s has to be", i + 1,
                     have ? have->name : "which is not there", want->name);
    wk_tensor view = *found;
    view.name = want->name;
    WK_RETURN_IF_ERROR(wk_tensors_add_view(out, &view, err));
  }
  return WK_OK;
}

wk_status wk_weights_of_graph(wk_tensors **out, const char *path, const wk_arch *arch, wk_error *err) {
  wk_import made = {0};
  wk_graph *g = NULL;
  wk_tensors *t = NULL;
  wk_status st = WK_OK;
  WK_RETURN_IF_ERROR(wk_import_open(&made, path, &(wk_import_options){0}, err));
  WK_TRY(arch->build(&g, arch->class_count, err));
  WK_TRY(wk_tensors_create(&t, err));
  WK_TRY(take(t, g, made.graph, made.weights, err));
  WK_TRY(wk_tensors_keep(t, release, rest, made.weights, err));
  made.weights = NULL;
  *out = t;
  t = NULL;
done:
  wk_tensors_free(t);
  wk_graph_free(g);
  wk_import_free(&made);
  return st;
}
