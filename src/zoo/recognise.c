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
    found += t->ndim == 4 && strncmp(t->name, p.text, p.length) == 0;
  }
  return found == convolutions;
}

static bool is_usual(prefix p) {
  return !p.length || (p.length == 6 && memcmp(p.text, "model.", 6) == 0) ||
         (p.length == 7 && memcmp(p.text, "module.", 7) == 0);
}

/* Tries each prefix under which the graph's first parameter is found. Of several networks in one file (a student and
 * its teacher) that under "model." is meant; `other` is the prefix of a second where none is. */
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
    if (p.length && name[p.length - 1] != '.')
      continue;
    if (!has_all(g, weights, p))
      continue;
    if (is_usual(p)) {
      *out = *other = p;
      return true;
    }
    if (!found++)
      *out = *other = p;
    else
      *other = p;
  }
  return found > 0;
}

wk_status wk_arch_match(bool *fits, size_t *length, const char **text, const wk_arch *arch, const wk_tensors *weights,
                        wk_error *err) {
  wk_graph *g = NULL;
  prefix p = {"", 0}, other = {"", 0};
  WK_RETURN_IF_ERROR(arch->build(&g, 0, err));
  *fits = match(&p, &other, g, weights);
  *text = p.text;
  *length = p.length;
  wk_graph_free(g);
  if (*fits && p.text != other.text)
    return WK_FAIL(
        err, WK_ERR_UNSUPPORTED,
        "holds two networks, under '%.*s' and '%.*s', and neither is plainly the one that is meant: save the "
        "state_dict of one alone",
        (int)p.length, p.text, (int)other.length, other.text);
  return WK_OK;
}

const wk_arch *wk_arch_recognise(const wk_tensors *weights) {
  for (int i = 0; i < wk_arch_count(); i++) {
    bool fits;
    size_t length;
    const char *text;
    const wk_status st = wk_arch_match(&fits, &length, &text, wk_arch_at(i), weights, NULL);
    if (st == WK_ERR_UNSUPPORTED || (st == WK_OK && fits)) /* of two networks, opening says so */
      return wk_arch_at(i);
  }
  return NULL;
}
