/* children.c - ResNets that were taken apart: nn.Sequential(*list(resnet.children())[:-2]), which fastai makes of every
 * body, counts the modules that torchvision names. Names of tensors go back to torchvision's. */
#include <string.h>

#include "zoo/zoo.h"

static const struct {
  char number;
  const char *name;
} child[] = {{'0', "conv1"}, {'1', "bn1"}, {'4', "layer1"}, {'5', "layer2"}, {'6', "layer3"}, {'7', "layer4"}};

/* What stands before the number of the child that a ResNet's first block is in: so many bytes of *prefix; -1: it is
 * none. */
static int prefix_of(const char **prefix, const wk_tensors *weights) {
  static const char block[] = "4.0.conv1.weight";
  for (size_t i = 0; i < wk_tensors_size(weights); i++) {
    const char *name = wk_tensors_at(weights, i)->name;
    const size_t n = strlen(name), m = sizeof block - 1;
    if (n >= m && strcmp(name + n - m, block) == 0 && (n == m || name[n - m - 1] == '.')) {
      *prefix = name;
      return (int)(n - m);
    }
  }
  return -1;
}

static void release_set(void *user) { wk_tensors_free(user); }
static void rest_set(void *user) { wk_tensors_release_pages(user); }

wk_status wk_children_named(wk_tensors **weights, wk_error *err) {
  wk_tensors *named = NULL;
  wk_status st = WK_OK;
  char *name = NULL;
  const char *prefix = "";
  const int length = prefix_of(&prefix, *weights);
  const char *note = wk_tensors_meta(*weights, WK_WEIGHTS_NOTE);
  if (length < 0)
    return WK_OK;
  WK_TRY(wk_tensors_create(&named, err));
  for (size_t i = 0; i < wk_tensors_size(*weights); i++) {
    wk_tensor t = *wk_tensors_at(*weights, i);
    const char *rest = strncmp(t.name, prefix, (size_t)length) == 0 ? t.name + length : "";
    for (size_t k = 0; k < sizeof child / sizeof *child && !name; k++)
      if (rest[0] == child[k].number && rest[1] == '.')
        name = wk_asprintf("%.*s%s%s", length, t.name, child[k].name, rest + 1);
    if (!name)
      name = wk_strdup(t.name);
    WK_FAIL_IF(!name, err, WK_ERR_MEMORY, "out of memory");
    t.name = name;
    if (!wk_tensors_find(named, name))
      WK_TRY(wk_tensors_add_view(named, &t, err));
    wk_free(name);
    name = NULL;
  }
  if (note)
    WK_TRY(wk_tensors_set_meta(named, WK_WEIGHTS_NOTE, note, err));
  WK_TRY(wk_tensors_keep(named, release_set, rest_set, *weights, err));
  *weights = named;
  named = NULL;
done:
  wk_free(name);
  wk_tensors_free(named);
  return st;
}
