/* recognise.c - which architecture a set of tensors belongs to, by names and shapes alone. A network matches when every
 * parameter up to its features is there (the classifier may differ or be missing) and no convolution is left over,
 * which would belong to a deeper network: ResNet-34's tensors contain all of ResNet-18's. */
#include <string.h>

#include "zoo/zoo.h"

/* A prefix under which tensors are looked for: the first `length` bytes of `text`. */
typedef struct prefix {
  const char *text;
  size_t length;
} prefix;

static const wk_tensor *find(const wk_tensors *weights, prefix p, const char *name) {
  char full[512];
  int n = snprintf(full, sizeof full, "%.*s%s", (int)p.length, p.text, name);
  return n > 0 && (size_t)n < sizeof full ? wk_tensors_find(weights, full) : NULL;
}

static bool same_shape(const wk_tensor *t, const wk_param_info *param) {
  return t->ndim == param->ndim && memcmp(t->shape, param->shape, (size_t)t->ndim * sizeof *t->shape) == 0;
}

/* Does a convolution of that name (without its prefix) lie beside the network? So do the classifiers at half the depth
 * of the Inceptions, which only training uses, and SqueezeNet's own, as the linear layers of others. */
static bool lies_beside(const char *name) {
  static const char *const beside[] = {"aux1.", "aux2.", "AuxLogits.", "classifier.1.weight"};
  for (size_t i = 0; i < sizeof beside / sizeof *beside; i++)
    if (strncmp(name, beside[i], strlen(beside[i])) == 0)
      return true;
  return false;
}

/* Are all parameters of `g` there, and no convolution beyond them? Running statistics may be missing. */
static bool has_all(const wk_graph *g, const wk_tensors *weights, prefix p) {
  size_t convolutions = 0;
  for (int i = 0; i < wk_graph_param_count(g); i++) {
    const wk_param_info *param = wk_graph_param(g, i);
    const wk_tensor *t = find(weights, p, param->name);
    if (t ? !same_shape(t, param) : param->trainable)
      return false;
    convolutions += param->ndim == 4;
  }
  size_t found = 0;
  for (size_t i = 0; i < wk_tensors_size(weights); i++) {
    const wk_tensor *t = wk_tensors_at(weights, i);
    found += t->ndim == 4 && strncmp(t->name, p.text, p.length) == 0 && !lies_beside(t->name + p.length);
  }
  return found == convolutions;
}

/* The lower, the more plainly the network under that prefix is the one that is meant. */
static int rank(prefix p) {
  return !p.length                                            ? 0
         : p.length == 6 && memcmp(p.text, "model.", 6) == 0  ? 1
         : p.length == 7 && memcmp(p.text, "module.", 7) == 0 ? 2
                                                              : 3;
}

/* Tries each prefix under which the graph's first parameter is found. Of several networks in one file (a student and
 * its teacher) the one under the most usual prefix is meant; `other` is another's, where there is one. */
static bool match(prefix *out, prefix *other, const wk_graph *g, const wk_tensors *weights) {
  int found = 0;
  const char *first = wk_graph_param(g, 0)->name;
  size_t length = strlen(first);
  for (size_t i = 0; i < wk_tensors_size(weights); i++) {
    const char *name = wk_tensors_at(weights, i)->name;
    size_t n = strlen(name);
    if (n < length || strcmp(name + n - length, first) != 0)
      continue;
    prefix p = {name, n - length};
    if ((p.length && name[p.length - 1] != '.') || !has_all(g, weights, p))
      continue;
    if (!found++) {
      *out = *other = p;
    } else if (rank(p) < rank(*out)) {
      *other = *out;
      *out = p;
    } else {
      *other = p;
    }
  }
  return found > 0;
}

wk_status wk_arch_match(wk_match *out, const wk_arch *arch, const wk_tensors *weights, wk_error *err) {
  wk_graph *g = NULL;
  prefix p = {"", 0}, other = {"", 0};
  WK_RETURN_IF_ERROR(arch->build(&g, 0, err));
  const bool fits = match(&p, &other, g, weights), two = fits && p.text != other.text;
  wk_graph_free(g);
  *out = (wk_match){fits, p.text, p.length, two ? other.text : NULL, other.length};
  if (two && rank(p) == 3)
    return WK_FAIL(
        err, WK_ERR_UNSUPPORTED,
        "holds two networks, under '%.*s' and '%.*s', and neither is plainly the one that is meant: say which with "
        "--weights-key",
        (int)p.length, p.text, (int)other.length, other.text);
  return WK_OK;
}

const wk_arch *wk_arch_recognise(const wk_tensors *weights) {
  for (int i = 0; i < wk_arch_count(); i++) {
    wk_match m;
    const wk_status st = wk_arch_match(&m, wk_arch_at(i), weights, NULL);
    if (st == WK_ERR_UNSUPPORTED || (st == WK_OK && m.fits)) /* of two networks, opening says so */
      return wk_arch_at(i);
  }
  return NULL;
}

const wk_arch *wk_arch_of_file(const char *path) {
  const char *base = wk_path_base(path);
  for (int i = 0; i < wk_arch_count(); i++)
    if (wk_arch_at(i)->source.file && strcmp(wk_arch_at(i)->source.file, base) == 0)
      return wk_arch_at(i);
  return NULL;
}
