/* older_names.c - tensors under names that a network's modules had once: torchvision's published DenseNets are from
 * before a layer's norms and convolutions were numbered in one word ("denselayer1.norm.1.weight"). */
#include <string.h>

#include "zoo/zoo.h"

/* The dot that is no longer there; NULL: the name is as it is today. */
static const char *old_dot(const char *name) {
  static const char *const part[] = {".norm.", ".conv.", ".relu."};
  const char *layer = strstr(name, ".denselayer");
  for (int i = 0; layer && i < 3; i++) {
    const char *at = strstr(layer, part[i]);
    if (at && (at[6] == '1' || at[6] == '2') && at[7] == '.')
      return at + 5;
  }
  return NULL;
}

static void release(void *user) { wk_tensors_free(user); }
static void rest(void *user) { wk_tensors_release_pages(user); }

static wk_status renamed(wk_tensors **out, wk_tensors *weights, wk_error *err) {
  wk_status st = WK_OK;
  wk_tensors *t = NULL;
  WK_TRY(wk_tensors_create(&t, err));
  for (size_t i = 0; i < wk_tensors_size(weights); i++) {
    wk_tensor view = *wk_tensors_at(weights, i);
    const char *dot = old_dot(view.name);
    char *name = dot ? wk_asprintf("%.*s%s", (int)(dot - view.name), view.name, dot + 1) : wk_strdup(view.name);
    WK_FAIL_IF(!name, err, WK_ERR_MEMORY, "out of memory");
    view.name = name;
    st = wk_tensors_add_view(t, &view, err);
    wk_free(name);
    if (st != WK_OK)
      goto done;
  }
  for (size_t i = 0; i < wk_tensors_meta_size(weights); i++) {
    const char *key, *value;
    wk_tensors_meta_at(weights, i, &key, &value);
    WK_TRY(wk_tensors_set_meta(t, key, value, err));
  }
  WK_TRY(wk_tensors_keep(t, release, rest, weights, err));
  *out = t;
  t = NULL;
done:
  wk_tensors_free(t);
  return st;
}

wk_status wk_weights_todays_names(wk_tensors **weights, wk_error *err) {
  bool old = false;
  for (size_t i = 0; i < wk_tensors_size(*weights) && !old; i++)
    old = old_dot(wk_tensors_at(*weights, i)->name);
  return old ? renamed(weights, *weights, err) : WK_OK;
}
